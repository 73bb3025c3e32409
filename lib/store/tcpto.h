// The table of hosts that do not answer: HOME/queue/lock/tcpto, shared by all qmail-remote processes.
//
// As in qmail (qmail-tcpto(8)): a host whose connections timed out twice, two minutes apart or more, is left
// alone for an hour (dead_seconds, spread by the process id so that not everybody asks again at once). Unlike
// qmail's the table knows both address families and the port. Any error with the file means "not dead": mail
// is more important than the table.
//
// Format: up to tcpto_records records of 32 bytes, big-endian: magic "hto1", port u16, timeouts u8, 0 u8,
// time of the last one u64 (seconds since 1970), address 16 bytes (IPv4 mapped). A record that begins
// otherwise is free; writers hold flock(LOCK_EX) and write one record with one call, readers need no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/base/ip.h"

namespace hato {

constexpr std::size_t tcpto_records = 256;
constexpr unsigned tcpto_dead_count = 2;           // timeouts before a host is left alone
constexpr std::int64_t tcpto_same_event = 120;     // seconds: timeouts nearer than this are one
constexpr std::int64_t tcpto_dead_seconds = 3840;  // plus 0 to 31 times tcpto_spread
constexpr std::int64_t tcpto_spread = 64;

struct TcptoEntry {
  IpAddress address;
  std::uint16_t port = 0;
  unsigned timeouts = 0;
  std::int64_t when = 0;
};

class Tcpto {
 public:
  // The table of a home; opens it for reading and writing. Without the file, or without permission, it is
  // inert.
  explicit Tcpto(const std::string& home);
  static std::string path(const std::string& home) { return home + "/queue/lock/tcpto"; }

  // now in seconds since 1970; spread: any number, its lowest five bits lengthen the time (the process id).
  bool dead(const IpAddress& address, std::uint16_t port, std::int64_t now, unsigned spread);
  void timed_out(const IpAddress& address, std::uint16_t port, std::int64_t now);
  // Forgets the host dead() was asked about last, if it was in the table then.
  void answered(const IpAddress& address, std::uint16_t port);
  // Those with a timeout on record, in the order of the table; reads it anew.
  std::vector<TcptoEntry> entries() const;
  // Forgets all. Throws SystemError.
  void clear();
  bool usable() const { return static_cast<bool>(fd_); }

 private:
  Fd fd_;
  bool listed_ = false;  // was the host that dead() was asked about last
};

}  // namespace hato
