#include "inject/identity.h"

#include <initializer_list>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/mail/address.h"

namespace hato {

namespace {

std::optional<std::string> first_of(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto value = env(name)) {
      if (value->find_first_of("\r\n") != std::string::npos)
        throw PermError(std::string("$") + name + " holds a line end; nothing was sent");
      return value;
    }
  return std::nullopt;
}

std::optional<std::string> user_of_environment() {
  return first_of({"QMAILUSER", "MAILUSER", "USER", "LOGNAME"});
}

}  // namespace

Identity identity_from_environment(std::string_view address_of_uid) {
  Identity identity;
  identity.host = first_of({"QMAILHOST", "MAILHOST"}).value_or("");
  if (auto user = user_of_environment()) {
    identity.user = *user;
  } else if (!address_of_uid.empty()) {
    identity.user = local_part(address_of_uid);
    if (identity.host.empty()) identity.host = domain_part(address_of_uid);
  } else {
    identity.user = "anonymous";
  }
  identity.name = first_of({"QMAILNAME", "MAILNAME", "NAME"});
  identity.sender_user = first_of({"QMAILSUSER"}).value_or(identity.user);
  identity.sender_host = first_of({"QMAILSHOST"}).value_or(identity.host);
  return identity;
}

bool environment_names_user() {
  return user_of_environment().has_value();
}

InjectFlags inject_flags(std::string_view letters) {
  InjectFlags flags;
  for (const char c : letters) switch (c) {
      case 'c':
        flags.name_in_comment = true;
        break;
      case 's':
        flags.ignore_return_path = true;
        break;
      case 'f':
        flags.delete_from = true;
        break;
      case 'i':
        flags.delete_message_id = true;
        break;
      case 'r':
        flags.verp_per_recipient = true;
        break;
      case 'm':
        flags.verp_per_message = true;
        break;
      default:
        break;
    }
  return flags;
}

}  // namespace hato
