#include "tests/program/send_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/crc32c.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"
#include "lib/base/trace.h"
#include "tests/catch.h"
#include "tests/program/gate.h"

namespace hato::test {

namespace {

User user_of(const char* name) {
  return passwd_user(std::string(name)).value();
}

bool exists(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0;
}

}  // namespace

QueuedEnvelope asking(const std::string& sender, const std::string& params,
                      std::vector<Recipient> recipients) {
  QueuedEnvelope envelope;
  envelope.sender = sender;
  envelope.params = params;
  envelope.recipients = std::move(recipients);
  return envelope;
}

SendStage::SendStage(const Controls& control) : log_path_(scratch_.file("log")), control_files_(control) {
  empty_queue();
  served_until(0);
}

SendStage::~SendStage() {
  process_.reset();
  cleaner_.reset();
  empty_queue();
}

void SendStage::empty_queue() const {
  std::vector<std::string> directories = {paths_.queue + "/new", paths_.queue + "/bad",
                                          paths_.queue + "/hold"};
  for (unsigned n = 0; n < paths_.split; ++n) {
    directories.push_back(paths_.queue + "/mess/" + std::to_string(n));
    directories.push_back(paths_.queue + "/state/" + std::to_string(n));
  }
  for (const std::string& directory : directories)
    for (const std::string& name : names_in(directory)) unlink((directory + "/" + name).c_str());
  const Fd trigger = open_file(paths_.lock("trigger"), O_RDWR | O_NONBLOCK);
  char space[65536];
  while (read(trigger.get(), space, sizeof space) > 0) {
  }
}

QueueId SendStage::put(const std::string& sender, const std::vector<std::string>& recipients,
                       std::int64_t age, bool in_new, const std::string& text) {
  QueuedEnvelope envelope;
  envelope.sender = sender;
  for (const std::string& address : recipients) envelope.recipients.push_back({address, ""});
  return put(envelope, age, in_new, text);
}

QueueId SendStage::put(const QueuedEnvelope& envelope, std::int64_t age, bool in_new,
                       const std::string& text) {
  const QueueId id(static_cast<std::uint64_t>(now_us() - age * 1000000));
  const std::string bytes = encode_envelope(envelope);
  const std::string field = "Received: by the test\n";
  QueueHeader header;
  header.birth_us = id.value();
  header.trace = new_trace_id();
  header.key.fill(static_cast<char>(id.value()));
  header.message_start = queue_format::message_area - field.size();
  header.message_end = queue_format::message_area + text.size();
  header.envelope_length = bytes.size();
  header.envelope_crc = crc32c(bytes);
  header.prepended_crc = crc32c(field);
  header.body_crc = crc32c(text);
  header.recipients = static_cast<std::uint32_t>(envelope.recipients.size());
  header.uid = uid_;
  header.qp = 77;
  const std::string whole = encode_header(header) + bytes;
  const std::string unnamed = paths_.queue + "/new/.test";
  const User owner = user_of(conf::user_qmailq);
  {
    const Fd fd = open_file(unnamed, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (fchown(fd.get(), owner.uid, owner.gid) != 0) throw_errno("fchown");
    pwrite_all(fd.get(), whole, 0, unnamed);
    pwrite_all(fd.get(), field, static_cast<off_t>(header.message_start), unnamed);
    pwrite_all(fd.get(), text, static_cast<off_t>(queue_format::message_area), unnamed);
  }
  const std::string path = in_new ? paths_.fresh(id) : paths_.mess(id);
  if (rename(unnamed.c_str(), path.c_str()) != 0) throw_errno("rename " + path);
  keys_[id.value()] = header.key;
  return id;
}

void SendStage::pull_trigger(QueueId id) {
  const Fd trigger = open_file(paths_.lock("trigger"), O_RDWR | O_NONBLOCK);
  write_all(trigger.get(), id.text() + "\n", "trigger");
}

void SendStage::served_until(std::int64_t seconds_ago) {
  const Fd alive = open_file(paths_.lock("alive"), O_WRONLY | O_TRUNC);
  write_all(alive.get(), std::to_string(now_seconds() - seconds_ago) + "\n", "alive");
}

void SendStage::start(const std::map<std::string, std::string>& env, bool own_cleaner) {
  process_.reset();
  cleaner_.reset();
  const Fd log = open_file(log_path_, O_WRONLY | O_CREAT | O_APPEND, 0644);
  FdPair pairs[channels] = {make_socketpair(SOCK_SEQPACKET), make_socketpair(SOCK_SEQPACKET)};
  FdPair clean = make_socketpair(SOCK_SEQPACKET);
  Start clean_start{{installed("qmail-clean")}};
  const User clean_user = user_of(conf::user_qmailq), send_user = user_of(conf::user_qmails);
  clean_start.fds = {{0, clean.first.get()}, {1, log.get()}, {2, log.get()}};
  clean_start.uid = clean_user.uid, clean_start.gid = clean_user.gid;
  if (!own_cleaner) cleaner_ = std::make_unique<Process>(clean_start);
  Start start{{installed("qmail-send")}, env};
  start.fds = {{0, log.get()},
               {1, log.get()},
               {2, log.get()},
               {3, pairs[0].second.get()},
               {4, pairs[1].second.get()},
               {5, clean.second.get()}};
  start.uid = send_user.uid, start.gid = send_user.gid;
  process_ = std::make_unique<Process>(start);
  for (unsigned i = 0; i < channels; ++i) spawners_[i] = std::move(pairs[i].first);
}

std::optional<Asked> SendStage::request(Channel channel, int seconds) {
  Fd& fd = ours(channel);
  if (!fd || !wait_readable(fd.get(), Deadline::in_seconds(seconds))) return std::nullopt;
  std::optional<Message> packet = receive_message(fd.get(), delivery_request_limit);
  if (!packet || packet->data.empty() || packet->fd_count != 1) return std::nullopt;
  std::optional<DeliveryRequest> decoded = decode_request(packet->data);
  if (!decoded) return std::nullopt;
  return Asked{*decoded, std::move(packet->fds[0])};
}

void SendStage::report(Channel channel, std::uint32_t delivery, char status, const std::string& text,
                       HostSays host) {
  say(channel, encode_report({delivery, status, text, host}));
}

DeliveryRequest SendStage::answer(Channel channel, char status, const std::string& text, HostSays host) {
  const std::optional<Asked> asked = request(channel);
  REQUIRE(asked);
  report(channel, asked->request.delivery, status, text, host);
  return asked->request;
}

void SendStage::say(Channel channel, const std::string& packet) {
  send_message(ours(channel).get(), packet);
}

int SendStage::stop(int seconds) {
  process_->signal(SIGTERM);
  return process_->wait(seconds);
}

void SendStage::kill() {
  process_->signal(SIGKILL);
  process_->wait(5);
}

bool SendStage::logged(const std::string& text, int seconds) const {
  return eventually([&] { return log().find(text) != std::string::npos; }, seconds);
}

std::size_t SendStage::times_logged(const std::string& text) const {
  return count_in(log(), text);
}

bool SendStage::in_new(QueueId id) const {
  return exists(paths_.fresh(id));
}
bool SendStage::in_mess(QueueId id) const {
  return exists(paths_.mess(id));
}
bool SendStage::has_state(QueueId id) const {
  return exists(paths_.state(id));
}

std::vector<StateRecord> SendStage::state(QueueId id) const {
  return StateFile(paths_.state(id), keys_.at(id.value())).load();
}

std::vector<std::string> SendStage::bad() const {
  return names_in(paths_.queue + "/bad");
}

}  // namespace hato::test
