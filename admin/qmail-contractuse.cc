// qmail-contractuse [-v] [CONTRACT...]: measures what the customers' contracts use and writes it down for
// qmail-rcptd and qmail-local. For cron or a timer, as root. man qmail-contractuse.
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/quota.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "admin/disk_use.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"
#include "lib/store/contract_use.h"

using namespace hato;

namespace {

constexpr rlim_t descriptors = 1024;  // DiskUse needs one for each level

std::string in_home(const char* below) {
  return std::string(conf::home) + below;
}

std::map<std::string, Contract> all_contracts() {
  std::map<std::string, Contract> contracts;
  std::optional<Cdb> cdb = Cdb::open(in_home(accounts_file));
  if (!cdb) return contracts;
  cdb->for_each([&](std::string_view key, std::string_view data) {
    if (!key.starts_with('c')) return;
    const std::string name(key.substr(1));
    const std::optional<Contract> contract = parse_contract(name, data);
    if (!contract) throw TempError(in_home(accounts_file) + ": the record of contract " + name + " is none");
    contracts.emplace(name, *contract);
  });
  return contracts;
}

// What the file system's own quota says.
ContractUse file_system_use(const Contract& contract) {
  const int type = contract.kind == Contract::Kind::user    ? USRQUOTA
                   : contract.kind == Contract::Kind::group ? GRPQUOTA
                                                            : 2 /* PRJQUOTA */;
  const std::string& path = contract.directories.front();
  const Fd directory = open_file(path, O_RDONLY | O_DIRECTORY);
  dqblk quota{};
  if (syscall(SYS_quotactl_fd, directory.get(), QCMD(Q_GETQUOTA, type), contract.id, &quota) != 0) {
    if (errno != ESRCH) throw_errno("quotactl " + path);  // ESRCH: no quotas on this file system
    throw SystemError("quotactl " + path + " (no quota of this kind)", errno);
  }
  constexpr std::uint64_t limit_unit = 1024;
  const std::uint64_t limit = quota.dqb_bhardlimit != 0 ? quota.dqb_bhardlimit : quota.dqb_bsoftlimit;
  return {.bytes = quota.dqb_curspace, .limit = limit * limit_unit};
}

ContractUse measure(const Contract& contract) {
  ContractUse use;
  if (contract.kind == Contract::Kind::directories) {
    DiskUse disk;
    for (const std::string& directory : contract.directories) disk.add(directory);
    use.bytes = disk.bytes();
    use.uncountable = disk.exceeded();
  } else {
    use = file_system_use(contract);
  }
  use.measured = now_seconds();
  return use;
}

void show(const Contract& contract, const ContractUse& use) {
  const std::uint64_t limit = contract.quota_bytes != 0 ? contract.quota_bytes : use.limit;
  log_line(1, contract.name + " " + std::to_string(use.bytes) + " " + std::to_string(limit) +
                  (use.uncountable ? " uncountable" : ""));
}

int body(int argc, char** argv) {
  bool verbose = false;
  for (int option; (option = getopt(argc, argv, "v")) != -1;) {
    if (option != 'v') throw PermError("usage: qmail-contractuse [-v] [contract...]");
    verbose = true;
  }
  const std::vector<std::string> wanted(argv + optind, argv + argc);
  // One at a time, and a slow run is not overtaken by a later one.
  const std::string path = in_home(contract_use_file);
  const Fd lock = open_file(path + ".lock", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  if (flock(lock.get(), LOCK_EX | (wanted.empty() ? LOCK_NB : 0)) != 0) {
    if (errno == EWOULDBLOCK) throw TempError("another one is measuring");
    throw_errno("lock " + path + ".lock");
  }
  const rlimit limit{descriptors, descriptors};
  setrlimit(RLIMIT_NOFILE, &limit);  // with fewer a deep tree cannot be measured, and that is said then

  const std::map<std::string, Contract> contracts = all_contracts();
  for (const std::string& name : wanted)
    if (!contracts.contains(name)) throw PermError("no contract " + name);
  ContractUses last(path);
  bool all_measured = true;
  CdbWriter writer(path);
  for (const auto& [name, contract] : contracts) {
    std::optional<ContractUse> use;
    try {
      if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) {
        use = measure(contract);
        if (verbose) show(contract, *use);
        if (use->uncountable)
          log_line(2, "qmail-contractuse: warning: contract " + name + " has more than can be counted");
      }
    } catch (const SystemError& e) {
      log_line(2, "qmail-contractuse: contract " + name + ": " + e.text());
      all_measured = false;
    }
    if (!use) use = last.find(name);  // what was measured before stands, with its time
    if (use) writer.add("c" + name, encode_contract_use(*use));
  }
  writer.commit();
  return all_measured ? 0 : 111;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-contractuse", argc, argv, body);
}
