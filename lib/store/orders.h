// What is to be done with a user's mail: his dot-file, or the mailbox without one. dot-qmail(5),
// qmail-local(8). One piece of code for qmail-local, which does it, and for qmail-rcptd and qmail-dot, which
// only have to know.
//
// Where dot-files are: in the home, by qmail's rule. With control/dotdir below that directory, in
// DOTDIR/USER/, and the home's do not count (alias' are in his home as ever). Then everything there belongs
// to root or to the control panel's user (DOTDIR's owner, else qmailc), is no symbolic link, and nobody else
// may write to it; and the instructions are confined (lib/mail/dotfile.h).
//
// Every failure, a file or directory that is not as it should be included, is a TempError whose text is a
// sentence for the sender with its enhanced code, as qmail-local words it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/fd.h"
#include "lib/mail/dotfile.h"
#include "lib/store/control.h"
#include "lib/store/dotfile.h"

namespace hato {

constexpr std::size_t dotfile_limit = 16U << 20;  // bytes: a list of 200 000 forward lines passes

struct Orders {
  std::string text;  // the dot-file's, or the default delivery in the place of an empty or missing one
  bool forward_only = false;
  std::string file;                         // the dot-file's name; "": there is none
  bool by_default = false;                  // text is the default delivery
  std::optional<std::string> default_part;  // $DEFAULT
  std::optional<Confinement> confinement;   // of text

  // Its views point into text.
  Dotfile parse() const { return parse_dotfile(text, forward_only, confinement ? &*confinement : nullptr); }
};

// The control panel's user, qmailc; looked up at the first call, which a process that seals itself makes
// before. Throws SystemError.
std::optional<uid_t> panel_user();

// As whom qmail-local reads. Who has more rights than this user asks for him: what he could not reach or read
// is a TempError then, too.
struct OrdersReader {
  uid_t uid;
  gid_t gid;
};

// Whose dot-files, and what qmail-local was told besides.
struct OrdersQuestion {
  std::string user;  // qmail-local's first argument: the account's login
  std::string home;  // absolute
  std::string dash, ext;
  std::string default_delivery;
  bool any = false;                      // without a rule the default delivery takes any extension
  bool programs = false;                 // program lines although they are confined
  std::optional<OrdersReader> reader{};  // nullopt: we ourselves
};

class DotfilePlace {
 public:
  // home: a descriptor of the user's home that outlives this, or AT_FDCWD. Opens DOTDIR/USER when there is a
  // control/dotdir; a user who has no directory there has no rules.
  DotfilePlace(const Control& control, const OrdersQuestion& question, int home);

  // nullopt: no mailbox here by that name.
  std::optional<Orders> orders(const OrdersQuestion& question, std::string_view breaks) const;
  ListOwner list_owner(std::string_view dash, std::string_view ext) const;

 private:
  void open_panel_directory(const std::string& dotdir, const OrdersQuestion& question);

  int home_;
  bool panel_ = false;  // control/dotdir counts
  Fd directory_;        // DOTDIR/USER; none: no rules
  std::optional<uid_t> panel_owner_;
};

// A mbox or maildir of a confined file, when it is delivered to: `path` (path_below_home) leads nowhere else
// by a symbolic link, nor do the maildir's tmp and new. What does not exist passes. Throws TempError.
void require_below_home(int home, std::string_view path, bool maildir);

}  // namespace hato
