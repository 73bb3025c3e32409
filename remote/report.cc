#include "remote/report.h"

#include <errno.h>
#include <unistd.h>

namespace hato {

void Report::add(char letter, std::string_view text) {
  bytes_.push_back(letter);
  for (const char c : text) bytes_.push_back(c == '\0' ? '?' : c);
  bytes_.push_back('\0');
}

void Report::recipient(char letter, std::string_view text) {
  add(letter, text);
}

void Report::message(char letter, std::string_view text, std::string_view end) {
  add(letter, std::string(text) + about_connection_ + std::string(end));
}

void Report::write_to(int fd) const {
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    const ssize_t n = write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string remote_host_said(const SmtpReply& reply) {
  return reply.text.empty() ? std::string() : "Remote host said: " + reply.text;
}

std::string printable(std::string_view text) {
  std::string safe(text);
  for (char& c : safe)
    if (c <= 32 || c >= 127) c = '?';
  return safe;
}

}  // namespace hato
