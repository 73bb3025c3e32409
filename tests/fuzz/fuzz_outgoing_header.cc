// A local user's message: line ends, the header's end, and the header made of it, which must read as one
// whole header with exactly one Date.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "inject/line_ends.h"
#include "inject/message_input.h"
#include "inject/outgoing_header.h"
#include "lib/mail/header.h"

using namespace hato;

namespace {

std::string with_lf(std::string_view input, std::size_t piece) {
  LineEnds ends;
  std::string out;
  for (std::size_t at = 0; at < input.size(); at += piece) ends.feed(input.substr(at, piece), out);
  ends.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string text = with_lf(input, size + 1);
  if (text != with_lf(input, 1) || text.find("\r\n") != std::string::npos) std::abort();
  if (!text.empty() && text.back() != '\n') text += '\n';  // as MessageInput does for a header

  HeaderEnd end;
  if (!end.find(text, true) || end.offset() > text.size()) std::abort();
  const std::string fields = text.substr(0, end.offset());
  if (fields.find("\nFrom ") != std::string::npos || fields.starts_with("From "))
    return 0;  // made MBOX-Line first

  HeaderRules rules;
  rules.defaults = {"host.example", "example", "plus.example"};
  rules.idhost = "id.example";
  rules.identity.user = rules.identity.sender_user = "joe";
  rules.unique = "x";
  const OutgoingHeader made = make_header(fields, rules);
  HeaderFields all(made.text);
  std::size_t bcc = 0;
  while (const auto field = all.next())
    bcc += field->is("Bcc") || field->is("Resent-Bcc") || field->is("Return-Path");
  if (bcc != 0 || all.offset() != made.text.size()) std::abort();
  return 0;
}
