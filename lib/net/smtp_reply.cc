#include "lib/net/smtp_reply.h"

namespace hato {

namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// How long an enhanced code at the start of text is ("5.7.1"), 0 when there is none: class, dot, one to three
// digits, dot, one to three digits, then a blank or the end.
std::size_t enhanced_length(std::string_view text, char wanted_class) {
  if (text.size() < 5 || text[0] != wanted_class || text[1] != '.') return 0;
  std::size_t at = 2;
  const auto digits = [&] {
    std::size_t n = 0;
    while (n < 3 && at < text.size() && digit(text[at])) ++n, ++at;
    return n;
  };
  if (digits() == 0 || at >= text.size() || text[at] != '.') return 0;
  ++at;
  if (digits() == 0) return 0;
  return at == text.size() || text[at] == ' ' || text[at] == '\t' ? at : 0;
}

}  // namespace

std::vector<std::string_view> SmtpReply::lines() const {
  std::vector<std::string_view> result;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t lf = rest.find('\n');
    const std::string_view line = rest.substr(0, lf);
    result.push_back(line.size() > 4 ? line.substr(4) : std::string_view());
    rest.remove_prefix(lf == rest.npos ? rest.size() : lf + 1);
  }
  return result;
}

std::string SmtpReply::enhanced_code() const {
  const char wanted = static_cast<char>('0' + code / 100);
  for (const std::string_view line : lines())
    if (const std::size_t n = enhanced_length(line, wanted); n > 0) return std::string(line.substr(0, n));
  return {};
}

void SmtpReplyParser::reset() {
  *this = SmtpReplyParser();
}

void SmtpReplyParser::end_line() {
  ++lines_;
  const bool has_code =
      head_.size() >= 3 && head_[0] >= '2' && head_[0] <= '5' && digit(head_[1]) && digit(head_[2]);
  const char mark = head_.size() > 3 ? head_[3] : ' ';
  if (!has_code || (mark != ' ' && mark != '-') || lines_ > max_reply_lines) {
    state_ = State::malformed;
    return;
  }
  reply_.code = static_cast<unsigned>((head_[0] - '0') * 100 + (head_[1] - '0') * 10 + (head_[2] - '0'));
  if (mark == ' ') state_ = State::done;
  head_.clear();
}

std::size_t SmtpReplyParser::feed(std::string_view bytes) {
  if (state_ != State::more) reset();
  const auto keep = [&](char c) {
    if (reply_.text.size() < max_reply_kept - 1)
      reply_.text.push_back(c);
    else
      clipped_ = true;
  };
  const auto take = [&](char c) {
    if (head_.size() < 4) head_.push_back(c);
    const unsigned char byte = static_cast<unsigned char>(c);
    keep((byte < 32 && c != '\t') || byte == 127 ? '?' : c);
  };
  std::size_t at = 0;
  while (at < bytes.size() && state_ == State::more) {
    const char c = bytes[at++];
    if (++bytes_ > max_reply_bytes) {
      state_ = State::malformed;
      break;
    }
    if (c == '\n') {
      pending_cr_ = false;
      if (!clipped_ || (!reply_.text.empty() && reply_.text.back() != '\n')) reply_.text.push_back('\n');
      end_line();
      continue;
    }
    if (pending_cr_) take('\r');
    pending_cr_ = c == '\r';
    if (!pending_cr_) take(c);
  }
  return at;
}

}  // namespace hato
