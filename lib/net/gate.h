// The client side of the gate: how a message gets into the queue. man/qmail-gate.5 has the protocol in prose.
//
// HOME/gate/s is a Unix stream socket of qmail-queued. A record is a type byte, a 32-bit big-endian length
// and that many bytes (64 KiB at most). Gate to sender: 'A' admission, then, whenever it wants to end it, 'R'
// result. Sender to gate: 'O' origin, 'M' pieces of the message, 'E' its end, 'V' pieces of the envelope
// (Fsender\0 Trcpt\0 ... \0), 'P' ESMTP parameters of the sender or of a recipient, 'C' commit. Only 'C'
// makes a message count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/store/queuefile.h"

namespace hato {

namespace gate_format {
constexpr std::size_t record_limit = 64U << 10;
constexpr std::size_t record_head = 5;
// Strings in 'A' and 'O' are NAME=VALUE, NUL-terminated.
constexpr char admission = 'A', result = 'R', origin = 'O', message = 'M', message_end = 'E', envelope = 'V',
               parameters = 'P', commit = 'C';
}  // namespace gate_format

std::string gate_directory();  // conf::home + "/gate"
std::string gate_path();       // conf::home + "/gate/s"

// What the gate tells a sender about itself and him when he comes in. Strings as the control files have them,
// with qmail's fallbacks done, so that a sender in a chroot needs no control file.
struct Admission {
  std::string me, defaulthost, defaultdomain, plusdomain, idhost;
  std::string default_sender;    // this uid's address, "" when nobody knows him
  bool ask_with_script = false;  // default_sender may be another for his script: ask with the origin
  std::uint64_t databytes = 0;   // 0: no limit
};

// What a sender says of the message's origin. Only qmaild (and uids of control/gateclaim) is believed for mx
// and submission and what belongs to them, only qmails for bounce.
struct GateOrigin {
  Kind kind = Kind::local;
  std::string trace;     // lib/base/trace.h; empty: the gate makes one
  std::string ip;        // TCPREMOTEIP; "1.2.3.4" or "2001:db8::1"
  std::string host;      // TCPREMOTEHOST, "" unknown
  std::string helo;      // "" when it is the same as host
  std::string info;      // TCPREMOTEINFO
  std::string local;     // the server's own name: the Received field's "by"
  std::string protocol;  // SMTP, ESMTP, UTF8SMTP, ...S, ...A: RFC 3848, RFC 6531
  std::string login;     // SMTP AUTH
  std::string script;    // told by a local program, never proved: SCRIPT_FILENAME
  std::string server;    // the same: SERVER_NAME
  std::string fields;    // whole header fields with LF line ends, put in front of the message; mx, submission
  bool asks_sender = false;  // with Admission::ask_with_script: wait for the script's default_sender
  std::optional<std::uint64_t> databytes;  // $DATABYTES, in the place of control/databytes; 0: no limit
};

struct GateResult {
  int code = 0;          // qmail-queue's exit code
  std::string text;      // with code 82: 'D' or 'Z', then perhaps "552 " (an SMTP code), then the sentence
  QueueId id;            // with code 0
  std::uint32_t qp = 0;  // pid of the program that speaks to the gate
  bool ok() const { return code == 0; }
  // "" or D/Z text for any code: queue_exit_text.
  std::string report() const;
};

// One message's way in. Every failure to talk to the gate becomes a GateResult of commit(), or a refused
// connect(): no member throws for what the gate does. Construct a new one for each message.
class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Connects and waits for admission, trying again while nobody listens or the pool is full, until `patience`
  // is over (0: one try). Result: code 0, or 71, 72, 73 and then the object is of no more use.
  GateResult connect(const std::string& path, Deadline patience);
  const Admission& admission() const { return admission_; }

  // Calls in this order. Pieces may be of any size, message lines end with LF. An origin that asks for the
  // sender waits for the gate's answer, and admission() has it then.
  void origin(const GateOrigin& origin);
  void message(std::string_view piece);
  void end_message();
  // Addresses are raw (no quoting). One over max_envelope_address makes commit() answer 11.
  void sender(std::string_view address, std::string_view params = "");
  void recipient(std::string_view address, std::string_view params = "");
  // Instead of sender() and recipient(): bytes as on qmail-queue's fd 1, final NUL included, in any pieces.
  void envelope_bytes(std::string_view piece);
  // Ends the envelope and asks for the message to be queued; waits for the answer (`patience`: content
  // services may take four minutes). After a code 0 the message is on disk.
  GateResult commit(Deadline patience);
  // True when the gate has ended it already (disk full, too large): stop sending, commit() tells why.
  bool refused() const { return broken_; }
  int fd() const { return socket_.get(); }

 private:
  void take_admission(const OriginFields& fields);
  void put_record(char type, std::string_view payload);
  void flush();
  void read_result_after_break();
  bool read_record(char& type, std::string& payload, Deadline deadline);
  GateResult try_once(const std::string& path, Deadline deadline);
  void put_parameters(std::uint32_t index, std::string_view params);

  Fd socket_;
  std::string out_;  // records not yet sent
  std::string in_;   // bytes read and not yet parsed
  Admission admission_;
  bool broken_ = false;
  bool raw_envelope_ = false;
  std::uint32_t recipients_ = 0;
  std::optional<GateResult> early_;  // a result that came before commit
};

// Records, for both sides. Parses one record off the front of `bytes`; false: more bytes are needed. A length
// over record_limit throws TempError.
bool take_record(std::string_view& bytes, char& type, std::string_view& payload);
void append_record(std::string& out, char type, std::string_view payload);
std::string encode_fields(const OriginFields& fields);
std::optional<OriginFields> decode_fields(std::string_view bytes);

}  // namespace hato
