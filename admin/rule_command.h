// qmail-dot's arguments. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hato {

struct RuleCommand {
  enum class What { get, set, remove, list, test, init } what = What::get;
  std::string account, ext;           // address: of test, in account
  std::vector<std::string> accounts;  // of init
  bool json = false;                  // answers, and the rule that set reads
  // Members of set's rule, NAME and its value as JSON; the text of a reply comes from a file ("-": standard
  // input).
  std::vector<std::pair<std::string, std::string>> members;
  std::optional<std::string> vacation_file;
  std::vector<std::pair<std::string, std::string>> vacation_members;
};

// args: without the program's name. Throws PermError with a sentence.
RuleCommand parse_rule_command(const std::vector<std::string>& args);

// {"NAME":VALUE,...}
std::string json_object(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace hato
