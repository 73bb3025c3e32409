#include "lib/store/dotfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/error.h"

namespace hato {

namespace {

[[noreturn]] void cannot_open(const std::string& name) {
  throw TempError("Unable to open " + name + ": " + errno_text(errno) + ". (#4.3.0)");
}

bool exists(int home, const std::string& name) {
  struct stat status;
  if (fstatat(home, name.c_str(), &status, 0) == 0) return true;
  if (is_temporary(errno)) cannot_open(name);
  return false;
}

}  // namespace

HomeState home_state(mode_t mode) {
  if (mode & forbidden_write_bits) return HomeState::writable;
  if (mode & S_ISVTX) return HomeState::sticky;
  return HomeState::fine;
}

std::string safe_extension(std::string_view ext) {
  std::string safe(ext);
  for (char& c : safe) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '.') c = ':';
  }
  return safe;
}

std::vector<DotfileName> dotfile_names(std::string_view dash, std::string_view ext, std::string_view breaks) {
  static constexpr std::string_view default_word = "default";
  const std::string safe = safe_extension(ext);
  const std::string base = ".qmail" + std::string(dash);
  std::vector<DotfileName> names{{base + safe, std::nullopt}};
  if (safe.ends_with(default_word)) names[0].default_at = safe.size() - default_word.size();
  if (dash.empty() && ext.empty()) return names;
  for (std::size_t i = safe.size() + 1; i-- > 0;) {
    if (i > 0 && breaks.find(safe[i - 1]) == std::string_view::npos) continue;
    names.push_back({base + safe.substr(0, i) + std::string(default_word), i});
  }
  return names;
}

std::optional<DotfileChoice> find_dotfile(int home, std::string_view dash, std::string_view ext,
                                          std::string_view breaks, std::optional<uid_t> panel) {
  for (DotfileName& name : dotfile_names(dash, ext, breaks)) {
    if (panel && name.name.find('/') != std::string::npos) continue;
    // O_NONBLOCK: a FIFO must not hold us up.
    Fd file = try_open_at(home, name.name, O_RDONLY | O_NONBLOCK | (panel ? O_NOFOLLOW : 0));
    if (!file) {
      if (is_temporary(errno) || errno == EACCES || errno == EPERM || (panel && errno == ELOOP))
        cannot_open(name.name);
      continue;
    }
    struct stat status;
    if (fstat(file.get(), &status) != 0) cannot_open(name.name);
    if (!S_ISREG(status.st_mode)) continue;
    if (status.st_mode & forbidden_write_bits) throw TempError("Uh-oh: .qmail file is writable. (#4.7.0)");
    if (panel && status.st_uid != 0 && status.st_uid != *panel)
      throw TempError("Uh-oh: .qmail file does not belong to the panel. (#4.7.0)");
    const bool forward_only = (status.st_mode & S_IXUSR) != 0;
    return DotfileChoice{std::move(name), std::move(file), forward_only};
  }
  return std::nullopt;
}

ListOwner list_owner(int home, std::string_view dash, std::string_view ext) {
  const std::string owner = ".qmail" + std::string(dash) + safe_extension(ext) + "-owner";
  if (!exists(home, owner)) return ListOwner::none;
  return exists(home, owner + "-default") ? ListOwner::verp : ListOwner::owner;
}

}  // namespace hato
