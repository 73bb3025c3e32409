// Control files: HOME/control/NAME, read as qmail-control(5) and the programs' manual pages of qmail
// describe.
//
// Missing files mean the default; a file that cannot be read is a TempError ("open /var/qmail/control/me:
// ..."), because a server that cannot read its configuration must not guess. No file may be larger than 64
// MiB (control_limit).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hato {

constexpr std::size_t control_limit = 64U << 20;

class Control {
 public:
  // home: normally conf::home; tests bring their own. Trailing "/control" is added.
  explicit Control(const std::string& home);
  Control();  // conf::home

  // First line without trailing blanks and tabs; nullopt: no such file. An existing empty file gives "".
  std::optional<std::string> line(const std::string& name) const;
  // qmail's three fallbacks: the file, else control/me when use_me, else `fallback`.
  std::string line_or(const std::string& name, const std::string& fallback) const;
  // Its words between blanks and tabs.
  std::vector<std::string> words(const std::string& name, const std::string& fallback) const;
  std::string line_or_me(const std::string& name, const std::string& fallback) const;
  // First line as a decimal number; a file that is missing or has no digits at its start gives fallback (as
  // qmail's control_readint). Values over 2^63-1 are cut to it.
  std::int64_t number(const std::string& name, std::int64_t fallback) const;
  // All lines without trailing blanks; empty lines and lines that begin with '#' left out. nullopt: no such
  // file.
  std::optional<std::vector<std::string>> lines(const std::string& name) const;
  // The whole text, for files with a format of their own.
  std::optional<std::string> text(const std::string& name) const;
  // Absolute path of a control file.
  std::string path(const std::string& name) const { return directory_ + name; }
  // control/me, or TempError: a server has to know its name.
  std::string me() const;

 private:
  std::string directory_;
};

}  // namespace hato
