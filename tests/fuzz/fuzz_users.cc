// users/assign lines, records of users/cdb and qmail-getpw, and look-ups in whatever a users/cdb may hold.
// The first byte says which: 'a' lines, 'r' a record, 'c' a cdb, whose first line is the local part to look
// up.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/store/users.h"
#include "qmail-send/sender_addresses.h"

using namespace hato;

namespace {

void check_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::optional<AssignLine> parsed = parse_assign_line(line);
    if (!parsed) continue;
    // What qmail-newu writes, qmail-lspawn reads.
    if (parse_assignment(encode_assignment(parsed->to)) != parsed->to) abort();
    if (parsed->key().front() != '!') abort();
  }
}

void check_record(std::string_view record) {
  const std::optional<Assignment> parsed = parse_assignment(record);
  if (parsed && parse_assignment(encode_assignment(*parsed) + '\0') != parsed) abort();
}

void check_cdb(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return;
  Fd fd(memfd_create("cdb", MFD_CLOEXEC));
  const std::string_view bytes = text.substr(end + 1);
  write_all(fd.get(), bytes, "memfd");
  try {
    Cdb cdb(std::move(fd), "cdb");
    try {
      cdb.for_each([](std::string_view key, std::string_view record) { assigned_name(key, record); });
    } catch (const TempError&) {
    }
    find_assignment(cdb, "-x", text.substr(0, end));
    find_assignment(cdb, cdb.find("").value_or(""), text.substr(0, end));
  } catch (const TempError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'a') check_lines(text);
  if (data[0] == 'r') check_record(text);
  if (data[0] == 'c') check_cdb(text);
  return 0;
}
