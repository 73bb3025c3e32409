// One session of a QMTP or QMQP server: octets in, responses out, messages to the queue. Touches no
// descriptor: connection.h moves the octets.
//
// QMTP: package after package; behind each, one response for each of its recipients, in their order. QMQP:
// one package, one response. What is no package gets one response, and the session is over: where the next
// one would begin is not known.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "qmtp/package.h"
#include "qmtp/transaction.h"

namespace hato::qmtp {

class Session {
 public:
  // say is called with the octets of responses; it must not call back. All must outlive the session.
  Session(Settings& settings, ServerQueue& queue, Journal journal,
          std::function<void(std::string_view octets)> say);

  // Octets as they come.
  void feed(std::string_view octets);
  // Nothing more is wanted: say what was said, then close.
  bool over() const { return over_; }
  // Between two packages: the client may end here.
  bool at_rest() const { return !package_ || package_->untouched(); }
  // Something came that was no package.
  bool failed() const { return failed_; }
  // The session ends early; `why` is for the log.
  void broken(std::string_view why);

 private:
  void begin();
  void respond();

  Settings& settings_;
  ServerQueue& queue_;
  const Journal journal_;
  const std::function<void(std::string_view)> say_;
  std::unique_ptr<Transaction> transaction_;
  std::optional<PackageParser> package_;
  bool over_ = false;
  bool failed_ = false;
};

}  // namespace hato::qmtp
