// A policy server for tests: a thread on one Unix socket that answers each request by a function.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/net/policy.h"
#include "tests/program/server_thread.h"

namespace hato::test {

class PolicyStub {
 public:
  // The bytes to answer with; "" hangs up, "\0" (one NUL) says nothing and waits.
  using Answer = std::function<std::string(const PolicyRequest&)>;
  PolicyStub(const std::string& path, Answer answer);
  ~PolicyStub();
  PolicyStub(const PolicyStub&) = delete;
  PolicyStub& operator=(const PolicyStub&) = delete;

  std::vector<PolicyRequest> requests() const;  // up to now
  std::size_t connections() const;

 private:
  void serve();

  std::string path_;
  Answer answer_;
  Fd listen_;
  mutable std::mutex mutex_;
  std::vector<PolicyRequest> requests_;
  std::size_t connections_ = 0;
  ServerThread thread_;
};

// Asks a policy server once, by a connection of its own.
PolicyAnswer ask_policy(const std::string& path,
                        const std::vector<std::pair<std::string, std::string>>& attributes);

}  // namespace hato::test
