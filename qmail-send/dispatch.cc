#include "qmail-send/dispatch.h"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/store/routing.h"
#include "qmail-send/alive_file.h"

namespace hato {

Dispatch::Dispatch(Parts parts)
    : paths_(std::move(parts.paths)),
      settings_(std::move(parts.settings)),
      control_(std::move(parts.control)),
      log_(parts.log),
      router_(settings_.domains, settings_.percenthack, settings_.envnoathost, account_domains()),
      hops_(control_),
      trigger_(paths_.lock("trigger")),
      lanes_{make_lane(Channel::local, std::move(parts.spawners[0])),
             make_lane(Channel::remote, std::move(parts.spawners[1]))},
      cleaner_(std::move(parts.cleaner)) {}

Dispatch::Lane Dispatch::make_lane(Channel channel, Fd spawner) {
  const auto limits = [this, channel](const std::string& name) { return limits_of(channel, name); };
  const std::size_t limit = settings_.concurrency[static_cast<unsigned>(channel)];
  return Lane{SpawnerSocket(std::move(spawner)), limit, Turns(limits), {}, {}};
}

void Dispatch::start() {
  now_ = now_seconds();
  missed_at_ = now_;
  missed_allowed_ = missed_per_second;
  listen_for_requests();
  for (const std::string& complaint : settings_.complaints) log_.warning(complaint);
  scan_start();
  status();
  next_alive_ = now_;
  next_rescan_ = now_ + rescan_seconds;
}

std::string Dispatch::where(QueueId id, bool in_new) const {
  return in_new ? paths_.fresh(id) : paths_.mess(id);
}

// As qmail's log names files: below the queue.
std::string Dispatch::name_of(QueueId id, bool in_new) const {
  return where(id, in_new).substr(paths_.queue.size() + 1);
}

// ------------------------------------------------------------------ the loop

void Dispatch::status() {
  log_.status({lanes_[0].used, lanes_[0].limit}, {lanes_[1].used, lanes_[1].limit}, exit_soon_);
}

void Dispatch::handle_signals(SendSignals& signals) {
  if (signals.exit_soon) exit_soon_ = true;
  if (signals.run_now) {
    signals.run_now = 0;
    run_everything_now();
  }
  if (signals.reread) {
    signals.reread = 0;
    try {
      reread_domains(control_, settings_);
      router_.replace(settings_.domains);
      reread_limits(control_, settings_);
      for (Lane& l : lanes_) l.turns.renew_limits();
    } catch (const Error& e) {
      log_.alert("unable to reread controls: " + e.text());
    }
  }
  if (signals.child_ended) {
    signals.child_ended = 0;
    pid_t pid;
    while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0)
      if (const std::string trouble = lists_.ended(pid); !trouble.empty()) log_.warning(trouble);
  }
}

void Dispatch::run_everything_now() {
  for (Lane& l : lanes_) {
    l.later.make_all_due(now_, flag_now);
    l.turns.forgive_all();
  }
  for (Schedule* schedule : {&missed_, &stated_})
    while (const std::optional<Waiting> entry = schedule->pop_due(INT64_MAX))
      unsorted_.append(QueueId(entry->id), entry->due, entry->flags);
  unsorted_.make_all_due(now_, flag_now);
  ending_.make_all_due(now_, flag_now);
}

bool Dispatch::may_exit() const {
  if (!exit_soon_ || !notices_.idle()) return false;
  for (const Lane& l : lanes_)
    if (l.alive && l.used > 0) return false;  // of a dead one no report can come
  return !cleaner_alive_ || cleaner_.idle();
}

// One round: everything that can be done without waiting, within limits.
void Dispatch::work() {
  more_to_do_ = false;
  if (now_ != missed_at_) {
    missed_allowed_ = missed_per_second;
    missed_at_ = now_;
  }
  work_on_flushes();
  if (!exit_soon_) {
    step_rescan();
    bring_forward();
    move_put_off();
    for (std::size_t n = 0; n < loads_per_round && to_notify_.size() < notices_in_memory; ++n) {
      const std::optional<Waiting> entry = ending_.pop_due(now_);
      if (!entry) break;
      load(*entry, nullptr);
    }
  }
  for (const Channel channel : both_channels) fill(channel);
  // One channel's turn may have opened a message that has something for the other.
  for (const Lane& l : lanes_)
    if (l.free() && !exit_soon_ && l.turns.ready(now_us(), l.places(), 1) > 0) more_to_do_ = true;
  start_notices();
  if (exit_soon_) notices_.hurry();
  if (cleaner_alive_ && !cleaner_.flush()) clean_died();
}

