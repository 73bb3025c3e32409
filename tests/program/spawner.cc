#include "tests/program/spawner.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/process.h"
#include "tests/catch.h"
#include "tests/users_cdb.h"

namespace hato::test {

namespace {

// A message as qmail-send hands it over: something in front, then positioned at its first byte.
Fd message(const std::string& text) {
  Fd fd(memfd_create("message", MFD_CLOEXEC));
  REQUIRE(fd);
  write_all(fd.get(), "header" + text, "memfd");
  lseek(fd.get(), 6, SEEK_SET);
  return fd;
}

}  // namespace

Spawner::Spawner(const std::vector<std::string>& args, const std::function<void()>& prepare) {
  FdPair sockets = make_socketpair(SOCK_SEQPACKET);
  Fd log = open_file("/dev/null", O_WRONLY);
  pid_ = fork_child("test", [&] {
    move_to(std::move(sockets.second), 0);
    move_to(std::move(log), 2);
    default_signals();
    prepare();
    exec_program(args);
    return 111;
  });
  socket_ = std::move(sockets.first);
}

Spawner::~Spawner() {
  if (pid_ > 0) close();
}

void Spawner::request(const DeliveryRequest& request, const std::string& text) {
  Fd fd = message(text);
  const int number = fd.get();
  REQUIRE(send_message(socket_.get(), encode_request(request), &number, 1));
}

void Spawner::request_raw(const std::string& packet, bool with_message) {
  Fd fd = message("x");
  const int number = fd.get();
  REQUIRE(send_message(socket_.get(), packet, &number, with_message ? 1 : 0));
}

DeliveryReport Spawner::report() {
  REQUIRE(wait_readable(socket_.get(), Deadline::in_seconds(60)));
  const std::optional<Message> packet = receive_message(socket_.get(), delivery_report_limit);
  REQUIRE(packet);
  REQUIRE(!packet->data.empty());
  const std::optional<DeliveryReport> report = decode_report(packet->data);
  REQUIRE(report);
  return *report;
}

DeliveryReport Spawner::deliver_one(const std::string& recipient, const std::string& sender, bool more,
                                    const std::string& params) {
  request({++number_, sender, recipient, "0123456789abc", params, "", more});
  const DeliveryReport answer = report();
  CHECK(answer.delivery == number_);
  return answer;
}

std::string Spawner::deliver(const std::string& recipient, const std::string& sender) {
  const DeliveryReport answer = deliver_one(recipient, sender, false);
  return answer.status + answer.text;
}

std::string Spawner::deliver_more(const std::string& recipient, const std::string& sender) {
  const DeliveryReport answer = deliver_one(recipient, sender);
  return answer.status + answer.text;
}

int Spawner::close() {
  socket_.reset();
  const int status = wait_for_child(std::exchange(pid_, -1));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<std::string> lspawn(const PrivateHome& home) {
  return {home.path("bin/qmail-lspawn"), "./Maildir/"};
}

void write_users(const PrivateHome& home, const std::vector<std::string>& lines) {
  write_users_cdb(home.path("users/cdb"), lines, "-");
}

}  // namespace hato::test
