// Whose mail our servers take: rcpthosts, morercpthosts.cdb, the domains of accounts, badmailfrom
// (qmail-smtpd(8)). Pure, but for the look-ups in mapped cdbs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/net/own_addresses.h"
#include "lib/store/cdb.h"
#include "lib/store/control.h"

namespace hato {

// The lines of a control file in one piece of memory (a server holds one for each connection), compared in
// canonical form: ASCII lower case, domains as A-labels.
class HostList {
 public:
  // text: the whole file. Lines are hosts, or .suffix for all hosts below one; blanks at their ends, empty
  // lines and lines that begin with # do not count.
  explicit HostList(std::string_view text);
  // domain: in canonical form.
  bool contains(std::string_view domain) const;

 private:
  std::string lines_;  // each ended by LF
};

class SenderList {
 public:
  // Lines are addresses, or @host for all senders of one.
  explicit SenderList(std::string_view text);
  bool contains(std::string_view sender) const;  // raw address, any case

 private:
  std::string lines_;
};

// What qmail-newmrh(8) puts into morercpthosts.cdb and qmail-smtpd looks for: canonical, a leading dot kept.
std::string rcpthosts_key(std::string_view line);

struct RecipientPolicy {
  std::optional<HostList> rcpthosts;  // none: every recipient is taken, as with qmail
  std::optional<Cdb> morercpthosts;   // counts only beside rcpthosts
  std::optional<Cdb> accounts;        // likewise: users/accounts.cdb, whose domains are ours

  // An address without @ is always taken. Throws TempError when a cdb is damaged.
  bool allows(std::string_view address);
};
// control/rcpthosts, control/morercpthosts.cdb and users/accounts.cdb. Throws TempError when one cannot be
// read.
RecipientPolicy read_recipient_policy(const Control& control);

// box@[address] becomes box@localiphost when the address is one of ours; anything else stays.
std::string replace_local_literal(std::string address, const OwnAddresses& ours,
                                  const std::string& localiphost);

}  // namespace hato
