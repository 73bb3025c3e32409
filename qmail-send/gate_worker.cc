#include "qmail-send/gate_worker.h"

#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <optional>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/queue_exit.h"
#include "lib/base/trace.h"
#include "lib/mail/envelope.h"
#include "lib/mail/header.h"
#include "lib/mail/received.h"
#include "lib/net/client.h"
#include "lib/net/content.h"
#include "qmail-send/spool_file.h"

namespace hato {

namespace {

constexpr std::size_t input_size = gate_format::record_limit + gate_format::record_head;
constexpr std::uint64_t space_check_every = 1U << 20;  // bytes of message between two looks at the free space
constexpr std::size_t parameters_limit = 4096;         // ESMTP parameters of one address
constexpr std::size_t told_limit = 1000;               // bytes of one thing that a sender says of itself
// Recipients of one message. Everybody who opens it has them all in memory, at some hundred bytes each.
constexpr std::size_t recipients_limit = 250000;
constexpr std::int64_t hand_over_seconds = 5;  // between being chosen for a sender and having it

// Ends the transaction with a code for the sender; `log` is why, for the operator.
struct Refusal {
  QueueExit code;
  std::string text;  // for custom_text
  std::string log;
};

// Header fields and nothing else, the last one ended.
bool whole_fields(std::string_view text) {
  HeaderFields fields(text);
  while (fields.next()) {
  }
  return fields.offset() == text.size() && text.ends_with('\n');
}

class Transaction {
 public:
  Transaction(Fd client, Peer peer, GateSlot& slot, GateSlots& slots, const GateSettings& settings,
              const WorkerPlace& place)
      : client_(std::move(client)),
        peer_(peer),
        slot_(slot),
        slots_(slots),
        settings_(settings),
        place_(place) {}

  // True when the sender has what it came for.
  bool run() {
    try {
      greet();
      while (step()) {
      }
      return true;
    } catch (const Refusal& refusal) {
      refuse(refusal);
    } catch (const TimeoutError& e) {
      refuse({QueueExit::deadline, "", e.text()});
    } catch (const Error& e) {
      refuse({QueueExit::spool, "", e.text()});
    } catch (const std::bad_alloc&) {
      refuse({QueueExit::memory, "", "out of memory"});
    }
    return false;
  }

 private:
  enum class Stage { origin, message, envelope };

  void greet() {
    OriginFields fields{{"me", settings_.admission.me},
                        {"defaulthost", settings_.admission.defaulthost},
                        {"defaultdomain", settings_.admission.defaultdomain},
                        {"plusdomain", settings_.admission.plusdomain},
                        {"idhost", settings_.admission.idhost},
                        {"databytes", std::to_string(settings_.databytes)}};
    fields.emplace_back("sender", settings_.senders.address(peer_.uid, "", ""));
    if (settings_.senders.asks_script(peer_.uid)) fields.emplace_back("ask", "script");
    send_admission(fields);
  }

  void send_admission(const OriginFields& fields) {
    std::string record;
    append_record(record, gate_format::admission, encode_fields(fields));
    if (!send_message(client_.get(), record)) gone("the sender went away");
  }

  // Takes one record; false when the transaction has ended with a commit.
  bool step() {
    char type;
    std::string_view payload;
    next_record(type, payload);
    switch (type) {
      case gate_format::origin:
        take_origin(payload);
        return true;
      case gate_format::message:
        take_message(payload);
        return true;
      case gate_format::message_end:
        require(Stage::message);
        stage_ = Stage::envelope;
        return true;
      case gate_format::envelope:
        take_envelope(payload);
        return true;
      case gate_format::parameters:
        take_parameters(payload);
        return true;
      case gate_format::commit:
        commit();
        return false;
      default:
        throw Refusal{QueueExit::envelope_format, "", "a record of an unknown type"};
    }
  }

