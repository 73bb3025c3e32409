// What qmail-remote and qmail-qmtpc report on descriptor 1: one report for each recipient, one for the
// message.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/catch.h"

namespace hato::test {

using Reports = std::vector<std::string>;

// Each without the NUL at its end. Fails the test when the last one has none.
inline Reports reports_in(std::string_view out) {
  Reports all;
  while (!out.empty()) {
    const std::size_t nul = out.find('\0');
    REQUIRE(nul != out.npos);
    all.emplace_back(out.substr(0, nul));
    out.remove_prefix(nul + 1);
  }
  return all;
}

}  // namespace hato::test
