#include "lib/store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <thread>

#include "lib/base/clock.h"
#include "lib/base/directory.h"
#include "lib/base/fd.h"

namespace hato {

namespace {

constexpr std::size_t host_limit = 64;

// A name in tmp/ that is gone when this is.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { remove(); }
  void remove() {
    if (!path_.empty()) unlink(path_.c_str());
    path_.clear();
  }

 private:
  std::string path_;
};

void check_time(Deadline deadline, const std::string& directory) {
  if (deadline.passed()) throw TimeoutError("deliver to " + directory + ": timed out");
}

std::string host_name() {
  utsname names;
  if (uname(&names) != 0) throw_errno("uname");
  return names.nodename;
}

[[noreturn]] void cannot_create(const std::string& directory, const std::string& path) {
  const int error = errno;
  struct stat status;
  if (!is_temporary(error) && (stat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) ||
                               access(directory.c_str(), X_OK) != 0))
    throw MaildirMissing("open " + directory, error);
  throw SystemError("open " + path, error);
}

// The head and as much of the message as its first piece holds in one call.
void write_both(int fd, std::string_view head, std::string_view first, const std::string& path) {
  iovec pieces[2] = {{const_cast<char*>(head.data()), head.size()},
                     {const_cast<char*>(first.data()), first.size()}};
  ssize_t n;
  do n = writev(fd, pieces, 2);
  while (n < 0 && errno == EINTR);
  if (n < 0) throw_errno("write " + path);
  std::size_t done = static_cast<std::size_t>(n);
  if (done < head.size()) {
    write_all(fd, head.substr(done), path);
    done = head.size();
  }
  write_all(fd, first.substr(done - head.size()), path);
}

void copy_message(int fd, std::string_view head, MessageFile& message, const std::string& path,
                  Deadline deadline, const std::string& directory) {
  std::string_view piece = message.piece(0);
  write_both(fd, head, piece, path);
  for (off_t at = static_cast<off_t>(piece.size()); at < message.size();
       at += static_cast<off_t>(piece.size())) {
    check_time(deadline, directory);
    piece = message.piece(at);
    write_all(fd, piece, path);
  }
}

// A server that made the link may say over NFS that it did not (the answer was lost, the question repeated):
// two links on the file are the proof.
void link_into_new(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) == 0) return;
  const int error = errno;
  struct stat status;
  if (stat(from.c_str(), &status) == 0 && status.st_nlink == 2) return;
  throw SystemError("link " + to, error);
}

}  // namespace

std::string maildir_name(std::int64_t time_us, pid_t pid, std::string_view host, std::uint64_t size) {
  char micros[16];
  snprintf(micros, sizeof micros, ".M%06d", static_cast<int>(time_us % 1'000'000));
  std::string name = std::to_string(time_us / 1'000'000) + micros + "P" + std::to_string(pid) + ".";
  for (const char c : host.substr(0, host_limit)) {
    if (c == '/')
      name += "\\057";
    else if (c == ':')
      name += "\\072";
    else
      name += c;
  }
  return name + ",S=" + std::to_string(size);
}

std::int64_t size_of_name(std::string_view name) {
  constexpr std::size_t size_digits = 15;
  const std::string_view unique = name.substr(0, name.find(':'));
  const std::size_t at = unique.rfind(",S=");
  if (at == std::string_view::npos) return -1;
  std::string_view digits = unique.substr(at + 3);
  digits = digits.substr(0, digits.find(','));
  std::int64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  const bool is_size = error == std::errc() && end == digits.data() + digits.size() && digits.front() != '-';
  return is_size && digits.size() <= size_digits ? size : -1;
}

std::string deliver_to_maildir(const std::string& directory, std::string_view head, MessageFile& message,
                               std::chrono::milliseconds time_limit) {
  const Deadline deadline = Deadline::in(time_limit);
  const std::string base = directory.ends_with('/') ? directory : directory + "/";
  const std::uint64_t size = head.size() + static_cast<std::uint64_t>(message.size());
  const std::string host = host_name();
  std::string name, path;
  Fd file;
  for (int tries = 1;; ++tries) {
    name = maildir_name(now_us(), getpid(), host, size);
    path.assign(base).append("tmp/").append(name);
    file = try_open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file) break;
    if (errno != EEXIST || tries == maildir_name_tries) cannot_create(directory, path);
    std::this_thread::sleep_for(maildir_name_wait);
  }
  TemporaryFile temporary(path);
  copy_message(file.get(), head, message, path, deadline, directory);
  fsync_fd(file.get(), path);
  if (close(file.release()) != 0) throw_errno("close " + path);  // NFS tells here what it could not write
  check_time(deadline, directory);
  const std::string final_path = base + "new/" + name;
  const Fd fresh = open_file(base + "new", O_RDONLY | O_DIRECTORY);  // before the link: nothing to take back
  link_into_new(path, final_path);
  temporary.remove();  // before the fsync: one journal commit for both directories
  if (fsync(fresh.get()) != 0 && errno != EINVAL) {  // EINVAL: a file system without fsync for directories
    const int error = errno;
    unlink(final_path.c_str());
    throw SystemError("fsync " + base + "new", error);
  }
  return name;
}

void make_maildir(const std::string& directory) {
  for (const char* part : {"", "/tmp", "/new", "/cur"}) {
    const std::string path = directory + part;
    if (mkdir(path.c_str(), 0700) != 0) throw_errno("mkdir " + path);
  }
}

void make_missing_folder(const std::string& directory) {
  std::string folder = directory;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  const std::size_t last = folder.rfind('/') + 1;  // 0 without a slash
  if (last == 0 || folder.size() < last + 2 || folder[last] != '.' || folder[last + 1] == '.') return;
  const auto is_there = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
  if (is_there(folder + "/tmp") || !is_there(folder.substr(0, last) + "tmp") ||
      !is_there(folder.substr(0, last) + "new"))
    return;
  // tmp comes last: where it is, nothing is missing.
  for (const char* part : {"", "/new", "/cur"}) mkdir((folder + part).c_str(), 0700);
  try_open(folder + "/maildirfolder", O_WRONLY | O_CREAT, 0600);
  mkdir((folder + "/tmp").c_str(), 0700);
  if (const Fd made = try_open(folder, O_RDONLY | O_DIRECTORY)) fsync(made.get());
  if (const Fd above = try_open(folder.substr(0, last), O_RDONLY | O_DIRECTORY)) fsync(above.get());
}

void clean_maildir(const std::string& directory, std::int64_t now) {
  const Fd tmp = try_open(directory + "/tmp", O_RDONLY | O_DIRECTORY);
  if (!tmp) return;
  try {
    read_directory(tmp.get(), "tmp", [&](const DirectoryEntry& entry) {
      struct stat status;
      if (entry.name.front() == '.') return;
      if (fstatat(tmp.get(), entry.name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
      const std::int64_t touched = std::max(status.st_atime, status.st_mtime);
      if (S_ISREG(status.st_mode) && now > touched + std::chrono::seconds(maildir_stale_after).count())
        unlinkat(tmp.get(), entry.name.data(), 0);
    });
  } catch (const SystemError&) {
  }
}

}  // namespace hato
