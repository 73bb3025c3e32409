// qmail-send's end of gate/send/s, where the operator's tools and qmail-smtpd (ETRN) ask for something
// (lib/net/send_request.h). Who asks is known by SO_PEERCRED. Never blocks; whatever is wrong with an asker
// costs him his connection and nothing else.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "lib/base/fd.h"
#include "lib/net/send_request.h"

namespace hato {

constexpr std::size_t request_connections = 32;  // at once; one more takes the place of the longest idle
constexpr std::size_t request_connections_network = 16;  // of these, of qmaild

// Which line of which connection an answer belongs to.
struct Ticket {
  std::uint64_t connection = 0;  // 0: nobody waits for it
  std::size_t line = 0;
};

struct TakenRequest {
  Ticket ticket;
  uid_t uid = 0;
  SendRequest request;
};

class RequestServer {
 public:
  // Who may ask: root and `own` for everything, `network` (qmaild) for a flush.
  RequestServer(uid_t own, uid_t network) : own_(own), network_(network) {}
  // Listens at `path`, a left-over socket there is replaced. Throws SystemError; without it there is just
  // nobody to ask.
  void listen(const std::string& path);

  // Descriptors to wait on for reading.
  std::vector<int> fds() const;
  // To be called when one of fds() is readable: what is asked, in order. Lines that cannot be served are
  // answered here.
  std::vector<TakenRequest> take();
  // Every ticket wants one answer, in any order; a connection that is gone swallows it.
  void answer(const Ticket& ticket, const SendAnswer& answer);

 private:
  struct Connection {
    std::uint64_t number;
    Fd socket;
    uid_t uid;
    std::vector<std::string> answers;  // to the packet in hand; "" where one is still to come
    std::size_t missing = 0;           // answers to come
    std::uint64_t used = 0;            // when it last asked, on a clock of requests
  };
  void accept_one();
  bool make_room(uid_t uid);
  bool read_packet(Connection& connection, std::vector<TakenRequest>& taken);
  bool may(uid_t uid, const SendRequest& request) const;
  void send_answers(std::list<Connection>::iterator connection);

  uid_t own_, network_;
  Fd listening_;
  std::list<Connection> connections_;
  std::uint64_t last_number_ = 0, clock_ = 0;
};

}  // namespace hato
