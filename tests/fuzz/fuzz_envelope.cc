// Envelopes: the same result in whatever pieces the bytes come; a whole one is encoded to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/mail/envelope.h"

using namespace hato;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] % 16 + 1;
  EnvelopeParser whole, pieces;
  whole.feed(input);
  for (std::size_t at = 0; at < input.size(); at += piece) pieces.feed(input.substr(at, piece));
  if (whole.status() != pieces.status() || whole.finish() != pieces.finish()) std::abort();
  if (whole.status() == EnvelopeParser::Status::more) std::abort();
  if (whole.status() != EnvelopeParser::Status::complete) return 0;
  const std::string bytes = encode_envelope(whole.envelope());
  if (bytes != encode_envelope(pieces.envelope()) || bytes != input.substr(0, whole.consumed())) std::abort();
  verp_sender(whole.envelope().sender, bytes);
  without_verp(whole.envelope().sender);
  return 0;
}
