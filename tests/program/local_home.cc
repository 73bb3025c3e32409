#include "tests/program/local_home.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "lib/base/io.h"
#include "lib/store/maildir.h"
#include "tests/catch.h"

namespace hato::test {

namespace {

const std::string queue_part = "what only the queue may see\n";

}  // namespace

LocalHome::LocalHome() : path(scratch.file("home")) {
  REQUIRE(mkdir(path.c_str(), 0755) == 0);
  own(path);
  umask(022);
}

void LocalHome::own(const std::string& what) const {
  REQUIRE(lchown(what.c_str(), joe_uid, joe_gid) == 0);
}

bool LocalHome::has(const std::string& name) const {
  return std::filesystem::exists(path + "/" + name);
}

std::string LocalHome::file(const std::string& name, const std::string& content, mode_t mode) const {
  const std::string full = path + "/" + name;
  write_all(open_file(full, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), content, full);
  REQUIRE(chmod(full.c_str(), mode) == 0);
  own(full);
  return full;
}

std::string LocalHome::maildir(const std::string& name) const {
  const std::string full = path + "/" + name;
  make_maildir(full);
  for (const char* part : {"", "/tmp", "/new", "/cur"}) own(full + part);
  return full;
}

std::vector<std::string> LocalHome::delivered(const std::string& name) const {
  std::vector<std::string> all;
  for (const std::string& each : names_in(path + "/" + name + "/new"))
    all.push_back(read(name + "/new/" + each));
  std::sort(all.begin(), all.end());
  return all;
}

Fd LocalHome::message(const std::string& content) const {
  const std::string name = scratch.write("message", queue_part + content);
  Fd fd = open_file(name, O_RDONLY);
  lseek(fd.get(), static_cast<off_t>(queue_part.size()), SEEK_SET);
  return fd;
}

std::vector<std::string> LocalHome::args(const LocalCall& call) const {
  std::vector<std::string> all = {installed("qmail-local")};
  all.insert(all.end(), call.options.begin(), call.options.end());
  for (const std::string& word : {std::string("joe"), path, call.local, call.dash, call.ext,
                                  std::string("www.at.example"), call.sender, call.default_delivery})
    all.push_back(word);
  return all;
}

Outcome LocalHome::deliver(const LocalCall& call) const {
  const Fd fd = message(call.message);
  const FdPair out = make_pipe(), err = make_pipe();
  Outcome outcome;
  fcntl(out.second.get(), F_SETPIPE_SZ, 1 << 20);  // all that is said fits
  Process process({args(call),
                   call.env,
                   {{0, fd.get()}, {1, out.second.get()}, {2, err.second.get()}},
                   joe_uid,
                   joe_gid,
                   "/"});
  outcome.code = process.wait();
  set_nonblocking(out.first.get(), true);
  set_nonblocking(err.first.get(), true);
  char space[1 << 17];
  for (ssize_t n; (n = ::read(out.first.get(), space, sizeof space)) > 0;)
    outcome.out.append(space, static_cast<std::size_t>(n));
  for (ssize_t n; (n = ::read(err.first.get(), space, sizeof space)) > 0;)
    outcome.err.append(space, static_cast<std::size_t>(n));
  CHECK(lseek(fd.get(), 0, SEEK_CUR) == static_cast<off_t>(queue_part.size()));  // others read on from there
  return outcome;
}

}  // namespace hato::test
