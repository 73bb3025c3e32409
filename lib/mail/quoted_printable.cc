#include "lib/mail/quoted_printable.h"

namespace hato {

namespace {

constexpr std::size_t longest_line = 76;
constexpr std::string_view hex = "0123456789ABCDEF";

std::string escaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return {'=', hex[byte >> 4], hex[byte & 15]};
}

bool is_plain(char c) {
  return (c >= 33 && c < 127 && c != '=') || c == ' ' || c == '\t';
}

// One line without its end, broken where it gets too long.
void encode_line(std::string_view line, std::string& out) {
  std::size_t column = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool last = i + 1 == line.size();
    const bool blank_at_end = last && (c == ' ' || c == '\t');
    const std::size_t width = is_plain(c) && !blank_at_end ? 1 : 3;
    if (column + width > longest_line - (last ? 0 : 1)) {
      out += "=\n";
      column = 0;
    }
    const bool misread = column == 0 && ((c == '.' && last) || line.substr(i).starts_with("From "));
    out += width == 1 && !misread ? std::string(1, c) : escaped(c);
    column += misread ? 3 : width;
  }
}

}  // namespace

std::string quoted_printable(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    encode_line(text.substr(0, end), out);
    if (end == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace hato
