// Constant databases (cdb): read with bounds checked, written so that a reader sees the old file or the whole
// new one. Over libowfat; format: cdb(5), at most 4 GiB, keys may repeat.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/fd.h"
#include "lib/base/owfat.h"

namespace hato {

// Reading. The file is mapped at open; afterwards no look-up needs the file system (works sealed). A file
// that is not a cdb, or is cut off or damaged where a look-up gets to, throws TempError("PATH: damaged cdb").
// Replace a cdb only by rename (CdbWriter does), never in place.
class Cdb {
 public:
  // nullopt when there is no such file; SystemError when it cannot be opened or read.
  static std::optional<Cdb> open(const std::string& path);
  // From an open descriptor of a regular file; path is for error texts.
  Cdb(Fd fd, std::string path);

  // The data of the first record with this key; nullopt when there is none. Starts a new search.
  std::optional<std::string> find(std::string_view key);
  // The data of the next record with the same key, after a find (or find_next) that returned one.
  std::optional<std::string> find_next(std::string_view key);
  bool contains(std::string_view key) { return find(key).has_value(); }
  // Every record in the file's order; the views are valid during the call.
  void for_each(const std::function<void(std::string_view key, std::string_view data)>& take);

 private:
  struct Free {
    void operator()(cdb* c) const;
  };
  [[noreturn]] void damaged() const;
  void check_tables();

  Fd fd_;
  std::string path_;
  std::uint32_t size_ = 0;
  std::uint32_t records_end_ = 0;  // where the first table begins
  std::unique_ptr<cdb, Free> cdb_;
};

// Writing: records go to PATH.tmp; commit() makes them PATH, durably. Without commit (an exception) PATH
// stays as it was and PATH.tmp is removed. Throws SystemError for any failure, a full disk included (which
// libowfat alone forgets), and TempError beyond 4 GiB. Two writers of one PATH at once: the second fails
// (lock on PATH.tmp).
class CdbWriter {
 public:
  // mode: of the new file, whatever the umask.
  explicit CdbWriter(std::string path, mode_t mode = 0644);
  CdbWriter(const CdbWriter&) = delete;
  CdbWriter& operator=(const CdbWriter&) = delete;
  ~CdbWriter();

  // The new file's owner; before the first add.
  void give_to(uid_t uid, gid_t gid);
  void add(std::string_view key, std::string_view data);
  void commit();  // finish, fsync, rename, fsync of the directory; once

 private:
  struct Output;
  std::string path_;
  std::string temporary_;
  Fd fd_;
  std::unique_ptr<Output> output_;
  bool created_ = false;
};

}  // namespace hato
