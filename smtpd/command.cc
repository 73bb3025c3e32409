#include "smtpd/command.h"

#include <limits>

#include "lib/mail/domain.h"

namespace hato::smtpd {

namespace {

constexpr std::string_view blanks = " \t";

struct VerbName {
  const char* name;
  Verb verb;
};
constexpr VerbName verbs[] = {
    {"helo", Verb::helo}, {"ehlo", Verb::ehlo}, {"mail", Verb::mail}, {"rcpt", Verb::rcpt},
    {"data", Verb::data}, {"bdat", Verb::bdat}, {"rset", Verb::rset}, {"noop", Verb::noop},
    {"vrfy", Verb::vrfy}, {"help", Verb::help}, {"etrn", Verb::etrn}, {"quit", Verb::quit},
};

// Decimal, digits only, up to 20 of them (RFC 1870 size-value); nullopt for anything else.
std::optional<std::uint64_t> parse_octets(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
    value = value > (most - digit) / 10 ? most : value * 10 + digit;
  }
  return value;
}

}  // namespace

Command parse_command(std::string_view line) {
  Command command;
  const std::size_t end = std::min(line.find_first_of(blanks), line.size());
  command.name = line.substr(0, end);
  const std::size_t first = line.find_first_not_of(blanks, end);
  if (first != std::string_view::npos)
    command.argument = line.substr(first, line.find_last_not_of(blanks) + 1 - first);
  for (const VerbName& known : verbs)
    if (equal_ignoring_case(command.name, known.name)) command.verb = known.verb;
  return command;
}

bool has_control_byte(std::string_view line) {
  for (const char c : line)
    if ((static_cast<unsigned char>(c) < 32 && c != '\t') || c == 127) return true;
  return false;
}

MailParameters parse_mail_parameters(const std::vector<Parameter>& parameters) {
  MailParameters mail;
  bool body = false;
  for (const Parameter& p : parameters) {
    bool good = true;
    if (p.keyword == "SIZE") {
      const bool twice = mail.size.has_value();
      mail.size = parse_octets(p.value);
      good = !twice && mail.size;
    } else if (p.keyword == "BODY") {
      mail.eight_bit = equal_ignoring_case(p.value, "8BITMIME");
      good = !body && (mail.eight_bit || equal_ignoring_case(p.value, "7BIT"));
      body = true;
    } else if (p.keyword == "SMTPUTF8") {
      good = !mail.smtputf8 && !p.has_value;
      mail.smtputf8 = true;
    } else if (p.keyword == "RET") {
      const auto ret = parse_ret(p.value);
      good = ret && mail.dsn.ret == DsnReturn::unsaid;
      mail.dsn.ret = ret.value_or(DsnReturn::unsaid);
    } else if (p.keyword == "ENVID") {
      auto envid = parse_envid(p.value);
      good = envid && mail.dsn.envid.empty();
      mail.dsn.envid = std::move(envid).value_or("");
    } else {
      mail.error = ParameterError::unsupported;
      return mail;
    }
    if (!good) {
      mail.error = ParameterError::bad_value;
      return mail;
    }
  }
  return mail;
}

std::string MailParameters::words() const {
  std::string words;
  const auto add = [&words](const std::string& more) {
    if (!more.empty()) words += (words.empty() ? "" : " ") + more;
  };
  if (eight_bit) add("BODY=8BITMIME");
  if (smtputf8) add("SMTPUTF8");
  add(dsn_words(dsn));
  return words;
}

RcptParameters parse_rcpt_parameters(const std::vector<Parameter>& parameters, bool smtputf8) {
  RcptParameters rcpt;
  for (const Parameter& p : parameters) {
    bool good = false;
    if (p.keyword == "NOTIFY") {
      const auto notify = parse_notify(p.value);
      good = notify && !rcpt.dsn.notify.said;
      rcpt.dsn.notify = notify.value_or(Notify());
    } else if (p.keyword == "ORCPT") {
      auto original = parse_orcpt(p.value);
      good = original && !rcpt.dsn.original && (smtputf8 || !needs_smtputf8(p.value));
      rcpt.dsn.original = std::move(original);
    } else {
      rcpt.error = ParameterError::unsupported;
      return rcpt;
    }
    if (!good) {
      rcpt.error = ParameterError::bad_value;
      return rcpt;
    }
  }
  return rcpt;
}

std::optional<Chunk> parse_chunk(std::string_view argument) {
  Chunk chunk;
  const std::size_t end = std::min(argument.find_first_of(blanks), argument.size());
  const std::optional<std::uint64_t> size = parse_octets(argument.substr(0, end));
  if (!size || *size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  chunk.size = *size;
  std::string_view rest = argument.substr(end);
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
  if (!rest.empty() && !equal_ignoring_case(rest, "LAST")) return std::nullopt;
  chunk.last = !rest.empty();
  return chunk;
}

}  // namespace hato::smtpd
