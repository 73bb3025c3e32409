#include "panel/session.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <functional>

#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/hex.h"
#include "lib/base/sha256.h"

namespace hato::panel {

namespace {

constexpr std::size_t token_bytes = 32;
constexpr std::size_t session_file_limit = 8192;

bool is_token(std::string_view text) {
  return text.size() == 2 * token_bytes && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string name_of(std::string_view token) {
  return to_hex(sha256(token));
}

bool over(const Session& session, std::int64_t now) {
  // A clock that went back far is no reason to let a session live for ever.
  return now - session.began > session_life || now - session.seen > session_idle ||
         session.began - now > session_life;
}

// Lines: login, form key, began, seen; the rest is the notice.
std::string written(const Session& session) {
  return session.login + "\n" + session.form_key + "\n" + std::to_string(session.began) + "\n" +
         std::to_string(session.seen) + "\n" + session.notice;
}

std::optional<Session> parsed(std::string_view text) {
  const auto line = [&text]() -> std::optional<std::string_view> {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return std::nullopt;
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(end + 1);
    return taken;
  };
  const auto number = [&line](std::int64_t& value) {
    const auto digits = line();
    return digits &&
           std::from_chars(digits->data(), digits->data() + digits->size(), value).ec == std::errc();
  };
  Session session;
  const auto login = line(), form_key = line();
  if (!login || !form_key || !number(session.began) || !number(session.seen)) return std::nullopt;
  session.login = *login;
  session.form_key = *form_key;
  session.notice = text;
  return session;
}

std::optional<Session> read_session(const std::string& path) {
  const std::optional<std::string> text = read_file(path, session_file_limit);
  return text ? parsed(*text) : std::nullopt;
}

// Calls `each` with the path of every session's file.
void each_session(const std::string& directory, const std::function<void(const std::string& path)>& each) {
  const Fd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  read_directory(fd.get(), directory, [&](const DirectoryEntry& entry) {
    if (is_token(entry.name)) each(directory + "/" + std::string(entry.name));
  });
}

}  // namespace

std::string random_token() {
  char bytes[token_bytes];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) throw_errno("getrandom");
  return to_hex({bytes, sizeof bytes});
}

std::string Sessions::path_of(std::string_view token) const {
  return directory_ + "/" + name_of(token);
}

Session Sessions::begin(std::string_view login, std::int64_t now) {
  std::size_t living = 0;
  each_session(directory_, [&](const std::string& path) {
    const std::optional<Session> session = read_session(path);
    if (!session || over(*session, now))
      unlink(path.c_str());
    else
      ++living;
  });
  if (living >= sessions_limit) throw TempError("too many sessions");
  Session session;
  session.token = random_token();
  session.form_key = random_token();
  session.login = login;
  session.began = session.seen = now;
  keep(session);
  return session;
}

std::optional<Session> Sessions::find(std::string_view token, std::int64_t now) {
  if (!is_token(token)) return std::nullopt;
  std::optional<Session> session = read_session(path_of(token));
  if (!session) return std::nullopt;
  session->token = token;
  if (over(*session, now)) {
    end(*session);
    return std::nullopt;
  }
  return session;
}

void Sessions::keep(const Session& session) {
  const std::string path = path_of(session.token);
  const std::string part = path + "." + std::to_string(getpid());  // no token's name: never read as a session
  {
    const Fd fd = open_file(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    write_all(fd.get(), written(session), part);
  }
  if (rename(part.c_str(), path.c_str()) != 0) throw_errno("rename " + path);
}

void Sessions::end(const Session& session) {
  if (unlink(path_of(session.token).c_str()) != 0 && errno != ENOENT) throw_errno("unlink a session");
}

void Sessions::end_others(const Session& session) {
  const std::string own = path_of(session.token);
  each_session(directory_, [&](const std::string& path) {
    if (path == own) return;
    const std::optional<Session> other = read_session(path);
    if (other && other->login == session.login) unlink(path.c_str());
  });
}

}  // namespace hato::panel
