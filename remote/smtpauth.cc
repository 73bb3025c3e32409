#include "remote/smtpauth.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "remote/report.h"

namespace hato {

namespace {

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
}

// key: "NAME@DOMAIN" or "@DOMAIN"; domain in canonical form.
bool is_for_domain(std::string_view key, std::string_view name, std::string_view domain) {
  const std::size_t at = key.find('@');
  return at != key.npos && key.substr(0, at) == name && canonical_domain(key.substr(at + 1)) == domain;
}

SmtpLogin parse_login(std::string_view rest, std::string_view key) {
  const std::size_t colon = rest.find(':');
  const std::string_view user = rest.substr(0, colon);
  const std::string_view password = colon == rest.npos ? std::string_view() : rest.substr(colon + 1);
  const bool sound = !user.empty() && !password.empty() && user.size() <= max_login_part &&
                     password.size() <= max_login_part && !has_control(user) && !has_control(password);
  if (!sound)
    throw TempError("control/smtpauth: the line of \"" + std::string(key) +
                    "\" does not hold a user and a password");
  return {std::string(user), Secret(password)};
}

template <typename Fits>
std::optional<SmtpLogin> find_line(std::string_view text, Fits fits) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (line.empty() || line[0] == '#' || colon == line.npos) continue;
    const std::string_view key = line.substr(0, colon);
    if (fits(key)) return parse_login(line.substr(colon + 1), key);
  }
  return std::nullopt;
}

// The whole file in a string of just its size, so that no copy of a secret is left in freed memory.
std::string read_secrets(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY | O_NONBLOCK);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) throw_errno("stat " + path);
  if (!S_ISREG(status.st_mode) || (status.st_mode & 077) != 0)
    throw TempError(path + ": must be a file that nobody but qmailr may read (mode 0400)");
  if (static_cast<std::size_t>(status.st_size) > max_smtpauth)
    throw TempError(path + ": larger than " + std::to_string(max_smtpauth) + " bytes");
  return pread_some(fd.get(), static_cast<std::size_t>(status.st_size), 0, path);
}

}  // namespace

std::optional<SmtpLogin> find_smtp_login(std::string_view text, std::string_view name,
                                         std::string_view sender) {
  const std::string domain = canonical_domain(domain_part(sender));
  std::optional<SmtpLogin> login;
  if (!domain.empty())
    login = find_line(text, [&](std::string_view key) { return is_for_domain(key, name, domain); });
  const std::string_view fallback = name.empty() ? "@" : name;
  if (!login) login = find_line(text, [&](std::string_view key) { return key == fallback; });
  return login;
}

SmtpLogin read_smtp_login(const std::string& path, std::string_view name, std::string_view sender) {
  struct Text {
    std::string text;
    ~Text() { wipe(text); }
  };
  const Text secrets{read_secrets(path)};
  std::optional<SmtpLogin> login = find_smtp_login(secrets.text, name, sender);
  if (!login)
    throw TempError("control/smtpauth has no login \"" + std::string(name) + "\" for the sender <" +
                    printable(sender) + ">");
  return std::move(*login);
}

}  // namespace hato