  // payload stays valid until the next call.
  void next_record(char& type, std::string_view& payload) {
    for (;;) {
      std::string_view rest(input_.get() + begin_, end_ - begin_);
      bool whole = false;
      try {
        whole = take_record(rest, type, payload);
      } catch (const TempError& e) {  // longer than a record may be
        throw Refusal{QueueExit::envelope_format, "", e.text()};
      }
      if (whole) {
        begin_ = end_ - rest.size();
        return;
      }
      if (begin_ > 0) {
        std::copy(input_.get() + begin_, input_.get() + end_, input_.get());
        end_ -= begin_;
        begin_ = 0;
      }
      const ssize_t n = recv(client_.get(), input_.get() + end_, input_size - end_, MSG_DONTWAIT);
      if (n > 0) {
        end_ += static_cast<std::size_t>(n);
        continue;
      }
      if (n == 0 || errno == ECONNRESET) gone("the sender went away before its commit");
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) throw_errno("read from the sender");
      if (!wait_readable(client_.get(), life_))
        throw TimeoutError("the sender took longer than control/timeoutqueue");
    }
  }

  void require(Stage stage) const {
    if (stage_ != stage) throw Refusal{QueueExit::envelope_format, "", "records in a wrong order"};
  }

  void take_origin(std::string_view payload) {
    require(Stage::origin);
    const std::optional<OriginFields> told = decode_fields(payload);
    if (!told) throw Refusal{QueueExit::envelope_format, "", "an origin that cannot be read"};
    bool asks_sender = false;
    for (const auto& [name, value] : *told) {
      if (name == "kind")
        kind_ = parse_kind(value).value_or(Kind::local);
      else if (name == "trace" && is_trace_id(value))
        trace_ = value;
      else if (name == "databytes")
        own_databytes_ = value;
      else if (name == "fields")
        fields_ = value;
      else if (name == "ask")
        asks_sender = value == "sender";
      else if (name != "trace" && value.find('\n') == std::string::npos)
        envelope_.origin.emplace_back(name, value.substr(0, told_limit));
    }
    check_claims();
    if (asks_sender)
      send_admission(
          {{"sender", settings_.senders.address(peer_.uid, told_of("script"), told_of("server"))}});
    begin_message();
  }

  std::string told_of(std::string_view name) const {
    for (const auto& [known, value] : envelope_.origin)
      if (known == name) return value;
    return "";
  }

  // What a sender may say of itself depends on the uid that the kernel reports.
  void check_claims() {
    const bool network = settings_.may_claim_network(peer_.uid);
    if ((kind_ == Kind::mx || kind_ == Kind::submission) && !network) {
      // sendmail -bs runs qmail-smtpd as whoever calls it: nothing to tell the operator
      if (told_of("info") != sendmail_session)
        log("claims to be " + std::string(kind_name(kind_)) + ", which is ignored");
      kind_ = Kind::local;
    }
    if (kind_ == Kind::bounce && peer_.uid != settings_.qmails) {
      log("claims to be bounce, which is ignored");
      kind_ = Kind::local;
    }
    if (!network) {
      own_databytes_.clear();
      fields_.clear();
      std::erase_if(envelope_.origin,
                    [](const auto& field) { return field.first != "script" && field.first != "server"; });
    }
    slot_.kind = static_cast<std::int32_t>(kind_);
    // local is limited at the door, for each uid
    if (kind_ != Kind::local && slots_.of_kind(kind_) > settings_.pool(kind_))
      throw Refusal{QueueExit::not_admitted, "",
                    "the pool for " + std::string(kind_name(kind_)) + " is full"};
  }

  void begin_message() {
    if (stage_ != Stage::origin) return;
    if (trace_.empty()) trace_ = new_trace_id();
    databytes_ = kind_ == Kind::bounce ? 0 : settings_.databytes;
    if (!own_databytes_.empty() && own_databytes_.find_first_not_of("0123456789") == std::string::npos &&
        own_databytes_.size() < 19)
      databytes_ = std::stoull(own_databytes_);
    spool_ = std::make_unique<SpoolFile>(place_.new_directory);
    if (whole_fields(fields_)) spool_->prepend(fields_);
    check_space();
    stage_ = Stage::message;
  }

  void check_space() {
    struct statfs fs;
    if (fstatfs(spool_->fd(), &fs) != 0) throw_errno("statfs queue");
    if (static_cast<std::uint64_t>(fs.f_bavail) * static_cast<std::uint64_t>(fs.f_bsize) <
        settings_.free_bytes)
      throw Refusal{QueueExit::spool, "", "less space is free than control/queuefree reserves"};
    // Some file systems count no inodes at all (f_files 0).
    if (fs.f_files > 0 && fs.f_ffree < settings_.free_inodes)
      throw Refusal{QueueExit::spool, "", "fewer inodes are free than control/queuefree reserves"};
    next_space_check_ = spool_->message_size() + space_check_every;
  }

