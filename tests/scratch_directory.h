// A directory of one test's own below $TMPDIR, mode 0755, removed with all in it at the end.
#pragma once

#include <string>

namespace hato::test {

class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file (mode 0644) below it and returns its path.
  std::string write(const std::string& name, const std::string& text) const;
  // Makes a directory (mode 0755) below it, and those above it, and returns its path.
  std::string directory(const std::string& name) const;

 private:
  std::string path_;
};

}  // namespace hato::test
