#include "inject/queue_view.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/local_socket.h"
#include "lib/base/process.h"
#include "lib/net/queue_list.h"

namespace hato {

namespace {

constexpr std::int64_t patience_seconds = list_seconds + 30;  // for one piece of the list
constexpr std::size_t piece_size = 1U << 16;

Fd connect_to_list() {
  try {
    return connect_local(list_socket_path(), SOCK_STREAM);
  } catch (const SystemError& e) {
    if (e.error() == EAGAIN) throw TempError("too many ask for the queue; try again soon");
    throw TempError("the queue cannot be shown: qmail-send is not running (" + e.text() + ")");
  }
}

void show_own_messages() {
  const Fd socket = connect_to_list();
  Reader in(socket.get(), "the list", patience_seconds, piece_size);
  QueueList list;
  for (std::string_view piece = in.peek(); !piece.empty(); piece = in.peek()) {
    write_all(1, list.take(piece), "standard output");
    in.consume(piece.size());
  }
  if (const std::string why = list.why(); !why.empty()) throw TempError("the queue cannot be shown: " + why);
}

}  // namespace

void show_queue() {
  const std::string home = conf::home;
  if (access((home + "/queue").c_str(), R_OK | X_OK) == 0)
    exec_program({home + "/bin/qmail-qread", "--mailq"});
  show_own_messages();
}

}  // namespace hato
