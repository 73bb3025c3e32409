#include "pop3d/multiline.h"

#include <string.h>

namespace hato {

// The line is complete; false when it was the last one wanted.
bool MultilineEncoder::end_line(std::string& out) {
  out.append("\r\n", 2);
  const bool empty = line_start_;
  line_start_ = true;
  if (body_lines_ == whole_message) return true;
  if (!in_header_)
    --body_lines_;
  else if (empty)
    in_header_ = false;
  return in_header_ || body_lines_ > 0;
}

bool MultilineEncoder::feed(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (held_cr_) {
      held_cr_ = false;
      if (piece.front() != '\n') {
        out.push_back('\r');
        line_start_ = false;
      }
    }
    if (line_start_ && piece.front() == '.') out.push_back('.');
    const char* lf = static_cast<const char*>(memchr(piece.data(), '\n', piece.size()));
    std::string_view line =
        lf == nullptr ? piece : piece.substr(0, static_cast<std::size_t>(lf - piece.data()));
    piece.remove_prefix(lf == nullptr ? line.size() : line.size() + 1);
    const bool cr = !line.empty() && line.back() == '\r';
    if (cr) line.remove_suffix(1);
    if (!line.empty()) {
      out.append(line);
      line_start_ = false;
    }
    if (lf == nullptr)
      held_cr_ = cr;
    else if (!end_line(out))
      return false;
  }
  return true;
}

void MultilineEncoder::finish(std::string& out) {
  if (held_cr_) {
    out.push_back('\r');
    line_start_ = false;
  }
  if (!line_start_) out.append("\r\n", 2);
  out.append(".\r\n", 3);
}

}  // namespace hato
