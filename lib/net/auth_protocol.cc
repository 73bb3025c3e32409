#include "lib/net/auth_protocol.h"

#include <vector>

#include "lib/base/error.h"
#include "lib/base/ip.h"
#include "lib/store/named_lines.h"

namespace hato {

namespace {

constexpr std::size_t service_limit = 32;

bool is_service(std::string_view text) {
  return text.size() <= service_limit &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
}

bool within_limits(const AuthQuestion& question) {
  return !question.login.empty() && question.login.size() <= auth_login_limit &&
         question.password.text().size() <= auth_password_limit && is_service(question.service) &&
         (question.client.empty() || IpAddress::parse(question.client));
}

constexpr std::string_view result_line = "result=";

}  // namespace

std::string encode_auth_question(const AuthQuestion& question) {
  if (!within_limits(question)) throw PermError("no such login, password, service or client can be");
  std::string text;
  append_named_line(text, "login", question.login);
  append_named_line(text, "password", question.password.text());
  if (!question.service.empty()) append_named_line(text, "service", question.service);
  if (!question.client.empty()) append_named_line(text, "client", question.client);
  return text + "\n";
}

std::optional<AuthQuestion> parse_auth_question(std::string_view text) {
  const std::optional<std::vector<NamedLine>> lines = parse_named_lines(text);
  if (!lines) return std::nullopt;
  AuthQuestion question;
  bool login = false, password = false, service = false, client = false;
  const auto once = [](bool& seen) { return !std::exchange(seen, true); };
  for (const NamedLine& line : *lines) {
    if (line.name == "login" && once(login))
      question.login = line.value;
    else if (line.name == "password" && once(password))
      question.password = Secret(line.value);
    else if (line.name == "service" && once(service))
      question.service = line.value;
    else if (line.name == "client" && once(client))
      question.client = line.value;
    else
      return std::nullopt;
  }
  if (!login || !password || !within_limits(question)) return std::nullopt;
  return question;
}

std::string encode_auth_answer(const AuthAnswer& answer) {
  switch (answer.result) {
    case AuthAnswer::Result::yes:
      return "result=yes\n" + answer.text + "\n";
    case AuthAnswer::Result::no:
      return "result=no\n\n";
    case AuthAnswer::Result::later:
      break;
  }
  std::string text = "result=later\n";
  append_named_line(text, "reason", answer.text);
  return text + "\n";
}

std::optional<AuthAnswer> parse_auth_answer(std::string_view text) {
  const std::optional<std::vector<NamedLine>> lines = parse_named_lines(text);
  if (!lines || lines->empty() || lines->front().name != "result") return std::nullopt;
  const std::string_view result = lines->front().value;
  AuthAnswer answer;
  if (result == "yes") {
    answer.result = AuthAnswer::Result::yes;
    answer.text = text.substr(result_line.size() + result.size() + 1);
  } else if (result == "no") {
    if (lines->size() != 1) return std::nullopt;
    answer.result = AuthAnswer::Result::no;
  } else if (result == "later") {
    if (lines->size() != 2 || lines->at(1).name != "reason") return std::nullopt;
    answer.text = lines->at(1).value;
  } else {
    return std::nullopt;
  }
  return answer;
}

std::optional<AuthMessage> auth_message(std::string_view buffer) {
  if (buffer.starts_with('\n')) return AuthMessage{{}, 1};
  const std::size_t end = buffer.find("\n\n");
  if (end == buffer.npos) return std::nullopt;
  return AuthMessage{buffer.substr(0, end + 1), end + 2};
}

}  // namespace hato
