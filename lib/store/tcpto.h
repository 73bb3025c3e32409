// The table of hosts that are out of order: HOME/queue/lock/tcpto, shared by all qmail-remote processes.
//
// From qmail's (qmail-tcpto(8)): a host that failed twice, two minutes apart or more, is left alone for a
// while. Unlike qmail's the table counts every failure of a host as a whole, not only time-outs (what that is
// is qmail-remote's to say); the while grows from a quarter of an hour to an hour and is never more; and the
// table knows both address families and the port. Any error with the file means "not dead": mail is more
// important than the table.
//
// Format: up to tcpto_records records of 32 bytes, big-endian: magic "hto1", port u16, failures u8, 0 u8,
// time of the last one counted u64 (seconds since 1970), address 16 bytes (IPv4 mapped). A record that begins
// otherwise is free; writers hold flock(LOCK_EX) and write one record with one call, readers need no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/fd.h"
#include "lib/base/ip.h"

namespace hato {

constexpr std::size_t tcpto_records = 256;
constexpr unsigned tcpto_dead_count = 2;        // failures before a host is left alone
constexpr std::int64_t tcpto_same_event = 120;  // seconds: failures nearer than this are one
constexpr std::int64_t tcpto_dead_least = 900;  // seconds after the second failure; doubles with each more
constexpr std::int64_t tcpto_dead_most = 3600;

// How long a host is left alone after so many failures, in seconds; 0: not at all. spread: any number, its
// lowest five bits make it shorter by up to a quarter (the process id), so that not everybody asks again at
// once.
std::int64_t tcpto_dead_seconds(unsigned failures, unsigned spread);

struct TcptoEntry {
  IpAddress address;
  std::uint16_t port = 0;
  unsigned failures = 0;
  std::int64_t when = 0;
};

class Tcpto {
 public:
  // The table of a home; opens it for reading and writing. Without the file, or without permission, it is
  // inert.
  explicit Tcpto(const std::string& home);
  static std::string path(const std::string& home) { return home + "/queue/lock/tcpto"; }

  // now in seconds since 1970; spread as above.
  bool dead(const IpAddress& address, std::uint16_t port, std::int64_t now, unsigned spread);
  void failed(const IpAddress& address, std::uint16_t port, std::int64_t now);
  // Forgets the host, if it was in the table when dead() was asked about it.
  void answered(const IpAddress& address, std::uint16_t port);
  // Those with a failure on record, in the order of the table; reads it anew.
  std::vector<TcptoEntry> entries() const;
  // Forgets all. Throws SystemError.
  void clear();
  bool usable() const { return static_cast<bool>(fd_); }

 private:
  Fd fd_;
  std::vector<std::pair<IpAddress, std::uint16_t>> listed_;  // those that dead() found there
};

}  // namespace hato
