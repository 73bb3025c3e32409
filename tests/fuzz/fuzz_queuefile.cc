// The header and the envelope of a queue file. What decodes must encode to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/store/queuefile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto envelope = hato::decode_envelope(bytes);
      envelope && hato::encode_envelope(*envelope) != bytes)
    abort();
  hato::decode_header(bytes.substr(0, hato::queue_format::header_size));
  // Behind a right checksum, too: the numbers are the fuzzer's.
  hato::QueueHeader header;
  header.trace = "0123456789abc";
  if (size >= 24) {
    header.message_start = hato::queue_format::message_area - data[0];
    header.message_end = hato::queue_format::message_area + data[1];
    header.recipients = data[2];
    header.kind = static_cast<hato::Kind>(data[3] % 5);
    const auto back = hato::decode_header(hato::encode_header(header));
    if (!back || back->message_bytes() != header.message_bytes()) abort();
  }
  if (const auto id = hato::QueueId::parse(bytes.substr(0, 30)); id && id->text() != bytes.substr(0, 30))
    abort();
  return 0;
}
