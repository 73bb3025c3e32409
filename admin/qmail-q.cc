// qmail-q list|show|remove|hold|release|retry|status: the operator's hand in the queue. man qmail-q.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "admin/queue_command.h"
#include "admin/queue_operator.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "lib/mail/domain.h"
#include "lib/mail/json.h"
#include "lib/store/routing.h"

using namespace hato;

namespace {

constexpr int nothing_found = 1;                // exit code
constexpr std::size_t requests_at_once = 4096;  // handed to the operator together
constexpr std::size_t header_shown = 1U << 20;  // bytes of a message that show --headers looks at
constexpr std::size_t piece = 1U << 16;
constexpr std::size_t reasons_shown = 10;  // recipients of one message

std::int64_t uid_of(const std::string& name) {
  const std::optional<User> user = passwd_user(name);
  return user ? static_cast<std::int64_t>(user->uid) : -1;
}

std::string number(std::uint64_t n) {
  return std::to_string(n);
}

std::string right(std::string text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}
std::string left(std::string text, std::size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

std::string age_text(std::int64_t seconds) {
  if (seconds < 0) return "0s";
  if (seconds < 120) return number(static_cast<std::uint64_t>(seconds)) + "s";
  if (seconds < 2 * 3600) return number(static_cast<std::uint64_t>(seconds / 60)) + "m";
  if (seconds < 2 * 86400) return number(static_cast<std::uint64_t>(seconds / 3600)) + "h";
  return number(static_cast<std::uint64_t>(seconds / 86400)) + "d";
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 10000) return number(bytes);
  if (bytes < 10000000) return number(bytes / 1000) + "k";
  return number(bytes / 1000000) + "M";
}

std::string birth_text(QueueId id) {
  std::string date = qmail_date(static_cast<std::int64_t>(id.value() / 1000000));
  date.resize(date.rfind(' '));
  return date + " GMT";
}

std::int64_t age_of(QueueId id) {
  return now_seconds() - static_cast<std::int64_t>(id.value() / 1000000);
}

std::string states_of(const MessageView& view) {
  std::string states = view.listed.fresh ? "new" : "deferred";
  if (view.listed.held) states = "held";
  if (view.bouncing) states += ",bouncing";
  return states;
}

std::string messages_text(std::size_t n) {
  return number(n) + (n == 1 ? " message" : " messages");
}

// The messages that are meant, one by one: as little of each is opened as the question needs.
class Selection {
 public:
  Selection(const QueueCommand& command, const QueueListing& queue)
      : command_(command), queue_(queue), router_(read_router(Control())) {}

  // Listed messages that fit by what the directories tell.
  template <typename Use>
  void each_name(Use use) const {
    for (const ListedMessage& listed : queue_.messages)
      if (command_.filter.fits_name(listed) && !use(listed)) return;
  }

  enum class Depth { name, file, state };
  // Calls use(listed, view) for each message that fits, until it returns false; view is null when nothing had
  // to be opened. Damaged ones are told of and left out.
  template <typename Use>
  void each(Depth depth, Use use) {
    if (command_.filter.by_file()) depth = std::max(depth, Depth::file);
    if (command_.filter.by_state()) depth = Depth::state;
    each_name([&](const ListedMessage& listed) {
      if (depth == Depth::name) return use(listed, nullptr, nullptr);
      return look_into(listed, depth, use);
    });
  }
  std::size_t troubles() const { return troubles_; }

 private:
  template <typename Use>
  bool look_into(const ListedMessage& listed, Depth depth, Use& use) {
    MessageView view;
    OpenedMessage message;
    try {
      std::string why;
      const OpenResult result = open_listed(queue_, listed, message, why);
      if (result == OpenResult::damaged) trouble(listed.id, why);
      if (result != OpenResult::ok) return true;  // missing: delivered in the meantime
      if (!command_.filter.fits_file(message.header, message.envelope)) return true;
      if (depth == Depth::state)
        view = view_of(queue_, listed, message, router_);
      else
        view = file_view(listed, message);
    } catch (const SystemError& e) {
      trouble(listed.id, e.text());
      return true;
    }
    if (!command_.filter.fits_state(view)) return true;
    return use(listed, &view, &message);
  }
  MessageView file_view(const ListedMessage& listed, OpenedMessage& message) const {
    MessageView view{listed, message.header, std::move(message.envelope), {}};
    for (Recipient& recipient : view.envelope.recipients)
      view.recipients.push_back({std::move(recipient.address), "", {}, RecipientFate::pending, ""});
    return view;
  }
  void trouble(QueueId id, const std::string& why) {
    ++troubles_;
    log_line(2, "qmail-q: trouble with #" + id.text() + ": " + why);
  }

