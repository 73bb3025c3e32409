#include "tests/program/gate.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/net/gate.h"

namespace hato::test {

std::vector<std::string> Queued::recipients() const {
  std::vector<std::string> addresses;
  for (const Recipient& recipient : envelope.recipients) addresses.push_back(recipient.address);
  return addresses;
}

void set_control(const std::string& name, const std::string& text) {
  const std::string path = std::string(conf::home) + "/control/" + name;
  unlink(path.c_str());
  if (text.empty()) return;
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), text, path);
}

ControlFiles::ControlFiles(Controls files, const Controls& others) : files_(std::move(files)) {
  files_.insert(others.begin(), others.end());
  for (const auto& [name, text] : files_) set_control(name, text);
}

ControlFiles::~ControlFiles() {
  for (const auto& [name, text] : files_) set_control(name, "");
}

void ControlFiles::set(const std::string& name, const std::string& text) {
  set_control(name, text);
  files_[name] = text;
}

RunningGate::RunningGate(const Controls& control) : log_path_(scratch_.file("log")), control_files_(control) {
  const Fd null = open_file("/dev/null", O_RDWR);
  const Fd log = open_file(log_path_, O_WRONLY | O_CREAT | O_APPEND, 0644);
  Start start{{installed("qmail-queued")}};
  start.fds = {{0, null.get()}, {1, null.get()}, {2, log.get()}};
  process_ = std::make_unique<Process>(start);
  const bool up = eventually([] {
    Gate gate;
    return gate.connect(gate_path(), Deadline::in_seconds(1)).ok();
  });
  if (!up) throw TempError("qmail-queued does not come up: " + slurp(log_path_));
}

RunningGate::~RunningGate() {
  process_->signal(SIGTERM);
  process_->wait(70);  // messages under way have 60 seconds
  empty();
}

void RunningGate::empty() const {
  const std::string directory = QueuePaths().fresh();
  for (const std::string& name : names_in(directory)) unlink((directory + "/" + name).c_str());
}

std::vector<Queued> RunningGate::queued() const {
  const QueuePaths paths;
  std::vector<Queued> all;
  for (const std::string& name : names_in(paths.fresh())) {
    const std::optional<QueueId> id = QueueId::parse(name);
    if (!id) continue;
    OpenedMessage opened;
    std::string why;
    if (open_message(paths.fresh(*id), opened, why) != OpenResult::ok)
      throw TempError("queue/new/" + name + " " + why);
    if (const std::string wrong = check_message_body(opened); !wrong.empty())
      throw TempError("queue/new/" + name + ": " + wrong);
    Queued one{*id, opened.header, opened.envelope, {}, {}};
    one.text = pread_some(opened.fd.get(), opened.header.message_bytes(),
                          static_cast<off_t>(opened.header.message_start), name);
    one.body = one.text.substr(queue_format::message_area - opened.header.message_start);
    all.push_back(std::move(one));
  }
  return all;
}

void RunningGate::configure(const std::string& name, const std::string& text) {
  const auto times = [&] { return count_in(log(), "read anew"); };
  const std::size_t before = times();
  control_files_.set(name, text);
  process_->signal(SIGHUP);
  if (!eventually([&] { return times() > before; }))
    throw TempError("the gate did not read its configuration");
}

}  // namespace hato::test
