#include "lib/store/tcpto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "lib/base/byte_order.h"
#include "lib/base/error.h"

namespace hato {

namespace {

constexpr std::size_t record_size = 32;
constexpr std::string_view magic = "hto1";
constexpr unsigned max_failures = 10;

class Lock {
 public:
  explicit Lock(int fd) : fd_(flock(fd, LOCK_EX) == 0 ? fd : -1) {}
  ~Lock() {
    if (fd_ >= 0) flock(fd_, LOCK_UN);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int fd_;
};

std::string encode(const TcptoEntry& entry) {
  if (entry.failures == 0) return std::string(record_size, '\0');
  std::string record(magic);
  put_big<std::uint16_t>(record, entry.port);
  put_big<std::uint8_t>(record, static_cast<std::uint8_t>(entry.failures));
  put_big<std::uint8_t>(record, 0);
  put_big<std::uint64_t>(record, static_cast<std::uint64_t>(entry.when));
  record.append(reinterpret_cast<const char*>(entry.address.bytes().data()), 16);
  return record;
}

// failures is 0 for a free record.
TcptoEntry decode(std::string_view record) {
  TcptoEntry entry;
  if (!record.starts_with(magic)) return entry;
  entry.port = get_big<std::uint16_t>(record, 4);
  entry.failures = get_big<std::uint8_t>(record, 6);
  entry.when = static_cast<std::int64_t>(get_big<std::uint64_t>(record, 8));
  entry.address = IpAddress::v6(record.data() + 16);
  return entry;
}

std::vector<TcptoEntry> read_table(int fd) {
  std::vector<TcptoEntry> table;
  char space[32 * record_size];  // the table is mostly empty, and a page of stack costs more than a call
  while (fd >= 0 && table.size() < tcpto_records) {
    const ssize_t n = pread(fd, space, sizeof space, static_cast<off_t>(table.size() * record_size));
    for (ssize_t at = 0; at + static_cast<ssize_t>(record_size) <= n; at += static_cast<ssize_t>(record_size))
      table.push_back(decode({space + at, record_size}));
    if (n < static_cast<ssize_t>(sizeof space)) break;
  }
  return table;
}

std::optional<std::size_t> find(const std::vector<TcptoEntry>& table, const IpAddress& address,
                                std::uint16_t port) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const TcptoEntry& entry) {
    return entry.failures > 0 && entry.address == address && entry.port == port;
  });
  if (found == table.end()) return std::nullopt;
  return static_cast<std::size_t>(found - table.begin());
}

// Where a new entry goes: a free record, a new one at the end, or in place of the one that matters least (few
// failures, long ago).
std::size_t place_for_new(const std::vector<TcptoEntry>& table) {
  const auto worth = [](const TcptoEntry& entry) {
    return entry.failures == 0 ? INT64_MIN : entry.when + static_cast<std::int64_t>(entry.failures) * 1024;
  };
  const auto least = std::min_element(table.begin(), table.end(),
                                      [&](const auto& a, const auto& b) { return worth(a) < worth(b); });
  if (table.size() < tcpto_records && (least == table.end() || least->failures > 0)) return table.size();
  return static_cast<std::size_t>(least - table.begin());
}

void write_record(int fd, std::size_t index, const TcptoEntry& entry) {
  const std::string record = encode(entry);
  // A table that cannot be written is a table nobody learns from; mail goes on.
  if (pwrite(fd, record.data(), record.size(), static_cast<off_t>(index * record_size)) < 0) return;
}

}  // namespace

std::int64_t tcpto_dead_seconds(unsigned failures, unsigned spread) {
  if (failures < tcpto_dead_count) return 0;
  std::int64_t seconds = tcpto_dead_least;
  for (unsigned n = tcpto_dead_count; n < failures && seconds < tcpto_dead_most; ++n) seconds *= 2;
  seconds = std::min(seconds, tcpto_dead_most);
  return seconds - seconds / 4 * (spread & 31U) / 32;
}

Tcpto::Tcpto(const std::string& home) : fd_(try_open(path(home), O_RDWR)) {
  if (!fd_ && (errno == EACCES || errno == EROFS)) fd_ = try_open(path(home), O_RDONLY);
}

bool Tcpto::dead(const IpAddress& address, std::uint16_t port, std::int64_t now, unsigned spread) {
  const std::vector<TcptoEntry> table = read_table(fd_.get());
  const std::optional<std::size_t> at = find(table, address, port);
  if (!at) return false;
  listed_.emplace_back(address, port);
  const std::int64_t age = now - table[*at].when;
  return age >= 0 && age < tcpto_dead_seconds(table[*at].failures, spread);
}

void Tcpto::failed(const IpAddress& address, std::uint16_t port, std::int64_t now) {
  if (!fd_) return;
  const Lock lock(fd_.get());
  const std::vector<TcptoEntry> table = read_table(fd_.get());
  const std::optional<std::size_t> at = find(table, address, port);
  TcptoEntry entry{address, port, 1, now};
  if (at) {
    const std::int64_t age = now - table[*at].when;
    if (age >= 0 && age < tcpto_same_event) return;
    entry.failures = std::min(table[*at].failures + 1, max_failures);
  }
  write_record(fd_.get(), at ? *at : place_for_new(table), entry);
}

void Tcpto::answered(const IpAddress& address, std::uint16_t port) {
  if (std::find(listed_.begin(), listed_.end(), std::pair(address, port)) == listed_.end()) return;
  const Lock lock(fd_.get());
  if (const auto at = find(read_table(fd_.get()), address, port)) write_record(fd_.get(), *at, TcptoEntry{});
}

std::vector<TcptoEntry> Tcpto::entries() const {
  std::vector<TcptoEntry> table = read_table(fd_.get());
  std::erase_if(table, [](const TcptoEntry& entry) { return entry.failures == 0; });
  return table;
}

void Tcpto::clear() {
  const Lock lock(fd_.get());
  if (ftruncate(fd_.get(), 0) != 0) throw_errno("truncate queue/lock/tcpto");
}

}  // namespace hato
