#include "local/announcement.h"

#include <string.h>
#include <utmp.h>

#include "lib/mail/header.h"

namespace hato {

namespace {

constexpr std::size_t text_width = 78;

std::string printable(std::string text, char other) {
  for (char& c : text)
    if (c < 32 || c > 126) c = other;
  return text;
}

}  // namespace

std::string announcement(std::string_view local, std::string_view sender, std::string_view message) {
  std::string text = "    ";
  if (const std::optional<HeaderField> subject = find_field(message, "Subject"))
    text += std::string(subject->body) + "\n";
  text += message.substr(body_offset(message)).substr(0, text_width);
  if (text.size() > text_width) text.resize(text_width);
  return "\r\n\a" + printable("*** TO <" + std::string(local) + "> FROM <" + std::string(sender) + ">", '_') +
         "\r\n" + printable(text, '/') + "\r\n";
}

std::vector<std::string> terminals_of(std::string_view user, std::string_view utmp_bytes) {
  std::vector<std::string> names;
  for (; utmp_bytes.size() >= sizeof(utmp); utmp_bytes.remove_prefix(sizeof(utmp))) {
    utmp entry;
    memcpy(&entry, utmp_bytes.data(), sizeof entry);
    const std::string_view who(entry.ut_user, strnlen(entry.ut_user, sizeof entry.ut_user));
    const std::string line(entry.ut_line, strnlen(entry.ut_line, sizeof entry.ut_line));
    if (entry.ut_type != USER_PROCESS || who != user || line.empty()) continue;
    if (line.front() == '/' || line.find('.') != std::string::npos) continue;
    names.push_back(line);
  }
  return names;
}

}  // namespace hato
