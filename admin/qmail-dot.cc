// qmail-dot get|set|delete|list|test|init: the rules of an account's addresses, for panels and operators. man
// qmail-dot.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "admin/rule_account.h"
#include "admin/rule_command.h"
#include "admin/rule_requests.h"
#include "admin/rule_service.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/local_socket.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/mail/json.h"
#include "lib/store/rule_directory.h"

using namespace hato;

namespace {

using What = RuleCommand::What;

constexpr std::int64_t service_seconds = 20;
constexpr std::size_t answer_limit = 4U << 20;
constexpr std::size_t getpw_limit = 4096;

User panel_user() {
  const std::optional<User> panel = passwd_user(std::string(conf::user_qmailc));
  if (!panel)
    throw TempError(std::string("user ") + conf::user_qmailc + " does not exist; make install creates it");
  return *panel;
}

// qmail-getpw's word, with the rights that we have.
std::optional<Assignment> ask_getpw(const AskGetpw& asked) {
  FdPair pipe = make_pipe();
  const pid_t pid = fork_child("qmail-dot", [&]() -> int {
    move_to(std::move(pipe.second), 1);
    exec_program({std::string(conf::home) + "/bin/qmail-getpw", asked.local});
  });
  pipe.second.reset();
  const std::optional<std::string> record = read_all(pipe.first.get(), getpw_limit, "qmail-getpw's answer");
  if (wait_for_child(pid) != 0 || !record) return std::nullopt;
  return parse_assignment(*record);
}

std::string standard_input() {
  std::optional<std::string> text = read_all(0, max_rule_request, "standard input");
  if (!text) throw PermError("the rule has over 256 KiB");
  return *std::move(text);
}

std::string vacation_text(const std::string& file) {
  if (file == "-") return standard_input();
  std::optional<std::string> text = read_file(file, max_rule_request);
  if (!text) throw PermError(file + ": no such file");
  return *std::move(text);
}

// On one line: line ends in JSON can only stand between its parts.
std::string rule_from_input() {
  std::string text = standard_input();
  JsonValue::parse(text);
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '\r', ' ');
  return text;
}

std::string request_of(RuleCommand& command) {
  static constexpr const char* names[] = {"get", "set", "delete", "list", "test"};
  std::vector<std::pair<std::string, std::string>> members = {
      {"do", json_string(names[static_cast<int>(command.what)])},
      {command.what == What::test ? "address" : "account", json_string(command.account)}};
  if (command.what != What::test && command.what != What::list)
    members.emplace_back("ext", json_string(command.ext));
  if (command.what == What::set) {
    if (command.vacation_file) {
      command.vacation_members.emplace_back("text", json_string(vacation_text(*command.vacation_file)));
      command.members.emplace_back("vacation", json_object(command.vacation_members));
    }
    members.emplace_back("rule", command.json ? rule_from_input() : json_object(command.members));
  }
  return json_object(members);
}

Fd connected_service() {
  try {
    return connect_local(rule_socket_path(), SOCK_STREAM);
  } catch (const SystemError& e) {
    throw TempError("qmail-dotd does not answer: " + e.text());
  }
}

std::string ask_service(const std::string& request) {
  const Fd socket = connected_service();
  Writer out(socket.get(), "qmail-dotd", service_seconds);
  out.put(request + "\n");
  out.flush();
  Reader in(socket.get(), "qmail-dotd", service_seconds, 65536);
  std::string line;
  if (in.read_line(line, answer_limit) != Reader::Line::complete) throw TempError("qmail-dotd has hung up");
  return line;
}

void make_directory(const Control& control, Accounts& accounts, const std::string& login) {
  const RuleAccount account = find_rule_account(control, accounts, login);
  if (!account.panel()) throw PermError(login + ": its dot-files do not lie below control/dotdir");
  const User panel = panel_user();
  const std::string dotdir = *dot_directory(control);
  make_rule_directories(dotdir, panel.uid, panel.gid);
  make_rule_directory(dotdir, account.login, account.gid, panel.uid);
}

int init(const Control& control, Accounts& accounts, const std::vector<std::string>& logins) {
  if (geteuid() != 0) throw PermError("init: root only: it gives directories to groups");
  const std::optional<std::string> dotdir = dot_directory(control);
  if (!dotdir) throw PermError("init: control/dotdir is not there");
  const User panel = panel_user();
  make_rule_directories(*dotdir, panel.uid, panel.gid);
  for (const std::string& login : logins) make_directory(control, accounts, login);
  CurrentCdb table(std::string(conf::home) + accounts_file);
  if (Cdb* cdb = logins.empty() ? table.current() : nullptr)
    cdb->for_each([&](std::string_view key, std::string_view) {
      if (key.starts_with('a')) make_directory(control, accounts, std::string(key.substr(1)));
    });
  sync_rule_directories(*dotdir);
  return 0;
}

// As whom we go on, and for whom we ask; nullopt: it is qmail-dotd who is asked.
std::optional<RuleAsker> settle_identity(const RuleCommand& command, const Control& control,
                                         Accounts& accounts) {
  const uid_t uid = geteuid();
  const bool dotdir = dot_directory(control).has_value();
  const bool to_alias = command.what != What::test && command.account == conf::user_alias;
  if (uid == 0) {
    if (dotdir && !to_alias) {
      if (command.what == What::set) {
        make_directory(control, accounts, command.account);
        sync_rule_directories(*dot_directory(control));
      }
      drop_root_to(conf::user_qmailc);
    } else if (command.what != What::test) {  // which has to look into homes
      const RuleAccount account = find_rule_account(control, accounts, command.account);
      become(account.uid, account.gid);
    }
    return RuleAsker{true, uid};
  }
  if (dotdir && uid == panel_user().uid) return RuleAsker{true, uid};
  if (!dotdir) return RuleAsker{false, uid};
  return std::nullopt;
}

