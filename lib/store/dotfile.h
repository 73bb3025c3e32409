// Which dot-file governs a recipient: dot-qmail(5), EXTENSION ADDRESSES. Decides only: nothing here delivers,
// so qmail-local and whoever has to know whether a recipient exists ask the same question.
//
// Every failure is a TempError whose text is a sentence for the sender with its enhanced code, as qmail-local
// words it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"

namespace hato {

// Permission bits that neither a home nor a dot-file may have: writable by group or others.
constexpr mode_t forbidden_write_bits = 022;

enum class HomeState {
  fine,
  writable,  // by group or others: nobody knows who wrote the dot-files
  sticky,    // the owner is editing: defer
};
HomeState home_state(mode_t mode);

// The extension as it appears in file names: ASCII lower case, dots as colons (so ".." cannot climb).
std::string safe_extension(std::string_view ext);

struct DotfileName {
  std::string name;  // ".qmail-foo-default", relative to the home
  // For a default file, the offset in the extension of the part that "default" stands for: $DEFAULT.
  std::optional<std::size_t> default_at;
};
// In the order of the search: the exact name, then -default after each separator, the longest first.
// `breaks`: the separators (conf::break_chars). With dash and ext both empty there is only ".qmail".
std::vector<DotfileName> dotfile_names(std::string_view dash, std::string_view ext, std::string_view breaks);

struct DotfileChoice {
  DotfileName name;
  Fd file;            // open for reading, at its start
  bool forward_only;  // the owner's execute bit
};
// The first of those names that is a regular file. nullopt: none (no such recipient, unless dash is empty).
// TempError: one cannot be opened, or may be written by others. `home`: a descriptor of the directory, or
// AT_FDCWD. panel: the directory is one of control/dotdir's: then a file that is a symbolic link or belongs
// to neither this user nor root is a TempError, too, and names with a slash in them are passed over.
std::optional<DotfileChoice> find_dotfile(int home, std::string_view dash, std::string_view ext,
                                          std::string_view breaks, std::optional<uid_t> panel = std::nullopt);

// What .qmail-ext-owner and .qmail-ext-owner-default say about the sender of what is forwarded.
enum class ListOwner {
  none,   // the sender stays
  owner,  // LOCAL-owner@HOST
  verp,   // LOCAL-owner-@HOST-@[]: qmail-send makes an address of it for each recipient
};
ListOwner list_owner(int home, std::string_view dash, std::string_view ext);

}  // namespace hato