  const QueueCommand& command_;
  const QueueListing& queue_;
  Router router_;
  std::size_t troubles_ = 0;
};

int found_or_not(std::size_t found, const Selection& selection) {
  if (selection.troubles() > 0) return 111;
  return found == 0 ? nothing_found : 0;
}

// ------------------------------------------------------------------ list

std::string as_line(const MessageView& view) {
  std::string to;
  std::size_t more = 0;
  for (const RecipientView& recipient : view.recipients) {
    if (recipient.fate != RecipientFate::pending) continue;
    if (to.empty())
      to = plain(recipient.address);
    else
      ++more;
  }
  if (to.empty()) to = "-";
  if (more > 0) to += " +" + number(more);
  return left(view.listed.id.text(), 16) + right(age_text(age_of(view.listed.id)), 5) +
         right(size_text(view.header.message_bytes()), 6) + "  " + left(states_of(view), 8) + "  <" +
         plain(view.envelope.sender) + ">  " + to + "\n";
}

std::string next_text(const MessageView& view, const RecipientView& recipient) {
  const std::int64_t now = now_seconds();
  const std::optional<std::int64_t> next = next_attempt(view, recipient, now);
  return next ? "next attempt in " + age_text(*next - now) : view.listed.held ? "held" : "to be tried now";
}

// list --why: under the line one for each recipient that is pending, at most so many.
std::string reasons_of(const MessageView& view) {
  std::string text;
  std::size_t shown = 0;
  for (const RecipientView& recipient : view.recipients) {
    if (recipient.fate != RecipientFate::pending || ++shown > reasons_shown) continue;
    std::string why = recipient.text.empty() ? "not tried yet" : recipient.text;
    while (!why.empty() && why.back() == '\n') why.pop_back();
    text += "    " + plain(recipient.address) + ": " + log_safe(why, 300) + "; " +
            next_text(view, recipient) + "\n";
  }
  if (shown > reasons_shown) text += "    and " + number(shown - reasons_shown) + " more\n";
  return text;
}

// What list --by counts a message under: for recipients' keys once for each of those that are pending.
std::vector<std::string> keys_of(const MessageView& view, const std::string& by) {
  if (by == "sender") return {"<" + view.envelope.sender + ">"};
  if (by == "sender-domain") {
    const std::string domain(domain_part(view.envelope.sender));
    return {domain.empty() ? "<" + view.envelope.sender + ">" : to_lower_ascii(domain)};
  }
  if (by == "uid") return {number(view.header.uid)};
  if (by == "kind") return {kind_name(view.header.kind)};
  if (by == "state") return {states_of(view)};
  if (by != "recipient" && by != "domain") {
    const std::string value = view.origin(by);
    return {value.empty() ? "-" : value};
  }
  std::vector<std::string> keys;
  for (const RecipientView& recipient : view.recipients)
    if (recipient.fate == RecipientFate::pending)
      keys.push_back(by == "recipient" ? recipient.address : to_lower_ascii(domain_part(recipient.address)));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

int count(const QueueCommand& command, Selection& selection, Writer& out) {
  std::map<std::string, std::size_t> counts;
  std::size_t found = 0;
  selection.each(Selection::Depth::state, [&](const ListedMessage&, const MessageView* view, OpenedMessage*) {
    ++found;
    for (const std::string& key : keys_of(*view, command.count_by)) ++counts[key];
    return true;
  });
  std::vector<std::pair<std::string, std::size_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (command.limit > 0 && rows.size() > command.limit) rows.resize(command.limit);
  for (const auto& [key, n] : rows)
    out.put(command.json ? "{" + json_string(command.count_by) + ":" + json_string(key) +
                               ",\"messages\":" + number(n) + "}\n"
                         : right(number(n), 8) + "  " + plain(key) + "\n");
  return found_or_not(found, selection);
}

int list(const QueueCommand& command, const QueueListing& queue, Writer& out) {
  Selection selection(command, queue);
  if (!command.count_by.empty()) return count(command, selection, out);
  std::size_t found = 0, held = 0;
  const auto depth = command.ids_only ? Selection::Depth::name : Selection::Depth::state;
  selection.each(depth, [&](const ListedMessage& listed, const MessageView* view, OpenedMessage*) {
    ++found;
    held += listed.held ? 1 : 0;
    if (command.ids_only)
      out.put(command.json ? "{\"id\":\"" + listed.id.text() + "\"}\n" : listed.id.text() + "\n");
    else if (command.json)
      out.put(as_json(*view, true));
    else
      out.put(command.with_recipients ? as_listing(*view)
                                      : as_line(*view) + (command.with_reasons ? reasons_of(*view) : ""));
    return found != command.limit;
  });
  if (!command.json && !command.ids_only)
    out.put("-- " + messages_text(found) + (held > 0 ? ", " + number(held) + " held" : "") +
            "; the queue has " + number(queue.messages.size()) + "\n");
  // An empty list is an answer; a number that is not there is none.
  return command.filter.ids().empty() ? found_or_not(1, selection) : found_or_not(found, selection);
}

// ------------------------------------------------------------------ show

std::string row(const char* name, const std::string& value) {
  return value.empty() ? "" : left(name, 11) + log_safe(value, 2000) + "\n";
}

std::string user_text(std::uint32_t uid) {
  const std::optional<User> user = passwd_user(static_cast<uid_t>(uid));
  return number(uid) + (user ? " (" + user->name + ")" : "");
}

std::string as_sheet(const MessageView& view) {
  std::string text =
      row("message", view.listed.id.text()) +
      row("arrived", birth_text(view.listed.id) + ", " + age_text(age_of(view.listed.id)) + " ago") +
      row("state", states_of(view)) + row("size", number(view.header.message_bytes()) + " bytes") +
      row("sender", "<" + view.envelope.sender + ">") + row("parameters", view.envelope.params) +
      row("kind", kind_name(view.header.kind)) + row("uid", user_text(view.header.uid)) +
      row("trace", view.header.trace) + row("qp", number(view.header.qp));
  for (const auto& [name, value] : view.envelope.origin) text += row(name.c_str(), value);
  text += row("recipients", number(view.recipients.size()) + ", " + number(view.pending()) + " pending");
  for (const RecipientView& recipient : view.recipients) {
    text += "  " + left(fate_name(recipient.fate), 9) + "  " +
            left(channel_name(recipient.route.channel), 6) + "  " + log_safe(recipient.address);
    if (recipient.route.prepended > 0) text += "  as " + log_safe(recipient.route.recipient);
    if (!recipient.params.empty()) text += "  " + log_safe(recipient.params);
    if (recipient.fate == RecipientFate::pending) text += "  " + next_text(view, recipient);
    text += "\n";
    std::string_view rest = recipient.text;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      text += "             " + log_safe(rest.substr(0, end)) + "\n";
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return text;
}

// The message, or its header with the empty line behind it, as a delivery agent would read it.
void put_message(const OpenedMessage& message, bool headers_only, Writer& out) {
  std::uint64_t at = message.header.message_start;
  char before = '\n';
  const std::uint64_t end = headers_only
                                ? std::min<std::uint64_t>(message.header.message_end, at + header_shown)
                                : message.header.message_end;
  while (at < end) {
    std::string bytes = pread_some(message.fd.get(), std::min<std::uint64_t>(piece, end - at),
                                   static_cast<off_t>(at), "the message");
    if (bytes.empty()) return;
    at += bytes.size();
    if (headers_only) {
      if (before == '\n' && bytes[0] == '\n') return;
      const std::size_t empty = bytes.find("\n\n");
      before = bytes.back();
      if (empty != std::string::npos) bytes.resize(empty + 1), at = end;
    }
    out.put(bytes);
  }
}

int show(const QueueCommand& command, const QueueListing& queue, Writer& out) {
  Selection selection(command, queue);
  std::size_t found = 0;
  selection.each(Selection::Depth::state,
                 [&](const ListedMessage&, const MessageView* view, OpenedMessage* message) {
                   if (found++ > 0 && !command.json) out.put("\n");
                   out.put(command.json ? as_json(*view, true) : as_sheet(*view));
                   if (!command.json && (command.headers || command.message)) {
                     out.put("\n");
                     put_message(*message, !command.message, out);
                   }
                   return found != command.limit;
                 });
  if (found == 0) log_line(2, "qmail-q: no such message in the queue");
  return found_or_not(found, selection);
}

// ------------------------------------------------------------------ remove, hold, release, retry

struct Tally {
  std::size_t messages = 0, recipients = 0;  // selected
  std::size_t done = 0, delivering = 0, none = 0, failed = 0;
};

RequestVerb request_verb(const QueueCommand& command) {
  switch (command.verb) {
    case QueueVerb::hold:
      return RequestVerb::hold;
    case QueueVerb::release:
      return RequestVerb::release;
    case QueueVerb::retry:
      return RequestVerb::retry;
    default:
      return command.bounce ? RequestVerb::bounce : RequestVerb::remove;
  }
}

// What has to be asked for about one message: several requests when it names very many recipients.
void add_requests(const QueueCommand& command, QueueId id, const MessageView* view,
                  std::vector<SendRequest>& requests, Tally& tally) {
  SendRequest request;
  request.verb = request_verb(command);
  request.id = id;
  if (command.bounce) request.text = command.reason;
  if (!command.recipients_only) {
    ++tally.messages;
    requests.push_back(std::move(request));
    return;
  }
  std::vector<std::uint32_t> wanted;
  for (std::uint32_t i = 0; i < view->recipients.size(); ++i)
    if (view->recipients[i].fate == RecipientFate::pending &&
        command.filter.fits_recipient(view->recipients[i].address))
      wanted.push_back(i);
  if (wanted.empty()) return;
  ++tally.messages;
  tally.recipients += wanted.size();
  for (std::size_t at = 0; at < wanted.size(); at += request_recipients_limit) {
    request.recipients.assign(
        wanted.begin() + static_cast<std::ptrdiff_t>(at),
        wanted.begin() + static_cast<std::ptrdiff_t>(std::min(wanted.size(), at + request_recipients_limit)));
    requests.push_back(request);
  }
}

void ask_for(std::vector<SendRequest>& requests, QueueOperator& send, unsigned split, Tally& tally) {
  // One directory after the other: each is made durable once for many messages.
  std::stable_sort(requests.begin(), requests.end(), [split](const SendRequest& a, const SendRequest& b) {
    return a.id.value() % split < b.id.value() % split;
  });
  for (std::size_t at = 0; at < requests.size(); at += requests_at_once) {
    const std::vector<SendRequest> some(
        requests.begin() + static_cast<std::ptrdiff_t>(at),
        requests.begin() + static_cast<std::ptrdiff_t>(std::min(requests.size(), at + requests_at_once)));
    const std::vector<SendAnswer> answers = send.ask(some);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const SendAnswer& answer = answers[i];
      if (i > 0 && some[i - 1].id == some[i].id && answer.outcome == RequestOutcome::done) continue;
      if (answer.outcome == RequestOutcome::done)
        ++tally.done, tally.delivering += answer.number;
      else if (answer.outcome == RequestOutcome::none)
        ++tally.none;
      else if (++tally.failed; tally.failed <= 10)
        log_line(2, "qmail-q: #" + some[i].id.text() + ": " + answer.text);
    }
  }
}

const char* past_tense(QueueVerb verb) {
  switch (verb) {
    case QueueVerb::hold:
      return "held";
    case QueueVerb::release:
      return "released";
    case QueueVerb::retry:
      return "being tried now";
    default:
      return "removed";
  }
}

std::string report(const QueueCommand& command, const Tally& tally) {
  if (command.json)
    return std::string("{\"action\":\"") + verb_name(command.verb) +
           "\",\"dryrun\":" + (command.dry_run ? "true" : "false") +
           ",\"selected\":" + number(tally.messages) + ",\"recipients\":" + number(tally.recipients) +
           ",\"done\":" + number(tally.done) + ",\"delivering\":" + number(tally.delivering) +
           ",\"gone\":" + number(tally.none) + ",\"failed\":" + number(tally.failed) + "}\n";
  std::string text;
  const std::string recipients =
      command.recipients_only ? number(tally.recipients) + " recipients of " : std::string();
  if (command.dry_run)
    return "would " + std::string(verb_name(command.verb)) + " " + recipients +
           messages_text(tally.messages) + "\n";
  text = recipients + messages_text(tally.done) + " " + past_tense(command.verb);
  if (command.bounce) text += ", their senders are told";
  if (tally.delivering > 0)
    text += "; " + number(tally.delivering) + (tally.delivering == 1 ? " delivery was" : " deliveries were") +
            " under way and may still arrive";
  if (tally.none > 0)
    text += "; " + messages_text(tally.none) +
            (command.verb == QueueVerb::release ? " not held" : " gone already");
  if (tally.failed > 0) text += "; " + number(tally.failed) + " failed";
  return text + "\n";
}

int change(const QueueCommand& command, Writer& out) {
  const QueuePaths paths;
  // Before the queue is looked at: while none runs, none may start behind our back.
  std::unique_ptr<QueueOperator> send;
  if (!command.dry_run) send = find_operator(paths);
  const QueueListing queue(paths.queue);
  Selection selection(command, queue);
  Tally tally;
  std::vector<SendRequest> requests;
  const auto depth = command.recipients_only ? Selection::Depth::state : Selection::Depth::name;
  selection.each(depth, [&](const ListedMessage& listed, const MessageView* view, OpenedMessage*) {
    if (command.verb == QueueVerb::release && !listed.held) return true;
    if (command.dry_run && !command.json) out.put(listed.id.text() + "\n");
    add_requests(command, listed.id, view, requests, tally);
    return tally.messages != command.limit || command.limit == 0;
  });
  if (send) ask_for(requests, *send, queue.paths().split, tally);
  // Those asked for by number that the queue did not have.
  if (const std::vector<QueueId>& ids = command.filter.ids();
      !command.filter.by_file() && ids.size() > tally.messages)
    tally.none += ids.size() - tally.messages;
  out.put(report(command, tally));
  out.flush();
  if (tally.failed > 0) return 111;
  return found_or_not(command.dry_run ? tally.messages : tally.done, selection);
}

// ------------------------------------------------------------------ status

int status(const QueueCommand& command, Writer& out) {
  const std::unique_ptr<QueueOperator> send = find_operator(QueuePaths());
  const SendAnswer answer = send->ask({SendRequest{}}).at(0);
  if (answer.outcome != RequestOutcome::done) throw TempError(answer.text);
  std::string_view rest = answer.text;
  std::string json;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string name(word.substr(0, equals)), value(word.substr(std::min(equals + 1, word.size())));
    if (command.json)
      json += (json.empty() ? "" : ",") + json_string(name) + ":" + value;
    else
      out.put(left(name, 12) + value + "\n");
  }
  if (command.json) out.put("{" + json + "}\n");
  return 0;
}

void read_ids(QueueFilter& filter) {
  Reader in(0, "standard input");
  std::string line;
  constexpr std::size_t line_limit = 1000;
  for (;;) {
    const Reader::Line got = in.read_line(line, line_limit);
    if (got == Reader::Line::eof) break;
    const std::size_t begin = std::min(line.find_first_not_of(" \t#"), line.size());
    const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
    const std::string word = line.substr(begin, end - begin);
    if (word.empty() || word == "--") continue;  // an empty line; the last one of a list
    const std::optional<QueueId> id = QueueId::parse(word);
    if (!id || got == Reader::Line::too_long)
      throw PermError("standard input: no message's number: " + log_safe(word, 60));
    filter.add_id(*id);
  }
  filter.finish();
}

int body(int argc, char** argv) {
  QueueCommand command =
      parse_queue_command(std::vector<std::string>(argv + 1, argv + argc), now_seconds(), uid_of);
  if (command.ids_from_input) {
    read_ids(command.filter);
    if (command.filter.ids().empty()) throw PermError("standard input has no message's number");
  }
  Writer out(1, "standard output", 0, piece);
  int code = 0;
  if (command.verb == QueueVerb::status) {
    code = status(command, out);
  } else if (command.changes()) {
    code = change(command, out);
  } else {
    if (geteuid() == 0) drop_root_to(conf::user_qmails);
    const QueueListing queue(QueuePaths().queue);
    code = command.verb == QueueVerb::list ? list(command, queue, out) : show(command, queue, out);
  }
  out.flush();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-q", argc, argv, body);
}
