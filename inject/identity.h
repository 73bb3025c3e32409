// Who sends: names from the environment, in qmail-inject(8)'s order.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hato {

struct Identity {
  std::string user;                 // of From
  std::string host;                 // "": the default host
  std::optional<std::string> name;  // full name
  std::string sender_user;          // of the envelope sender
  std::string sender_host;          // "": the default host
};

// $QMAILUSER, $MAILUSER, $USER, $LOGNAME: the first that is set; when none is, the address that the gate
// knows for the caller's uid; else "anonymous". $QMAILHOST, $MAILHOST. $QMAILNAME, $MAILNAME, $NAME.
// $QMAILSUSER, $QMAILSHOST.
// Throws PermError when one of them holds a line end: it would begin a field of the caller's choice.
Identity identity_from_environment(std::string_view address_of_uid);
// Is one of the four set, so that the address of the uid is not needed?
bool environment_names_user();

// The letters of $QMAILINJECT.
struct InjectFlags {
  bool name_in_comment = false;     // c
  bool ignore_return_path = false;  // s
  bool delete_from = false;         // f
  bool delete_message_id = false;   // i
  bool verp_per_recipient = false;  // r
  bool verp_per_message = false;    // m
};
InjectFlags inject_flags(std::string_view letters);  // others are ignored, as in qmail

}  // namespace hato
