// How a host is to be spoken to: the words behind a route of control/smtproutes and on a line of
// control/tlshosts. tlshosts(5). Pure.
//
//   none              never TLS
//   may               TLS where it is offered; clear text where it is not or where it fails (the default)
//   starttls          TLS, or no mail
//   tls               TLS from the first byte (port 465), or no mail; goes with starttls and verify
//   verify            TLS with a certificate of a trusted authority for the host's name, or no mail
//   verify=NAME,…     the same, for one of these names; .NAME: for the host's own, when it lies below NAME
//   auth=LOGIN        log in with a login of control/smtpauth; TLS, or no mail
//   auth              the same, with the sender's domain's own login
//   auth-in-clear     log in even without TLS
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

enum class TlsLevel { none, may, encrypt, verify };

struct TlsWords {
  std::optional<TlsLevel> level;    // nullopt: no word about it
  bool on_connect = false;          // "tls"
  std::vector<std::string> names;   // of "verify=", as they stand
  std::optional<std::string> auth;  // the login's name; empty: by the sender's domain alone
  bool auth_in_clear = false;
  std::string problem;  // not empty: why these words cannot be followed

  friend bool operator==(const TlsWords&, const TlsWords&) = default;
};

// A word that is not known is a problem: mail must not go out as if it were not there. So are words that
// contradict one another.
TlsWords parse_tls_words(const std::vector<std::string>& words);

// Text split at blanks and tabs.

}  // namespace hato
