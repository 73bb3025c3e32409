// What qmail-authd(8) is asked and answers, over a Unix stream socket: named lines (lib/store/named_lines.h),
// ended by an empty line; as many questions in turn as the client likes. Pure. man/qmail-authd.8 has it in
// words.
//
// question: login=, password=, and when known service= ("smtp", "panel" ...) and client= (an IP address)
// answer:   result=yes, and the account as $QMAILACCOUNT has it (login=, uid=, home= ...)
//           result=no
//           result=later, and reason=, a sentence for the log
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/secret.h"

namespace hato {

constexpr std::size_t auth_question_limit = 2048;  // bytes, with the empty line
constexpr std::size_t auth_answer_limit = 65536;
constexpr std::size_t auth_login_limit = 255, auth_password_limit = 255;
constexpr char auth_socket[] = "/auth/s";  // below conf::home

struct AuthQuestion {
  std::string login;
  Secret password;
  std::string service;  // [a-z0-9-], 32 bytes at most; "": not known
  std::string client;   // "": not known, or none
};

struct AuthAnswer {
  enum class Result { yes, no, later } result = Result::later;
  std::string text;  // yes: the account's lines; later: the reason
};

// Throws PermError when a field is over its limit, or has an LF or a NUL in it: no login and no password of
// ours has.
std::string encode_auth_question(const AuthQuestion& question);
// `text`: without the empty line. nullopt: malformed, over a limit, or without a login or password line.
std::optional<AuthQuestion> parse_auth_question(std::string_view text);
std::string encode_auth_answer(const AuthAnswer& answer);
std::optional<AuthAnswer> parse_auth_answer(std::string_view text);

// Where a message ends: the bytes before its empty line, and how many to take with it. nullopt: not yet.
struct AuthMessage {
  std::string_view text;
  std::size_t taken;
};
std::optional<AuthMessage> auth_message(std::string_view buffer);

}  // namespace hato
