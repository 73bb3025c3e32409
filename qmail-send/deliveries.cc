// Deliveries: whose turn it is, what the spawner is told, what its report means; Dispatch's part about lanes.
#include <sys/file.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/mail/diagnosis.h"
#include "lib/mail/domain.h"
#include "lib/mail/envelope.h"
#include "qmail-send/dispatch.h"

namespace hato {

namespace {

constexpr std::size_t reports_per_round = 100;
// Bytes of one message's failure reports, in memory, in its state and in its bounce; beyond it a report is
// cut to so much. 250000 recipients must fit.
constexpr std::size_t reports_limit = 16U << 20, short_report = 100;
constexpr std::size_t notice_text_limit = 1000;      // of a success or a deferral, for a notice
constexpr std::size_t deferrals_limit = 256U << 10;  // bytes of a message's deferrals in its state

// The words about what became of it stand at the end.
std::string end_of(const std::string& text, std::size_t limit) {
  return text.size() <= limit ? text : text.substr(text.size() - limit);
}

}  // namespace

// ------------------------------------------------------------------ destinations

// For remote mail the next hop. For local mail whose it is, as qmail-lspawn finds out: his uid and his home,
// since a uid may have many homes; whom only qmail-getpw knows goes by the first part of the address.
std::string Dispatch::destination_of(Channel channel, const std::string& recipient) {
  if (channel == Channel::local) {
    const std::string_view local = local_part(recipient);
    try {
      const Resolution found = local_users_.find(local, domain_part(recipient));
      if (const LocalUser* user = std::get_if<LocalUser>(&found))
        return std::to_string(user->to.uid) + ":" + user->to.home;
    } catch (const Error&) {
      // qmail-lspawn says what is wrong.
    }
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
      put_off(channel, entry);
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

// Closed, and now with a slot. It may lie in queue/new still.
void Dispatch::put_off(Channel channel, const Waiting& entry) {
  const QueueId id(entry.id);
  lane(channel).later.push(id, first_slot_after(birth_of(id), channel, now_), entry.flags & flag_both);
  if (in_new_.contains(id.value())) put_off_.push_back(id);
}

// ------------------------------------------------------------------ deliveries

// Starts deliveries while there are free slots and something to deliver.
void Dispatch::fill(Channel channel) {
  Lane& l = lane(channel);
  std::size_t loads = 0;
  while (l.free() && !exit_soon_) {
    const std::int64_t now = now_us();
    const std::size_t enough = std::max(turns, l.places().free);
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
    request.try_dead = message.dying || message.pass(channel).asked;
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
  message.deferred = true;
  ++l.used;
  const bool unproven = line.destination.unproven();
  if (unproven) ++l.unproven;
  line.destination.started(now_us());
  deliveries_[request.delivery] = {message.id, recipient, channel, &line, unproven};
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
  if (delivery.unproven) --l.unproven;
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
        if (!unwanted) note_deferral(message, index, text.substr(0, notice_text_limit));
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

// For a notice of the delay, and for whoever looks at the queue: one that cannot be recorded is no loss.
void Dispatch::note_deferral(QueuedMessage& message, std::uint32_t recipient, const std::string& text) {
  if (message.removed || message.recipients[recipient].report == text) return;
  const bool fits = message.deferral_bytes + text.size() <= deferrals_limit;
  if (fits || may_report_delay(message, recipient, settings_)) message.defer(recipient, text);
  if (!fits) return;
  try {
    message.state.append({StateType::deferred, recipient, text});
    message.deferral_bytes += text.size();
  } catch (const Error& e) {
    log_.warning("trouble marking " + paths_.state(message.id).substr(paths_.queue.size() + 1) + ": " +
                 e.text());
  }
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
  if (pass.pending == 0) return;
  message.deferred = true;
  lane(channel).later.push(message.id, first_slot_after(birth_of(message.id), channel, now_),
                           message.pass(other_channel(channel)).pending > 0 ? flag_both : 0);
}

void Dispatch::spawner_died(Channel channel) {
  if (!lane(channel).alive) return;
  log_.alert("oh no! lost spawn connection! dying...");
  lane(channel).alive = false;
  exit_soon_ = true;
}

}  // namespace hato
