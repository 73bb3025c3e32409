#include "admin/queue_command.h"

#include <charconv>

#include "lib/base/error.h"
#include "lib/net/send_request.h"

namespace hato {

namespace {

constexpr const char* verbs[] = {"list", "show", "remove", "hold", "release", "retry", "status"};
constexpr char default_reason[] =
    "The administrator of the mail server removed this message from its queue; it was not delivered.";

[[noreturn]] void refuse(const std::string& what) {
  throw PermError(what + " (see qmail-q(8))");
}

bool is_word_of(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    const std::size_t blank = std::min(list.find(' '), list.size());
    if (list.substr(0, blank) == word) return true;
    list.remove_prefix(std::min(blank + 1, list.size()));
  }
  return false;
}

// Options without a value; false: no such option for this verb.
bool set_switch(QueueCommand& command, std::string_view option) {
  const QueueVerb verb = command.verb;
  if (option == "json")
    command.json = true;
  else if (option == "all" && verb != QueueVerb::show)
    command.selected = true;
  else if (option == "dry-run" && command.changes())
    command.dry_run = true;
  else if (option == "ids" && verb == QueueVerb::list)
    command.ids_only = true;
  else if (option == "long" && verb == QueueVerb::list)
    command.with_recipients = true;
  else if (option == "why" && verb == QueueVerb::list)
    command.with_reasons = true;
  else if (option == "headers" && verb == QueueVerb::show)
    command.headers = true;
  else if (option == "message" && verb == QueueVerb::show)
    command.message = true;
  else if (option == "recipients-only" && verb == QueueVerb::remove)
    command.recipients_only = true;
  else if (option == "bounce" && verb == QueueVerb::remove)
    command.bounce = true;
  else
    return false;
  return true;
}

bool takes_value(std::string_view option) {
  return is_word_of(
      option, "older newer state sender recipient domain uid kind larger script login ip limit by reason");
}

void set_value(QueueCommand& command, const std::string& option, const std::string& value, std::int64_t now,
               std::int64_t (*uid_of)(const std::string&)) {
  if (option == "limit") {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), command.limit);
    if (error != std::errc() || end != value.data() + value.size() || command.limit == 0)
      refuse("--limit " + value + ": write a number of messages, 1 or more");
  } else if (option == "by" && command.verb == QueueVerb::list) {
    if (!is_word_of(value, count_keys)) refuse("--by " + value + ": write one of " + count_keys);
    command.count_by = value;
  } else if (option == "reason" && command.verb == QueueVerb::remove) {
    if (value.empty() || value.size() > request_text_limit - 10)
      refuse("--reason: write a sentence of at most " + std::to_string(request_text_limit - 10) + " bytes");
    command.reason = value;
  } else if (command.filter.set(option, value, now, uid_of)) {
    command.selected = true;
  } else {
    refuse("--" + option + ": no option of " + verb_name(command.verb));
  }
}

void check(QueueCommand& command) {
  if (command.verb == QueueVerb::show && !command.selected) refuse("show: say which messages");
  if (command.changes() && !command.selected)
    refuse(std::string(verb_name(command.verb)) + ": say which messages, or --all");
  if (!command.reason.empty() && !command.bounce) refuse("--reason is for --bounce");
  if (command.bounce && command.reason.empty()) command.reason = default_reason;
  if (command.recipients_only && !command.filter.names_recipients())
    refuse("--recipients-only: say which by --recipient or --domain");
  if (!command.count_by.empty() && (command.ids_only || command.with_recipients || command.with_reasons))
    refuse("--by counts: it goes without --ids, --long and --why");
  if (command.with_reasons && (command.ids_only || command.with_recipients))
    refuse("--why goes without --ids and --long");
  if (command.verb == QueueVerb::status && command.selected) refuse("status takes no selection");
}

}  // namespace

const char count_keys[] = "sender sender-domain recipient domain uid kind script login ip state";

const char* verb_name(QueueVerb verb) {
  return verbs[static_cast<std::size_t>(verb)];
}

QueueCommand parse_queue_command(const std::vector<std::string>& words, std::int64_t now,
                                 std::int64_t (*uid_of)(const std::string&)) {
  QueueCommand command;
  auto word = words.begin();
  if (word == words.end()) refuse("usage: qmail-q list|show|remove|hold|release|retry|status ...");
  bool known = false;
  for (std::size_t i = 0; i < std::size(verbs); ++i)
    if (*word == verbs[i]) command.verb = static_cast<QueueVerb>(i), known = true;
  if (!known) refuse("there is no command " + *word);
  bool options = true;
  for (++word; word != words.end(); ++word) {
    if (options && *word == "--") {
      options = false;
    } else if (options && *word == "-n" && command.changes()) {
      command.dry_run = true;
    } else if (options && word->starts_with("--")) {
      const std::size_t equals = word->find('=');
      const std::string option = word->substr(2, equals == std::string::npos ? equals : equals - 2);
      if (!takes_value(option)) {
        if (equals != std::string::npos || !set_switch(command, option))
          refuse(*word + ": no option of " + verb_name(command.verb));
      } else if (equals != std::string::npos) {
        set_value(command, option, word->substr(equals + 1), now, uid_of);
      } else {
        if (++word == words.end()) refuse("--" + option + ": its value is missing");
        set_value(command, option, *word, now, uid_of);
      }
    } else if (*word == "-") {
      command.ids_from_input = command.selected = true;
    } else {
      const std::string_view digits = std::string_view(*word).substr(word->starts_with('#') ? 1 : 0);
      const std::optional<QueueId> id = QueueId::parse(digits);
      if (!id) refuse(*word + ": no message's number, and no option");
      command.filter.add_id(*id);
      command.selected = true;
    }
  }
  check(command);
  if (!command.ids_from_input) command.filter.finish();
  return command;
}

}  // namespace hato
