#include "admin/rule_command.h"

#include "lib/base/error.h"
#include "lib/mail/json.h"

namespace hato {

namespace {

using What = RuleCommand::What;

What what_of(const std::string& word) {
  if (word == "get") return What::get;
  if (word == "set") return What::set;
  if (word == "delete") return What::remove;
  if (word == "list") return What::list;
  if (word == "test") return What::test;
  if (word == "init") return What::init;
  throw PermError(
      "usage: qmail-dot get|set|delete|list ACCOUNT [EXT] | test ADDRESS | init [ACCOUNT...] (see "
      "qmail-dot(8))");
}

// What only set takes: the rule's member and its value, or how the value is made of the next argument.
struct Option {
  const char* name;
  const char* member;
  const char* fixed;  // null: the next argument, as a text
};
constexpr Option options[] = {
    {"--no-forward", "forward", "[]"},  {"--keep", "keep", "true"},
    {"--no-keep", "keep", "false"},     {"--folder", "folder", nullptr},
    {"--no-folder", "folder", "null"},  {"--refuse", "refusal", nullptr},
    {"--no-refuse", "refusal", "null"}, {"--no-vacation", "vacation", "null"},
    {"--discard", "discard", "true"},
};

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

std::string json_object(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string text = "{";
  for (const auto& [name, value] : members)
    text += (text.size() > 1 ? "," : "") + json_string(name) + ":" + value;
  return text + "}";
}

RuleCommand parse_rule_command(const std::vector<std::string>& args) {
  RuleCommand command;
  command.what = what_of(args.empty() ? "" : args.front());
  std::vector<std::string> words;
  std::string forwards;
  bool options_end = false;
  std::size_t at = 1;
  const auto next = [&]() -> const std::string& {
    if (at + 1 >= args.size()) throw PermError(args[at] + " wants something behind it");
    return args[++at];
  };
  const auto take_set_option = [&](const std::string& name) {
    for (const Option& option : options)
      if (name == option.name) {
        command.members.emplace_back(option.member,
                                     option.fixed != nullptr ? option.fixed : json_string(next()));
        return;
      }
    if (name == "--forward") {
      forwards += (forwards.empty() ? "" : ",") + json_string(next());
    } else if (name == "--vacation") {
      command.vacation_file = next();
    } else if (name == "--subject" || name == "--from" || name == "--until") {
      command.vacation_members.emplace_back(name.substr(2), json_string(next()));
    } else if (name == "--days") {
      const std::string& days = next();
      if (!is_number(days)) throw PermError("--days wants a number");
      command.vacation_members.emplace_back("days", days);
    } else {
      throw PermError("no such option: " + name);
    }
  };
  for (; at < args.size(); ++at) {
    const std::string& word = args[at];
    if (options_end || !word.starts_with("--"))
      words.push_back(word);
    else if (word == "--")
      options_end = true;
    else if (word == "--json")
      command.json = true;
    else if (command.what == What::set)
      take_set_option(word);
    else
      throw PermError("no such option: " + word);
  }
  if (!forwards.empty()) command.members.emplace_back("forward", "[" + forwards + "]");
  if (!command.vacation_members.empty() && !command.vacation_file)
    throw PermError("--subject, --from, --until and --days belong to --vacation FILE");
  if (command.json && (!command.members.empty() || command.vacation_file))
    throw PermError("with --json the rule comes from standard input, not from options");
  if (command.what == What::init) {
    command.accounts = std::move(words);
    return command;
  }
  const bool has_ext = command.what == What::get || command.what == What::set || command.what == What::remove;
  if (words.empty() || words.size() > (has_ext ? 2U : 1U))
    throw PermError(has_ext ? "wanted: ACCOUNT, and perhaps EXT" : "wanted: one argument");
  if (command.what == What::set && !command.json && command.members.empty() && !command.vacation_file)
    throw PermError("set: nothing to be changed");
  command.account = words[0];
  if (words.size() > 1) command.ext = words[1];
  return command;
}

}  // namespace hato
