// What a client of QMTP or QMQP sends: a message and its envelope, made of netstrings. Pure.
//
//   QMTP (cr.yp.to/proto/qmtp.txt section 4), any number one behind the other:
//     N(encoded message) N(sender) N( N(recipient) N(recipient) ... )
//     The encoded message begins with the octet 0a, and lines end with LF, or with 0d, and they end with CR
//     LF.
//   QMQP (cr.yp.to/proto/qmqp.html), one:
//     N( N(message) N(sender) N(recipient) N(recipient) ... )
//     Lines end with LF.
//
// Nothing is kept here but the address that is just coming: the message goes on in the pieces it comes in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/mail/envelope.h"
#include "lib/mail/netstring.h"

namespace hato::qmtp {

// The netstrings of the sender and the recipients of one package together, in octets.
inline constexpr std::uint64_t max_envelope_octets = 16U << 20;
// As many as the gate takes for one message.
inline constexpr std::size_t max_recipients = 250000;

enum class Protocol { qmtp, qmqp };

enum class Encoding {
  lf,       // the message is as it is to be queued
  crlf,     // CR LF is a line end; CR or LF alone stay what they are
  unknown,  // QMTP: no first octet, or another one; its text is not handed on
};

// Takes a package apart, in this order: message_begins, text ..., message_ends, sender, recipient ...
class PackageSink {
 public:
  PackageSink() = default;
  PackageSink(const PackageSink&) = delete;
  PackageSink& operator=(const PackageSink&) = delete;
  virtual ~PackageSink() = default;

  // octets: what is to come on the wire, without the octet that tells the encoding.
  virtual void message_begins(Encoding encoding, std::uint64_t octets) = 0;
  virtual void text(std::string_view piece) = 0;  // LF line ends
  virtual void message_ends() = 0;
  // nullopt: longer than an address of an envelope may be (max_envelope_address).
  virtual void sender(std::optional<std::string> address) = 0;
  virtual void recipient(std::optional<std::string> address) = 0;
};

enum class PackageFault {
  none,
  length,      // no netstring: its length is no number, or has more than max_netstring_digits digits
  comma,       // no comma behind a netstring
  overrun,     // a netstring that is longer than the one around it
  envelope,    // more than max_envelope_octets
  recipients,  // more than max_recipients
};

class PackageParser {
 public:
  enum class State { more, complete, broken };

  PackageParser(Protocol protocol, PackageSink& sink);

  // Returns how many octets belong to this package: all, or fewer once it is complete. Once broken, all.
  std::size_t feed(std::string_view octets);
  State state() const;
  PackageFault fault() const { return fault_; }
  // Not one octet has come.
  bool untouched() const { return untouched_; }

 private:
  enum class Part {
    whole_length,
    message_length,
    encoding,
    message,
    message_comma,
    sender_length,
    sender,
    sender_comma,
    list_length,
    recipient_length,
    recipient,
    recipient_comma,
    last_comma,
    complete,
    broken,
  };
  std::size_t step(std::string_view octets);
  std::size_t take_length(std::string_view octets);
  std::size_t take_message(std::string_view octets);
  std::size_t take_address(std::string_view octets);
  std::size_t take_comma(std::string_view octets);
  void length_known();
  void message_known();
  void address_known();
  void next_recipient();
  void put_text(std::string_view octets);
  void end_message();
  void use(std::size_t octets);
  void broken(PackageFault fault);

  const Protocol protocol_;
  PackageSink& sink_;
  Part part_;
  PackageFault fault_ = PackageFault::none;
  bool untouched_ = true;
  NetstringLength length_;
  std::uint64_t left_ = 0;    // octets of the string that is just coming
  bool enclosed_ = false;     // inside of another netstring ...
  std::uint64_t around_ = 0;  // ... of which so many octets are left
  Encoding encoding_ = Encoding::lf;
  bool pending_cr_ = false;
  std::uint64_t envelope_octets_ = 0;
  std::size_t recipients_ = 0;
  std::string address_;
  bool address_too_long_ = false;
};

}  // namespace hato::qmtp
