#include "lib/net/policy.h"

#include <algorithm>

#include "lib/mail/domain.h"

namespace hato {

namespace {

constexpr std::string_view blanks = " \t";

constexpr std::string_view state_names[] = {"CONNECT", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE"};

struct NamedAction {
  std::string_view name;
  PolicyAction action;
};
constexpr NamedAction named_actions[] = {
    {"dunno", PolicyAction::dunno},
    {"ok", PolicyAction::ok},
    {"reject", PolicyAction::reject},
    {"defer", PolicyAction::defer},
    {"defer_if_permit", PolicyAction::defer_if_permit},
    {"defer_if_reject", PolicyAction::defer_if_reject},
    {"discard", PolicyAction::discard},
    {"prepend", PolicyAction::prepend},
    {"info", PolicyAction::info},
    {"warn", PolicyAction::warn},
    {"bcc", PolicyAction::bcc},
    {"filter", PolicyAction::filter},
    {"hold", PolicyAction::hold},
    {"redirect", PolicyAction::redirect},
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// Takes the first line off `text`, without its LF; false: there is none, or it is the empty one at the end.
bool take_line(std::string_view& text, std::string_view& line) {
  const std::size_t end = text.find('\n');
  line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return !line.empty();
}

std::string_view without_blanks_before(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text;
}

// "5.7.1" at the start of a text, a blank or nothing behind it, of the class of the code (RFC 3463); empty:
// none.
std::string_view leading_status(std::string_view text, char first_digit) {
  const std::string_view word = text.substr(0, text.find_first_of(blanks));
  if (word.size() < 5 || word.size() > 9 || word[0] != first_digit || word[1] != '.') return {};
  const std::size_t second = word.find('.', 2);
  if (second == std::string_view::npos) return {};
  const std::string_view subject = word.substr(2, second - 2), detail = word.substr(second + 1);
  const bool fits = all_digits(subject) && all_digits(detail) && subject.size() <= 3 && detail.size() <= 3;
  return fits ? word : std::string_view();
}

void take_refusal(PolicyAnswer& answer, int code, std::string_view text) {
  answer.code = code;
  const char first = static_cast<char>('0' + code / 100);
  const std::string_view status = leading_status(text, first);
  text.remove_prefix(status.size());
  answer.status = status.empty() ? std::string(1, first) + ".7.1" : std::string(status);
  answer.text = without_blanks_before(text);
}

PolicyAnswer parse_action(std::string_view line) {
  line = without_blanks_before(line);
  while (!line.empty() && (blanks.find(line.back()) != std::string_view::npos || line.back() == '\r'))
    line.remove_suffix(1);
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  const std::string_view rest = without_blanks_before(line.substr(word.size()));
  PolicyAnswer answer;
  answer.text = rest;
  if (all_digits(word)) {
    const bool refusal = word.size() == 3 && (word[0] == '4' || word[0] == '5');
    answer.action = refusal ? PolicyAction::reject : PolicyAction::ok;
    if (refusal) take_refusal(answer, (word[0] - '0') * 100 + (word[1] - '0') * 10 + (word[2] - '0'), rest);
    return answer;
  }
  for (const NamedAction& named : named_actions)
    if (equal_ignoring_case(word, named.name)) answer.action = named.action;
  if (answer.action == PolicyAction::reject)
    take_refusal(answer, 554, rest);
  else if (answer.action == PolicyAction::defer || answer.action == PolicyAction::defer_if_permit)
    take_refusal(answer, 450, rest);
  else if (answer.action == PolicyAction::unknown)
    answer.text = line;
  return answer;
}

}  // namespace

std::string_view policy_state_name(PolicyState state) {
  return state_names[static_cast<std::size_t>(state)];
}

std::optional<PolicyState> parse_policy_state(std::string_view word) {
  for (const PolicyState state : policy_states)
    if (equal_ignoring_case(word, policy_state_name(state))) return state;
  return std::nullopt;
}

void append_policy_attribute(std::string& request, std::string_view name, std::string_view value) {
  (request += name) += '=';
  for (const char c : value.substr(0, policy_value_limit)) request += c == '\0' || c == '\n' ? '?' : c;
  request += '\n';
}

std::optional<std::size_t> policy_message_size(std::string_view bytes) {
  if (bytes.starts_with('\n')) return 1;
  const std::size_t end = bytes.find("\n\n");
  if (end == std::string_view::npos) return std::nullopt;
  return end + 2;
}

std::string_view PolicyRequest::value(std::string_view name) const {
  for (const auto& [known, value] : attributes)
    if (known == name) return value;
  return {};
}

std::optional<PolicyRequest> parse_policy_request(std::string_view text) {
  PolicyRequest request;
  for (std::string_view line; take_line(text, line);) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    request.attributes.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  if (request.value("request").empty()) return std::nullopt;
  return request;
}

std::optional<PolicyAnswer> parse_policy_answer(std::string_view text) {
  constexpr std::string_view name = "action=";
  for (std::string_view line; take_line(text, line);)
    if (line.starts_with(name)) return parse_action(line.substr(name.size()));
  return std::nullopt;
}

std::string encode_policy_answer(std::string_view action) {
  std::string answer = "action=";
  for (const char c : action.substr(0, policy_value_limit))
    answer += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return answer += "\n\n";
}

}  // namespace hato
