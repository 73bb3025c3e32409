// config-fast NAME: the first control files of a host that knows its name. man config-fast.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/mail/domain.h"
#include "lib/store/control.h"

using namespace hato;

namespace {

void say(const std::string& line) {
  write_all(1, line + "\n", "standard output");
}

// The whole file anew, by rename: a server that reads it meanwhile sees the old or the new one.
void replace(const std::string& name, const std::string& text) {
  const std::string path = Control().path(name), fresh = path + ".new";
  Fd fd = open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), text, fresh);
  if (fchmod(fd.get(), 0644) != 0) throw_errno("chmod " + fresh);
  fsync_fd(fd.get(), fresh);
  if (rename(fresh.c_str(), path.c_str()) != 0) throw_errno("rename " + fresh);
}

void put(const std::string& value, const std::string& name) {
  say("Putting " + value + " into control/" + name + "...");
  replace(name, value + "\n");
}

// A line at the end of a list, unless it is in there.
void add(const std::string& value, const std::string& name) {
  say("Putting " + value + " into control/" + name + "...");
  const std::vector<std::string> lines = Control().lines(name).value_or(std::vector<std::string>{});
  if (std::find(lines.begin(), lines.end(), value) != lines.end()) return;
  std::string text = Control().text(name).value_or("");
  if (!text.empty() && text.back() != '\n') text += '\n';
  replace(name, text + value + "\n");
}

// a.b.c.d: b.c.d; a name of two labels stays.
std::string default_domain(const std::string& name) {
  const std::size_t first = name.find('.');
  if (first == std::string::npos || name.find('.', first + 1) == std::string::npos) return name;
  return name.substr(first + 1);
}

// a.b.c.d: c.d
std::string plus_domain(const std::string& name) {
  const std::size_t last = name.rfind('.');
  if (last == std::string::npos || last == 0) return name;
  const std::size_t before = name.rfind('.', last - 1);
  return before == std::string::npos ? name : name.substr(before + 1);
}

int body(int argc, char** argv) {
  const std::string usage = "usage: config-fast fully.qualified.host.name";
  if (argc != 2) throw PermError(usage);
  const std::string name = argv[1];
  if (!to_ascii_domain(name) || name.front() == '[' || name.back() == '.') throw PermError(usage);
  if (access(Control().path("").c_str(), W_OK) != 0)
    throw TempError("cannot write " + Control().path("") + ": run this as root, after make install");

  say("Your fully qualified host name is " + name + ".");
  put(name, "me");
  put(default_domain(name), "defaultdomain");
  put(plus_domain(name), "plusdomain");
  add(name, "locals");
  add(name, "rcpthosts");
  say("Now qmail will refuse to accept SMTP messages except to " + name + ".");
  say("Make sure to change rcpthosts if you add hosts to locals or virtualdomains!");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("config-fast", argc, argv, body);
}
