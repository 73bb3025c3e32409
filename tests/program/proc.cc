#include "tests/program/proc.h"

#include <signal.h>
#include <unistd.h>

#include <iterator>
#include <sstream>

#include "tests/program/process.h"

namespace hato::test {

namespace {

std::string proc_of(pid_t pid) {
  return "/proc/" + std::to_string(pid);
}

}  // namespace

std::vector<pid_t> children_of(pid_t pid) {
  std::istringstream list(slurp(proc_of(pid) + "/task/" + std::to_string(pid) + "/children"));
  return {std::istream_iterator<pid_t>(list), {}};
}

std::string status_field(pid_t pid, const std::string& name) {
  const std::string all = "\n" + slurp(proc_of(pid) + "/status");
  const std::string start = "\n" + name + ":\t";
  const std::size_t at = all.find(start);
  if (at == std::string::npos) return "";
  return all.substr(at + start.size(), all.find('\n', at + 1) - at - start.size());
}

std::string proc_link(pid_t pid, const std::string& name) {
  char target[4096];
  const ssize_t length = readlink((proc_of(pid) + "/" + name).c_str(), target, sizeof target);
  return length < 0 ? "" : std::string(target, static_cast<std::size_t>(length));
}

bool alive(pid_t pid) {
  return kill(pid, 0) == 0;
}

}  // namespace hato::test
