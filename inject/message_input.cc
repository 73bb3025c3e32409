#include "inject/message_input.h"

#include <errno.h>
#include <unistd.h>

#include <utility>

#include "lib/base/error.h"
#include "lib/mail/header.h"

namespace hato {

namespace {

constexpr std::size_t read_size = 64U << 10;
constexpr std::string_view mbox_line = "From ";

}  // namespace

bool HeaderEnd::find(std::string_view text, bool ended) {
  while (at_ < text.size()) {
    const std::size_t lf = text.find('\n', at_);
    // A line this long is judged by its beginning, so that a body of one endless line is not taken for a
    // header.
    if (lf == std::string_view::npos && text.size() - at_ < read_size) break;
    const std::string_view line = text.substr(at_, lf == std::string_view::npos ? lf : lf + 1 - at_);
    if (line == "\n") return true;
    const bool continues = at_ > 0 && (line.front() == ' ' || line.front() == '\t');
    if (!continues && !line.starts_with(mbox_line) && !starts_field(line)) {
      separator_missing_ = true;
      return true;
    }
    if (lf == std::string_view::npos) break;
    at_ = lf + 1;
  }
  return ended;
}

bool MessageInput::read_more() {
  if (ended_) return false;
  if (!space_) space_ = std::make_unique<char[]>(read_size);
  ssize_t n = 0;
  do n = read(fd_, space_.get(), read_size);
  while (n < 0 && errno == EINTR);
  if (n < 0) throw_errno("read message");
  if (n == 0) {
    ended_ = true;
    line_ends_.finish(text_);
  } else {
    line_ends_.feed(std::string_view(space_.get(), static_cast<std::size_t>(n)), text_);
  }
  return true;
}

std::string MessageInput::read_header() {
  HeaderEnd end;
  while (!end.find(text_, ended_)) {
    if (text_.size() > inject_header_limit)
      throw PermError("the header is longer than " + std::to_string(inject_header_limit) +
                      " bytes; is the empty line before the body missing?");
    read_more();
    // A last line without an end is left so in a body, but a field must have one.
    if (ended_ && !text_.empty() && text_.back() != '\n') text_ += '\n';
  }
  std::string header;
  std::string_view lines = std::string_view(text_).substr(0, end.offset());
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n') + 1);
    if (line.starts_with(mbox_line)) header += "MBOX-Line: ";
    header += line;
    lines.remove_prefix(line.size());
  }
  text_.erase(0, end.offset());
  if (end.separator_missing()) text_.insert(0, 1, '\n');
  return header;
}

void MessageInput::read_ahead() {
  while (text_.size() < inject_read_ahead && read_more()) {
  }
}

std::string_view MessageInput::next_piece() {
  handed_.clear();
  while (text_.empty() && read_more()) {
  }
  std::swap(handed_, text_);
  return handed_;
}

}  // namespace hato
