#include "qmail-send/sender_addresses.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"

namespace hato {

namespace {

constexpr std::string_view blanks = " \t";

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A path as it can be compared: no part of it is "." or "..", no slash is doubled. "" when it is not so.
std::string_view plain_path(std::string_view path) {
  if (!path.starts_with('/')) return "";
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t next = std::min(path.find('/', at + 1), path.size());
    const std::string_view part = path.substr(at + 1, next - at - 1);
    if (part == "." || part == ".." || (part.empty() && next < path.size())) return "";
    at = next;
  }
  return path;
}

template <typename Table>
const std::string* look_up(const Table& table, std::string_view word) {
  const auto found =
      std::lower_bound(table.begin(), table.end(), word,
                       [](const auto& entry, std::string_view key) { return entry.first < key; });
  return found != table.end() && found->first == word ? &found->second : nullptr;
}

}  // namespace

CgiSenders::CgiSenders(const std::vector<std::string>& lines, const std::string& where) {
  for (const std::string& line : lines) {
    const auto wrong = [&](const std::string& what) {
      throw TempError(where + ": \"" + line + "\" " + what);
    };
    const std::size_t end = std::min(line.find_first_of(blanks), line.size());
    std::string word = line.substr(0, end);
    const std::size_t begin = std::min(line.find_first_not_of(blanks, end), line.size());
    const std::string address = line.substr(begin);
    if (word.empty() || address.empty() || address.find_first_of(blanks) != std::string::npos)
      wrong("has not two words");
    if (local_part(address).empty() || domain_part(address).empty() || !is_clean_address(address))
      wrong("has no complete address");
    if (all_digits(word)) {
      if (word.size() > 10 || std::stoull(word) >= 0xffffffffULL) wrong("has a uid that is too large");
      uids_.emplace_back(static_cast<uid_t>(std::stoull(word)), address);
    } else if (word.starts_with('/')) {
      while (word.ends_with('/')) word.pop_back();
      if (!word.empty() && plain_path(word).empty()) wrong("has a path with . or .. in it");
      scripts_.emplace_back(std::move(word), address);
    } else {
      const bool below = word.starts_with('.');
      servers_.emplace_back((below ? "." : "") + canonical_domain(word.substr(below ? 1 : 0)), address);
    }
  }
  // Of two lines for one word the first counts.
  const auto by_word = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::stable_sort(uids_.begin(), uids_.end(), by_word);
  std::stable_sort(scripts_.begin(), scripts_.end(), by_word);
  std::stable_sort(servers_.begin(), servers_.end(), by_word);
}

const std::string* CgiSenders::for_script(std::string_view script, std::string_view server) const {
  for (std::string_view path = plain_path(script); !path.empty();) {
    if (const std::string* address = look_up(scripts_, path)) return address;
    path = path.substr(0, path.rfind('/'));
    if (path.empty())  // a line "/": every script
      if (const std::string* address = look_up(scripts_, "")) return address;
  }
  if (server.empty()) return nullptr;
  const std::string name = canonical_domain(server);
  if (const std::string* address = look_up(servers_, name)) return address;
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
    if (const std::string* address = look_up(servers_, std::string_view(name).substr(dot))) return address;
  return nullptr;
}

const std::string* CgiSenders::for_uid(uid_t uid) const {
  const auto found = std::lower_bound(uids_.begin(), uids_.end(), uid,
                                      [](const auto& entry, uid_t key) { return entry.first < key; });
  return found != uids_.end() && found->first == uid ? &found->second : nullptr;
}

void UidNames::add(uid_t uid, std::string_view name, unsigned rank) {
  constexpr std::size_t pool_limit = 0xffffffffU, name_limit = (1U << 30) - 1;
  if (name.empty() || name.size() > name_limit || names_.size() + name.size() > pool_limit) return;
  Entry entry{};
  entry.uid = uid;
  entry.at = static_cast<std::uint32_t>(names_.size());
  entry.size = static_cast<std::uint32_t>(name.size()) & name_limit;
  entry.rank = rank & 3;
  entries_.push_back(entry);
  names_ += name;
}

void UidNames::sort(Several several) {
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.uid != b.uid ? a.uid < b.uid : a.rank > b.rank;
  });
  if (several == Several::none) {
    std::vector<Entry> alone;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const uid_t uid = entries_[i].uid;
      const bool shared =
          (i > 0 && entries_[i - 1].uid == uid) || (i + 1 < entries_.size() && entries_[i + 1].uid == uid);
      if (!shared) alone.push_back(entries_[i]);
    }
    entries_ = std::move(alone);
  }
  entries_.erase(std::unique(entries_.begin(), entries_.end(),
                             [](const Entry& a, const Entry& b) { return a.uid == b.uid; }),
                 entries_.end());
}

std::optional<std::string_view> UidNames::name(uid_t uid) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), uid,
                                      [](const Entry& entry, uid_t key) { return entry.uid < key; });
  if (found == entries_.end() || found->uid != uid) return std::nullopt;
  return std::string_view(names_).substr(found->at, found->size);
}

bool SenderAddresses::asks_script(uid_t uid) const {
  return cgi.asks_script() && (cgi.knows(uid) || own_address(uid).empty());
}

std::string SenderAddresses::address(uid_t uid, std::string_view script, std::string_view server) const {
  if (!cgi.knows(uid))
    if (std::string own = own_address(uid); !own.empty()) return own;
  if (const std::string* found = cgi.for_script(script, server)) return *found;
  if (const std::string* found = cgi.for_uid(uid)) return *found;
  if (const auto name = passwd.name(uid)) return std::string(*name) + "@" + host;
  return "";
}

std::string SenderAddresses::own_address(uid_t uid) const {
  if (const auto name = assigned.name(uid)) return std::string(*name) + "@" + host;
  const auto login = accounts.name(uid);
  if (!login) return "";
  return std::string(*login) + (login->find('@') == std::string_view::npos ? "@" + host : "");
}

std::optional<AssignedName> assigned_name(std::string_view key, std::string_view data) {
  if (key.size() < 3 || !key.starts_with('!') || !key.ends_with('\0')) return std::nullopt;
  const std::optional<Assignment> to = parse_assignment(data);
  if (!to) return std::nullopt;
  const std::string_view local = key.substr(1, key.size() - 2);
  const bool itself = to->dash.empty() && to->ext.empty();
  return AssignedName{to->uid, local, !itself ? 0U : local == lower_ascii(to->user) ? 2U : 1U};
}

}  // namespace hato
