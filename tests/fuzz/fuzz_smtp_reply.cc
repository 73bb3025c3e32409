// SMTP replies: the parser takes every byte or stops at the end of a reply, and keeps within its limits.
#include <cstdint>
#include <cstdlib>

#include "lib/net/smtp_reply.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  hato::SmtpReplyParser parser;
  while (!input.empty()) {
    const std::size_t n = parser.feed(input);
    if (n == 0 || n > input.size()) std::abort();
    input.remove_prefix(n);
    if (parser.state() == hato::SmtpReplyParser::State::more && !input.empty()) std::abort();
    if (parser.state() != hato::SmtpReplyParser::State::done) continue;
    const hato::SmtpReply& reply = parser.reply();
    if (reply.code < 200 || reply.code > 599 || reply.text.size() > hato::max_reply_kept) std::abort();
    if (reply.text.empty() || reply.text.back() != '\n') std::abort();
    for (const char c : reply.text)
      if ((static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t') || c == 127) std::abort();
    if (reply.enhanced_code().size() > 9) std::abort();
  }
  return 0;
}
