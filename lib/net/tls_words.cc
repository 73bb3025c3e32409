#include "lib/net/tls_words.h"

#include <algorithm>

namespace hato {

namespace {

constexpr std::string_view verify_names = "verify=";
constexpr std::string_view auth_login = "auth=";

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == text.npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string quoted(std::string_view word) {
  return "\"" + std::string(word) + "\"";
}

void take_auth(std::string_view login, std::string_view word, TlsWords& words) {
  if (words.auth) words.problem = quoted(word) + " is one word too many";
  words.auth = login;
}

// "starttls verify" is "verify"; otherwise two words about one thing are a mistake.
void take_level(TlsLevel level, std::string_view word, TlsWords& words) {
  const bool goes_together =
      words.level >= TlsLevel::encrypt && level >= TlsLevel::encrypt && words.level != level;
  if (words.level && !goes_together) words.problem = quoted(word) + " is one word too many";
  words.level = std::max(words.level.value_or(level), level);
}

void take_word(std::string_view word, TlsWords& words) {
  const auto level = [&](TlsLevel value) { take_level(value, word, words); };
  if (word == "none") {
    level(TlsLevel::none);
  } else if (word == "may") {
    level(TlsLevel::may);
  } else if (word == "starttls") {
    level(TlsLevel::encrypt);
  } else if (word == "verify") {
    level(TlsLevel::verify);
  } else if (word == "tls") {
    words.on_connect = true;
  } else if (word.starts_with(verify_names)) {
    level(TlsLevel::verify);
    words.names = split_commas(word.substr(verify_names.size()));
    const auto useless = [](const std::string& name) { return name.empty() || name == "."; };
    if (std::any_of(words.names.begin(), words.names.end(), useless))
      words.problem = quoted(word) + " has an empty name";
  } else if (word == "auth") {
    take_auth("", word, words);
  } else if (word.starts_with(auth_login)) {
    take_auth(word.substr(auth_login.size()), word, words);
    if (words.auth->find_first_of(":@") != std::string::npos)
      words.problem = quoted(word) + " is no login's name";
  } else if (word == "auth-in-clear") {
    words.auth_in_clear = true;
  } else {
    words.problem = "I don't know the word " + quoted(word);
  }
}

}  // namespace

TlsWords parse_tls_words(const std::vector<std::string>& list) {
  TlsWords words;
  for (const std::string& word : list) {
    take_word(word, words);
    if (!words.problem.empty()) return words;
  }
  const bool clear = words.level == TlsLevel::none || words.level == TlsLevel::may;
  if (words.on_connect && clear) words.problem = "\"tls\" leaves no room for clear text";
  if (words.auth_in_clear && !words.auth) words.problem = "\"auth-in-clear\" is no use without \"auth\"";
  if (words.auth && clear && !words.auth_in_clear)
    words.problem = "\"auth\" needs TLS, or the word \"auth-in-clear\"";
  return words;
}

}  // namespace hato
