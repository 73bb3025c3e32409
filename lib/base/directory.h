// Reading a directory with as few system calls as there are (no fstat, large pieces).
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace hato {

struct DirectoryEntry {
  std::string_view name;  // NUL-terminated in memory (name.data() may go to a system call); valid in the call
  unsigned char type;     // DT_REG, DT_DIR … from <dirent.h>; DT_UNKNOWN where the file system does not say
};

// Calls `each` for every entry except "." and "..", from where the descriptor stands (a fresh one: the
// start). What is added or removed meanwhile may or may not be seen. Throws SystemError("read directory
// WHAT").
void read_directory(int directory, std::string_view what,
                    const std::function<void(const DirectoryEntry&)>& each);

}  // namespace hato
