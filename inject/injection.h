// What qmail-inject and sendmail have in common: a message from the standard input gets its header put right
// and goes into the queue, in this process, through the gate (or $QMAILQUEUE).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/mail/dsn.h"

namespace hato {

struct Injection {
  // Where the recipients come from (qmail-inject's -a, -h, -H; -A is one of the first two).
  bool from_arguments = true;
  bool from_header = false;
  std::vector<std::string> recipients;  // raw addresses, perhaps incomplete; used when from_arguments
  std::optional<std::string> sender;    // raw, perhaps incomplete; "" is the null sender
  std::optional<std::string> name;      // the full name, in the place of $QMAILNAME and the others
  // sendmail -f: From, when it is missing, is made of the sender, and the environment's names are not used.
  bool from_is_sender = false;
  std::string body;    // ESMTP's BODY (7BIT, 8BITMIME), "": not said
  MessageDsn dsn;      // what the sender wants to hear of it (RFC 3461), and
  Notify notify;       // of each recipient
  std::string prefix;  // lines that come before the input (mailsubj), with LF line ends
  bool print = false;  // qmail-inject -n: the message to the standard output, nothing into the queue
};

// Reads fd 0. Throws PermError when there is no recipient, an address holds a control character or is no
// UTF-8, or the queue refuses; TempError when it is to be tried again.
void inject(const Injection& injection);

// Its recipients, complete, each once, in the order given. Nothing is sent; fd 0 is read only for recipients
// of the header. The names that complete them are the control files'. Throws as inject() does.
std::vector<std::string> recipients_of(const Injection& injection);

}  // namespace hato