  void take_message(std::string_view piece) {
    begin_message();  // an origin is not obligatory
    require(Stage::message);
    if (databytes_ > 0 && spool_->message_size() + piece.size() > databytes_)
      throw Refusal{QueueExit::custom_text,
                    "D552 sorry, that message size exceeds my databytes limit (#5.3.4)",
                    "the message is larger than " + std::to_string(databytes_) + " bytes"};
    spool_->append(piece);
    if (spool_->message_size() >= next_space_check_) check_space();
  }

  void take_envelope(std::string_view piece) {
    require(Stage::envelope);
    count_envelope(piece.size());
    parser_.feed(piece);
    check_envelope(parser_.status());
    if (parser_.envelope().recipients.size() > recipients_limit) too_many_recipients();
  }

  [[noreturn]] static void too_many_recipients() {
    throw Refusal{QueueExit::custom_text,
                  "D552 sorry, a message may have 250000 recipients: send it in several pieces (#5.5.3)",
                  "the message has more than " + std::to_string(recipients_limit) + " recipients"};
  }

  void count_envelope(std::size_t bytes) {
    envelope_bytes_ += bytes;
    if (envelope_bytes_ > queue_format::envelope_limit / 2)
      throw Refusal{QueueExit::spool, "", "the envelope is larger than 64 MiB"};
  }

  static void check_envelope(EnvelopeParser::Status status) {
    if (status == EnvelopeParser::Status::too_long)
      throw Refusal{QueueExit::address_too_long, "", "an address of more than 1003 bytes"};
    if (status == EnvelopeParser::Status::format)
      throw Refusal{QueueExit::envelope_format, "", "a broken envelope"};
    if (status == EnvelopeParser::Status::cut_off)
      throw Refusal{QueueExit::broken_off, "", "an envelope cut off"};
  }

  // Parameters may come before or behind the address they belong to; they are put in place at commit.
  void take_parameters(std::string_view payload) {
    require(Stage::envelope);
    if (payload.size() < 4 || payload.size() > parameters_limit)
      throw Refusal{QueueExit::envelope_format, "", "parameters that cannot be read"};
    count_envelope(payload.size() + sizeof parameters_.front());
    parameters_.emplace_back(get_index(payload), std::string(payload.substr(4)));
  }

  static std::uint32_t get_index(std::string_view payload) {
    std::uint32_t index = 0;
    for (int i = 0; i < 4; ++i)
      index = index << 8 | static_cast<unsigned char>(payload[static_cast<std::size_t>(i)]);
    return index;
  }

  void commit() {
    require(Stage::envelope);
    check_envelope(parser_.finish());
    Envelope& plain = envelope_;
    plain = parser_.take();
    for (auto& [index, params] : parameters_) {
      if (params.find('\0') != std::string::npos || index > envelope_.recipients.size())
        throw Refusal{QueueExit::envelope_format, "", "parameters for nobody"};
      (index == 0 ? envelope_.params : envelope_.recipients[index - 1].params) = params;
    }
    const std::int64_t now = now_seconds();
    if (!ask_content_services()) return;  // discarded: the sender hears that all is well
    put_received(now);
    queue();
    log_nobody();
  }

  bool ask_content_services() {
    const auto services = settings_.content.find(kind_);
    if (services == settings_.content.end()) return true;
    const Deadline deadline = earlier(life_, Deadline::in_seconds(settings_.content_seconds));
    const Fd readable = reopen_read_only();
    for (const std::string& path : services->second) {
      ContentAnswer answer = ask_content_service(path, readable.get(), spool_->message_size(), kind_, trace_,
                                                 envelope_, deadline);
      if (answer.replacement) spool_->replace(answer.replacement.get());
      spool_->prepend(answer.prepend);
      if (answer.verdict == Verdict::accept) continue;
      if (answer.verdict == Verdict::refuse && kind_ == Kind::bounce) continue;  // a bounce is never refused
      if (answer.verdict == Verdict::discard) {
        log("discarded by content service " + path);
        answer_committed(QueueId(0));
        return false;
      }
      if (answer.verdict == Verdict::refuse)
        throw Refusal{QueueExit::custom_text,
                      "D" + (answer.text.empty() ? "sorry, this message is refused (#5.7.1)" : answer.text),
                      "refused by content service " + path + ": " + answer.text};
      throw Refusal{QueueExit::custom_text,
                    "Zsorry, this message cannot be checked now, try again later (#4.7.1)",
                    "deferred by content service " + path + ": " + answer.text};
    }
    return true;
  }

