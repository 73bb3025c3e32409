#include "remote/auth_client.h"

#include "lib/base/md5.h"
#include "lib/base/secret.h"
#include "lib/base/words.h"
#include "lib/mail/base64.h"
#include "lib/mail/domain.h"
#include "lib/net/tls_words.h"

namespace hato {

namespace {

constexpr unsigned go_on = 334;
constexpr std::size_t max_first_line = 512;  // of a command, RFC 5321 section 4.5.3.1.4

Secret coded(std::string_view text) {
  std::string base64 = to_base64(text);
  Secret secret{base64};
  wipe(base64);
  return secret;
}

Secret plain_answer(const SmtpLogin& login) {
  std::string text;
  text.reserve(login.user.size() + login.password.text().size() + 2);
  text += '\0';
  text += login.user;
  text += '\0';
  text += login.password.text();
  Secret secret = coded(text);
  wipe(text);
  return secret;
}

SmtpReply say(Connection& connection, std::string_view line) {
  connection.put(line);
  connection.put("\r\n");
  return connection.read_reply();
}

SmtpReply say_secret(Connection& connection, std::string_view start, const Secret& secret) {
  connection.put_secret(start, secret.text());
  SmtpReply reply = connection.read_reply();
  connection.wipe_sent();
  return reply;
}

SmtpReply plain(Connection& connection, const SmtpLogin& login) {
  const Secret answer = plain_answer(login);
  constexpr std::string_view command = "AUTH PLAIN ";
  if (command.size() + answer.text().size() + 2 <= max_first_line)
    return say_secret(connection, command, answer);
  SmtpReply reply = say(connection, "AUTH PLAIN");
  return reply.code == go_on ? say_secret(connection, "", answer) : reply;
}

SmtpReply login_in_two_steps(Connection& connection, const SmtpLogin& login) {
  SmtpReply reply = say(connection, "AUTH LOGIN");
  if (reply.code == go_on) reply = say(connection, to_base64(login.user));
  return reply.code == go_on ? say_secret(connection, "", coded(login.password.text())) : reply;
}

SmtpReply cram_md5(Connection& connection, const SmtpLogin& login) {
  SmtpReply reply = say(connection, "AUTH CRAM-MD5");
  if (reply.code != go_on) return reply;
  const auto lines = reply.lines();
  const auto answer = cram_md5_answer(lines.empty() ? std::string_view() : lines[0], login);
  return say(connection, answer ? *answer : "*");  // "*" gives up
}

}  // namespace

std::vector<std::string_view> auth_mechanisms(std::string_view offered, bool server_proved) {
  const std::vector<std::string> words = split_words(offered);
  std::vector<std::string_view> order = {"CRAM-MD5", "PLAIN", "LOGIN"};
  if (server_proved) order = {"PLAIN", "LOGIN", "CRAM-MD5"};
  std::erase_if(order, [&](std::string_view mechanism) {
    for (const std::string& word : words)
      if (equal_ignoring_case(word, mechanism)) return false;
    return true;
  });
  return order;
}

std::optional<std::string> cram_md5_answer(std::string_view challenge, const SmtpLogin& login) {
  const std::optional<std::string> text = from_base64(challenge);
  if (!text) return std::nullopt;
  return to_base64(login.user + " " + hmac_md5_hex(login.password.text(), *text));
}

SmtpReply authenticate(Connection& connection, std::string_view mechanism, const SmtpLogin& login) {
  SmtpReply reply = mechanism == "PLAIN"   ? plain(connection, login)
                    : mechanism == "LOGIN" ? login_in_two_steps(connection, login)
                                           : cram_md5(connection, login);
  if (reply.intermediate()) reply = say(connection, "*");  // more questions than the mechanism has
  const std::string& password = login.password.text();
  const Secret base64 = coded(password), whole = plain_answer(login);
  for (const std::string* secret : {&password, &base64.text(), &whole.text()})
    if (reply.text.find(*secret) != std::string::npos)
      reply.text = std::to_string(reply.code) + " (its answer repeats the password)\n";
  return reply;
}

}  // namespace hato
