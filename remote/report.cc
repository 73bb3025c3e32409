#include "remote/report.h"

#include <errno.h>
#include <unistd.h>

#include <new>

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

void report_trouble(Report& report, const char* sentence, const Error& e) {
  report.message('Z', std::string(sentence) + "\n" + e.text() + ".\n");
}

void report_what_fails(Report& report, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    report_trouble(report, "System resources temporarily unavailable. (#4.3.0)", e);
  } catch (const std::bad_alloc&) {
    report.message('Z', "Out of memory. (#4.3.0)\n");
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
