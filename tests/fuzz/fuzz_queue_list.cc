// A list of the queue as mailq reads it: the same in one piece and in many, and never more than was sent. The
// first byte says how long the pieces are.
#include <stdlib.h>

#include "lib/net/queue_list.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  if (size == 0) return 0;
  const std::size_t piece = data[0] % 64 + 1U;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  QueueList whole, pieces;
  const std::string text(whole.take(stream));
  std::string collected;
  for (std::size_t at = 0; at < stream.size(); at += piece)
    collected += pieces.take(stream.substr(at, piece));
  if (collected != text || whole.ended() != pieces.ended() || whole.why() != pieces.why()) abort();
  if (!stream.starts_with(text) || text.find('\0') != std::string::npos) abort();
  if (whole.ended() != (text.size() < stream.size())) abort();
  for (const char c : whole.why())
    if ((c >= 0 && c < 32) || c == 127) abort();
  return 0;
}
