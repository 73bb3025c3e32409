// What the gate was told by control files, read before it is sealed. man/qmail-queued.8 describes each.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/net/gate.h"
#include "lib/store/control.h"
#include "qmail-send/reuse.h"
#include "qmail-send/sender_addresses.h"

namespace hato {

struct GateSettings {
  Admission admission;  // what every sender is told; the sender's own address is added
  std::uint64_t databytes = 0;
  std::uint64_t free_bytes = 0, free_inodes = 0;  // control/queuefree: keep as many free
  // Pools. local is for each uid, whatever kind his messages are of; the others are for the whole kind; all
  // is every worker together, of which customers may not take what network and bounces need.
  unsigned pool_mx = 200, pool_submission = 200, pool_local = 100, pool_forward = 200, pool_bounce = 50,
           pool_all = 2000;
  std::int64_t worker_seconds = 86400;  // control/timeoutqueue: a worker's whole life
  Reuse reuse;                          // control/reusegate: of a worker, for further senders of its uid
  std::int64_t content_seconds = 240;  // control/timeoutcontent: all content services of one message together
  std::map<Kind, std::vector<std::string>> content;  // control/content: sockets, in order
  uid_t qmaild = 0, qmails = 0, alias = 0;
  std::set<uid_t> claimers;  // control/gateclaim: uids besides qmaild that may claim mx and submission
  SenderAddresses senders;   // default envelope senders of local uids
  bool show_uid = false, show_script = false;  // control/showorigin: in the message, too
  bool may_claim_network(uid_t uid) const { return uid == qmaild || claimers.contains(uid); }
  unsigned pool(Kind kind) const;
  unsigned room_for_customers() const;  // of pool_all: all but the other pools, and never less than half
};

std::string users_cdb_path();
std::string accounts_cdb_path();

// Throws TempError for a file that cannot be read and for one whose contents make no sense (with file and
// line).
GateSettings read_gate_settings(const Control& control);

}  // namespace hato
