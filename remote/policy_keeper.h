// The part of qmail-mtastsd that answers: keeps the cache, and has policies fetched by processes of their
// own.
//
// A policy in the cache is the answer at once; when it has not been looked after for sts_check_seconds, its
// record is looked up behind the answer, and the policy fetched anew when the record has another id or the
// policy is old. What is not in the cache is fetched, and the question waits for it, sts_answer_seconds at
// most. A domain without a policy, or whose policy could not be had, is not looked up again for
// sts_check_seconds. Whatever fails, a policy in the cache stays until its max_age is over (RFC 8461 section
// 5.1). Once in sweep_seconds the cache is gone through (PolicyCache::sweep).
//
// Limits: max_sts_clients questions at once; others wait in the socket's queue. max_sts_fetches fetches at
// once, max_sts_waiting domains waiting for one; a question beyond is answered "none". max_sts_checked
// domains are remembered as looked up.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "remote/policy_cache.h"
#include "remote/policy_fetch.h"
#include "remote/sts_question.h"

namespace hato {

constexpr std::size_t max_sts_clients = 400;
constexpr std::size_t max_sts_fetches = 10;
constexpr std::size_t max_sts_waiting = 1000;
constexpr std::size_t max_sts_checked = 10000;
constexpr std::int64_t sts_check_seconds = 300;  // section 3.3: five minutes or longer
constexpr std::int64_t sweep_seconds = 3600;

class PolicyKeeper {
 public:
  // listening: the Unix socket, non-blocking. starter: who starts fetches: a packet of PolicyQuestion with
  // the write end of a pipe, into which a PolicyFinding goes.
  PolicyKeeper(int listening, int starter, PolicyCache cache)
      : listening_(listening), starter_(starter), cache_(std::move(cache)) {}

  // Until the starter is gone.
  void run();

 private:
  struct Client {
    Fd socket;
    Deadline deadline;
    std::string domain;  // empty: has not asked yet
  };
  struct Fetch {
    std::string domain;
    Fd pipe;
    std::string data;
  };
  void wait_and_serve();
  void accept_clients();
  void hear(Client& client);
  void answer(Client& client, const StsPolicy& policy);
  bool want(const std::string& domain);
  void start_fetches();
  void start_fetch(const std::string& domain);
  bool take_finding(Fetch& fetch);
  void finish(const Fetch& fetch);
  bool checked_lately(const std::string& domain) const;
  void note_checked(const std::string& domain);
  std::optional<CachedPolicy> cached(const std::string& domain);
  void sweep();

  const int listening_, starter_;
  PolicyCache cache_;
  std::vector<Client> clients_;
  std::vector<Fetch> fetches_;
  std::deque<std::string> waiting_;
  std::set<std::string> wanted_;                 // waiting_ and those of fetches_
  std::map<std::string, std::int64_t> checked_;  // domain: when, on the wall clock
  Deadline next_sweep_ = Deadline::in_seconds(0);
  bool starter_gone_ = false;
};

}  // namespace hato
