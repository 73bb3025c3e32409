#include "qmail-send/dispatch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/mail/diagnosis.h"
#include "lib/mail/domain.h"
#include "lib/mail/envelope.h"

namespace hato {

namespace {

constexpr std::size_t notices_in_memory = 50;    // messages that wait for a child to make their notice
constexpr std::size_t open_files = 500;          // messages whose first delivery has its descriptor already
constexpr std::size_t entries_per_round = 2000;  // of queue/new, when it is looked through
constexpr std::size_t reports_per_round = 100;
// Bytes of one message's failure reports, in memory, in its state and in its bounce; beyond it a report is
// cut to so much. 250000 recipients must fit.
constexpr std::size_t reports_limit = 16U << 20, short_report = 100;
constexpr std::size_t notice_text_limit = 1000;  // of a success or a deferral, for a notice

Channel other(Channel channel) {
  return channel == Channel::local ? Channel::remote : Channel::local;
}
constexpr Channel both_channels[] = {Channel::local, Channel::remote};

struct CloseDir {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir open_directory(const std::string& path) {
  Dir directory(opendir(path.c_str()));
  if (!directory) throw_errno("open directory " + path);
  return directory;
}

// Every entry of a directory that is a message's name.
template <typename Use>
void for_each_id(const std::string& path, Use use) {
  const Dir directory = open_directory(path);
  while (const dirent* entry = readdir(directory.get()))
    if (const std::optional<QueueId> id = QueueId::parse(entry->d_name)) use(*id);
}

// The words about what became of it stand at the end.
std::string end_of(const std::string& text, std::size_t limit) {
  return text.size() <= limit ? text : text.substr(text.size() - limit);
}

bool file_exists(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 || errno != ENOENT;
}

// lock/alive holds the moment up to which every slot was used; a file without such a number (an installation
// that never ran) tells by its age.
std::int64_t read_alive(const std::string& path) {
  const std::optional<std::string> text = read_file(path, 100);
  std::int64_t seconds = 0;
  if (text)
    for (const char c : *text)
      if (c >= '0' && c <= '9' && seconds < INT32_MAX * 1000LL) seconds = seconds * 10 + (c - '0');
  struct stat st;
  if (seconds == 0 && stat(path.c_str(), &st) == 0) seconds = st.st_mtime;
  return seconds;
}

}  // namespace

struct Dispatch::Directory {
  Dir entries;
};

Dispatch::Dispatch(Parts parts)
    : paths_(std::move(parts.paths)),
      settings_(std::move(parts.settings)),
      control_(std::move(parts.control)),
      log_(parts.log),
      router_(settings_.locals, settings_.virtualdomains, settings_.percenthack, settings_.envnoathost),
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

// ------------------------------------------------------------------ what is waiting

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

void Dispatch::scan_start() {
  const std::int64_t alive = read_alive(paths_.lock("alive"));
  const std::vector<std::uint64_t> states = ids_in_split("state");
  std::vector<std::uint64_t> held = ids_on_hold();
  for (const std::uint64_t value : held) held_.hold(QueueId(value));
  std::vector<std::uint64_t> ids;
  for (const std::uint64_t value : ids_in_split("mess")) {
    const QueueId id(value);
    const std::int64_t slot = first_slot_after(birth_of(id), Channel::local, alive);
    // One with a state may lack nothing but its bounce, which is not to wait for a slot: it is looked at
    // soon.
    const bool soon = slot > now_ && std::binary_search(states.begin(), states.end(), value);
    if (held_.contains(id))
      held_.park(id, {std::nullopt, flag_old});
    else
      (slot <= now_ || soon ? missed_ : unsorted_).append(id, soon ? now_ : slot, flag_old);
    ids.push_back(value);
  }
  unsorted_.arrange();
  missed_.arrange();

  std::vector<QueueId> in_new;
  for_each_id(paths_.fresh(), [&](QueueId id) { in_new.push_back(id); });
  std::sort(in_new.begin(), in_new.end());
  for (const QueueId id : in_new) ids.push_back(id.value());
  for (const std::uint64_t id : ids) newest_at_start_ = std::max(newest_at_start_, id);
  for (const QueueId id : in_new) note_new(id);

  std::sort(ids.begin(), ids.end());
  std::vector<std::uint64_t> strays;
  std::set_difference(states.begin(), states.end(), ids.begin(), ids.end(), std::back_inserter(strays));
  forget_states(strays);
  strays.clear();
  std::set_difference(held.begin(), held.end(), ids.begin(), ids.end(), std::back_inserter(strays));
  forget_holds(strays);
}

std::vector<std::uint64_t> Dispatch::ids_on_hold() {
  std::vector<std::uint64_t> ids;
  if (file_exists(paths_.queue + "/hold"))
    for_each_id(paths_.queue + "/hold", [&](QueueId id) { ids.push_back(id.value()); });
  std::sort(ids.begin(), ids.end());
  return ids;
}

// The same with a message that was held.
void Dispatch::forget_holds(const std::vector<std::uint64_t>& strays) {
  for (const std::uint64_t value : strays) {
    const QueueId id(value);
    if (file_exists(paths_.mess(id)) || file_exists(paths_.fresh(id))) continue;
    held_.release(id);
    ask_cleaner({CleanVerb::release, false, id}, {}, 0);
  }
}

// The names in queue/mess/NN or queue/state/NN, sorted.
std::vector<std::uint64_t> Dispatch::ids_in_split(const std::string& part) {
  std::vector<std::uint64_t> ids;
  for (unsigned n = 0; n < paths_.split; ++n) {
    const std::string subdirectory = part + "/" + std::to_string(n);
    for_each_id(paths_.queue + "/" + subdirectory, [&](QueueId id) {
      if (id.value() % paths_.split == n)
        ids.push_back(id.value());
      else
        log_.warning(subdirectory + "/" + id.text() +
                     " is in the wrong subdirectory; left alone (qmail-qmove puts it right)");
    });
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

// A crash between the unlink of a message and that of its state leaves the state behind.
void Dispatch::forget_states(const std::vector<std::uint64_t>& strays) {
  for (const std::uint64_t value : strays) {
    const QueueId id(value);
    if (file_exists(paths_.mess(id)) || file_exists(paths_.fresh(id))) continue;
    unlink(paths_.state(id).c_str());
  }
}

void Dispatch::note_new(QueueId id) {
  if (!in_new_.insert(id.value()).second) return;
  const std::uint32_t old = id.value() <= newest_at_start_ ? flag_old : 0;
  fresh_.push_back({id.value(), static_cast<std::uint32_t>(now_), flag_fresh | flag_now | old});
}

// Looks through queue/new piece by piece; a name that comes to be meanwhile is announced by the trigger.
void Dispatch::step_rescan() {
  if (!rescan_) {
    if (now_ < next_rescan_ || exit_soon_) return;
    next_rescan_ = now_ + rescan_seconds;
    try {
      rescan_ = std::make_shared<Directory>(Directory{open_directory(paths_.fresh())});
    } catch (const Error& e) {
      log_.warning(e.text() + "; will try again later");
      next_rescan_ = now_ + trouble_seconds;
      return;
    }
  }
  for (std::size_t n = 0; n < entries_per_round; ++n) {
    const dirent* entry = readdir(rescan_->entries.get());
    if (entry == nullptr) {
      rescan_.reset();
      return;
    }
    if (const std::optional<QueueId> id = QueueId::parse(entry->d_name)) note_new(*id);
  }
}

// Opens one message that may have something for this channel; false when nothing is due. The sources take
// turns, so that neither new mail nor deferred mail can starve the other.
bool Dispatch::load_one(Channel channel) {
  constexpr unsigned sources = 5;
  Lane& l = lane(channel);
  for (unsigned tries = 0; tries < sources; ++tries) {
    l.turn = (l.turn + 1) % sources;
    std::optional<Waiting> entry;
    bool of_channel = false;
    switch (l.turn) {
      case 0:
        of_channel = true;
        if (!l.first.empty()) {
          entry = l.first.front();
          l.first.pop_front();
        }
        break;
      case 1:
        if (!fresh_.empty()) {
          entry = fresh_.front();
          fresh_.pop_front();
        }
        break;
      case 2:
        of_channel = true;
        entry = l.later.pop_due(now_);
        break;
      case 3:
        entry = unsorted_.pop_due(now_);
        break;
      case 4:
        if (missed_allowed_ > 0 && (entry = missed_.pop_due(now_))) --missed_allowed_;
        break;
    }
    if (!entry) continue;
    load(*entry, of_channel ? &channel : nullptr);
    return true;
  }
  return false;
}

std::string Dispatch::where(QueueId id, bool in_new) const {
  return in_new ? paths_.fresh(id) : paths_.mess(id);
}

// As qmail's log names files: below the queue.
std::string Dispatch::name_of(QueueId id, bool in_new) const {
  return where(id, in_new).substr(paths_.queue.size() + 1);
}

// Opens a message and begins what is due. `wanted` is the channel whose entry it was, null for an entry of
// the whole message.
void Dispatch::load(Waiting entry, const Channel* wanted) {
  const QueueId id(entry.id);
  if (held_.contains(id)) {
    held_.park(id, {wanted != nullptr ? std::optional(*wanted) : std::nullopt, entry.flags});
    return;
  }
  if (const auto found = active_.find(id.value()); found != active_.end()) {
    QueuedMessage& message = *found->second;
    if (wanted == nullptr) {  // only what is held has an entry of its own while it is in hand
      if (message.phase != QueuedMessage::Phase::held) return;
      message.phase = QueuedMessage::Phase::delivering;
      settle(message);
      return;
    }
    if (message.phase == QueuedMessage::Phase::delivering && !message.pass(*wanted).running)
      begin_passes(message, entry, wanted);
    else
      lane(*wanted).later.push(id, now_ + 1, entry.flags | flag_now);
    return;
  }

  bool in_new = in_new_.contains(id.value());
  OpenedMessage opened;
  std::string why;
  OpenResult result;
  std::optional<StateFile> state;
  std::vector<StateRecord> records;
  try {
    result = open_message(where(id, in_new), opened, why);
    if (result == OpenResult::missing && in_new && !(entry.flags & flag_fresh)) {
      in_new_.erase(id.value());
      in_new = false;
      result = open_message(where(id, in_new), opened, why);
    }
    if (result == OpenResult::ok) {
      state.emplace(paths_.state(id), opened.header.key);
      // Only a message that came while we run and that nobody has tried yet is sure to have none.
      if (!(entry.flags & flag_fresh) || (entry.flags & flag_old)) records = state->load();
    }
  } catch (const Error& e) {
    log_.warning("trouble opening " + name_of(id, in_new) + "; will try again later: " + e.text());
    unsorted_.push(id, now_ + trouble_seconds, entry.flags | flag_now);
    return;
  }
  if (result == OpenResult::missing) {
    in_new_.erase(id.value());
    return;
  }
  if (result == OpenResult::damaged) {
    log_.alert("damaged message file " + name_of(id, in_new) + ": " + why + "; moving it to queue/bad");
    cleaner_.ask({CleanVerb::bad, in_new, id});
    return;
  }

  auto owned = std::make_unique<QueuedMessage>(id, in_new, std::move(opened), std::move(*state));
  QueuedMessage& message = *owned;
  active_[id.value()] = std::move(owned);
  message.prepare(router_, records);
  message.counted = Counted(open_recipients_, message.recipients.size());
  message.dying = now_ - birth_of(id) > settings_.queue_lifetime;
  if (entry.flags & flag_fresh) {
    log_.new_message(id);
    log_.info(id, message.opened.header, message.opened.envelope);
  }
  begin_passes(message, entry, wanted);
  settle(message);
}

// Begins a pass of each channel that is due, and lets the others wait for their slot.
void Dispatch::begin_passes(QueuedMessage& message, const Waiting& entry, const Channel* wanted) {
  const std::int64_t birth = birth_of(message.id);
  std::vector<Channel> due;
  for (const Channel channel : both_channels) {
    const Pass& pass = message.pass(channel);
    if (pass.pending == 0 || pass.running) continue;
    // Since the entry was made, a SIGHUP may have sent recipients to the other channel.
    if (wanted != nullptr && channel != *wanted && (entry.flags & flag_both) &&
        message.pass(*wanted).pending > 0)
      continue;
    if ((entry.flags & flag_now) || slot_within(birth, channel, entry.due, now_))
      due.push_back(channel);
    else
      lane(channel).later.push(message.id, first_slot_after(birth, channel, now_),
                               (entry.flags & flag_old) | flag_both);
  }
  if (due.empty()) return;

  if (entry.flags & flag_old) {
    // Each delivery holds a shared lock on its own open file, also one that an earlier qmail-send started.
    const bool alone = message.opened.fd && flock(message.opened.fd.get(), LOCK_EX | LOCK_NB) == 0;
    if (!alone && message.opened.fd) {
      if (!(entry.flags & flag_told))
        log_.warning("msg " + message.id.text() +
                     " waits: a delivery that an earlier qmail-send started is still going");
      for (const Channel channel : due)
        lane(channel).later.push(
            message.id, now_ + old_delivery_seconds,
            flag_now | flag_old | flag_told | (message.pass(other(channel)).pending > 0 ? flag_both : 0));
      return;
    }
    if (alone) flock(message.opened.fd.get(), LOCK_UN);
  }

  for (const Channel channel : due) {
    Lane& l = lane(channel);
    if (l.alive && l.limit > 0)
      begin_pass(message, channel, entry);
    else
      l.first.push_back({message.id.value(), entry.due, flag_now | flag_both});
  }
}

// Puts the message into the lines of its destinations. Recipients whose destination backs off are left out
// until the message's next slot, but for its last attempt. A message with one destination waits in that line
// closed, when the line is long.
void Dispatch::begin_pass(QueuedMessage& message, Channel channel, const Waiting& entry) {
  Lane& l = lane(channel);
  Pass& pass = message.pass(channel);
  const std::int64_t now = now_us();
  const std::uint32_t both = message.pass(other(channel)).pending > 0 ? flag_both : 0;
  std::vector<std::pair<Turns::Line*, std::uint32_t>> by_line;
  std::size_t pending = 0;
  for (std::uint32_t i = 0; i < message.recipients.size(); ++i) {
    const RecipientState& recipient = message.recipients[i];
    if (recipient.route.channel != channel || recipient.fate != Fate::pending) continue;
    ++pending;
    Turns::Line& line = l.turns.line(destination_of(channel, recipient.route.recipient));
    if (entry.flags & flag_asked) line.destination.forgive();
    if (message.dying || !line.destination.backs_off(now)) by_line.push_back({&line, i});
  }
  if (by_line.empty()) {
    l.later.push(message.id, first_slot_after(birth_of(message.id), channel, now_), both);
    return;
  }
  std::sort(by_line.begin(), by_line.end(), [](const auto& a, const auto& b) {
    return a.first->number != b.first->number ? a.first->number < b.first->number : a.second < b.second;
  });
  Turns::Line& first = *by_line.front().first;
  const bool one_line = &first == by_line.back().first && pending == by_line.size();
  if (one_line && first.full() && !(entry.flags & flag_turn) && !message.unrecorded) {
    l.turns.add_closed(first, {message.id.value(), entry.due, flag_now | flag_turn | both});
    return;
  }
  pass.running = true;
  pass.due = entry.due;
  pass.order.clear();
  pass.shares.clear();
  for (const auto& [line, recipient] : by_line) {
    const auto at = static_cast<std::uint32_t>(pass.order.size());
    if (pass.shares.empty() || pass.shares.back().line != line->number) {
      pass.shares.push_back({line->number, at, at});
      l.turns.add_open(*line, message.id);
    }
    pass.order.push_back(recipient);
    ++pass.shares.back().end;
  }
  pass.left = pass.order.size();
  if (active_.size() > open_files) message.opened.fd.reset();
}

// ------------------------------------------------------------------ destinations

// For remote mail the next hop, for local mail the user's part of the address.
std::string Dispatch::destination_of(Channel channel, const std::string& recipient) {
  if (channel == Channel::local) {
    const std::string_view local = local_part(recipient);
    return to_lower_ascii(local.substr(0, local.find_first_of(conf::break_chars)));
  }
  try {
    return hops_.of(domain_part(recipient), now_).name;
  } catch (const Error&) {
    return canonical_domain(domain_part(recipient));  // qmail-remote says what is wrong
  }
}

DestinationLimits Dispatch::limits_of(Channel channel, const std::string& destination) const {
  if (channel == Channel::local) return {settings_.concurrency_user, 0, false};
  const std::string_view host = host_of_hop(destination);
  return {settings_.concurrency_host.of(host), settings_.rate_host.of(host), true};
}

// Nobody in the line is tried now, but for those whose last attempt this is.
void Dispatch::back_off(Channel channel, Turns::Line& line) {
  log_.back_off(line.name, line.destination.back_off_seconds());
  Lane& l = lane(channel);
  Turns::Emptied waiting = l.turns.take_all(line);
  for (const Waiting& entry : waiting.closed) {
    const std::int64_t birth = birth_of(QueueId(entry.id));
    if (now_ - birth > settings_.queue_lifetime)
      l.turns.add_closed(line, entry);
    else
      l.later.push(QueueId(entry.id), first_slot_after(birth, channel, now_), entry.flags & flag_both);
  }
  for (const QueueId id : waiting.open) {
    const auto found = active_.find(id.value());
    Share* const share = found == active_.end() ? nullptr : found->second->share(channel, line.number);
    if (share == nullptr) continue;
    QueuedMessage& message = *found->second;
    if (message.dying) {
      l.turns.add_open(line, id);
      continue;
    }
    message.skip(channel, *share);
    end_pass_if_over(message, channel);
  }
}

// ------------------------------------------------------------------ deliveries

// Starts deliveries while there are free slots and something to deliver.
void Dispatch::fill(Channel channel) {
  Lane& l = lane(channel);
  std::size_t loads = 0;
  while (l.free() && !exit_soon_) {
    const std::int64_t now = now_us();
    const std::size_t enough = std::max(turns, l.places());
    if (room_for_messages() && l.turns.ready(now, l.places(), enough) < enough) {
      if (loads == loads_per_round) {
        more_to_do_ = true;
      } else if (load_one(channel)) {
        ++loads;
        continue;
      }
    }
    Turns::Line* const line = l.turns.next(now, l.places());
    if (line == nullptr) return;
    if (line->open.empty()) {
      if (loads == loads_per_round) {
        more_to_do_ = true;
        return;
      }
      ++loads;
      const Waiting entry = line->closed.front();
      line->closed.pop_front();
      load(entry, &channel);
      if (line->open.empty()) continue;
    }
    if (!start_next(channel, *line)) return;
  }
}

// The next recipient of the next message of a line; false when the lane takes no more.
bool Dispatch::start_next(Channel channel, Turns::Line& line) {
  Lane& l = lane(channel);
  const QueueId id = line.open.front();
  line.open.pop_front();
  const auto found = active_.find(id.value());
  Share* const share = found == active_.end() ? nullptr : found->second->share(channel, line.number);
  if (share == nullptr) return true;  // it was taken away meanwhile
  QueuedMessage& message = *found->second;
  const std::size_t recipient = message.next_recipient(channel, *share);
  if (recipient != QueuedMessage::npos) {
    if (share->next < share->end) l.turns.add_open(line, id);
    const bool started = start_delivery(message, channel, recipient, line);
    if (!started && !l.free()) {  // the socket is full, or the spawner is gone: the turn is not lost
      if (share->next < share->end) line.open.pop_back();
      message.put_back(channel, *share);
      line.open.push_front(id);
      return false;
    }
  }
  end_pass_if_over(message, channel);
  return true;
}

// False when nothing was started: the socket takes no more (lane blocked), the spawner is gone, or the
// message could not be opened, and then the pass is over.
bool Dispatch::start_delivery(QueuedMessage& message, Channel channel, std::size_t recipient,
                              Turns::Line& line) {
  Lane& l = lane(channel);
  RecipientState& to = message.recipients[recipient];
  const QueuedEnvelope& envelope = message.opened.envelope;
  Fd fd = std::move(message.opened.fd);
  SpawnerSocket::Sent sent;
  DeliveryRequest request;
  try {
    if (!fd) fd = open_delivery(where(message.id, message.in_new), message.opened.header);
    if (flock(fd.get(), LOCK_SH | LOCK_NB) != 0) throw_errno("lock " + where(message.id, message.in_new));
    request.delivery = last_delivery_ + 1;
    request.sender = verp_sender(envelope.sender, to.route.recipient);
    if (channel == Channel::remote && envelope.sender == double_bounce_sender) request.sender.clear();
    request.recipient = to.route.recipient;
    request.trace = message.opened.header.trace;
    request.message_params = envelope.params;
    request.recipient_params = envelope.recipients[recipient].params;
    request.more = !line.empty();
    request.last_attempt = message.dying;
    sent = l.spawner.send(request, fd.get());
  } catch (const Error& e) {
    log_.warning("trouble opening " + name_of(message.id, message.in_new) +
                 "; will try again later: " + e.text());
    message.give_up(channel);
    return false;
  }
  if (sent == SpawnerSocket::Sent::full) {
    flock(fd.get(), LOCK_UN);
    message.opened.fd = std::move(fd);
    l.blocked = true;
    return false;
  }
  if (sent == SpawnerSocket::Sent::gone) {
    spawner_died(channel);
    return false;
  }
  ++last_delivery_;
  to.fate = Fate::in_flight;
  ++message.pass(channel).in_flight;
  message.tried = true;
  ++l.used;
  line.destination.started(now_us());
  deliveries_[request.delivery] = {message.id, recipient, channel, &line};
  log_.starting(request.delivery, message.id, channel, to.route.recipient);
  status();
  return true;
}

void Dispatch::take_reports(Channel channel) {
  Lane& l = lane(channel);
  for (std::size_t n = 0; n < reports_per_round && l.alive; ++n) {
    std::string_view packet;
    switch (l.spawner.receive(packet)) {
      case SpawnerSocket::Received::packet:
        take_report(channel, packet);
        break;
      case SpawnerSocket::Received::nothing:
        return;
      case SpawnerSocket::Received::gone:
        spawner_died(channel);
        return;
    }
    if (l.used == 0) return;  // nothing else can have come
  }
}

void Dispatch::take_report(Channel channel, std::string_view packet) {
  const std::optional<std::uint32_t> number = delivery_number(packet);
  const auto found = number ? deliveries_.find(*number) : deliveries_.end();
  if (found == deliveries_.end() || found->second.channel != channel) {
    log_.warning("internal error: delivery report out of range");
    return;
  }
  const Delivery delivery = found->second;
  deliveries_.erase(found);
  Lane& l = lane(channel);
  --l.used;
  QueuedMessage& message = *active_.at(delivery.id.value());
  message.recipients[delivery.recipient].fate = Fate::pending;
  const bool unwanted = message.removed || message.recipients[delivery.recipient].unwanted;
  --message.pass(channel).in_flight;

  std::optional<DeliveryReport> report = decode_report(packet);
  if (!report) {
    log_.mangled(*number);
  } else {
    const bool much = message.report_bytes > reports_limit;
    std::string text = report->text.substr(0, much ? short_report : state_format::text_limit);
    if (report->status == 'Z' && message.dying && !unwanted) {
      report->status = 'D';
      if (!text.empty() && text.back() != '\n') text += '\n';
      text += queued_too_long;
    }
    const auto index = static_cast<std::uint32_t>(delivery.recipient);
    switch (report->status) {
      case 'K': {
        log_.success(*number, text);
        const bool wanted = message.wants_success(delivery.recipient);
        const std::string told = wanted ? end_of(text, notice_text_limit) : "";
        message.resolve(delivery.recipient, Fate::done, told);
        // A message that ends here needs no record: it is unlinked at once.
        if (wanted || message.unresolved() > 0 || message.has_failures())
          mark(message, {StateType::done, index, told});
        break;
      }
      case 'D':
        log_.failure(*number, text);
        if (unwanted) break;
        mark(message, {StateType::failed, index, text});
        message.resolve(delivery.recipient, Fate::failed, std::move(text));
        break;
      default:
        log_.deferral(*number, text);
        if (may_report_delay(message, delivery.recipient, settings_))
          message.defer(delivery.recipient, text.substr(0, notice_text_limit));
        break;
    }
    if (unwanted) message.resolve(delivery.recipient, Fate::done, "");
  }
  status();
  HostSays host = report ? report->host : HostSays::nothing;
  // A program in qmail-remote's place says nothing about hosts.
  if (report && report->status == 'K' && host == HostSays::nothing) host = HostSays::answered;
  const bool backs_off = delivery.line->destination.ended(host, now_us());
  end_pass_if_over(message, channel);
  if (backs_off) back_off(channel, *delivery.line);
}

void Dispatch::mark(QueuedMessage& message, const StateRecord& record) {
  if (message.removed) return;
  try {
    message.state.append(record);
  } catch (const Error& e) {
    log_.warning("trouble marking " + paths_.state(message.id).substr(paths_.queue.size() + 1) +
                 "; message will be delivered twice! " + e.text());
    message.unrecorded = true;
  }
}

void Dispatch::end_pass_if_over(QueuedMessage& message, Channel channel) {
  const Pass& pass = message.pass(channel);
  if (pass.running && pass.in_flight == 0 && !message.has_next(channel)) end_pass(message, channel);
}

// Every recipient of the channel was tried, or cannot be now.
void Dispatch::end_pass(QueuedMessage& message, Channel channel) {
  close_pass(message, channel);
  settle(message);
}

void Dispatch::close_pass(QueuedMessage& message, Channel channel) {
  Pass& pass = message.pass(channel);
  pass.running = false;
  if (pass.pending > 0)
    lane(channel).later.push(message.id, first_slot_after(birth_of(message.id), channel, now_),
                             message.pass(other(channel)).pending > 0 ? flag_both : 0);
}

void Dispatch::spawner_died(Channel channel) {
  if (!lane(channel).alive) return;
  log_.alert("oh no! lost spawn connection! dying...");
  lane(channel).alive = false;
  exit_soon_ = true;
}

// ------------------------------------------------------------------ the end of a message

// What to do with a message that has no pass running. It may be gone afterwards.
void Dispatch::settle(QueuedMessage& message) {
  if (message.running() || message.phase != QueuedMessage::Phase::delivering) return;
  if (wait_for_notice(message)) return;
  if (message.unresolved() == 0) {
    finish(message);
  } else if (message.unrecorded) {
    message.opened.fd.reset();  // stays in hand: loaded again it would be delivered again
  } else if (message.tried && message.in_new && cleaner_alive_) {
    message.phase = QueuedMessage::Phase::moving;
    message.opened.fd.reset();
    cleaner_.ask({CleanVerb::defer, true, message.id});
  } else {
    active_.erase(message.id.value());
  }
}

// True when its sender is to be told of a success or a delay first.
bool Dispatch::wait_for_notice(QueuedMessage& message) {
  const std::optional<NoticeKind> owed = owed_notice(message, settings_, now_);
  if (!owed) return false;
  if (to_notify_.size() < notices_in_memory) {
    message.phase = QueuedMessage::Phase::bouncing;
    message.notice = *owed;
    message.opened.fd.reset();
    to_notify_.push_back(message.id);
    return true;
  }
  if (message.unresolved() > 0) return false;  // after its next pass
  retry_end(message, 0);
  return true;
}

// Every recipient has come to an end: tell the sender of failures, then remove the message.
void Dispatch::finish(QueuedMessage& message) {
  if (!message.bounced && !message.removed && message.has_failures()) {
    const std::string& sender = message.opened.envelope.sender;
    if (sender == double_bounce_sender) {
      log_.line("triple bounce: discarding " + name_of(message.id, message.in_new));
    } else if ((sender.empty() || !message.refusal.empty()) && settings_.double_bounce_to.empty()) {
      log_.line("double bounce: discarding " + name_of(message.id, message.in_new));
    } else if (to_notify_.size() < notices_in_memory) {
      message.phase = QueuedMessage::Phase::bouncing;
      message.notice = failure_notice(message);
      message.opened.fd.reset();
      to_notify_.push_back(message.id);
      return;
    } else {
      retry_end(message, 0);
      return;
    }
    message.bounced = true;
    mark(message, {StateType::bounced, 0, ""});
  }
  end(message);
}

void Dispatch::end(QueuedMessage& message) {
  log_.end(message.id);
  message.phase = QueuedMessage::Phase::ending;
  message.opened.fd.reset();
  if (cleaner_alive_)
    cleaner_.ask({CleanVerb::unlink, message.in_new, message.id});
  else
    mark_all_done(message);
}

// The message stays, though its recipients have it.
void Dispatch::mark_all_done(QueuedMessage& message) {
  for (std::size_t i = 0; i < message.recipients.size(); ++i)
    if (message.recipients[i].fate == Fate::done)
      mark(message, {StateType::done, static_cast<std::uint32_t>(i), ""});
}

// The last step failed: forget the message for a while, its recipients recorded as resolved.
void Dispatch::retry_end(QueuedMessage& message, std::int64_t seconds) {
  if (message.unrecorded) {
    message.phase = QueuedMessage::Phase::held;
    ending_.push(message.id, now_ + std::max<std::int64_t>(seconds, 1), flag_now);
    return;
  }
  ending_.push(message.id, now_ + seconds, flag_now);
  active_.erase(message.id.value());
}

void Dispatch::start_notices() {
  while (!to_notify_.empty() && !notices_.full() && !exit_soon_) {
    QueuedMessage& message = *active_.at(to_notify_.front().value());
    to_notify_.pop_front();
    if (message.removed) {
      end(message);
      continue;
    }
    try {
      start_notice(message);
    } catch (const Error& e) {
      notice_trouble(message, e.text());
    }
  }
}

void Dispatch::start_notice(QueuedMessage& message) {
  NoticeJob job = notice_job(message, message.notice, settings_, now_);
  const Fd copy = open_delivery(where(message.id, message.in_new), message.opened.header);
  job.message = copy.get();
  log_.flush();
  notices_.start(job);
}

void Dispatch::take_notices() {
  for (const NoticeOutcome& outcome : notices_.collect()) {
    QueuedMessage& message = *active_.at(outcome.id.value());
    if (!outcome.accepted() && !outcome.refused() && !outcome.loops)
      notice_trouble(message, outcome.text);
    else if (message.notice == NoticeKind::success || message.notice == NoticeKind::delay)
      take_other_notice(message, outcome);
    else
      take_failure_notice(message, outcome);
  }
}

// It could not be made or injected just now.
void Dispatch::notice_trouble(QueuedMessage& message, const std::string& why) {
  log_.warning("trouble injecting bounce message, will try later: " + why);
  if (message.unresolved() == 0) {
    retry_end(message, trouble_seconds);
    return;
  }
  message.notice_failed = true;
  message.phase = QueuedMessage::Phase::delivering;
  settle(message);
}

void Dispatch::take_failure_notice(QueuedMessage& message, const NoticeOutcome& outcome) {
  if (outcome.refused() && message.notice == NoticeKind::failure) {
    message.refusal = outcome.text.substr(1);
    log_.warning("bounce of msg " + outcome.id.text() +
                 " is refused, sending a double bounce: " + message.refusal);
    mark(message, {StateType::refused, 0, message.refusal});
    finish(message);
    return;
  }
  if (outcome.refused()) {
    move_to_bad(message, "its double bounce is refused: " + outcome.text.substr(1));
    return;
  }
  if (outcome.loops)
    log_.line("triple bounce: discarding " + name_of(message.id, message.in_new));
  else
    log_.bounce(outcome.id, outcome.qp);
  message.bounced = true;
  mark(message, {StateType::bounced, 0, outcome.text});
  end(message);
}

// A notice of success or delay; one that is refused for good is not worth another word.
void Dispatch::take_other_notice(QueuedMessage& message, const NoticeOutcome& outcome) {
  const bool success = message.notice == NoticeKind::success;
  if (outcome.accepted())
    log_.notice(outcome.id, success ? "success" : "delay", outcome.qp);
  else
    log_.warning("notice of msg " + outcome.id.text() + " is refused: " + outcome.text.substr(1));
  if (success)
    message.tell_successes();
  else
    message.delay_told = true;
  mark(message, {success ? StateType::notified : StateType::delayed, 0, ""});
  message.phase = QueuedMessage::Phase::delivering;
  settle(message);
}

void Dispatch::move_to_bad(QueuedMessage& message, const std::string& why) {
  log_.alert("msg " + message.id.text() + ": " + why + "; moving it to queue/bad");
  message.phase = QueuedMessage::Phase::ending;
  if (cleaner_alive_) cleaner_.ask({CleanVerb::bad, message.in_new, message.id});
}

void Dispatch::take_clean_answers() {
  bool gone = false;
  for (const auto& [command, answer] : cleaner_.answers(gone)) {
    const auto found = active_.find(command.id.value());
    QueuedMessage* message = found == active_.end() ? nullptr : found->second.get();
    if (!answer.done)
      log_.warning("qmail-clean unable to clean up " + name_of(command.id, command.in_new) + ": " +
                   answer.why);
    switch (command.verb) {
      case CleanVerb::defer:
        if (answer.done) in_new_.erase(command.id.value());
        active_.erase(command.id.value());
        break;
      case CleanVerb::unlink:
        if (message == nullptr) break;
        if (answer.done) {
          try {
            if (message->state.exists()) message->state.remove();
          } catch (const Error& e) {
            log_.warning("unable to unlink state: " + e.text());
          }
          forget(command.id);
        } else {
          mark_all_done(*message);
          retry_end(*message, trouble_seconds);
        }
        break;
      case CleanVerb::bad:
        if (answer.done)
          forget(command.id);  // the state stays beside it until the next start: somebody may look at both
        else
          ending_.push(command.id, now_ + trouble_seconds, flag_now), active_.erase(command.id.value());
        break;
      case CleanVerb::remove:
      case CleanVerb::hold:
      case CleanVerb::release:
      case CleanVerb::sync:
        take_operator_answer(command, answer);
        break;
    }
  }
  if (gone) clean_died();
}

void Dispatch::clean_died() {
  if (!cleaner_alive_) return;
  log_.alert("oh no! lost qmail-clean connection! dying...");
  cleaner_alive_ = false;
  exit_soon_ = true;
  refuse_operator_answers();
  for (const auto& [id, message] : active_)
    if (message->phase == QueuedMessage::Phase::ending) mark_all_done(*message);
}

void Dispatch::forget(QueueId id) {
  if (held_.contains(id)) {
    held_.release(id);
    ask_cleaner({CleanVerb::release, false, id}, {}, 0);
  }
  active_.erase(id.value());
  in_new_.erase(id.value());
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
      router_.replace(settings_.locals, settings_.virtualdomains);
      reread_limits(control_, settings_);
      for (Lane& l : lanes_) l.turns.renew_limits();
    } catch (const Error& e) {
      log_.alert("unable to reread controls: " + e.text());
    }
  }
  if (signals.child_ended) {
    signals.child_ended = 0;
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

void Dispatch::run_everything_now() {
  for (Lane& l : lanes_) {
    l.later.make_all_due(now_, flag_now);
    l.turns.forgive_all();
  }
  while (const std::optional<Waiting> entry = missed_.pop_due(now_))
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
  if (more_to_do_ || (rescan_ && !exit_soon_)) return 0;
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
      if (!missed_.empty()) until(now_ + 1);
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
  if (polled[first_notice - 1].revents != 0)
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
  const Fd alive = try_open(paths_.lock("alive"), O_WRONLY | O_NOFOLLOW);
  const std::string text = std::to_string(served_until()) + "\n";
  if (!alive || pwrite(alive.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    log_.warning("trouble writing to lock/alive: " + errno_text(errno));
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