// --- for people
// ---------------------------------------------------------------------------------------------

std::string text_of(const JsonValue* value) {
  return value != nullptr && value->string() != nullptr ? *value->string() : "";
}

bool truth_of(const JsonValue* value) {
  return value != nullptr && value->boolean() != nullptr && *value->boolean();
}

const JsonValue::Items& items_of(const JsonValue* value) {
  static const JsonValue::Items none;
  return value != nullptr && value->items() != nullptr ? *value->items() : none;
}

std::string told_vacation(const JsonValue& vacation) {
  std::string text = std::string("  vacation ") + (truth_of(vacation.member("on")) ? "on" : "off");
  for (const char* name : {"from", "until", "subject"})
    if (const std::string value = text_of(vacation.member(name)); !value.empty())
      text += std::string(", ") + name + " " + value;
  std::string lines = "\n    " + text_of(vacation.member("text"));
  for (std::size_t at = 1; (at = lines.find('\n', at)) != std::string::npos; at += 5)
    lines.replace(at, 1, "\n    ");
  return text + lines + "\n";
}

std::string told_rule(const JsonValue& rule) {
  const std::string ext = text_of(rule.member("ext"));
  std::string text = text_of(rule.member("account")) + (ext.empty() ? "" : " " + ext) +
                     (truth_of(rule.member("exists")) ? "" : " (no rule)") + "\n";
  if (truth_of(rule.member("keep"))) {
    const std::string folder = text_of(rule.member("folder"));
    text += folder.empty() ? "  keep\n" : "  keep in " + folder + "\n";
  }
  for (const JsonValue& target : items_of(rule.member("forward")))
    text += "  forward " + text_of(&target) + "\n";
  if (const JsonValue* vacation = rule.member("vacation"); vacation != nullptr && !vacation->is_null())
    text += told_vacation(*vacation);
  if (const std::string refusal = text_of(rule.member("refusal")); !refusal.empty())
    text += "  refuse: " + refusal + "\n";
  if (truth_of(rule.member("discard"))) text += "  throw away\n";
  for (const JsonValue& line : items_of(rule.member("other"))) text += "  other: " + text_of(&line) + "\n";
  if (const std::string problem = text_of(rule.member("problem")); !problem.empty())
    text += "  problem: " + problem + "\n";
  return text;
}

std::string told_step(const JsonValue& step) {
  std::string text = text_of(step.member("address"));
  if (const std::string by = text_of(step.member("by")); !by.empty()) text += ", forwarded by " + by;
  text += ": " + text_of(step.member("where"));
  if (const std::string account = text_of(step.member("account")); !account.empty())
    text += ", account " + account;
  if (const std::string file = text_of(step.member("file")); !file.empty()) text += ", " + file;
  text += "\n";
  for (const JsonValue& instruction : items_of(step.member("instructions")))
    text += "  " + text_of(instruction.member("kind")) + " " + text_of(instruction.member("text")) + "\n";
  if (const std::string note = text_of(step.member("note")); !note.empty()) text += "  " + note + "\n";
  return text;
}

std::string told(const JsonValue& answer) {
  std::string text;
  if (const JsonValue* rule = answer.member("rule")) text += told_rule(*rule);
  for (const JsonValue& rule : items_of(answer.member("rules"))) text += told_rule(rule);
  for (const JsonValue& step : items_of(answer.member("steps"))) text += told_step(step);
  if (const JsonValue* deleted = answer.member("deleted"))
    text += truth_of(deleted) ? "deleted\n" : "there was no rule\n";
  std::string safe;  // what a line of a dot-file holds is not to steer a terminal
  for (const char c : text) safe += (c >= 0 && c < 32 && c != '\n') || c == 127 ? '?' : c;
  return safe;
}

int report(const std::string& answer, bool json) {
  const JsonValue value = JsonValue::parse(answer);
  if (json)
    write_all(1, answer + "\n", "standard output");
  else
    write_all(1, told(value), "standard output");
  if (truth_of(value.member("ok"))) return 0;
  if (!json) log_line(2, "qmail-dot: " + text_of(value.member("error")));
  const JsonValue* code = value.member("code");
  return code != nullptr && code->number() != nullptr && *code->number() == 100 ? 100 : 111;
}

std::string answer_to(RuleCommand& command) {
  const Control control;
  Accounts accounts;
  const std::optional<RuleAsker> asker = settle_identity(command, control, accounts);
  const std::string request = request_of(command);  // root is gone before a file is read for somebody
  if (!asker) return ask_service(request);
  return RuleRequests(ask_getpw).answer(request, *asker);
}

int body(int argc, char** argv) {
  ensure_standard_fds();
  ignore_sigpipe();
  umask(077);
  RuleCommand command = parse_rule_command(std::vector<std::string>(argv + 1, argv + argc));
  if (command.what == What::init) {
    Accounts accounts;
    return init(Control(), accounts, command.accounts);
  }
  try {
    return report(answer_to(command), command.json);
  } catch (const Error& e) {
    if (!command.json) throw;
    return report(rule_refusal(e.exit_code(), e.text()), true);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-dot", argc, argv, body);
}
