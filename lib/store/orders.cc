#include "lib/store/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"

namespace hato {

namespace {

[[noreturn]] void cannot_open(const std::string& name) {
  throw TempError("Unable to open " + name + ": " + errno_text(errno) + ". (#4.3.0)");
}

bool names_one_directory(std::string_view user) {
  return !user.empty() && user != "." && user != ".." && user.find('/') == std::string_view::npos &&
         user.find('\0') == std::string_view::npos;
}

// Has the reader this right (S_IROTH or S_IXOTH), by the mode alone? He has no group but his own.
void require_right(const struct stat& status, mode_t right, const std::optional<OrdersReader>& reader,
                   const std::string& name) {
  if (!reader) return;
  const mode_t wanted = status.st_uid == reader->uid   ? right << 6
                        : status.st_gid == reader->gid ? right << 3
                                                       : right;
  if ((status.st_mode & wanted) != 0) return;
  errno = EACCES;
  cannot_open(name);
}

struct stat status_of(int fd, const std::string& name) {
  struct stat status {};
  if (fstat(fd, &status) != 0) cannot_open(name);
  return status;
}

}  // namespace

std::optional<uid_t> panel_user() {
  static const std::optional<User> user = passwd_user(std::string(conf::user_qmailc));
  return user ? std::optional(user->uid) : std::nullopt;
}

DotfilePlace::DotfilePlace(const Control& control, const OrdersQuestion& question, int home) : home_(home) {
  if (question.user == conf::user_alias) return;
  const std::optional<std::string> dotdir = control.line("dotdir");
  if (!dotdir || dotdir->empty()) return;
  if (!dotdir->starts_with('/')) throw TempError("Uh-oh: control/dotdir is not an absolute path. (#4.3.5)");
  panel_ = true;
  open_panel_directory(*dotdir, question);
}

// Both are opened for their names only: the user may search his directory but perhaps not read it.
void DotfilePlace::open_panel_directory(const std::string& dotdir, const OrdersQuestion& question) {
  const std::string& user = question.user;
  if (!names_one_directory(user))
    throw TempError("Uh-oh: this user's name cannot name a directory below control/dotdir. (#4.3.5)");
  const Fd top = try_open(dotdir, O_PATH | O_DIRECTORY);
  if (!top) cannot_open(dotdir);
  const struct stat above = status_of(top.get(), dotdir);
  require_right(above, S_IXOTH, question.reader, dotdir);
  directory_ = try_open_at(top.get(), user, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!directory_ && errno != ENOENT) cannot_open(dotdir + "/" + user);
  panel_owner_ = above.st_uid;
  if (directory_) {
    const struct stat own = status_of(directory_.get(), dotdir + "/" + user);
    require_right(own, S_IXOTH, question.reader, dotdir + "/" + user);
    if (above.st_uid == 0 && own.st_uid != 0)
      if (const std::optional<uid_t> panel = panel_user()) panel_owner_ = panel;
    if ((own.st_uid != 0 && own.st_uid != *panel_owner_) || (own.st_mode & forbidden_write_bits) != 0)
      throw TempError("Uh-oh: the directory of dot-files may be written by others than the panel. (#4.7.0)");
  }
  if ((above.st_mode & forbidden_write_bits) != 0)
    throw TempError("Uh-oh: control/dotdir may be written by others than the panel. (#4.7.0)");
}

std::optional<Orders> DotfilePlace::orders(const OrdersQuestion& question, std::string_view breaks) const {
  Orders orders;
  std::optional<DotfileChoice> choice;
  if (!panel_)
    choice = find_dotfile(home_, question.dash, question.ext, breaks);
  else if (directory_)
    choice = find_dotfile(directory_.get(), question.dash, question.ext, breaks, panel_owner_);
  if (!choice && !question.dash.empty() && !question.any) return std::nullopt;
  if (choice) {
    if (question.reader)
      require_right(status_of(choice->file.get(), choice->name.name), S_IROTH, question.reader,
                    choice->name.name);
    std::optional<std::string> text = read_all(choice->file.get(), dotfile_limit, choice->name.name);
    if (!text) throw TempError("Unable to open " + choice->name.name + ": file is too large. (#4.3.0)");
    orders.text = *std::move(text);
    orders.forward_only = choice->forward_only;
    orders.file = choice->name.name;
    if (choice->name.default_at) orders.default_part = question.ext.substr(*choice->name.default_at);
    if (panel_) orders.confinement = Confinement{question.programs, question.home, question.default_delivery};
  }
  if (orders.text.empty()) {
    orders.text = question.default_delivery;
    orders.forward_only = false;
    orders.by_default = true;
    orders.confinement.reset();  // it is the operator's
  }
  return orders;
}

ListOwner DotfilePlace::list_owner(std::string_view dash, std::string_view ext) const {
  if (!panel_) return hato::list_owner(home_, dash, ext);
  return directory_ ? hato::list_owner(directory_.get(), dash, ext) : ListOwner::none;
}

void require_below_home(int home, std::string_view path, bool maildir) {
  std::string whole(path.empty() ? "." : path);
  while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  const auto check = [home](const std::string& name) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    const Fd found(static_cast<int>(syscall(SYS_openat2, home, name.c_str(), &how, sizeof how)));
    if (found || errno == ENOENT) return;
    if (errno == EXDEV || errno == ELOOP)
      throw TempError("Uh-oh: " + name + " leads out of the home directory. (#4.7.0)");
    cannot_open(name);
  };
  check(whole);
  if (maildir)
    for (const char* part : {"/tmp", "/new"}) check(whole + part);
}

}  // namespace hato
