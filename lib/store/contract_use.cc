#include "lib/store/contract_use.h"

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/store/named_lines.h"

namespace hato {

std::string encode_contract_use(const ContractUse& use) {
  std::string record;
  append_named_line(record, "bytes", std::to_string(use.bytes));
  if (use.limit != 0) append_named_line(record, "limit", std::to_string(use.limit));
  append_named_line(record, "measured", std::to_string(use.measured));
  if (use.uncountable) append_named_line(record, "uncountable", "1");
  return record;
}

std::optional<ContractUse> parse_contract_use(std::string_view record) {
  const auto lines = parse_named_lines(record);
  if (!lines) return std::nullopt;
  ContractUse use;
  bool has_bytes = false, has_time = false;
  for (const NamedLine& line : *lines) {
    const std::optional<std::uint64_t> number = parse_decimal(line.value);
    if (line.name == "bytes" && number) {
      use.bytes = *number;
      has_bytes = true;
    } else if (line.name == "limit" && number) {
      use.limit = *number;
    } else if (line.name == "measured" && number && *number <= INT64_MAX) {
      use.measured = static_cast<std::int64_t>(*number);
      has_time = true;
    } else if (line.name == "uncountable" && number) {
      use.uncountable = *number != 0;
    } else {
      return std::nullopt;
    }
  }
  if (!has_bytes || !has_time) return std::nullopt;
  return use;
}

bool contract_allows(const Contract& contract, const ContractUse& use, std::uint64_t coming,
                     std::int64_t now) {
  if (now - use.measured > contract_use_seconds) return true;
  if (use.uncountable) return false;
  const std::uint64_t limit = contract.quota_bytes != 0 ? contract.quota_bytes : use.limit;
  return limit == 0 || (use.bytes <= limit && coming <= limit - use.bytes);
}

ContractUses::ContractUses() : cdb_(std::string(conf::home) + contract_use_file) {}

std::optional<ContractUse> ContractUses::find(std::string_view contract) {
  Cdb* const cdb = cdb_.current();
  if (cdb == nullptr) return std::nullopt;
  const std::optional<std::string> record = cdb->find("c" + std::string(contract));
  if (!record) return std::nullopt;
  const std::optional<ContractUse> use = parse_contract_use(*record);
  if (!use) throw TempError(cdb_.path() + ": damaged record of contract " + std::string(contract));
  return use;
}

}  // namespace hato
