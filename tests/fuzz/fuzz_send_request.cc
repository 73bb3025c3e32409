// Requests to qmail-send: what is taken for one is written the same again; answers survive the way back.
#include <stdlib.h>

#include "lib/net/send_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  const auto lines = packet_lines(packet);
  if (!lines) return 0;
  if (lines->size() > request_batch_limit) abort();
  for (const std::string_view line : *lines) {
    if (const auto request = decode_request_line(line)) {
      const std::string written = encode_request(*request);
      const auto again = decode_request_line(std::string_view(written).substr(0, written.size() - 1));
      if (!again || again->id != request->id || again->recipients != request->recipients) abort();
      if (request->recipients.size() > request_recipients_limit) abort();
    }
    if (const auto answer = decode_answer_line(line)) {
      const std::string written = encode_answer(*answer);
      if (written.find('\n') != written.size() - 1) abort();
      if (!decode_answer_line(std::string_view(written).substr(0, written.size() - 1))) abort();
    }
  }
  return 0;
}
