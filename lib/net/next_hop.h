// Where mail for a domain goes next, as control/smtproutes has it: by which name that place is limited and
// backed off (qmail-send), and which messages may share a connection to it (qmail-rspawn).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/store/control.h"
#include "lib/store/control_watch.h"

namespace hato {

struct NextHop {
  // The relay in lower case, an IPv6 address in brackets; without a relay the recipient's domain in canonical
  // form.
  std::string host;
  // As `host`, with ":PORT" unless that is 25.
  std::string name;
  // As `name`, with port and words of the route: two hops are spoken to in the same way when these are equal.
  std::string route;
};

// The host of a hop's name.
std::string_view host_of_hop(std::string_view name);

// Pure. `lines` of control/smtproutes.
NextHop next_hop(const std::vector<std::string>& lines, std::string_view domain);

// The next hops of many messages, as the control files have them now (a second ago at most).
class NextHops {
 public:
  explicit NextHops(const Control& control) : control_(control), watch_(control) {}

  // Valid until the next call. Throws TempError when control/smtproutes cannot be read.
  const NextHop& of(std::string_view domain, std::int64_t now_seconds);

  // What must be equal for two messages to go through one connection: the route; the generation of the
  // control files; the recipient's domain where control/tlshosts may treat domains differently; the sender's
  // domain where control/bindroutes or control/smtpauth may. "": nothing may be shared now.
  std::string connection_key(std::string_view sender, std::string_view recipient_domain,
                             std::int64_t now_seconds);

  // Of the control files that the last answer was made from; 0: they cannot be watched.
  std::uint64_t generation() const { return generation_; }

 private:
  void refresh(std::int64_t now_seconds);

  static constexpr std::size_t most_kept = 10000;  // domains

  Control control_;
  ControlWatch watch_;
  std::uint64_t generation_ = 0;
  bool read_ = false;
  std::vector<std::string> lines_;
  bool by_domain_ = false, by_sender_ = false;
  std::unordered_map<std::string, NextHop> kept_;
};

}  // namespace hato
