// The envelope of a message, and qmail-queue's form of it: F SENDER \0 T RECIPIENT \0 … \0 (qmail-queue(8),
// envelopes(5)). Addresses are raw (lib/mail/address.h).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

// An address with its final NUL; a longer one is qmail-queue's exit 11.
inline constexpr std::size_t max_envelope_address = 1003;

struct Recipient {
  std::string address;
  std::string
      params;  // what SMTP said of it ("NOTIFY=NEVER ORCPT=…"), upper-case keywords, one space between
};

struct Envelope {
  std::string sender;  // empty: the null sender; "#@[]": a double bounce
  std::vector<Recipient> recipients;
  std::string params;  // of the whole ("BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=…")
};

// The bytes for qmail-queue's fd 1. Parameters have no place there.
std::string encode_envelope(const Envelope& envelope);

// Reads an envelope as it comes, in pieces of any size.
class EnvelopeParser {
 public:
  enum class Status {
    more,      // not at its final NUL yet
    complete,  // it is; bytes behind it are not looked at
    too_long,  // an address of more than max_envelope_address: exit 11
    format,    // something other than F, T or the final NUL where one must be: exit 91
    cut_off,   // from finish(): the input ended before the final NUL: exit 54
  };

  // The status after these bytes. Once it is not `more`, it stays.
  Status feed(std::string_view bytes);
  // The input has ended.
  Status finish();

  Status status() const { return status_; }
  // The bytes that feed() took in, up to and with the final NUL.
  std::size_t consumed() const { return consumed_; }
  const Envelope& envelope() const { return envelope_; }
  Envelope take() { return std::move(envelope_); }

 private:
  enum class Expect { sender_letter, sender, recipient_letter, recipient };
  Expect expect_ = Expect::sender_letter;
  Status status_ = Status::more;
  std::size_t consumed_ = 0;
  std::string address_;
  Envelope envelope_;
};

// Variable envelope return paths, qmail's way (qmail-send(8), addresses(5)): a sender PREFIX@HOST-@[]
// becomes, for the recipient BOX@DOMAIN, PREFIX BOX=DOMAIN@HOST; a bounce for several recipients goes to
// PREFIX@HOST. Both return the sender as it is when it has not this form.
bool is_verp(std::string_view sender);
std::string verp_sender(std::string_view sender, std::string_view recipient);
std::string without_verp(std::string_view sender);

// The envelope sender of a bounce that could not be delivered: such a message is thrown away when it fails
// too.
inline constexpr std::string_view double_bounce_sender = "#@[]";

}  // namespace hato
