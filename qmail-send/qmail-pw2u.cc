// qmail-pw2u [-/ohHuUC] [-cCHAR] < passwd > assign: prints users/assign for the accounts of a passwd file.
// man qmail-pw2u.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/store/control.h"
#include "lib/store/users.h"
#include "qmail-send/pw2u.h"

using namespace hato;

namespace {

Pw2uRules options(int argc, char** argv) {
  Pw2uRules rules;
  rules.break_chars = conf::break_chars;
  for (int option; (option = getopt(argc, argv, "/ohHuUc:C")) != -1;) switch (option) {
      case '/':
        rules.dash = "-/";
        break;
      case 'o':
        rules.home = HomeRule::skip_missing;
        break;
      case 'h':
        rules.home = HomeRule::stop_missing;
        break;
      case 'H':
        rules.home = HomeRule::any;
        break;
      case 'u':
        rules.upper = true;
        break;
      case 'U':
        rules.upper = false;
        break;
      case 'c':
        rules.break_chars = std::string(optarg).substr(0, 1);
        break;
      case 'C':
        rules.break_chars = "";
        break;
      default:
        throw PermError("usage: qmail-pw2u [-/ohHuUC] [-cCHAR] < /etc/passwd");
    }
  if (optind != argc) throw PermError("usage: qmail-pw2u [-/ohHuUC] [-cCHAR] < /etc/passwd");
  return rules;
}

// The owner of a home; nullopt when it does not exist.
std::optional<uid_t> owner(const std::string& home) {
  struct stat status {};
  if (stat(home.c_str(), &status) == 0) return status.st_uid;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw TempError("fatal: unable to stat " + home + ": " + errno_text(errno));
}

template <typename Each>
void each_line(int fd, const std::string& name, Each each) {
  Reader reader(fd, name, 0, 65536);
  std::string line;
  for (;;) {
    const Reader::Line end = reader.read_line(line, assign_line_limit);
    if (end == Reader::Line::eof) return;
    if (end == Reader::Line::too_long)
      throw TempError("fatal: " + name + ": a line is longer than " + std::to_string(assign_line_limit) +
                      " bytes");
    each(line, end == Reader::Line::complete);
  }
}

int body(int argc, char** argv) {
  Pw2uRules rules = options(argc, argv);
  // Control's way of reading lists, in users/ instead of control/.
  const Control files;
  rules.include = files.lines("../users/include");
  rules.exclude = files.lines("../users/exclude");
  if (const auto mailnames = files.lines("../users/mailnames")) rules.set_mailnames(*mailnames);
  rules.owner = owner;

  Writer out(1, "standard output", 0, 65536);
  Pw2u pw2u(std::move(rules));
  each_line(0, "standard input", [&](const std::string& line, bool) { out.put(pw2u.account(line)); });
  if (!pw2u.saw_alias()) throw TempError(std::string("fatal: unable to find ") + conf::user_alias + " user");
  const std::string users = std::string(conf::home) + "/users";
  if (const Fd fd = try_open(users + "/subusers", O_RDONLY))
    each_line(fd.get(), "users/subusers",
              [&](const std::string& line, bool) { out.put(pw2u.subuser(line)); });
  else if (errno != ENOENT)
    throw_errno("fatal: unable to open users/subusers");
  if (const Fd fd = try_open(users + "/append", O_RDONLY))
    each_line(fd.get(), "users/append", [&](const std::string& line, bool) { out.put(line + "\n"); });
  else if (errno != ENOENT)
    throw_errno("fatal: unable to open users/append");
  out.put(".\n");
  out.flush();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-pw2u", argc, argv, body);
}
