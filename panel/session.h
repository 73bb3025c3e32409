// Who is logged in: HOME/panel/sessions, one file for each session, owned by the panel's user (qmailc), 0600.
//
// The browser holds a random token of 256 bits; the file is named after its SHA-256, so whoever sees the
// directory cannot use what he sees. A session ends after session_idle seconds without a request, after
// session_life in any case, when its owner logs out and when he changes his password elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hato::panel {

constexpr std::int64_t session_idle = 30 * 60;
constexpr std::int64_t session_life = 8 * 3600;
constexpr std::size_t sessions_limit = 10000;  // files; then nobody can log in until some have ended

struct Session {
  std::string token;  // hexadecimal; in the browser only
  std::string login;
  std::string form_key;              // what every form of the session carries (against cross-site requests)
  std::string notice;                // to be shown once, on the next page
  std::int64_t began = 0, seen = 0;  // seconds since 1970
};

// 64 hexadecimal digits of 256 random bits.
std::string random_token();

class Sessions {
 public:
  explicit Sessions(std::string directory) : directory_(std::move(directory)) {}

  // Makes a session, and first removes those that have ended. Throws TempError when there are too many.
  Session begin(std::string_view login, std::int64_t now);
  // nullopt: no such session, or it has ended. A token that is no token is not looked for.
  std::optional<Session> find(std::string_view token, std::int64_t now);
  // Writes it back, whole or not at all.
  void keep(const Session& session);
  void end(const Session& session);
  // Ends all of this login's but the one given.
  void end_others(const Session& session);

 private:
  std::string path_of(std::string_view token) const;
  std::string directory_;
};

}  // namespace hato::panel
