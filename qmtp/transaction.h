// One package on its way into the queue: what is wrong with it, who of its recipients gets it, and the
// answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/message_meter.h"
#include "lib/net/client.h"
#include "lib/net/relay_policy.h"
#include "lib/net/server_queue.h"
#include "lib/store/databytes.h"
#include "qmtp/package.h"

namespace hato::qmtp {

using Journal = std::function<void(std::string_view line)>;

struct Settings {
  Protocol protocol = Protocol::qmtp;
  Databytes databytes;
  RecipientPolicy policy;  // QMTP only
  Client client;
};
// Throws TempError when a control file cannot be read.
Settings read_settings(Protocol protocol, const Control& control);

class Transaction : public PackageSink {
 public:
  enum class Verdict : char {
    taken,
    rcpthosts,      // D: not our domain, and this client may not relay
    bad_address,    // D: empty, too long, not ASCII or UTF-8, a control character
    lookup_failed,  // Z: morercpthosts.cdb is damaged
  };

  // All must outlive it. journal gets a line for what was refused and what was taken.
  Transaction(Settings& settings, ServerQueue& queue, const Journal& journal);

  void message_begins(Encoding encoding, std::uint64_t octets) override;
  void text(std::string_view piece) override;
  void message_ends() override {}
  void sender(std::optional<std::string> address) override;
  void recipient(std::optional<std::string> address) override;

  // The package is complete. Queues the message for the recipients that are taken, if there are any; what
  // then holds for each of them. QMQP: for all, and one bad address refuses the message.
  std::string commit();
  const std::vector<Verdict>& verdicts() const { return verdicts_; }
  // What to tell the client of a recipient; `all` is what commit() returned.
  static std::string_view answer_for(Verdict verdict, std::string_view all);

  // The package broke off, or is none.
  void give_up(std::string_view why);

 private:
  Verdict judge(std::string& address);
  std::string_view fault() const;  // empty: none
  std::string queue_it();
  GateOrigin origin() const;
  void refuse(std::string_view what, std::string_view answer);
  void log(std::string_view text);

  Settings& settings_;
  ServerQueue& queue_;
  const Journal& journal_;
  std::string trace_;
  Encoding encoding_ = Encoding::lf;
  bool too_large_ = false;
  bool bad_sender_ = false;
  MessageMeter meter_;
  std::unique_ptr<ServerSubmission> submission_;  // until something is wrong with the message
  GateResult not_admitted_;
  SubmissionEnvelope envelope_;
  std::vector<Verdict> verdicts_;
  std::size_t refusals_ = 0;
};

}  // namespace hato::qmtp
