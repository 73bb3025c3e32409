#include "lib/store/mailbox_quota.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/store/maildir.h"
#include "lib/store/maildirsize.h"

namespace hato {

namespace {

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// What the file says, when that can be believed. A customer may have put anything in its place: a link is not
// followed, a FIFO not waited for.
std::optional<QuotaUse> believed_use(int maildir, const Quota& quota, const QuotaUse& coming) {
  const Fd file = try_open_at(maildir, maildirsize_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat status;
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::string text;
  try {
    text = pread_some(file.get(), maildirsize_limit + 1, 0, maildirsize_name);
  } catch (const SystemError&) {
    return std::nullopt;
  }
  const std::optional<Maildirsize> said = parse_maildirsize(text);
  if (!said || !believable(*said, now_seconds() - status.st_mtime, quota, coming)) return std::nullopt;
  return said->use;
}

// tmp/NAME with this text becomes maildirsize, unless that fails.
bool put_in_place(int maildir, const std::string& text) {
  const std::string name =
      "tmp/" + std::to_string(now_us()) + "." + std::to_string(getpid()) + "." + maildirsize_name;
  const Fd file = try_open_at(maildir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file) return false;
  ssize_t n;
  do n = write(file.get(), text.data(), text.size());
  while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(text.size()) &&
      renameat(maildir, name.c_str(), maildir, maildirsize_name) == 0)
    return true;
  unlinkat(maildir, name.c_str(), 0);
  return false;
}

}  // namespace

std::optional<QuotaUse> mailbox_use(int maildir, const Quota& quota, const QuotaUse& coming, Trash trash,
                                    std::uint64_t most_names) {
  if (const std::optional<QuotaUse> use = believed_use(maildir, quota, coming)) return use;
  return count_maildir(maildir, trash, most_names);
}

QuotaUse mailbox_use_for_delivery(int maildir, const Quota& quota, const QuotaUse& coming, Trash trash) {
  if (const std::optional<QuotaUse> use = believed_use(maildir, quota, coming)) return *use;
  const std::optional<MaildirCount> count = count_maildir_carefully(maildir, trash, delivery_names_limit);
  if (!count) throw TempError("more files in the mailbox than can be counted");
  // What cannot be written down for certain is counted anew each time.
  if (count->certain && put_in_place(maildir, maildirsize_text(quota, count->use)) &&
      maildir_stamps(maildir, trash, delivery_names_limit) != count->stamps)
    unlinkat(maildir, maildirsize_name, 0);
  return count->use;
}

MaildirsizeEnd::MaildirsizeEnd(int maildir)
    : maildir_(maildir),
      file_(
          try_open_at(maildir, maildirsize_name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)) {}

void MaildirsizeEnd::changed(std::int64_t bytes, std::int64_t messages) noexcept {
  if (bytes == 0 && messages == 0) return;
  const std::string line = maildirsize_line(bytes, messages);
  struct stat ours, now;
  const bool there = fstatat(maildir_, maildirsize_name, &now, AT_SYMLINK_NOFOLLOW) == 0;
  if (!there && errno == ENOENT) return;  // and nobody is misled
  // One write, which O_APPEND puts behind what others write at the same time.
  const bool certain =
      there && file_ && fstat(file_.get(), &ours) == 0 && S_ISREG(ours.st_mode) && same_file(ours, now) &&
      write(file_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
      fstatat(maildir_, maildirsize_name, &now, AT_SYMLINK_NOFOLLOW) == 0 && same_file(ours, now);
  if (!certain) changed_somehow();
}

void MaildirsizeEnd::changed_somehow() noexcept {
  unlinkat(maildir_, maildirsize_name, 0);
}

}  // namespace hato
