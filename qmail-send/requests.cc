// What the operator's tools and ETRN ask of a running qmail-send: Dispatch's part of lib/net/send_request.h.
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/queue_list.h"
#include "lib/net/send_channel.h"
#include "qmail-send/dispatch.h"

namespace hato {

namespace {

bool exists(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0;
}

SendAnswer done(std::size_t number = 0) {
  return {RequestOutcome::done, number, ""};
}
SendAnswer none() {
  return {RequestOutcome::none, 0, ""};
}
SendAnswer failed(const std::string& why) {
  return {RequestOutcome::failed, 0, why};
}

std::size_t under_way(const QueuedMessage& message) {
  return message.passes[0].in_flight + message.passes[1].in_flight;
}

uid_t uid_of(const char* user) {
  const std::optional<User> known = passwd_user(std::string(user));
  return known ? known->uid : static_cast<uid_t>(-1);
}

}  // namespace

RequestServer Dispatch::make_request_server() {
  return RequestServer(geteuid(), uid_of(conf::user_qmaild));
}

void Dispatch::listen_for_requests() {
  try {
    requests_.listen(send_socket_path());
  } catch (const Error& e) {
    log_.warning(e.text() + ": qmail-q and ETRN will not reach this qmail-send");
  }
  try {
    lists_.listen(list_socket_path());
  } catch (const Error& e) {
    log_.warning(e.text() + ": mailq will show users nothing");
  }
}

void Dispatch::take_requests() {
  for (const TakenRequest& taken : requests_.take()) try {
      serve(taken);
    } catch (const Error& e) {
      requests_.answer(taken.ticket, failed(e.text()));
    }
}

void Dispatch::serve(const TakenRequest& taken) {
  const QueueId id = taken.request.id;
  const auto refuse_unknown = [&] {
    // In this order: it may just be moved from the one to the other.
    if (exists(paths_.fresh(id)) || exists(paths_.mess(id))) return false;
    requests_.answer(taken.ticket, none());
    return true;
  };
  const bool changes = taken.request.verb != RequestVerb::flush && taken.request.verb != RequestVerb::status;
  if (changes && (!cleaner_alive_ || exit_soon_))
    return requests_.answer(taken.ticket, failed("qmail-send is going to stop"));
  if (changes && refuse_unknown()) return;
  switch (taken.request.verb) {
    case RequestVerb::hold:
      return hold(taken);
    case RequestVerb::release:
      return release(taken);
    case RequestVerb::retry:
      retry_soon(id);
      return requests_.answer(taken.ticket, done());
    case RequestVerb::remove:
      return taken.request.recipients.empty() ? remove_message(taken) : resolve_recipients(taken);
    case RequestVerb::bounce:
      return resolve_recipients(taken);
    case RequestVerb::flush:
      if (!flushes_.ask(taken.request.domain, taken.ticket))
        return requests_.answer(taken.ticket, failed("too many such requests at once"));
      log_.line("flush " + taken.request.domain + by(taken));
      return;
    case RequestVerb::status:
      return requests_.answer(taken.ticket, {RequestOutcome::done, 0, numbers()});
  }
}

std::string Dispatch::by(const TakenRequest& taken) {
  std::string text = " by uid " + std::to_string(taken.uid);
  if (!taken.request.address.empty()) text += " for " + taken.request.address;
  return text;
}

// For monitoring: NAME=NUMBER words.
std::string Dispatch::numbers() const {
  const auto word = [](const char* name, std::size_t n) {
    return std::string(name) + "=" + std::to_string(n);
  };
  const Lane& here = lane(Channel::local);
  const Lane& there = lane(Channel::remote);
  return word("local", here.used) + word(" locallimit", here.limit) + word(" remote", there.used) +
         word(" remotelimit", there.limit) + word(" new", in_new_.size()) + word(" active", active_.size()) +
         word(" held", held_.size()) + word(" stopping", exit_soon_ ? 1 : 0);
}

// ------------------------------------------------------------------ hold and release

void Dispatch::hold(const TakenRequest& taken) {
  const QueueId id = taken.request.id;
  log_.line("held msg " + id.text() + by(taken));
  held_.hold(id);
  const auto found = active_.find(id.value());
  const std::size_t going = found == active_.end() ? 0 : under_way(*found->second);
  ask_cleaner({CleanVerb::hold, false, id}, taken.ticket, going);
  if (found != active_.end()) give_up_passes(*found->second);
}

void Dispatch::release(const TakenRequest& taken) {
  const QueueId id = taken.request.id;
  if (!held_.contains(id)) return requests_.answer(taken.ticket, none());
  log_.line("released msg " + id.text() + by(taken));
  take_up_again(id);
  ask_cleaner({CleanVerb::release, false, id}, taken.ticket, 0);
}

// The schedule has it again, due now.
void Dispatch::take_up_again(QueueId id) {
  for (const ParkedEntry& entry : held_.release(id))
    if (entry.channel)
      lane(*entry.channel).later.push(id, now_, entry.flags | flag_now);
    else
      unsorted_.push(id, now_, entry.flags | flag_now);
  retry_soon(id);
}

// ------------------------------------------------------------------ retry

void Dispatch::retry_soon(QueueId id) {
  retries_.insert(id.value());
}

// Brings forward what was asked for, at most once a second: each time all that waits is looked through.
void Dispatch::bring_forward() {
  if (retries_.empty() || now_ == brought_forward_) return;
  brought_forward_ = now_;
  ++askings_;
  for (Lane& l : lanes_)
    for (const Waiting& entry : l.later.take(retries_))
      l.later.push(QueueId(entry.id), now_, entry.flags | flag_now | flag_asked);
  for (const Waiting& entry : ending_.take(retries_)) ending_.push(QueueId(entry.id), now_, entry.flags);
  for (Schedule* schedule : {&missed_, &stated_, &unsorted_})
    for (const Waiting& entry : schedule->take(retries_))
      unsorted_.push(QueueId(entry.id), now_, entry.flags | flag_now | flag_asked);
  retries_.clear();
}

// ------------------------------------------------------------------ remove and bounce

void Dispatch::remove_message(const TakenRequest& taken) {
  const QueueId id = taken.request.id;
  const auto found = active_.find(id.value());
  std::size_t going = 0;
  if (found != active_.end()) {
    QueuedMessage& message = *found->second;
    if (message.phase == QueuedMessage::Phase::ending) return requests_.answer(taken.ticket, none());
    going = under_way(message);
    message.removed = true;
  }
  log_.line("removed msg " + id.text() + by(taken));
  ask_cleaner({CleanVerb::remove, false, id}, taken.ticket, going);
  if (found == active_.end()) return;
  QueuedMessage& message = *found->second;
  for (std::size_t i = 0; i < message.recipients.size(); ++i)
    if (message.recipients[i].fate == Fate::pending) message.resolve(i, Fate::done, "");
  if (message.phase == QueuedMessage::Phase::held) message.phase = QueuedMessage::Phase::delivering;
  give_up_passes(message);
}

// Some recipients, or all that are pending, come to their end: without a word, or as failures.
void Dispatch::resolve_recipients(const TakenRequest& taken) {
  const QueueId id = taken.request.id;
  const auto found = active_.find(id.value());
  std::optional<QueuedMessage> own;
  if (found == active_.end()) {
    bool in_new = in_new_.contains(id.value());
    OpenedMessage opened;
    std::string why;
    OpenResult result = open_message(where(id, in_new), opened, why);
    if (result == OpenResult::missing && moving_.contains(id.value())) {
      in_new = false;
      result = open_message(where(id, in_new), opened, why);
    }
    if (result == OpenResult::missing) return requests_.answer(taken.ticket, none());
    if (result == OpenResult::damaged)
      return requests_.answer(taken.ticket, failed("the file is damaged: " + why));
    StateFile state(paths_.state(id), opened.header.key);
    const std::vector<StateRecord> records = state.load();
    own.emplace(id, in_new, std::move(opened), std::move(state));
    own->prepare(router_, records);
  } else if (found->second->phase == QueuedMessage::Phase::ending || found->second->removed) {
    return requests_.answer(taken.ticket, none());
  }
  QueuedMessage& message = own ? *own : *found->second;

  std::vector<std::uint32_t> wanted = taken.request.recipients;
  if (wanted.empty())
    for (std::uint32_t i = 0; i < message.recipients.size(); ++i) wanted.push_back(i);
  std::size_t changed = 0, going = 0;
  for (const std::uint32_t index : wanted) {
    if (index >= message.recipients.size()) continue;
    RecipientState& recipient = message.recipients[index];
    if (recipient.fate == Fate::done || recipient.fate == Fate::failed) continue;
    const bool bounce = taken.request.verb == RequestVerb::bounce;
    if (recipient.fate == Fate::in_flight) {
      ++going;
      if (bounce) continue;  // what becomes of it is told to the sender anyhow
      recipient.unwanted = true;
    }
    const StateRecord record{bounce ? StateType::failed : StateType::removed, index,
                             bounce ? taken.request.text + "\n" : "uid " + std::to_string(taken.uid)};
    message.state.append(record);
    ++changed;
    log_.line((bounce ? "bounced msg " : "removed msg ") + id.text() + " recipient " +
              activity_text(recipient.route.recipient) + by(taken));
    if (recipient.fate == Fate::pending)
      message.resolve(index, bounce ? Fate::failed : Fate::done, bounce ? record.text : "");
  }
  if (changed == 0) return requests_.answer(taken.ticket, going == 0 ? none() : done(going));
  ask_cleaner({CleanVerb::sync, false, id}, taken.ticket, going);
  if (message.unresolved() == 0 && held_.contains(id)) {  // nothing is left to hold but its end
    take_up_again(id);
    ask_cleaner({CleanVerb::release, false, id}, {}, 0);
  }
  if (message.unresolved() == 0) retry_soon(id);  // if it waits somewhere, its end does not
  if (!own) give_up_empty_passes(message);
}

// ------------------------------------------------------------------ passes

// No further recipient of the message is tried in this attempt. It may be gone afterwards.
void Dispatch::give_up_passes(QueuedMessage& message) {
  for (const Channel channel : both_channels) message.give_up(channel);
  give_up_empty_passes(message);
}

// Ends the passes that have no recipient left to try. The message may be gone afterwards.
void Dispatch::give_up_empty_passes(QueuedMessage& message) {
  for (const Channel channel : both_channels) {
    message.skip_resolved(channel);
    if (!message.pass(channel).running || message.has_next(channel)) continue;
    if (message.pass(channel).in_flight == 0) close_pass(message, channel);
  }
  settle(message);
}

// ------------------------------------------------------------------ qmail-clean

void Dispatch::ask_cleaner(const CleanCommand& command, const Ticket& ticket, std::size_t going) {
  cleaner_.ask(command);
  asked_.push_back({ticket, going});
}

void Dispatch::take_operator_answer(const CleanCommand& command, const CleanAnswer& answer) {
  const Asked asked = asked_.front();
  asked_.pop_front();
  requests_.answer(asked.ticket, answer.done ? done(asked.going) : failed(answer.why));
  const auto found = active_.find(command.id.value());
  if (command.verb == CleanVerb::hold && !answer.done) take_up_again(command.id);
  if (command.verb == CleanVerb::release && !answer.done) held_.hold(command.id);
  if (command.verb != CleanVerb::remove) return;
  if (!answer.done) return;
  held_.release(command.id);
  if (found != active_.end()) {
    in_new_.erase(command.id.value());
    return;  // it ends by itself when its last delivery does
  }
  log_.end(command.id);
  if (unlink(paths_.state(command.id).c_str()) != 0 && errno != ENOENT)
    log_.warning("unable to unlink state: " + errno_text(errno));
  forget(command.id);
}

void Dispatch::refuse_operator_answers() {
  for (const Asked& asked : asked_) requests_.answer(asked.ticket, failed("qmail-clean is gone"));
  asked_.clear();
}

// ------------------------------------------------------------------ ETRN and qmail-flush

void Dispatch::work_on_flushes() {
  try {
    flushes_.start(paths_);
  } catch (const Error& e) {
    log_.warning("unable to look for a host's messages: " + e.text());
  }
  for (const FlushScan::Answered& one : flushes_.answers()) requests_.answer(one.ticket, one.answer);
}

}  // namespace hato
