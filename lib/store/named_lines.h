// Records of lines "NAME=VALUE", each ended by LF: what the values of users/accounts.cdb and
// users/secrets.cdb are made of. A name may repeat; the order is kept; a value may be empty and has neither
// LF nor NUL. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct NamedLine {
  std::string_view name;  // views of the record
  std::string_view value;
};

// nullopt: a line without "=" or with nothing before it, a NUL, or no LF at the end.
std::optional<std::vector<NamedLine>> parse_named_lines(std::string_view record);

// Throws PermError when the value cannot be in such a line.
void append_named_line(std::string& record, std::string_view name, std::string_view value);

// Decimal digits only, below 2^64.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

}  // namespace hato
