// qmail-newu: compiles HOME/users/assign into HOME/users/cdb. man qmail-newu.
#include <fcntl.h>

#include <string>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/store/cdb.h"
#include "lib/store/users.h"

using namespace hato;

namespace {

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-newu");
  const std::string users = std::string(conf::home) + "/users";
  Fd fd = open_file(users + "/assign", O_RDONLY);
  Reader assign(fd.get(), users + "/assign", 0, 65536);
  CdbWriter cdb(users + "/cdb");

  std::string wildcard_ends;
  std::string line;
  for (std::size_t number = 1;; ++number) {
    const Reader::Line end = assign.read_line(line, assign_line_limit);
    if (end != Reader::Line::eof && ends_assign(line)) break;
    const std::optional<AssignLine> entry = parse_assign_line(line);
    if (end != Reader::Line::complete || !entry)
      throw TempError("fatal: bad format in users/assign, line " + std::to_string(number) +
                      (end == Reader::Line::eof ? ": the file must end with a line that is a dot"
                                                : ": want =LOCAL:USER:UID:GID:HOME:DASH:EXT:"));
    const std::string key = entry->key();
    if (entry->wildcard && wildcard_ends.find(key.back()) == std::string::npos && key.size() > 1)
      wildcard_ends += key.back();
    cdb.add(key, encode_assignment(entry->to));
  }
  cdb.add("", wildcard_ends);
  cdb.commit();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-newu", argc, argv, body);
}
