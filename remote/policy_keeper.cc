#include "remote/policy_keeper.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/log.h"

namespace hato {

namespace {

using What = PolicyFinding::What;

void log(const std::string& what) {
  log_line(2, "mtasts: " + what);
}

// What the log says a fetch has led to.
std::string told(const PolicyFinding& finding, bool known) {
  switch (finding.what) {
    case What::fetched:
      return "policy " + finding.id + ", " + std::string(sts_mode_name(parse_sts_policy(finding.text)->mode));
    case What::absent:
      return known ? "its record is gone; its policy stays until it expires" : "";
    case What::unchanged:
      return "";
    case What::failed:
      break;
  }
  return (finding.id.empty() ? "" : "policy " + finding.id + ": ") + finding.problem +
         (known ? "; the old policy stays until it expires" : "");
}

}  // namespace

void PolicyKeeper::run() {
  while (!starter_gone_) {
    if (next_sweep_.passed()) sweep();
    wait_and_serve();
  }
}

void PolicyKeeper::wait_and_serve() {
  std::vector<pollfd> fds{{starter_, 0, 0}, {clients_.size() < max_sts_clients ? listening_ : -1, POLLIN, 0}};
  Deadline until = next_sweep_;
  for (const Client& client : clients_) {
    fds.push_back({client.socket.get(), POLLIN, 0});
    until = earlier(until, client.deadline);
  }
  for (const Fetch& fetch : fetches_) fds.push_back({fetch.pipe.get(), POLLIN, 0});
  if (poll(fds.data(), fds.size(), until.poll_ms()) < 0) {
    if (errno == EINTR) return;
    throw_errno("poll");
  }
  starter_gone_ = (fds[0].revents & (POLLHUP | POLLERR)) != 0;

  std::size_t at = 2;
  for (Client& client : clients_) {
    if (fds[at++].revents != 0) hear(client);
    if (client.socket && client.deadline.passed()) answer(client, {});
  }
  std::vector<Fetch> done;
  for (Fetch& fetch : fetches_)
    if (fds[at++].revents != 0 && take_finding(fetch)) done.push_back(std::move(fetch));
  std::erase_if(fetches_, [](const Fetch& fetch) { return !fetch.pipe; });
  for (const Fetch& fetch : done) finish(fetch);
  std::erase_if(clients_, [](const Client& client) { return !client.socket; });
  if (fds[1].revents != 0) accept_clients();
  start_fetches();
}

void PolicyKeeper::accept_clients() {
  while (clients_.size() < max_sts_clients) {
    Fd socket(accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    clients_.push_back({std::move(socket), Deadline::in_seconds(sts_answer_seconds), {}});
  }
}

// One packet is all that a client has to say; more, or an end, and it is gone.
void PolicyKeeper::hear(Client& client) {
  std::optional<Message> question;
  try {
    question = receive_message(client.socket.get(), max_sts_question + 1);
  } catch (const Error&) {
    return client.socket.reset();
  }
  if (!question) return;
  if (!client.domain.empty() || !is_sts_domain(question->data)) return client.socket.reset();
  client.domain = question->data;
  const std::optional<CachedPolicy> known = cached(client.domain);
  const bool lately = checked_lately(client.domain);
  if (known)
    answer(client, known->policy);
  else if (lately)
    answer(client, {});
  if (!lately && !want(client.domain) && client.socket) answer(client, {});
}

void PolicyKeeper::answer(Client& client, const StsPolicy& policy) {
  try {
    send_message(client.socket.get(), sts_answer(policy));
  } catch (const Error&) {
    // its buffer is full, or it is gone: it does without
  }
  client.socket.reset();
}

// False when too many wait already.
bool PolicyKeeper::want(const std::string& domain) {
  if (wanted_.contains(domain)) return true;
  if (waiting_.size() >= max_sts_waiting) return false;
  wanted_.insert(domain);
  waiting_.push_back(domain);
  return true;
}

void PolicyKeeper::start_fetches() {
  while (fetches_.size() < max_sts_fetches && !waiting_.empty() && !starter_gone_) {
    const std::string domain = std::move(waiting_.front());
    waiting_.pop_front();
    start_fetch(domain);
  }
}

void PolicyKeeper::start_fetch(const std::string& domain) {
  PolicyQuestion question{domain, {}, false};
  if (const std::optional<CachedPolicy> known = cached(domain)) {
    question.known_id = known->id;
    question.again = known->old(now_seconds());
  }
  FdPair pipe = make_pipe();
  set_nonblocking(pipe.first.get(), true);
  const int end = pipe.second.get();
  if (!send_message(starter_, question.packet(), &end, 1)) starter_gone_ = true;
  fetches_.push_back({domain, std::move(pipe.first), {}});
}

// True when there is no more to come.
bool PolicyKeeper::take_finding(Fetch& fetch) {
  char space[16384];
  const ssize_t n = ::read(fetch.pipe.get(), space, sizeof space);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) return true;
  fetch.data.append(space, static_cast<std::size_t>(n));
  return fetch.data.size() > max_finding;
}

void PolicyKeeper::finish(const Fetch& fetch) {
  const std::string& domain = fetch.domain;
  wanted_.erase(domain);
  note_checked(domain);
  PolicyFinding finding;
  finding.problem = "the fetch did not come to its end";
  if (std::optional<PolicyFinding> found = PolicyFinding::parse(fetch.data)) finding = std::move(*found);
  const std::optional<CachedPolicy> known = cached(domain);
  if (const std::string text = told(finding, known.has_value()); !text.empty()) log(domain + ": " + text);

  StsPolicy policy = known ? known->policy : StsPolicy();
  if (finding.what == What::fetched) {
    policy = *parse_sts_policy(finding.text);
    try {
      if (!cache_.store(domain, finding.id, finding.text, now_seconds()))
        log(domain + ": the cache is full; its policy is not kept");
    } catch (const Error& e) {
      log(domain + ": its policy cannot be kept: " + e.text());
    }
  }
  for (Client& client : clients_)
    if (client.socket && client.domain == domain) answer(client, policy);
}

bool PolicyKeeper::checked_lately(const std::string& domain) const {
  const auto found = checked_.find(domain);
  if (found == checked_.end()) return false;
  const std::int64_t ago = now_seconds() - found->second;
  return ago >= 0 && ago < sts_check_seconds;
}

void PolicyKeeper::note_checked(const std::string& domain) {
  const std::int64_t now = now_seconds();
  if (checked_.size() >= max_sts_checked)
    std::erase_if(checked_, [&](const auto& c) { return now - c.second >= sts_check_seconds; });
  if (checked_.size() >= max_sts_checked) checked_.clear();  // then some are looked up too soon
  checked_[domain] = now;
}

std::optional<CachedPolicy> PolicyKeeper::cached(const std::string& domain) {
  try {
    return cache_.find(domain, now_seconds());
  } catch (const Error& e) {
    log(domain + ": " + e.text());
    return std::nullopt;
  }
}

void PolicyKeeper::sweep() {
  next_sweep_ = Deadline::in_seconds(sweep_seconds);
  try {
    for (const std::string& domain : cache_.sweep(now_seconds(), max_sts_waiting)) want(domain);
  } catch (const Error& e) {
    log(e.text());
  }
}

}  // namespace hato
