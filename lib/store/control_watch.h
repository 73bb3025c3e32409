// Has anything in control/ changed? For processes that live long and keep what they made from control files.
#pragma once

#include <cstdint>
#include <string>

#include "lib/store/control.h"

namespace hato {

class ControlWatch {
 public:
  explicit ControlWatch(const Control& control) : directory_(control.path("")) {}

  // A number that differs from all before it when a file there was made, removed, replaced or written into
  // (name, inode, size, times) since the last look; 0 when the directory cannot be looked at. Looks at most
  // once a second: `now_seconds` is the caller's clock.
  std::uint64_t generation(std::int64_t now_seconds);

 private:
  std::uint64_t fingerprint() const;

  std::string directory_;
  std::int64_t looked_at_ = -1;
  std::uint64_t fingerprint_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace hato
