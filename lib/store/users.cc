#include "lib/store/users.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "lib/base/error.h"

namespace hato {

namespace {

constexpr char wildcard_ends_key[] = "";

// Digits only, and not (uid_t)-1, which set*id takes for "leave it".
std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (id == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return id;
}

std::optional<std::string_view> take_until(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view field = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return field;
}

// Six fields, each ended by `end`; what follows is left in rest.
std::optional<Assignment> take_assignment(std::string_view& rest, char end) {
  std::string_view fields[6];
  for (std::string_view& field : fields) {
    const std::optional<std::string_view> taken = take_until(rest, end);
    if (!taken) return std::nullopt;
    field = *taken;
  }
  const std::optional<std::uint32_t> uid = parse_id(fields[1]), gid = parse_id(fields[2]);
  if (!uid || !gid) return std::nullopt;
  return Assignment{std::string(fields[0]), *uid, *gid, std::string(fields[3]), std::string(fields[4]),
                    std::string(fields[5])};
}

std::string simple_key(std::string_view local) {
  std::string key = "!" + lower_ascii(local);
  key += '\0';
  return key;
}

}  // namespace

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::optional<Assignment> parse_assignment(std::string_view record) {
  // Six NULs, or five in users/cdb, where the last field has none.
  std::string whole(record);
  if (std::count(whole.begin(), whole.end(), '\0') == 5) whole += '\0';
  std::string_view rest = whole;
  std::optional<Assignment> assignment = take_assignment(rest, '\0');
  if (!rest.empty()) return std::nullopt;
  return assignment;
}

std::string encode_assignment(const Assignment& assignment) {
  std::string record = assignment.user;
  for (const std::string& field : {std::to_string(assignment.uid), std::to_string(assignment.gid),
                                   assignment.home, assignment.dash, assignment.ext}) {
    record += '\0';
    record += field;
  }
  return record;
}

std::optional<AssignLine> parse_assign_line(std::string_view line) {
  if (line.size() > assign_line_limit || line.find('\0') != std::string_view::npos) return std::nullopt;
  if (!line.starts_with('=') && !line.starts_with('+')) return std::nullopt;
  AssignLine parsed;
  parsed.wildcard = line.front() == '+';
  line.remove_prefix(1);
  const std::optional<std::string_view> local = take_until(line, ':');
  if (!local) return std::nullopt;
  parsed.local = *local;
  std::optional<Assignment> to = take_assignment(line, ':');
  if (!to) return std::nullopt;
  parsed.to = std::move(*to);
  return parsed;
}

std::string AssignLine::key() const {
  std::string key = simple_key(local);
  if (wildcard) key.pop_back();
  return key;
}

std::optional<Assignment> find_assignment(Cdb& cdb, std::string_view wildcard_ends, std::string_view local,
                                          Wildcards wildcards) {
  const std::string key = simple_key(local);
  const auto parsed = [](const std::string& record) {
    std::optional<Assignment> assignment = parse_assignment(record);
    if (!assignment) throw TempError("users/cdb: a record that is no assignment; run qmail-newu");
    return assignment;
  };
  if (std::optional<std::string> record = cdb.find(key)) return parsed(*record);
  // The longest wildcard first; only lengths after which some wildcard could end are tried.
  const std::size_t shortest = wildcards == Wildcards::all ? 1 : 2;  // with the "!"
  for (std::size_t length = key.size() - 1; length >= shortest; --length) {
    const bool could_end = length == 1 || wildcard_ends.find(key[length - 1]) != std::string_view::npos;
    if (!could_end) continue;
    const std::optional<std::string> record = cdb.find(std::string_view(key).substr(0, length));
    if (!record) continue;
    std::optional<Assignment> assignment = parsed(*record);
    assignment->ext += local.substr(length - 1);
    return assignment;
  }
  return std::nullopt;
}

std::optional<Assignment> Users::find(std::string_view local, Wildcards wildcards) {
  Cdb* cdb = cdb_.current();
  if (cdb == nullptr) return std::nullopt;
  if (cdb_.changed()) {
    std::optional<std::string> ends = cdb->find(wildcard_ends_key);
    if (!ends) {
      cdb_.forget();
      throw TempError(cdb_.path() + ": not a users/cdb; run qmail-newu");
    }
    wildcard_ends_ = std::move(*ends);
  }
  return find_assignment(*cdb, wildcard_ends_, local, wildcards);
}

}  // namespace hato
