#include "pop3d/mailbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/base/hex.h"
#include "lib/base/sha256.h"
#include "lib/store/mailbox_quota.h"
#include "lib/store/maildir.h"

namespace hato {

namespace {

constexpr std::size_t unique_id_limit = 70;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view without_flags(std::string_view name) {
  return name.substr(0, name.find(':'));
}

// The digits at the front of `text` as a number; -1 without one, or with more than `most_digits`.
std::int64_t leading_number(std::string_view text, std::size_t most_digits) {
  std::int64_t number = 0;
  std::size_t n = 0;
  for (; n < text.size() && is_digit(text[n]); ++n) {
    if (n == most_digits) return -1;
    number = number * 10 + (text[n] - '0');
  }
  return n == 0 ? -1 : number;
}

bool fits_uidl(std::string_view id) {
  return !id.empty() && id.size() <= unique_id_limit &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

}  // namespace

std::int64_t arrival_of_name(std::string_view name) {
  constexpr std::size_t seconds_digits = 11, microseconds_digits = 6;
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos ||
      !std::all_of(name.begin(), name.begin() + static_cast<long>(dot), is_digit))
    return -1;
  const std::int64_t seconds = leading_number(name, seconds_digits);
  if (seconds < 0) return -1;
  // Between the dots: letters, each with a number behind it (maildir(5)). M is the microsecond.
  std::string_view middle = name.substr(dot + 1);
  middle = middle.substr(0, middle.find('.'));
  const std::size_t m = middle.find('M');
  const std::int64_t microseconds =
      m == std::string_view::npos ? -1 : leading_number(middle.substr(m + 1), microseconds_digits);
  return seconds * 1000000 + std::max<std::int64_t>(microseconds, 0);
}

std::string unique_id_of_name(std::string_view name) {
  const std::string_view unique = without_flags(name);
  return fits_uidl(unique) ? std::string(unique) : to_hex(sha256(unique));
}

Mailbox::Mailbox()
    : new_(open_file("new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)),
      cur_(open_file("cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
  // new before cur: what another program moves meanwhile is seen twice rather than never.
  scan(new_.get(), true);
  scan(cur_.get(), false);
  std::sort(messages_.begin(), messages_.end(), [this](const Message& a, const Message& b) {
    if (a.arrival != b.arrival) return a.arrival < b.arrival;
    const int order = without_flags(name(a)).compare(without_flags(name(b)));
    return order != 0 ? order < 0 : a.in_new < b.in_new;
  });
  const auto same = [this](const Message& a, const Message& b) { return same_message(a, b); };
  messages_.erase(std::unique(messages_.begin(), messages_.end(), same), messages_.end());
}

void Mailbox::scan(int directory, bool in_new) {
  read_directory(directory, in_new ? "new" : "cur", [&](const DirectoryEntry& entry) {
    if (entry.name.front() == '.' || entry.type == DT_DIR) return;
    std::int64_t arrival = arrival_of_name(entry.name);
    std::int64_t size = size_of_name(entry.name);
    if (arrival < 0) {
      struct stat st;
      if (fstatat(directory, entry.name.data(), &st, 0) != 0) return;  // gone again
      arrival = st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
      size = st.st_size;
    }
    messages_.push_back({arrival, size, names_.size(), in_new});
    names_.append(entry.name).push_back('\0');
  });
}

bool Mailbox::same_message(const Message& a, const Message& b) const {
  return a.arrival == b.arrival && without_flags(name(a)) == without_flags(name(b));
}

std::uint64_t Mailbox::size(std::size_t number) {
  Message& message = messages_[number];
  if (message.size < 0) {
    struct stat st;
    message.size = fstatat(directory(message), name(message), &st, 0) == 0 ? st.st_size : 0;
  }
  return static_cast<std::uint64_t>(message.size);
}

std::string Mailbox::unique_id(std::size_t number) const {
  return unique_id_of_name(name(messages_[number]));
}

// Looks for the message under other flags in cur/; once, so that a message that is gone costs one scan.
bool Mailbox::find_again(Message& message) {
  if (message.gone) return false;
  const std::string unique(without_flags(name(message)));
  message.gone = true;
  const Fd directory = try_open("cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory) return false;
  read_directory(directory.get(), "cur", [&](const DirectoryEntry& entry) {
    if (!message.gone || without_flags(entry.name) != unique) return;
    message.gone = false;
    message.in_new = false;
    message.name = names_.size();
    names_.append(entry.name).push_back('\0');
  });
  return !message.gone;
}

Fd Mailbox::open(std::size_t number) {
  Message& message = messages_[number];
  // O_NONBLOCK: a FIFO among the messages must not hang the session. O_NOFOLLOW: accounts may share a user
  // id, and a link may lead to another's mail.
  constexpr int flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW;
  if (message.gone) {
    errno = ENOENT;
    return Fd();
  }
  Fd file = try_open_at(directory(message), name(message), flags);
  if (file || errno != ENOENT) return file;
  if (find_again(message)) return try_open_at(directory(message), name(message), flags);
  errno = ENOENT;
  return file;
}

void Mailbox::unmark_deleted() {
  for (Message& message : messages_) message.deleted = false;
}

Mailbox::Removal Mailbox::remove(Message& message) {
  for (;;) {
    if (message.gone) return Removal::was_gone;
    if (unlinkat(directory(message), name(message), 0) == 0) return Removal::done;
    if (errno != ENOENT) return Removal::failed;
    if (!find_again(message)) return Removal::was_gone;
  }
}

// A failure leaves the message in new/, as good as before.
void Mailbox::move_to_cur(Message& message) {
  std::string target = name(message);
  if (target.find(':') == std::string::npos) target += message.seen ? ":2,S" : ":2,";
  if (renameat2(new_.get(), name(message), cur_.get(), target.c_str(), RENAME_NOREPLACE) != 0 &&
      errno == EINVAL)
    renameat(new_.get(), name(message), cur_.get(), target.c_str());  // a file system without that flag
}

bool Mailbox::remove_deleted() {
  MaildirsizeEnd quota(AT_FDCWD);
  bool all_removed = true, all_counted = true;
  std::int64_t bytes = 0, messages = 0;
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    Message& message = messages_[i];
    if (!message.deleted) continue;
    const std::int64_t bytes_of_it = static_cast<std::int64_t>(size(i));
    const Removal removal = remove(message);
    all_removed = all_removed && removal != Removal::failed;
    if (removal != Removal::done) continue;
    // One that another program marked as trash, or one whose size was perhaps never known: who counts will
    // tell.
    all_counted = all_counted && bytes_of_it > 0 && counts_as_message(name(message), Trash::excluded);
    bytes += bytes_of_it;
    ++messages;
  }
  if (all_counted)
    quota.changed(-bytes, -messages);
  else
    quota.changed_somehow();
  return all_removed;
}

bool Mailbox::commit() {
  const bool any_deleted =
      std::any_of(messages_.begin(), messages_.end(), [](const Message& message) { return message.deleted; });
  const bool all_removed = !any_deleted || remove_deleted();
  for (Message& message : messages_)
    if (!message.deleted && message.in_new && !message.gone) move_to_cur(message);
  return all_removed;
}

}  // namespace hato
