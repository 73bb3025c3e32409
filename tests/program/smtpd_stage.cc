#include "tests/program/smtpd_stage.h"

#include <algorithm>

namespace hato::test {

Outcome smtp(const std::string& input, const Env& env, int seconds) {
  Start start;
  start.args = {installed("qmail-smtpd")};
  start.env = env;
  return run(start, input, seconds);
}

Env into(const QueueProgram& program) {
  return with(from_outside, {{"QMAILQUEUE", program.path()}});
}

std::string codes(std::string_view out) {
  std::string all;
  while (!out.empty()) {
    const std::string_view line = out.substr(0, out.find('\n'));
    out.remove_prefix(std::min(line.size() + 1, out.size()));
    if (line.size() > 3 && line[3] == '-') continue;
    all += (all.empty() ? "" : " ") + std::string(line.substr(0, 3));
  }
  return all;
}

std::string body_in(const QueueProgram& program) {
  const std::string all = program.message();
  return all.substr(std::min(all.size(), all.find('\n', all.find('\n') + 1) + 1));
}

}  // namespace hato::test
