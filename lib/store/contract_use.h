// How much the customers' contracts use: HOME/users/contract-use.cdb, which qmail-contractuse(8) writes as
// root and every program may read. Keys are "c" and the contract's name; records are named lines
// (lib/store/named_lines.h). man qmail-quota(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/accounts.h"
#include "lib/store/current_cdb.h"

namespace hato {

inline constexpr char contract_use_file[] = "/users/contract-use.cdb";  // below conf::home

struct ContractUse {
  std::uint64_t bytes = 0;    // on disk, as du(1) and the file system count
  std::uint64_t limit = 0;    // the file system's own, 0: none, or not asked
  std::int64_t measured = 0;  // seconds since 1970
  bool uncountable = false;   // more files, or deeper directories, than are looked at: it is full
  bool operator==(const ContractUse&) const = default;
};

std::string encode_contract_use(const ContractUse& use);
std::optional<ContractUse> parse_contract_use(std::string_view record);

// An older measurement says nothing: whoever measures has stopped, and mail must not wait for him.
constexpr std::int64_t contract_use_seconds = 24 * 60 * 60;

// Is there room for a message of `coming` bytes, `now`? The contract's own limit counts, else the file
// system's.
bool contract_allows(const Contract& contract, const ContractUse& use, std::uint64_t coming,
                     std::int64_t now);

// The file, mapped; one that comes in its place is seen at the next call. No file: nothing is known. Throws
// as Accounts does.
class ContractUses {
 public:
  explicit ContractUses(std::string path) : cdb_(std::move(path)) {}
  ContractUses();  // conf::home's
  std::optional<ContractUse> find(std::string_view contract);

 private:
  CurrentCdb cdb_;
};

}  // namespace hato
