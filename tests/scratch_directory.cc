#include "tests/scratch_directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"

namespace hato::test {

ScratchDirectory::ScratchDirectory() {
  path_ = env_or("TMPDIR", "/tmp") + "/hato-test.XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) throw_errno("mkdtemp");
  if (chmod(path_.c_str(), 0755) != 0) throw_errno("chmod");
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchDirectory::write(const std::string& name, const std::string& text) const {
  const Fd fd = open_file(file(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), text, name);
  return file(name);
}

std::string ScratchDirectory::directory(const std::string& name) const {
  std::filesystem::create_directories(file(name));
  return file(name);
}

}  // namespace hato::test
