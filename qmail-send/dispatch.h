// The heart of qmail-send: which message is opened when, which delivery starts next, what becomes of its
// report. One event loop; no fsync, no read of a message, no wait for the gate, the spawners or qmail-clean.
//
// Destinations (destination.h) take turns: a host that is slow, dead or limited has its own line (turns.h),
// and what waits there is in nobody's way.
//
// A message is known by 16 bytes in one of seven places until its time comes: `fresh_` (not yet looked at),
// `first_` (a channel's, waiting for its first attempt because the channel was full), `later_` (a channel's,
// deferred), a destination's line (its destination takes no more for now), `unsorted_` (channels not known:
// found in queue/mess at the start, or could not be opened), `missed_` (had a slot while nobody ran; due at
// once, at a limited rate) and `stated_` (found with a state at the start: it may lack nothing but its
// bounce, and is looked at when those that were missed have been). Then it is opened and becomes a
// QueuedMessage in `active_`, until its passes are over; it is not kept in between.
//
// The members are defined where they belong: the loop in dispatch.cc, what waits and comes in in intake.cc,
// deliveries in deliveries.cc, the end of a message in message_end.cc, the operator's wishes in requests.cc.
#pragma once

#include <signal.h>

#include <deque>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "lib/mail/router.h"
#include "lib/net/next_hop.h"
#include "lib/store/queuefile.h"
#include "lib/store/recipients.h"
#include "qmail-send/activity_log.h"
#include "qmail-send/cleaner.h"
#include "qmail-send/flush_scan.h"
#include "qmail-send/held_messages.h"
#include "qmail-send/list_server.h"
#include "qmail-send/message.h"
#include "qmail-send/new_mail.h"
#include "qmail-send/notice_sender.h"
#include "qmail-send/queue_scan.h"
#include "qmail-send/request_server.h"
#include "qmail-send/schedule.h"
#include "qmail-send/settings.h"
#include "qmail-send/spawner_socket.h"
#include "qmail-send/trigger.h"
#include "qmail-send/turns.h"

namespace hato {

// Seconds.
constexpr std::int64_t rescan_seconds = 1500;     // queue/new is looked through at least so often
constexpr std::int64_t trouble_seconds = 123;     // after a failure of the system, the next try
constexpr std::int64_t old_delivery_seconds = 5;  // how often to ask whether an old run's delivery has ended
constexpr std::int64_t alive_seconds = 60;
constexpr std::int64_t missed_per_second = 100;  // messages whose time came while nobody ran
// Messages of one channel that are ready at once, taking turns; more when more slots are free.
constexpr std::size_t turns = 10;
// Recipients of all messages that are open: with so many no further message is opened. One message may be
// larger.
constexpr std::size_t open_recipients_limit = 20000;
constexpr std::size_t loads_per_round = 10;    // messages opened before reports are looked at again
constexpr std::size_t notices_in_memory = 50;  // messages that wait for a child to make their notice

// Waiting::flags.
constexpr std::uint32_t flag_now = 1;     // every channel with pending recipients is tried, slot or not
constexpr std::uint32_t flag_old = 2;     // of an earlier run, whose deliveries may still be going
constexpr std::uint32_t flag_fresh = 4;   // not announced in the log yet
constexpr std::uint32_t flag_both = 8;    // the other channel has an entry, or a pass, of its own
constexpr std::uint32_t flag_told = 16;   // the log says that we wait for an old run's delivery
constexpr std::uint32_t flag_turn = 32;   // its destination's line has come to it
constexpr std::uint32_t flag_asked = 64;  // somebody asked for it: its destinations back off no more

// What signal handlers tell the loop.
struct SendSignals {
  volatile sig_atomic_t exit_soon = 0;    // SIGTERM
  volatile sig_atomic_t run_now = 0;      // SIGALRM
  volatile sig_atomic_t reread = 0;       // SIGHUP
  volatile sig_atomic_t child_ended = 0;  // SIGCHLD
};

class Dispatch {
 public:
  struct Parts {
    QueuePaths paths;
    SendSettings settings;
    Control control;
    int log = 0;  // descriptor
    Fd spawners[channels];
    Fd cleaner;
  };
  explicit Dispatch(Parts parts);
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  // Reads the queue's directories; opens no message.
  void start();
  // The loop: until `signals` or the death of a partner says so and what is in flight has ended. `mask` is
  // in force while it sleeps.
  void run(SendSignals& signals, const sigset_t& mask);

 private:
  struct Delivery {
    QueueId id;
    std::size_t recipient;
    Channel channel;
    Turns::Line* line;
    bool unproven;  // the host had not answered yet when it was started
  };
  // A channel as the loop sees it.
  struct Lane {
    SpawnerSocket spawner;
    std::size_t limit;
    Turns turns;  // who is next of those that are due
    std::deque<Waiting> first;
    Schedule later;
    bool alive = true;
    bool blocked = false;      // the socket takes no more for now
    std::size_t used = 0;      // deliveries under way
    std::size_t unproven = 0;  // those of them to hosts that had not answered yet
    unsigned turn = 0;         // which source was asked last
    bool free() const { return alive && !blocked && used < limit; }
    Places places() const { return {limit > used ? limit - used : 0, unproven}; }
  };

  Lane make_lane(Channel channel, Fd spawner);

  // --- what is waiting (intake.cc)
  void scan_start();
  void note_new(QueueId id);
  void step_rescan();
  bool load_one(Channel channel);
  void load(Waiting entry, const Channel* wanted);
  void begin_passes(QueuedMessage& message, const Waiting& entry, const Channel* wanted);
  void begin_pass(QueuedMessage& message, Channel channel, const Waiting& entry);
  bool room_for_messages() const { return open_recipients_ < open_recipients_limit; }

