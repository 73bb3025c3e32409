#include "tests/program/policy_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/net/policy_channel.h"

namespace hato::test {

PolicyStub::PolicyStub(const std::string& path, Answer answer) : path_(path), answer_(std::move(answer)) {
  unlink(path.c_str());
  listen_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(listen_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listen_.get(), 10) != 0)
    throw_errno("listen on " + path);
  chmod(path.c_str(), 0666);
  thread_.start([this] { serve(); });
}

PolicyStub::~PolicyStub() {
  thread_.end();
  unlink(path_.c_str());
}

std::vector<PolicyRequest> PolicyStub::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::size_t PolicyStub::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void PolicyStub::serve() {
  struct Connection {
    Fd fd;
    std::string bytes;
  };
  std::vector<Connection> open;
  for (;;) {
    std::vector<pollfd> wait{{thread_.stopped(), POLLIN, 0}, {listen_.get(), POLLIN, 0}};
    for (const Connection& one : open) wait.push_back({one.fd.get(), POLLIN, 0});
    if (poll(wait.data(), wait.size(), -1) < 0) continue;
    if (wait[0].revents != 0) return;
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (wait[i + 2].revents == 0) continue;
      char piece[4096];
      const ssize_t n = read(open[i].fd.get(), piece, sizeof piece);
      if (n <= 0) {
        open[i].fd.reset();
        continue;
      }
      open[i].bytes.append(piece, static_cast<std::size_t>(n));
      while (const auto size = policy_message_size(open[i].bytes)) {
        const auto request = parse_policy_request(open[i].bytes.substr(0, *size));
        open[i].bytes.erase(0, *size);
        if (!request) throw TempError("a request that makes no sense");
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(*request);
        }
        const std::string answer = answer_(*request);
        if (answer.empty()) open[i].fd.reset();
        if (answer.empty()) break;
        if (answer[0] != '\0') write_all(open[i].fd.get(), answer, "policy answer");
      }
    }
    std::erase_if(open, [](const Connection& one) { return !one.fd; });
    if (wait[1].revents != 0) {
      Fd fd(accept4(listen_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd) open.push_back({std::move(fd), {}});
      const std::lock_guard lock(mutex_);
      ++connections_;
    }
  }
}

PolicyAnswer ask_policy(const std::string& path,
                        const std::vector<std::pair<std::string, std::string>>& attributes) {
  std::string request;
  append_policy_attribute(request, "request", "smtpd_access_policy");
  for (const auto& [name, value] : attributes) append_policy_attribute(request, name, value);
  return PolicyChannel(path).ask(request, 20);
}

}  // namespace hato::test
