#include "lib/mail/mbox.h"

#include "lib/mail/date.h"

namespace hato {

namespace {

constexpr std::string_view from = "From ";

}  // namespace

std::string from_line(std::string_view sender, std::int64_t seconds) {
  std::string line(from);
  for (const char c : sender) line += c == ' ' || c == '\t' || c == '\n' ? '-' : c;
  if (sender.empty()) line += "MAILER-DAEMON";
  return line + " " + mbox_date(seconds) + "\n";
}

bool needs_from_quoting(std::string_view line) {
  const std::size_t start = line.find_first_not_of('>');
  return start != std::string_view::npos && line.substr(start).starts_with(from);
}

void MboxQuoter::put(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (inside_) {
      const std::size_t lf = piece.find('\n');
      const std::size_t n = lf == std::string_view::npos ? piece.size() : lf + 1;
      out += piece.substr(0, n);
      piece.remove_prefix(n);
      if (lf != std::string_view::npos) inside_ = false;
      continue;
    }
    // One byte at a time while the line may still turn out to be ">>From ".
    start_ += piece.front();
    piece.remove_prefix(1);
    const std::size_t word = start_.find_first_not_of('>');
    const std::string_view begun =
        word == std::string::npos ? std::string_view() : std::string_view(start_).substr(word);
    const bool whole = begun == from;
    if (!whole && from.starts_with(begun)) continue;
    if (whole) out += '>';
    out += start_;
    inside_ = start_.back() != '\n';
    start_.clear();
  }
}

void MboxQuoter::end(std::string& out) {
  out += start_;
  if (inside_ || !start_.empty()) out += '\n';
  out += '\n';
  start_.clear();
  inside_ = false;
}

}  // namespace hato
