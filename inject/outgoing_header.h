// The header that a local user's message gets: addresses completed, fields added and removed
// (qmail-header(5)). Pure: everything that comes from outside stands in the rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inject/identity.h"
#include "inject/qualify.h"

namespace hato {

struct HeaderRules {
  AddressDefaults defaults;
  std::string idhost;  // for Message-ID
  Identity identity;
  InjectFlags flags;
  std::optional<std::string> sender;  // from -f, complete; nothing else then decides the envelope sender
  std::vector<std::string> followup_addresses;  // the lines of $QMAILMFTFILE
  std::int64_t now = 0;                         // seconds since 1970
  std::int64_t pid = 0;
  std::string unique;  // a word of letters and digits that makes Message-ID unique together with now and pid
};

struct OutgoingHeader {
  std::string text;                     // fields, each with LF
  std::string sender;                   // raw
  std::vector<std::string> recipients;  // of To, Cc, Bcc, Apparently-To, or, when the message is resent, of
                                        // Resent-To, Resent-Cc, Resent-Bcc; raw, in their order
  // A field that stays holds an address, with its domain, whose local part is in UTF-8: the message needs
  // SMTPUTF8 (RFC 6531 3.2). Names and texts in UTF-8 do not count: scripts have always sent those.
  bool utf8_address = false;
};

// `fields`: the header as MessageInput::read_header() gives it.
OutgoingHeader make_header(std::string_view fields, const HeaderRules& rules);

}  // namespace hato
