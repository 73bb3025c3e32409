#include "lib/store/current_cdb.h"

#include <errno.h>
#include <sys/stat.h>

#include "lib/base/error.h"

namespace hato {

Cdb* CurrentCdb::current() {
  struct stat now {};
  changed_ = false;
  if (stat(path_.c_str(), &now) != 0) {
    if (errno != ENOENT) throw_errno("stat " + path_);
    cdb_.reset();
    return nullptr;
  }
  const std::int64_t changed_ns = std::int64_t{now.st_mtim.tv_sec} * 1000000000 + now.st_mtim.tv_nsec;
  if (cdb_ && device_ == now.st_dev && inode_ == now.st_ino && size_ == now.st_size &&
      changed_ns_ == changed_ns)
    return &*cdb_;
  cdb_.reset();
  cdb_ = Cdb::open(path_);
  if (!cdb_) return nullptr;
  changed_ = true;
  device_ = now.st_dev, inode_ = now.st_ino, size_ = now.st_size, changed_ns_ = changed_ns;
  return &*cdb_;
}

}  // namespace hato
