// The socket of qmail-dotd: requests of panels and customers, a line each, and their answers.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "admin/rule_requests.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/service_life.h"
#include "lib/store/control.h"

namespace hato {

inline constexpr std::size_t max_rule_clients = 64;          // at once
inline constexpr std::size_t max_rule_clients_of_a_uid = 8;  // but for those who may ask for any account
inline constexpr std::int64_t rule_client_seconds =
    30;  // between a request's first byte and its last, or idle

std::string rule_socket_path();  // HOME/panel/s

// May this uid ask for every account: root, the panel's own user, and control/panels (uids, and names in
// /etc/passwd)?
bool is_panel(const Control& control, uid_t uid);

class RuleService {
 public:
  // listening: the socket, non-blocking. Once a peer has come, what he is does not change.
  // qmail-getpw(8) cannot be asked: it would have to be run.
  explicit RuleService(int listening) : listening_(listening), requests_(nullptr) {}

  // Until it is over. Throws SystemError.
  void run(ServiceLife& life);

 private:
  struct Client {
    Fd socket;
    RuleAsker asker;
    Deadline deadline;
    std::string in, out;
    // The next request is there already.
    bool waits() const { return out.empty() && in.find('\n') != std::string::npos; }
  };
  // One round: waits, then serves who has something. False: it is over.
  bool serve(ServiceLife& life);
  void accept_clients();
  void hear(Client& client);
  void say(Client& client);

  const int listening_;
  RuleRequests requests_;
  Control control_;
  std::vector<Client> clients_;
};

}  // namespace hato
