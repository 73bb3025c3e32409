// What the spawners make of qmail-remote's and qmail-local's output, and the packets between them and
// qmail-send.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "qmail-send/delivery_report.h"
#include "qmail-send/spawn_protocol.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const int status = data[0] << 8;
  for (const Verdict& verdict :
       {digest_remote(status, text), digest_remote(0, text), digest_local(status, text)}) {
    if (verdict.status != 'K' && verdict.status != 'Z' && verdict.status != 'D') abort();
    if (verdict.text.find('\0') != std::string::npos) abort();
    const auto report = decode_report(encode_report({7, verdict.status, verdict.text}));
    if (!report || report->status != verdict.status) abort();
  }
  if (const auto request = decode_request(text))
    if (encode_request(*request) != text) abort();
  if (const auto report = decode_report(text)) encode_report(*report);
  return 0;
}
