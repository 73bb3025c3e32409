// users/cdb as qmail-newu makes it of users/assign, of any lines that a test wants.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/store/cdb.h"
#include "lib/store/users.h"
#include "tests/catch.h"

namespace hato::test {

// lines: as in users/assign. ends: the characters that its wildcards end with, as qmail-newu gathers them.
inline void write_users_cdb(const std::string& path, const std::vector<std::string>& lines,
                            const std::string& ends) {
  CdbWriter cdb(path);
  for (const std::string& text : lines) {
    const std::optional<AssignLine> line = parse_assign_line(text);
    REQUIRE(line);
    cdb.add(line->key(), encode_assignment(line->to));
  }
  cdb.add("", ends);
  cdb.commit();
}

}  // namespace hato::test
