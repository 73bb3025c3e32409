// The command line of sendmail(8): what sendmail 8, Postfix, Exim and qmail's own wrapper take, in one table.
// Options and recipients may be mixed; "--" ends the options. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/mail/address.h"
#include "lib/mail/dsn.h"

namespace hato {

enum class SendmailMode {
  deliver,  // -bm, the default
  smtp,     // -bs: an SMTP session on the standard input and output
  queue,    // -bp, or the name mailq
  verify,   // -bv: where the recipients' mail would go
  flush,    // -qRHOST: what waits for a host is tried now
  nothing,  // -bi, -I, any other -q, or the name newaliases: there is nothing to do
};

struct SendmailCommand {
  SendmailMode mode = SendmailMode::deliver;
  bool recipients_from_header = false;  // -t
  std::optional<std::string> sender;    // -f, -r: raw
  std::optional<std::string> name;      // -F
  std::vector<std::string> recipients;  // raw, perhaps incomplete
  std::string flush_host;               // -qR
  std::string body;                     // -B: "7BIT", "8BITMIME", or "": not said
  Notify notify;                        // -N
  MessageDsn dsn;                       // -R, -V
};

// name: argv[0]'s last part. Throws PermError with a sentence for an option that no sendmail has, that lacks
// its value, or that cannot be honoured.
SendmailCommand parse_sendmail(const std::string& name, const std::vector<std::string>& arguments);

}  // namespace hato
