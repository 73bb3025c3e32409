#include "panel/rules_tool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/process.h"

namespace hato::panel {

namespace {

constexpr std::int64_t tool_seconds = 20;
constexpr std::size_t answer_limit = json_text_limit;

// What the child wrote until it closed its end; its reading of the input needs no care: a rule fits a pipe,
// and what does not goes through an unnamed file.
std::string output_of(int fd, Deadline deadline) {
  Reader reader(fd, "qmail-dot");
  reader.until(deadline);
  std::string output;
  for (;;) {
    const std::string_view piece = reader.peek();
    if (piece.empty()) return output;
    if (output.size() + piece.size() > answer_limit) throw TempError("qmail-dot's answer is over 1 MiB");
    output += piece;
    reader.consume(piece.size());
  }
}

Fd input_file(const std::string& text) {
  Fd file(memfd_create("rule", MFD_CLOEXEC));
  if (!file) throw_errno("memfd_create");
  pwrite_all(file.get(), text, 0, "rule");
  return file;
}

JsonValue answer_of(std::vector<std::string> args, const std::string& input) {
  args.insert(args.begin(), std::string(conf::home) + "/bin/qmail-dot");
  Fd rule = input_file(input);
  FdPair pipe = make_pipe();
  const pid_t child = fork_child("qmail-panel", [&]() -> int {
    move_to(std::move(rule), 0);
    move_to(std::move(pipe.second), 1);
    default_signals();
    // What the web server put into the environment is the browser's to choose.
    if (clearenv() != 0) return 111;
    exec_program(args);
  });
  pipe.second.reset();
  std::string output;
  try {
    output = output_of(pipe.first.get(), Deadline::in_seconds(tool_seconds));
  } catch (const Error&) {
    kill(child, SIGKILL);
    wait_for_child(child);
    throw;
  }
  wait_for_child(child);
  try {
    return JsonValue::parse(output);
  } catch (const PermError& e) {
    throw TempError("qmail-dot's answer is unintelligible: " + e.text());
  }
}

// The answer, when it says ok.
JsonValue ask(std::vector<std::string> args, const std::string& input = {}) {
  JsonValue answer = answer_of(std::move(args), input);
  const JsonValue* ok = answer.member("ok");
  if (ok != nullptr && ok->boolean() != nullptr && *ok->boolean()) return answer;
  const JsonValue* error = answer.member("error");
  const JsonValue* code = answer.member("code");
  if (error == nullptr || error->string() == nullptr || code == nullptr || code->number() == nullptr)
    throw TempError("qmail-dot's answer is unintelligible");
  if (*code->number() == 100) throw RuleRefused(*error->string());
  throw TempError("qmail-dot: " + *error->string());
}

const JsonValue& member(const JsonValue& answer, const char* name) {
  const JsonValue* found = answer.member(name);
  if (found == nullptr) throw TempError(std::string("qmail-dot's answer lacks ") + name);
  return *found;
}

}  // namespace

std::vector<Rule> list_rules(const std::string& account) {
  const JsonValue answer = ask({"list", "--json", "--", account});
  const JsonValue::Items* items = member(answer, "rules").items();
  if (items == nullptr) throw TempError("qmail-dot's answer is unintelligible");
  std::vector<Rule> rules;
  for (const JsonValue& item : *items) rules.push_back(parse_rule(item));
  return rules;
}

Rule get_rule(const std::string& account, const std::string& ext) {
  return parse_rule(member(ask({"get", "--json", "--", account, ext}), "rule"));
}

Rule set_rule(const std::string& account, const std::string& ext, const Rule& rule) {
  return parse_rule(member(ask({"set", "--json", "--", account, ext}, rule_json(rule)), "rule"));
}

bool delete_rule(const std::string& account, const std::string& ext) {
  const JsonValue answer = ask({"delete", "--json", "--", account, ext});
  const bool* deleted = member(answer, "deleted").boolean();
  return deleted != nullptr && *deleted;
}

}  // namespace hato::panel