// Milliseconds until something is due by itself.
int Dispatch::sleep_ms() const {
  if (more_to_do_ || (rescan_.going() && !exit_soon_)) return 0;
  const std::int64_t clock = now_us();
  std::int64_t next = next_alive_;
  std::int64_t next_turn = INT64_MAX;  // microseconds
  const auto until = [&next](std::optional<std::int64_t> due) {
    if (due) next = std::min(next, *due);
  };
  if (!exit_soon_) {
    until(next_rescan_);
    if (!retries_.empty()) until(brought_forward_ + 1);
    if (to_notify_.size() < notices_in_memory) until(ending_.earliest());
    for (const Lane& l : lanes_) {
      if (!l.free()) continue;
      next_turn = std::min(next_turn, l.turns.not_before(clock).value_or(INT64_MAX));
      if (!room_for_messages()) continue;
      until(l.later.earliest());
      until(unsorted_.earliest());
      if (!missed_.empty() || !stated_.empty()) until(now_ + 1);
    }
  }
  const std::int64_t us = std::min(next * 1000000, next_turn) - clock;
  const auto ms = static_cast<int>(std::clamp<std::int64_t>(us / 1000 + 1, 0, alive_seconds * 1000));
  const int patience = flushes_.patience_ms();
  return patience < 0 ? ms : std::min(ms, patience);
}

void Dispatch::wait(const SendSignals& signals, const sigset_t& mask) {
  std::vector<pollfd> polled;
  const auto watch = [&polled](int fd, bool in, bool out) {
    polled.push_back({fd, static_cast<short>((in ? POLLIN : 0) | (out ? POLLOUT : 0)), 0});
  };
  watch(exit_soon_ ? -1 : trigger_.fd(), true, false);
  for (const Lane& l : lanes_) watch(l.alive ? l.spawner.fd() : -1, true, l.blocked);
  watch(cleaner_alive_ ? cleaner_.fd() : -1, true, cleaner_.blocked());
  watch(flushes_.fd(), true, false);
  const std::size_t list = polled.size();
  watch(lists_.fd(), true, false);
  const std::size_t first_notice = polled.size();
  for (const int fd : notices_.fds()) watch(fd, true, false);
  const std::size_t first_request = polled.size();
  for (const int fd : requests_.fds()) watch(fd, true, false);

  const bool signalled =
      (signals.exit_soon && !exit_soon_) || signals.run_now || signals.reread || signals.child_ended;
  const int ms = signalled ? 0 : sleep_ms();
  const timespec time{ms / 1000, ms % 1000 * 1000000L};
  if (ppoll(polled.data(), polled.size(), &time, &mask) <= 0) return;
  now_ = now_seconds();

  if (polled[0].revents != 0) {
    const Trigger::Pulled pulled = trigger_.drain();
    for (const QueueId id : pulled.ids) note_new(id);
    // A moment later, so that a worker that is just being killed has done its last system call.
    if (pulled.rescan) next_rescan_ = std::min(next_rescan_, now_ + 1);
  }
  for (const Channel channel : both_channels) {
    const short events = polled[1 + static_cast<unsigned>(channel)].revents;
    if (events & POLLOUT) lane(channel).blocked = false;
    if (events & ~POLLOUT) take_reports(channel);
  }
  if (polled[3].revents & ~POLLOUT) take_clean_answers();
  const auto any_ready = [&polled](std::size_t from, std::size_t to) {
    return std::any_of(polled.begin() + static_cast<std::ptrdiff_t>(from),
                       polled.begin() + static_cast<std::ptrdiff_t>(to),
                       [](const pollfd& p) { return p.revents != 0; });
  };
  if (any_ready(first_notice, first_request)) take_notices();
  if (polled[list].revents != 0) lists_.take();
  if (polled[list - 1].revents != 0)
    for (const QueueId id : flushes_.collect()) retry_soon(id);
  if (any_ready(first_request, polled.size())) take_requests();
}

// The moment up to which every slot was used: not later than what is overdue or being tried now.
std::int64_t Dispatch::served_until() const {
  std::int64_t until = now_;
  const auto not_after = [&until](std::optional<std::int64_t> due) {
    if (due) until = std::min(until, *due - 1);
  };
  not_after(unsorted_.earliest());
  not_after(missed_.earliest());
  for (const Lane& l : lanes_) {
    not_after(l.later.earliest());
    if (!l.first.empty()) not_after(l.first.front().due);
    not_after(l.turns.earliest_due());
  }
  for (const auto& [id, message] : active_)
    for (const Pass& pass : message->passes)
      if (pass.running) not_after(pass.due);
  return until;
}

void Dispatch::touch_alive() {
  next_alive_ = now_ + alive_seconds;
  for (Lane& l : lanes_) l.turns.sweep(now_us());
  try {
    write_alive(paths_.lock("alive"), served_until());
  } catch (const Error& e) {
    log_.warning("trouble writing to lock/alive: " + e.text());
  }
}

void Dispatch::run(SendSignals& signals, const sigset_t& mask) {
  for (;;) {
    now_ = now_seconds();
    handle_signals(signals);
    work();
    if (may_exit()) break;
    if (now_ >= next_alive_) touch_alive();
    log_.flush();
    wait(signals, mask);
  }
  touch_alive();
  log_.exiting();
}

}  // namespace hato
