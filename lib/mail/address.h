// Mail addresses: the raw form of envelopes, and the form of SMTP commands (RFC 5321 4.1.2).
//
// Raw, as in qmail's envelopes: LOCAL@DOMAIN with the local part unquoted; the last @ separates. So
// "a..b"@example.jp in SMTP is a..b@example.jp raw. Empty is the null sender. Bytes above 127 are UTF-8
// (RFC 6531). A raw address never contains a control character (below 32, 127, or U+0080 to U+009F).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

// qmail-smtpd's limit for an address in a command, raw, in octets. RFC 5321 asks for 64 of local part and 255
// of domain; local parts of more are common (VERP, SRS), so only the whole and the domain are limited.
inline constexpr std::size_t max_smtp_address = 899;
// Words behind the path of one MAIL or RCPT; RFC 5321 and its extensions know fewer than 20.
inline constexpr std::size_t max_esmtp_parameters = 32;

// What stands before and behind the last @. Without an @ the domain is empty and the local part all of it.
std::string_view local_part(std::string_view address);
std::string_view domain_part(std::string_view address);

// Does it need SMTPUTF8 (RFC 6531): any byte above 127?
bool needs_smtputf8(std::string_view address);

// May `address` stand in an envelope: valid UTF-8 or ASCII and no control character.
bool is_clean_address(std::string_view address);

// The form for SMTP and for header fields: the local part in quotes where it is no dot-atom (RFC 5321
// Dot-string), with " and \ escaped. So the Japanese carriers' a..b@docomo.ne.jp goes out as
// "a..b"@docomo.ne.jp. An address without @ is quoted as a local part.
std::string quote_address(std::string_view raw);
std::string quote_local_part(std::string_view raw);

// [192.0.2.1], [IPv6:2001:db8::1]: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; nullopt when it is
// none.
std::optional<std::array<unsigned char, 16>> address_literal(std::string_view domain);

enum class PathError {
  none,
  syntax,    // no address to be found: 501 5.1.3 (recipient) or 5.1.7 (sender)
  control,   // a control character in it
  not_utf8,  // bytes above 127 that are not UTF-8
  too_long,  // more than max_smtp_address, or the domain more than max_domain
  trailing,  // rubbish behind the path that is no parameter: 501 5.5.4
};

struct Parameter {
  std::string keyword;  // upper case
  std::string value;    // empty when there was no "="
  bool has_value = false;
};

struct Path {
  PathError error = PathError::none;
  std::string address;  // raw; empty for <>; source route discarded; one dot at the domain's end dropped
  std::vector<Parameter> parameters;
  bool ok() const { return error == PathError::none; }
};

enum class Strictness {
  // As qmail-smtpd reads: `FROM: <a@b>`, `from:a@b`, `<a@b>` alone and an address without a domain pass, and
  // whatever an unquoted local part holds besides white space, quotes, brackets and commas.
  lenient,
  // RFC 5321: KEYWORD ":" "<" [route] Mailbox ">"; "Postmaster" alone for a recipient. Dots at the ends of a
  // local
  // part and double dots pass here too: Japanese carriers gave such addresses to millions.
  strict,
};

// `argument` is what follows the verb and its space: "FROM:<a@b> SIZE=3", keyword "FROM" or "TO".
Path parse_path(std::string_view argument, std::string_view keyword,
                Strictness strictness = Strictness::lenient);

// A mailbox alone, as in an argument of VRFY or ORCPT=rfc822: (no brackets, no route): raw, or nullopt.
std::optional<std::string> parse_mailbox(std::string_view text, Strictness strictness = Strictness::lenient);

// "SIZE=3 BODY=8BITMIME" in its words (RFC 5321 esmtp-param); nullopt when one is malformed or there are more
// than max_esmtp_parameters. Lenient about the spaces between them.
std::optional<std::vector<Parameter>> parse_parameters(std::string_view text);
// The parameter with this keyword (upper case), or null.
const Parameter* find_parameter(const std::vector<Parameter>& parameters, std::string_view keyword);

}  // namespace hato
