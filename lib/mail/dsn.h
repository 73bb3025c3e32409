// What a sender asks for in the way of delivery status notifications: RET and ENVID of the message, NOTIFY
// and ORCPT of a recipient (RFC 3461; RFC 6533 for addresses in UTF-8). Pure.
//
// On their way through gate, queue file and spawners they are the `params` words of lib/mail/envelope.h, in
// the form of SMTP: "RET=HDRS ENVID=QQ314159", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@example.com". Whoever
// takes them from outside checks each value with parse_*; whoever reads stored words takes a word that is
// none for not said, so that only well-formed ones can reach another server.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hato {

// RFC 3461 4.2 and 4.4: characters of a value as it stands on the wire.
inline constexpr std::size_t max_envid = 100;
inline constexpr std::size_t max_orcpt = 500;

// The end of a delivery's report K when NOTIFY went on with the message, to a server that offers DSN or with
// a dot-file's one forward, so that no report of success by us is due.
inline constexpr std::string_view dsn_passed_on = "The request for a delivery report was passed on.\n";

// xtext (RFC 3461 4): printable ASCII with +, = and everything else as +XX. Decoding is strict: nullopt for a
// byte that may not stand there; any byte may come out, NUL too.
std::string encode_xtext(std::string_view text);
std::optional<std::string> decode_xtext(std::string_view xtext);

enum class DsnReturn { unsaid, full, headers };

struct MessageDsn {
  DsnReturn ret = DsnReturn::unsaid;
  std::string envid;  // decoded: printable ASCII and blanks; empty: none
  bool operator==(const MessageDsn&) const = default;
};

// Without a NOTIFY the sender wants to hear of failures, and of delays as the server likes.
struct Notify {
  bool said = false;
  bool success = false, failure = false, delay = false;  // said, and none of them: NEVER
  bool never() const { return said && !success && !failure && !delay; }
  bool wants_failure() const { return !said || failure; }
  bool operator==(const Notify&) const = default;
};

// The address that the first sender of all wrote, and its type: "rfc822", "utf-8", "x400" ...
struct OriginalRecipient {
  std::string type;     // an atom, as written
  std::string address;  // decoded; no control character; UTF-8 only with the type utf-8
  bool operator==(const OriginalRecipient&) const = default;
};

struct RecipientDsn {
  Notify notify;
  std::optional<OriginalRecipient> original;
  bool operator==(const RecipientDsn&) const = default;
};

// Values of the four parameters; nullopt: not allowed (501). Keywords in any case.
std::optional<DsnReturn> parse_ret(std::string_view value);
std::optional<std::string> parse_envid(std::string_view value);
std::optional<Notify> parse_notify(std::string_view value);
// UTF-8 as it is passes with the type utf-8; in a session without SMTPUTF8 the caller refuses it.
std::optional<OriginalRecipient> parse_orcpt(std::string_view value);

// From stored words, others among them ("BODY=8BITMIME").
MessageDsn message_dsn(std::string_view params);
RecipientDsn recipient_dsn(std::string_view params);

// As words: "RET=FULL ENVID=…", "NOTIFY=… ORCPT=…", "" when there is nothing to say. ASCII in any case, so
// any server that offers DSN takes them. An ORCPT in UTF-8 that is longer than max_orcpt in ASCII is left
// out.
std::string dsn_words(const MessageDsn& dsn);
std::string dsn_words(const RecipientDsn& dsn);

// The words of a message that is forwarded. The sender of its copies is another one (a list's owner): nothing
// of DSN stays. Else all stays; but of several copies, or of one beside a delivery, SUCCESS is ours to report
// (RFC 3461 5.2.7).
std::string forwarded_message_params(std::string_view params, bool same_sender);
std::string forwarded_recipient_params(std::string_view params, bool same_sender, bool only_copy);

// An address for a field of a report (RFC 3464 2.3.1, 2.3.2; RFC 6533 3): "rfc822; joe@example.com", or, for
// one in UTF-8, "utf-8; 鳩@例.jp" where the report may hold UTF-8 and "utf-8; \x{9CE9}@\x{4F8B}.jp" where
// not.
std::string report_address(std::string_view raw, bool utf8);
std::string report_address(const OriginalRecipient& original, bool utf8);

}  // namespace hato
