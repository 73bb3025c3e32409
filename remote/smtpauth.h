// control/smtpauth: logins at relays, for routes with the word "auth". tlshosts(5).
//
//   NAME:USER:PASSWORD           for "auth=NAME"
//   NAME@DOMAIN:USER:PASSWORD    the same, when the envelope sender is of this domain
//   @DOMAIN:USER:PASSWORD        for "auth", when the envelope sender is of this domain
//   @:USER:PASSWORD              for "auth" and every other sender, the null sender among them
//
// USER has no colon; PASSWORD runs to the end of the line. Empty lines and lines that begin with "#" do not
// count; the first line that fits does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/secret.h"

namespace hato {

constexpr std::size_t max_smtpauth = 1U << 20;  // bytes of the file
constexpr std::size_t max_login_part = 1024;    // bytes of a user's name or a password

struct SmtpLogin {
  std::string user;
  Secret password;
};

// In the text of the file. sender: the envelope's, raw. nullopt: there is none. Throws TempError for a line
// that fits and has no user or password, or one that is too long or has control characters. Pure.
std::optional<SmtpLogin> find_smtp_login(std::string_view text, std::string_view name,
                                         std::string_view sender);

// The same in a file, which nobody but its owner may read. Throws TempError when it is missing, open to
// others, larger than max_smtpauth, or has no login that fits.
SmtpLogin read_smtp_login(const std::string& path, std::string_view name, std::string_view sender);

}  // namespace hato
