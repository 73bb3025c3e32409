// qmail-showctl: says what the suite was built with and what its control files say. man qmail-showctl.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>

#include "admin/control_table.h"
#include "lib/base/conf.h"
#include "lib/base/directory.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/store/control.h"

using namespace hato;

namespace {

constexpr char trouble[] = "Oops! Trouble reading this file.\n";

std::string show_number(const Control& control, const ControlFile& file) {
  if (!control.line(file.name))
    return std::string("(Default.) ") + file.before + file.fallback + file.after + "\n";
  const std::int64_t fallback = std::stoll(file.fallback);
  const std::int64_t value = std::max<std::int64_t>(control.number(file.name, fallback), 0);
  return file.before + std::to_string(value) + file.after + "\n";
}

std::string show_line(const Control& control, const ControlFile& file) {
  std::string text;
  std::optional<std::string> value = control.line(file.name);
  if (!value) {
    text = "(Default.) ";
    value = file.fallback;
    if (file.shape == ControlShape::line_or_me) value = control.line("me").value_or(file.fallback);
  }
  return text + file.before + log_safe(*value) + file.after + "\n";
}

std::string show_list(const Control& control, const std::string& name, const std::string& fallback,
                      const std::string& before, const std::string& after) {
  const std::optional<std::vector<std::string>> lines = control.lines(name);
  if (!lines) return "(Default.) " + fallback + "\n";
  std::string text = "\n";
  for (const std::string& line : *lines) text += before + log_safe(line) + after + "\n";
  return text;
}

template <typename Show>
void show_file(Writer& out, const std::string& name, Show show) {
  out.put("\n" + name + ": ");
  try {
    out.put(show());
  } catch (const TempError&) {
    if (out.failed()) throw;
    out.put(trouble);
  }
}

std::string show_presence(const Control& control, const ControlFile& file) {
  if (access(control.path(file.name).c_str(), F_OK) == 0) return std::string(file.before) + "\n";
  return std::string("(Default.) ") + file.fallback + "\n";
}

void show(Writer& out, const Control& control, const ControlFile& file) {
  show_file(out, file.name, [&] {
    switch (file.shape) {
      case ControlShape::number:
        return show_number(control, file);
      case ControlShape::line:
      case ControlShape::line_or_me:
        return show_line(control, file);
      case ControlShape::withheld:
        return show_presence(control, file);
      case ControlShape::list:
        break;
    }
    return show_list(control, file.name, file.fallback, file.before, file.after);
  });
}

std::string compare_morercpthosts(const Control& control) {
  struct stat source {
  }, compiled{};
  const bool has_source = stat(control.path("morercpthosts").c_str(), &source) == 0;
  const bool has_compiled = stat(control.path("morercpthosts.cdb").c_str(), &compiled) == 0;
  if (!has_source && !has_compiled) return "(Default.) No effect.\n";
  if (!has_source) return "Oops! morercpthosts.cdb exists but morercpthosts doesn't.\n";
  if (!has_compiled) return "Oops! morercpthosts exists but morercpthosts.cdb doesn't: run qmail-newmrh.\n";
  if (source.st_mtime > compiled.st_mtime)
    return "Oops! morercpthosts.cdb is older than morercpthosts: run qmail-newmrh.\n";
  return "Modified recently enough; hopefully up to date.\n";
}

// rcpthosts decides what morercpthosts means.
void show_rcpthosts(Writer& out, const Control& control) {
  const std::string to = "SMTP clients may send messages to recipients at ";
  bool limited = true;
  show_file(out, "rcpthosts", [&] {
    limited = control.lines("rcpthosts").has_value();
    return show_list(control, "rcpthosts", "SMTP clients may send messages to any recipient.", to, ".");
  });
  show_file(out, "morercpthosts", [&] {
    if (limited) return show_list(control, "morercpthosts", "No effect.", to, ".");
    return show_list(control, "morercpthosts", "No rcpthosts; morercpthosts is irrelevant.",
                     "No rcpthosts; doesn't matter that morercpthosts has ", ".");
  });
  show_file(out, "morercpthosts.cdb", [&] { return compare_morercpthosts(control); });
}

std::string ids(std::initializer_list<const char*> names, std::optional<unsigned> (*id)(const char*)) {
  std::string text;
  for (const char* name : names) {
    const std::optional<unsigned> number = id(name);
    text += (text.empty() ? "" : ", ") + (number ? std::to_string(*number) : std::string(name) + " missing");
  }
  return text + ".\n";
}

void show_build(Writer& out) {
  out.put(std::string("qmail home directory: ") + conf::home + ".\n");
  out.put(std::string("user-ext delimiter: ") + conf::break_chars + ".\n");
  out.put("subdirectory split: " + std::to_string(conf::split) + ".\n");
  out.put("user ids: " +
          ids({conf::user_alias, conf::user_qmaild, conf::user_qmaill, conf::user_root, conf::user_qmailp,
               conf::user_qmailq, conf::user_qmailr, conf::user_qmails, conf::user_qmailt, conf::user_qmailk,
               conf::user_qmaila, conf::user_qmailg, conf::user_qmailv, conf::user_qmailc},
              [](const char* name) -> std::optional<unsigned> {
                const std::optional<User> user = passwd_user(std::string(name));
                return user ? std::optional<unsigned>(user->uid) : std::nullopt;
              }));
  out.put("group ids: " + ids({conf::group_nofiles, conf::group_qmail},
                              [](const char* name) -> std::optional<unsigned> { return group_id(name); }));
}

// Files that no program of the suite reads.
std::vector<std::string> unknown_files(const Control& control) {
  std::set<std::string> known = {"rcpthosts", "morercpthosts", "morercpthosts.cdb"};
  for (const ControlFile& file : control_files()) known.insert(file.name);
  std::vector<std::string> unknown;
  const Fd directory = open_file(control.path(""), O_RDONLY | O_DIRECTORY);
  read_directory(directory.get(), control.path(""), [&](const DirectoryEntry& entry) {
    if (!known.contains(std::string(entry.name))) unknown.emplace_back(entry.name);
  });
  std::sort(unknown.begin(), unknown.end());
  return unknown;
}

int body(int argc, char**) {
  if (argc != 1) throw PermError("usage: qmail-showctl");
  const Control control;
  Writer out(1, "standard output", 0, 65536);
  show_build(out);
  const std::vector<std::string> unknown = unknown_files(control);
  for (const ControlFile& file : control_files()) {
    if (std::string_view(file.name) == "resolver") show_rcpthosts(out, control);  // by name
    show(out, control, file);
  }
  for (const std::string& name : unknown)
    out.put("\n" + log_safe(name) + ": I have no idea what this file does.\n");
  out.flush();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-showctl", argc, argv, body);
}
