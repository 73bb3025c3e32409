#include "lib/store/maildir_count.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <type_traits>

#include "lib/base/clock.h"
#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/store/maildir.h"

namespace hato {

namespace {

constexpr int tries = 3;
// Longer than any kernel's tick: a change within the tick of the last one leaves no mark.
constexpr std::int64_t tick_ns = 20'000'000;

struct TooMany {};

class Names {
 public:
  explicit Names(std::uint64_t most) : left_(most) {}
  void one() {
    if (left_ == 0) throw TooMany();
    --left_;
  }

 private:
  std::uint64_t left_;
};

// What look(names) returns; nothing when it has come across more names than that.
template <typename Look>
std::optional<std::invoke_result_t<Look, Names&>> within(std::uint64_t most_names, Look look) {
  Names names(most_names);
  try {
    return look(names);
  } catch (const TooMany&) {
    return std::nullopt;
  }
}

// Empty: there is no such directory, or a symbolic link is in its place.
Fd try_folder(int parent, const char* name) {
  Fd fd = try_open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ESTALE)
    throw_errno(std::string("open ") + name);
  return fd;
}

DirectoryStamp stamp_of(int directory) {
  struct stat status;
  if (fstat(directory, &status) != 0) throw_errno("stat a mail folder");
  return {status.st_dev, status.st_ino, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

// Calls `each` for new/ and cur/ of the Maildir and its folders, in this order: a message that is moved into
// cur/ meanwhile is seen twice rather than never.
void visit(int maildir, Trash trash, Names& names, const std::function<void(int directory)>& each) {
  const auto visit_one = [&](int folder) {
    for (const char* part : {"new", "cur"})
      if (const Fd directory = try_folder(folder, part)) each(directory.get());
  };
  visit_one(maildir);
  std::vector<std::string> folders;
  const Fd listing = open_file_at(maildir, ".", O_RDONLY | O_DIRECTORY);  // maildir's own position stays
  read_directory(listing.get(), "the Maildir", [&](const DirectoryEntry& entry) {
    names.one();
    if (entry.name.front() != '.' || (entry.type != DT_DIR && entry.type != DT_UNKNOWN)) return;
    if (trash == Trash::excluded && entry.name == trash_folder) return;
    folders.emplace_back(entry.name);
  });
  std::sort(folders.begin(), folders.end());  // the stamps of two looks are compared in turn
  for (const std::string& name : folders)
    if (const Fd folder = try_folder(maildir, name.c_str())) visit_one(folder.get());
}

void count_messages(int directory, Trash trash, Names& names, QuotaUse& use) {
  read_directory(directory, "a mail folder", [&](const DirectoryEntry& entry) {
    names.one();
    if (entry.type == DT_DIR || !counts_as_message(entry.name, trash)) return;
    std::int64_t size = size_of_name(entry.name);
    if (size < 0) {
      struct stat status;
      if (fstatat(directory, entry.name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
          !S_ISREG(status.st_mode))
        return;
      size = status.st_size;
    }
    use = use + QuotaUse{static_cast<std::uint64_t>(size), 1};
  });
}

}  // namespace

bool counts_as_message(std::string_view name, Trash trash) {
  if (name.empty() || name.front() == '.') return false;
  if (trash == Trash::counted) return true;
  const std::size_t flags = name.rfind(":2,");
  return flags == std::string_view::npos || name.find('T', flags + 3) == std::string_view::npos;
}

std::optional<std::vector<DirectoryStamp>> maildir_stamps(int maildir, Trash trash,
                                                          std::uint64_t most_names) {
  return within(most_names, [&](Names& names) {
    std::vector<DirectoryStamp> stamps;
    visit(maildir, trash, names, [&](int directory) { stamps.push_back(stamp_of(directory)); });
    return stamps;
  });
}

std::optional<QuotaUse> count_maildir(int maildir, Trash trash, std::uint64_t most_names) {
  return within(most_names, [&](Names& names) {
    QuotaUse use;
    visit(maildir, trash, names, [&](int directory) { count_messages(directory, trash, names, use); });
    return use;
  });
}

std::optional<MaildirCount> count_maildir_carefully(int maildir, Trash trash, std::uint64_t most_names) {
  return within(most_names, [&](Names& names) {
    MaildirCount count;
    for (int i = 0; i < tries && !count.certain; ++i) {
      const std::int64_t now = now_us() * 1000;
      std::vector<DirectoryStamp> after;
      bool young = false;
      count = {};
      visit(maildir, trash, names, [&](int directory) {
        count.stamps.push_back(stamp_of(directory));
        young = young || std::abs(count.stamps.back().changed_ns - now) < tick_ns;
        count_messages(directory, trash, names, count.use);
      });
      visit(maildir, trash, names, [&](int directory) { after.push_back(stamp_of(directory)); });
      count.certain = !young && count.stamps == after;
      if (young) std::this_thread::sleep_for(std::chrono::nanoseconds(tick_ns));
    }
    return count;
  });
}

}  // namespace hato