  // The sealed worker cannot open anything; the supervisor does it, and returns only what it was given.
  Fd reopen_read_only() const {
    FdPair answer = make_socketpair(SOCK_DGRAM);
    const int both[2] = {spool_->fd(), answer.second.get()};
    if (!send_message(place_.reopener, "r", both, 2)) throw TempError("the gate's supervisor is gone");
    answer.second.reset();
    if (!wait_readable(answer.first.get(), life_))
      throw TimeoutError("the gate's supervisor does not answer");
    std::optional<Message> message = receive_message(answer.first.get(), 16);
    if (!message || message->fd_count != 1 || !message->fds[0])
      throw TempError("the gate's supervisor could not reopen the message");
    return std::move(message->fds[0]);
  }

  // qmail's two fields: the SMTP session's (only qmail-smtpd tells a protocol), and above it who invoked us.
  void put_received(std::int64_t now) {
    const auto field = [this](const char* name) { return told_of(name); };
    const bool network = kind_ == Kind::mx || kind_ == Kind::submission;
    if (network && !field("protocol").empty()) {
      SmtpReceived smtp;
      smtp.remote_host = field("host");
      if (const std::string helo = field("helo"); !helo.empty()) smtp.helo = helo;
      smtp.remote_info = field("login").empty() ? field("info") : field("login");
      smtp.remote_ip = field("ip");
      smtp.local_host = field("local").empty() ? settings_.admission.me : field("local");
      smtp.protocol = field("protocol");
      smtp.trace = trace_;
      spool_->prepend(received_field(smtp, now));
    }
    const std::string by_uid = settings_.show_uid ? invoked_by_uid(peer_.uid) : "";
    std::string_view invoker = settings_.show_uid ? by_uid : invoked_locally;
    if (network)
      invoker = invoked_from_network;
    else if (kind_ == Kind::bounce)
      invoker = invoked_for_bounce;
    else if (peer_.uid == settings_.alias)
      invoker = invoked_by_alias;
    const std::string script = told_of("script");
    if (settings_.show_script && kind_ == Kind::local && !script.empty())
      spool_->prepend("X-Originating-Script: " + received_safe(script) + "\n");
    spool_->prepend(received_field(qp(), invoker, trace_, now));
  }

  // qmail-inject's last resort: whoever calls has no name in his environment, and his uid none in our tables.
  void log_nobody() const {
    if (kind_ != Kind::local || envelope_.sender != settings_.senders.nobody() ||
        !settings_.senders.address(peer_.uid, told_of("script"), told_of("server")).empty())
      return;
    log("nobody knows this uid: the sender is " + log_safe(envelope_.sender) +
        "; a line in control/cgisenders names another");
  }

  void queue() {
    QueueHeader header;
    header.trace = trace_;
    header.uid = peer_.uid;
    header.qp = static_cast<std::uint32_t>(qp());
    header.kind = kind_;
    if (getrandom(header.key.data(), header.key.size(), 0) != static_cast<ssize_t>(header.key.size()))
      throw_errno("getrandom");
    check_space();
    QueueId id = slots_.next_id();
    header.birth_us = id.value();
    spool_->finish(header, envelope_);
    require_sender();
    while (!spool_->link(id)) id = slots_.next_id();
    if (::fsync(place_.new_directory) != 0) {
      slot_.unlink_id = id.value();
      throw_errno("fsync queue/new");
    }
    const std::string line = id.text() + "\n";
    [[maybe_unused]] const ssize_t pulled = write(place_.trigger, line.data(), line.size());
    answer_committed(id);
  }

