#include "lib/mail/diagnosis.h"

#include <optional>

#include "lib/base/ip.h"

namespace hato {

namespace {

constexpr std::string_view remote_said = "Remote host said: ";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Cuts the first line off, without its line end.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

// "550 text", "550-text", "550".
bool is_reply_line(std::string_view line) {
  if (line.size() < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2])) return false;
  return line.size() == 3 || line[3] == ' ' || line[3] == '-';
}

// The lines behind "Remote host said: ", which is qmail-remote's own only at the start of a line.
std::vector<std::string> answer_in(std::string_view report) {
  std::vector<std::string> lines;
  while (!report.empty()) {
    std::string_view line = take_line(report);
    if (!line.starts_with(remote_said)) continue;
    line.remove_prefix(remote_said.size());
    for (;;) {
      if (!is_reply_line(line)) return lines;
      lines.emplace_back(line);
      const bool more = line.size() > 3 && line[3] == '-';
      if (!more || report.empty()) return lines;
      line = take_line(report);
    }
  }
  return lines;
}

// "5.7.1" at the start of the text, of this class; RFC 3463 2: up to three digits in the second and third
// part.
std::optional<std::string> leading_status(std::string_view text, char status_class) {
  if (text.empty() || text[0] != status_class) return std::nullopt;
  std::size_t at = 1;
  for (int part = 0; part < 2; ++part) {
    if (at >= text.size() || text[at] != '.') return std::nullopt;
    const std::size_t begin = ++at;
    while (at < text.size() && at - begin < 3 && is_digit(text[at])) ++at;
    if (at == begin) return std::nullopt;
  }
  if (at < text.size() && (is_digit(text[at]) || text[at] == '.')) return std::nullopt;
  return std::string(text.substr(0, at));
}

// qmail's form: "(#5.1.1)".
std::optional<std::string> status_in_brackets(std::string_view text, char status_class) {
  for (std::size_t at = 0; (at = text.find("(#", at)) != std::string_view::npos; at += 2) {
    auto status = leading_status(text.substr(at + 2), status_class);
    if (status && text.substr(at + 2 + status->size()).starts_with(")")) return status;
  }
  return std::nullopt;
}

// The first word of the first line that is an IP address: "Connected to 192.0.2.1 but …".
std::string server_in(std::string_view report) {
  std::string_view line = take_line(report);
  while (!line.empty()) {
    const std::size_t blank = line.find(' ');
    if (const auto ip = IpAddress::parse(line.substr(0, blank))) return ip->text();
    line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
  }
  return "";
}

// qmail-local's "did F+W+P": files, forwards and programs of a dot-file, in the last line that has it.
struct Instructions {
  bool others = false;  // files or programs
  unsigned long forwards = 0;
};

std::optional<Instructions> instructions_in(std::string_view report) {
  const std::size_t at = report.rfind("did ");
  if (at == std::string_view::npos || (at > 0 && report[at - 1] != '\n')) return std::nullopt;
  unsigned long counts[3] = {};
  std::size_t next = at + 4;
  for (unsigned long& count : counts) {
    const std::size_t begin = next;
    while (next < report.size() && is_digit(report[next]) && next - begin < 9)
      count = count * 10 + static_cast<unsigned long>(report[next++] - '0');
    if (next == begin) return std::nullopt;
    if (&count != &counts[2] && (next == report.size() || report[next++] != '+')) return std::nullopt;
  }
  return Instructions{counts[0] + counts[2] > 0, counts[1]};
}

char class_of(Action action) {
  return action == Action::failed ? '5' : action == Action::delayed ? '4' : '2';
}

std::string status_of(const NoticeRecipient& recipient, const Diagnosis& diagnosis) {
  const char status_class = class_of(recipient.action);
  if (recipient.action == Action::failed && recipient.report.ends_with(queued_too_long)) return "4.4.7";
  if (diagnosis.smtp)
    for (const std::string& line : diagnosis.lines)
      if (line.size() > 4)
        if (auto status = leading_status(std::string_view(line).substr(4), status_class)) return *status;
  if (auto status = status_in_brackets(recipient.report, status_class)) return *status;
  return std::string(1, status_class) + ".0.0";
}

}  // namespace

std::optional<Action> success_action(bool remote, std::string_view report) {
  if (report.ends_with(dsn_passed_on)) return std::nullopt;
  if (remote) return Action::relayed;
  const std::optional<Instructions> did = instructions_in(report);
  return did && !did->others && did->forwards > 0 ? Action::expanded : Action::delivered;
}

Diagnosis diagnose(const NoticeRecipient& recipient) {
  Diagnosis diagnosis;
  if (recipient.remote) {
    diagnosis.remote_mta = server_in(recipient.report);
    diagnosis.lines = answer_in(recipient.report);
    diagnosis.smtp = !diagnosis.lines.empty();
  }
  if (!diagnosis.smtp)
    for (std::string_view rest = recipient.report; !rest.empty();)
      if (const std::string_view line = take_line(rest);
          line.find_first_not_of(" \t") != std::string_view::npos)
        diagnosis.lines.emplace_back(line);
  diagnosis.status = status_of(recipient, diagnosis);
  return diagnosis;
}

}  // namespace hato
