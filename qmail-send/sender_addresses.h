// The address that a message of a local user gets for its envelope sender when the user names none: whose
// script it was hears of the bounce. Pure; the owner reads the files. man/qmail-queued.8
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/store/users.h"

namespace hato {

// control/cgisenders: the addresses of those whose scripts run under the web server's uid. A line is a word
// and a complete address. The word is a uid (digits), the beginning of SCRIPT_FILENAME (it begins with "/";
// whole parts of a path, so /home/abc is not the beginning of /home/abcd/x), or SERVER_NAME (a domain; one
// that begins with a dot is all below it).
class CgiSenders {
 public:
  CgiSenders() = default;
  // Lines as Control::lines() gives them; where: the file's path, for error texts. Throws TempError for a
  // line that is not such a one.
  CgiSenders(const std::vector<std::string>& lines, const std::string& where);

  bool empty() const { return uids_.empty() && !asks_script(); }
  bool knows(uid_t uid) const { return for_uid(uid) != nullptr; }
  bool asks_script() const { return !scripts_.empty() || !servers_.empty(); }

  // By the longest beginning of the script's path, else by the server's name (the most exact first), else
  // null. A path with "." or ".." among its parts matches nothing.
  const std::string* for_script(std::string_view script, std::string_view server) const;
  const std::string* for_uid(uid_t uid) const;

 private:
  using Table = std::vector<std::pair<std::string, std::string>>;  // sorted by the word
  std::vector<std::pair<uid_t, std::string>> uids_;
  Table scripts_, servers_;
};

// What becomes of a uid with several names.
enum class Several { first, none };

// Local parts by uid, for as many users as a server may have: 12 bytes and the name for each.
class UidNames {
 public:
  // Of several names of a uid the one with the highest rank (0 to 3) counts, of those the first. Call sort()
  // before name().
  void add(uid_t uid, std::string_view name, unsigned rank = 0);
  void sort(Several several = Several::first);
  std::optional<std::string_view> name(uid_t uid) const;

 private:
  struct Entry {
    uid_t uid;
    std::uint32_t at;  // in names_
    std::uint32_t size : 30, rank : 2;
  };
  std::vector<Entry> entries_;
  std::string names_;
};

struct SenderAddresses {
  CgiSenders cgi;
  UidNames assigned;  // of users/cdb: a simple assignment, best one of the mailbox itself
  UidNames accounts;  // logins of users/accounts.cdb that share their uid with no other
  UidNames passwd;    // of /etc/passwd
  std::string host;   // complete: the default host
  std::string nobody() const { return "anonymous@" + host; }  // qmail-inject(8)

  // May the address depend on the script that the sender tells of?
  bool asks_script(uid_t uid) const;
  // In this order: for a uid that cgisenders does not name, its address in users/cdb, then its account's; the
  // script's, the server's and the uid's in cgisenders; the uid's in /etc/passwd. "": nobody knows this uid.
  std::string address(uid_t uid, std::string_view script, std::string_view server) const;

 private:
  std::string own_address(uid_t uid) const;  // "": neither users/cdb nor the accounts have one
};

// A record of users/cdb as a name for UidNames, when it is a simple assignment. Ranks: 2 the mailbox itself
// under its user's name, 1 the mailbox itself, 0 one of its extensions.
struct AssignedName {
  uid_t uid;
  std::string_view local;
  unsigned rank;
};
std::optional<AssignedName> assigned_name(std::string_view key, std::string_view data);

}  // namespace hato
