// For program tests that put messages into the queue: this run's gate, and a look at what it queued.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/store/queuefile.h"
#include "tests/program/process.h"

namespace hato::test {

struct Queued {
  QueueId id;
  QueueHeader header;
  QueuedEnvelope envelope;
  std::string text;  // as a delivery agent reads it: our Received fields, then the message
  std::string body;  // the message as received alone
  std::vector<std::string> recipients() const;
};

using Controls = std::map<std::string, std::string>;  // control files: name, text

// Writes a control file of this prefix; "" removes it.
void set_control(const std::string& name, const std::string& text);

// Control files of one test; all of them are gone afterwards.
class ControlFiles {
 public:
  // `others`: those that are there unless `files` has them.
  explicit ControlFiles(Controls files = {}, const Controls& others = {{"me", "test.example\n"}});
  ~ControlFiles();
  ControlFiles(const ControlFiles&) = delete;
  ControlFiles& operator=(const ControlFiles&) = delete;
  // One more, or one anew.
  void set(const std::string& name, const std::string& text);

 private:
  Controls files_;
};

// qmail-queued of this prefix, as root would start it, with the control files given (besides me=test.example,
// which is always there). The destructor ends it, empties the queue and removes the control files.
class RunningGate {
 public:
  explicit RunningGate(const Controls& control = {});
  ~RunningGate();
  pid_t pid() const { return process_->pid(); }
  Process& process() { return *process_; }
  std::string log() const { return slurp(log_path_); }
  // Everything in queue/new, oldest first. Fails the test for a damaged file.
  std::vector<Queued> queued() const;
  void empty() const;
  // Sets one more control file and waits until the gate has read it.
  void configure(const std::string& name, const std::string& text);

 private:
  ScratchDirectory scratch_;
  std::string log_path_;
  ControlFiles control_files_;
  std::unique_ptr<Process> process_;
};

}  // namespace hato::test
