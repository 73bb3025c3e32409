// qmail-clean's commands and answers, the trigger's lines, and a bounce made of anything.
#include <stdlib.h>

#include "lib/mail/qsbmf.h"
#include "qmail-send/clean_protocol.h"
#include "qmail-send/trigger.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto commands = decode_clean_commands(text))
    if (encode_clean_commands(*commands) != text) abort();
  if (const auto answers = decode_clean_answers(text))
    if (answers->size() > clean_batch_limit) abort();
  std::string lines = text;
  take_ids(lines);
  if (lines.size() >= 20) abort();
  const std::size_t half = size / 2;
  const std::string paragraph = qsbmf_paragraph(text.substr(0, half), text.substr(half));
  // One paragraph: the only empty line is its end.
  const std::size_t empty = paragraph.find("\n\n", 1);
  if (empty != std::string::npos && empty + 2 < paragraph.size()) abort();
  return 0;
}
