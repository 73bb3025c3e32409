// A cdb that is replaced (by rename only) while we run: kept mapped from one look-up to the next, opened
// again when another file has come in its place. So a look-up costs one stat.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/store/cdb.h"

namespace hato {

class CurrentCdb {
 public:
  explicit CurrentCdb(std::string path) : path_(std::move(path)) {}

  // The file as it is now; null: there is none. Valid until the next call. Throws SystemError when it cannot
  // be read and TempError when it is no cdb; the next call then tries again.
  Cdb* current();
  // The same, when what is derived from the file is kept beside it: another file was opened by the last call
  // of current().
  bool changed() const { return changed_; }
  const std::string& path() const { return path_; }
  // After a file whose contents are refused: the next current() opens it anew.
  void forget() { cdb_.reset(); }

 private:
  std::string path_;
  std::optional<Cdb> cdb_;
  bool changed_ = false;
  std::uint64_t device_ = 0, inode_ = 0;
  std::int64_t size_ = 0, changed_ns_ = 0;
};

}  // namespace hato