  // --- destinations (deliveries.cc)
  std::string destination_of(Channel channel, const std::string& recipient);
  DestinationLimits limits_of(Channel channel, const std::string& destination) const;
  void back_off(Channel channel, Turns::Line& line);
  void put_off(Channel channel, const Waiting& entry);

  // --- deliveries (deliveries.cc)
  void fill(Channel channel);
  bool start_next(Channel channel, Turns::Line& line);
  bool start_delivery(QueuedMessage& message, Channel channel, std::size_t recipient, Turns::Line& line);
  void take_reports(Channel channel);
  void take_report(Channel channel, std::string_view packet);
  void note_deferral(QueuedMessage& message, std::uint32_t recipient, const std::string& text);
  void mark(QueuedMessage& message, const StateRecord& record);
  void end_pass_if_over(QueuedMessage& message, Channel channel);
  void end_pass(QueuedMessage& message, Channel channel);
  void close_pass(QueuedMessage& message, Channel channel);
  void spawner_died(Channel channel);

  // --- the end of a message (message_end.cc)
  void settle(QueuedMessage& message);
  void move_put_off();
  bool wait_for_notice(QueuedMessage& message);
  void finish(QueuedMessage& message);
  void end(QueuedMessage& message);
  void mark_all_done(QueuedMessage& message);
  void retry_end(QueuedMessage& message, std::int64_t seconds);
  void start_notices();
  void start_notice(QueuedMessage& message);
  void take_notices();
  void notice_trouble(QueuedMessage& message, const std::string& why);
  void take_failure_notice(QueuedMessage& message, const NoticeOutcome& outcome);
  void take_other_notice(QueuedMessage& message, const NoticeOutcome& outcome);
  void move_to_bad(QueuedMessage& message, const std::string& why);
  void take_clean_answers();
  void clean_died();
  void forget(QueueId id);

  // --- what the operator and ETRN ask for (requests.cc)
  static RequestServer make_request_server();
  void listen_for_requests();
  void take_requests();
  void serve(const TakenRequest& taken);
  static std::string by(const TakenRequest& taken);
  std::string numbers() const;
  void hold(const TakenRequest& taken);
  void release(const TakenRequest& taken);
  void take_up_again(QueueId id);
  void retry_soon(QueueId id);
  void bring_forward();
  void remove_message(const TakenRequest& taken);
  void resolve_recipients(const TakenRequest& taken);
  void give_up_passes(QueuedMessage& message);
  void give_up_empty_passes(QueuedMessage& message);
  void ask_cleaner(const CleanCommand& command, const Ticket& ticket, std::size_t going);
  void take_operator_answer(const CleanCommand& command, const CleanAnswer& answer);
  void refuse_operator_answers();
  void work_on_flushes();

  // --- the loop
  void status();
  void handle_signals(SendSignals& signals);
  void run_everything_now();
  bool may_exit() const;
  void work();
  int sleep_ms() const;
  void wait(const SendSignals& signals, const sigset_t& mask);
  void touch_alive();
  std::int64_t served_until() const;
  std::string where(QueueId id, bool in_new) const;
  std::string name_of(QueueId id, bool in_new) const;
  Lane& lane(Channel channel) { return lanes_[static_cast<unsigned>(channel)]; }
  const Lane& lane(Channel channel) const { return lanes_[static_cast<unsigned>(channel)]; }

  QueuePaths paths_;
  SendSettings settings_;
  Control control_;
  ActivityLog log_;
  Router router_;
  NextHops hops_;
  Recipients local_users_;
  Trigger trigger_;
  Lane lanes_[channels];
  Cleaner cleaner_;
  bool cleaner_alive_ = true;
  NoticeSender notices_;

  NewMail fresh_;
  bool found_work_ = false;  // in the message opened last: a delivery that may start at once
  Schedule unsorted_, missed_, stated_;
  Schedule ending_;                           // all recipients resolved, the bounce or the unlink failed
  std::unordered_set<std::uint64_t> in_new_;  // known messages that lie in queue/new
  std::deque<QueueId> put_off_;               // closed messages with a slot that may lie in queue/new still
  std::unordered_set<std::uint64_t> moving_;  // those of them that qmail-clean is moving
  std::size_t open_recipients_ = 0;           // of all in active_; outlives them
  std::unordered_map<std::uint64_t, std::unique_ptr<QueuedMessage>> active_;
  std::unordered_map<std::uint32_t, Delivery> deliveries_;
  std::deque<QueueId> to_notify_;

  RequestServer requests_ = make_request_server();
  ListServer lists_;
  HeldMessages held_;
  FlushScan flushes_;
  std::unordered_set<std::uint64_t> retries_;  // to be brought forward
  std::int64_t brought_forward_ = 0;           // when that was done last
  std::uint64_t askings_ = 0;                  // how often
  struct Asked {
    Ticket ticket;
    std::size_t going;  // deliveries under way
  };
  std::deque<Asked> asked_;  // of qmail-clean, for the operator, in order

  std::uint64_t newest_at_start_ = 0;  // messages up to this id may have been tried by an earlier run
  std::uint32_t last_delivery_ = 0;
  bool exit_soon_ = false;
  bool more_to_do_ = false;  // the last round stopped at its limit
  std::int64_t now_ = 0;
  std::int64_t next_rescan_ = 0, next_alive_ = 0;
  std::int64_t missed_allowed_ = 0, missed_at_ = 0;

  NewScan rescan_;
};

}  // namespace hato
