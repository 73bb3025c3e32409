// One SMTP session as the server sees it: commands and octets in, replies out, messages to the queue (RFC
// 5321, 1870, 1985, 2034, 2920, 3030, 6152, 6531, 9422). Touches no descriptor: connection.cc moves the
// octets.
//
// Order: MAIL needs HELO or EHLO, RCPT needs MAIL, DATA and BDAT need a recipient; anything else is 503. Each
// command has exactly one reply, also in a pipelined group. A recipient beyond the limit is 452 and no error.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/mail/message_meter.h"
#include "lib/net/send_request.h"
#include "lib/net/server_queue.h"
#include "smtpd/command.h"
#include "smtpd/message_text.h"
#include "smtpd/policy.h"
#include "smtpd/settings.h"

namespace hato::smtpd {

// From MAIL to the end of the message.
struct Transaction {
  SubmissionEnvelope envelope;
  bool smtputf8 = false;
  bool barred = false;           // sender in badmailfrom
  bool over_limit_said = false;  // one log line for all the recipients over the limit
  std::uint64_t size = 0;        // as MAIL told it
  // What policy servers want:
  bool discard = false;
  std::string fields;
};

class Session {
 public:
  enum class Next {
    command,  // read a command line
    data,     // feed data() until it is done
    chunk,    // feed chunk() chunk_left() octets
    hang_up,  // say what `out` has, then close: we end it
    quit,     // the client ended it
  };
  using Journal = std::function<void(std::string_view line)>;

  // All must outlive the session. journal gets one line for each refusal and each accepted message.
  Session(Settings& settings, ServerQueue& queue, Journal journal);

  // Asks qmail-send to try a domain's messages now (ETRN): lib/net/send_request.h. Throws TempError when it
  // cannot be asked. Without such a function every ETRN fails.
  using Flush = std::function<SendAnswer(const std::string& domain, const std::string& client_ip)>;
  void flush_by(Flush flush) { flush_ = std::move(flush); }

  // Asks the policy servers (PolicyDesk::ask). Without such a function nobody is asked.
  using Policy = std::function<PolicyOutcome(PolicyState, bool submission, const std::string& attributes)>;
  void policy_by(Policy policy) { policy_ = std::move(policy); }

  // Appends the greeting, or the refusal of this client and Next::hang_up.
  Next greet(std::string& out);
  // One command line without its CR LF. Appends its reply to `out`.
  Next command(std::string_view line, std::string& out);
  // A line that is no command: Reply::line_ends or Reply::line_too_long.
  Next bad_line(Reply reason, std::string& out);
  // The reply just made may wait for more of them (RFC 2920 3.2: MAIL, RCPT, RSET).
  bool reply_may_wait() const { return may_wait_; }

  // After Next::data: octets as they come. Returns how many belong to the message; *done when it is complete,
  // and then its reply is in `out`, and the return value of after_message() is what comes next.
  std::size_t data(std::string_view octets);
  bool data_done() const { return data_.done(); }
  bool client_may_be_waiting() const { return data_.may_be_waiting(); }
  // Ends the message: after data_done(), or, with false, when a client that may be waiting has fallen silent.
  Next end_of_data(bool in_step, std::string& out);

  // After Next::chunk.
  std::uint64_t chunk_left() const { return chunk_left_; }
  void chunk(std::string_view octets);  // at most chunk_left()
  Next end_of_chunk(std::string& out);

  // The session ends early: what for the log ("timeout", "connection lost").
  void broken(std::string_view why);
  // A reply made outside (Reply::timeout, Reply::no_memory).
  std::string farewell(Reply reply) const { return settings_.replies.line(reply); }

 private:
  Next helo(const Command& command, bool extended, std::string& out);
  Next mail(const Command& command, std::string& out);
  Next rcpt(const Command& command, std::string& out);
  Next data_command(const Command& command, std::string& out);
  Next bdat(const Command& command, std::string& out);
  Next etrn(const Command& command, std::string& out);
  bool stands_alone(const Command& command, std::string& out, Next& next);

  std::optional<Reply> fault_of(const Path& path, bool sender) const;
  std::optional<Reply> fault_of(ParameterError error) const;
  std::optional<std::string> begin_message();
  void text(std::string_view decoded);
  std::optional<Reply> fault_of_message(bool stray) const;
  Next finish_message(bool stray, std::string& out);
  GateOrigin origin();
  std::string policy_attributes(PolicyState state, std::string_view recipient);
  // The refusal of a command by a policy server; `what` gets who it was.
  std::optional<std::string> policy_refusal(PolicyState state, std::string& what,
                                            std::string_view recipient = {});
  void forget_transaction();
  std::string protocol() const;

  Next say(Reply reply, std::string& out, Next next = Next::command);
  Next refuse(Reply reply, std::string_view what, std::string& out);
  Next refuse_with(const std::string& line, std::string_view what, std::string& out);
  void log(std::string_view verb, std::string_view what);
  const std::string& trace();

  Settings& settings_;
  ServerQueue& queue_;
  Journal journal_;
  Flush flush_;
  Policy policy_;

  std::string helo_;  // what HELO or EHLO said
  bool greeted_ = false;
  bool extended_ = false;  // by EHLO
  std::optional<Transaction> transaction_;
  // What policy servers said at CONNECT: for every message of the session.
  bool discard_all_ = false;
  std::string fields_for_all_;
  std::string trace_;
  bool hang_up_ = false;  // a policy server refused by 421 or 521
  std::size_t errors_ = 0;
  std::size_t commands_ = 0;
  bool may_wait_ = false;

  std::unique_ptr<ServerSubmission>
      submission_;  // while DATA or BDAT takes text, until something is wrong with it
  MessageMeter meter_;
  DataDecoder data_;
  std::string decoded_;
  bool in_chunks_ = false;
  ChunkDecoder chunks_;
  std::uint64_t chunk_size_ = 0;
  std::uint64_t chunk_left_ = 0;
  bool chunk_last_ = false;
  std::string chunk_refusal_;  // the reply for a chunk that is only swallowed
  std::string chunk_refuser_;  // for the log
};

}  // namespace hato::smtpd
