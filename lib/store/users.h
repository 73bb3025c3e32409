// Who gets the mail of a local part: users/assign, its compiled form users/cdb, and qmail-getpw's answer.
// Sources: qmail-users(5), qmail-newu(8), qmail-lspawn(8), qmail-getpw(8).
//
// A record is USER\0UID\0GID\0HOME\0DASH\0EXT, in users/cdb without and from qmail-getpw with a final NUL.
// users/cdb's keys: "!" and the local part in lower case and a NUL for a simple assignment, the same without
// the NUL for a wildcard; "" has the characters that wildcards end in. The same as qmail's, so either suite
// reads the other's file.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/current_cdb.h"

namespace hato {

constexpr std::size_t assign_line_limit = 65536;  // bytes of a line of users/assign without its LF

struct Assignment {
  std::string user;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
  std::string dash;
  std::string ext;

  bool operator==(const Assignment&) const = default;
};

// A record, with or without its final NUL. nullopt: not six fields, or uid or gid is not a number below 2^32
// - 1.
std::optional<Assignment> parse_assignment(std::string_view record);
// The record without the final NUL.
std::string encode_assignment(const Assignment& assignment);

// A line of users/assign, "=local:user:uid:gid:home:dash:ext:" or "+loc:...". What follows the seventh colon
// is ignored, as by qmail-newu. nullopt: not such a line.
struct AssignLine {
  bool wildcard = false;
  std::string local;  // as written
  Assignment to;

  std::string key() const;  // in users/cdb
};
std::optional<AssignLine> parse_assign_line(std::string_view line);
// A line that starts with a dot ends the file.
inline bool ends_assign(std::string_view line) {
  return line.starts_with('.');
}

enum class Wildcards {
  all,
  named,  // but for the one for everything
};

// users/cdb. Kept mapped from one look-up to the next and opened again when another file has come in its
// place, so a look-up costs one stat. Must only ever be replaced by rename, as qmail-newu does.
class Users {
 public:
  explicit Users(std::string path) : cdb_(std::move(path)) {}

  // The assignment for a local part: the simple one, or the longest wildcard with the rest of the local part
  // (as written) put behind its ext. nullopt: none, or no users/cdb. Throws TempError for a damaged file and
  // SystemError for one that cannot be read.
  std::optional<Assignment> find(std::string_view local) { return find(local, Wildcards::all); }
  // The same without the wildcard for everything ("+:" in users/assign).
  std::optional<Assignment> find_named(std::string_view local) { return find(local, Wildcards::named); }

 private:
  std::optional<Assignment> find(std::string_view local, Wildcards wildcards);

  CurrentCdb cdb_;
  std::string wildcard_ends_;
};

// The look-up itself, in an open cdb with these wildcard ends.
std::optional<Assignment> find_assignment(Cdb& cdb, std::string_view wildcard_ends, std::string_view local,
                                          Wildcards wildcards = Wildcards::all);

// Lower case, ASCII letters only: what qmail means by "without regard to case".
std::string lower_ascii(std::string_view text);

}  // namespace hato