  // The message counts only when its sender is still there just before it gets its name.
  void require_sender() const {
    pollfd p{client_.get(), POLLIN | POLLRDHUP, 0};
    if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0)
      gone("the sender went away while its message was written");
  }

  void answer_committed(QueueId id) {
    OriginFields fields{{"code", "0"}, {"qp", std::to_string(qp())}};
    if (id.value() != 0) fields.emplace_back("id", id.text());
    answer(fields);
  }

  void answer(const OriginFields& fields) {
    std::string record;
    append_record(record, gate_format::result, encode_fields(fields));
    send(client_.get(), record.data(), record.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  [[noreturn]] static void gone(const char* how) { throw Refusal{QueueExit::broken_off, "", how}; }

  void refuse(const Refusal& refusal) {
    log(refusal.log);
    OriginFields fields{{"code", std::to_string(static_cast<int>(refusal.code))},
                        {"qp", std::to_string(qp())}};
    if (!refusal.text.empty()) fields.emplace_back("text", refusal.text);
    answer(fields);
  }

  // What logs and replies call qp: in qmail the pid of qmail-queue, and here, too, that of the program at the
  // other end, be it qmail-queue or an SMTP session. A worker may serve several. 0: it is in a PID namespace
  // of its own.
  pid_t qp() const { return peer_.pid > 0 ? peer_.pid : getpid(); }

  void log(const std::string& what) const {
    log_line(2, "qmail-queued: qp " + std::to_string(qp()) + " uid " + std::to_string(peer_.uid) + " " +
                    (trace_.empty() ? "-" : trace_) + ": " + what);
  }

  Fd client_;
  const Peer peer_;
  GateSlot& slot_;
  GateSlots& slots_;
  const GateSettings& settings_;
  const WorkerPlace& place_;
  const Deadline life_ = Deadline::in_seconds(settings_.worker_seconds);

  Stage stage_ = Stage::origin;
  Kind kind_ = Kind::local;
  std::string trace_, own_databytes_, fields_;
  std::uint64_t databytes_ = 0, next_space_check_ = 0, envelope_bytes_ = 0;
  std::unique_ptr<SpoolFile> spool_;
  EnvelopeParser parser_;
  QueuedEnvelope envelope_;
  std::vector<std::pair<std::uint32_t, std::string>> parameters_;

  const std::unique_ptr<char[]> input_{new char[input_size]};
  std::size_t begin_ = 0, end_ = 0;
};

// The next sender of the worker with this slot, or none: it has waited long enough, or is to end.
struct NextSender {
  Fd client;
  Peer peer{};
};
std::optional<NextSender> await_sender(int further, GateSlot& slot, std::chrono::milliseconds idle) {
  slot.turn = GateSlot::Turn::waiting;
  if (!wait_readable(further, Deadline::in(idle))) {
    if (slot.leave()) return std::nullopt;
    // somebody is being sent just now
    if (!wait_readable(further, Deadline::in_seconds(hand_over_seconds))) return std::nullopt;
  }
  std::optional<Message> message = receive_message(further, sizeof(Peer));
  NextSender next;
  if (!message || message->data.size() != sizeof next.peer || !message->fds[0]) return std::nullopt;
  message->data.copy(reinterpret_cast<char*>(&next.peer), sizeof next.peer);
  next.client = std::move(message->fds[0]);
  return next;
}

}  // namespace

int serve_senders(Fd client, Peer peer, Fd further, GateSlot& slot, GateSlots& slots,
                  const GateSettings& settings, const WorkerPlace& place) {
  const Deadline end = Deadline::in_seconds(settings.reuse.seconds);
  for (unsigned served = 1;; ++served) {
    if (!Transaction(std::move(client), peer, slot, slots, settings, place).run()) return 0;
    if (!further || served >= settings.reuse.messages || end.passed()) return 0;
    try {
      std::optional<NextSender> next = await_sender(further.get(), slot, settings.reuse.idle);
      if (!next) return 0;
      client = std::move(next->client);
      peer = next->peer;
    } catch (const Error& e) {
      log_line(2, "qmail-queued: worker " + std::to_string(getpid()) + ": " + e.text());
      return 0;
    }
  }
}

}  // namespace hato
