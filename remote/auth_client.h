// The client's side of SMTP AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/net/smtp_reply.h"
#include "remote/connection.h"
#include "remote/smtpauth.h"

namespace hato {

// What to try, in this order, of what the server offers ("PLAIN LOGIN XOAUTH2"). To a server that is proved
// to be itself the password may be shown; to others CRAM-MD5, which does not show it, comes first. Pure.
std::vector<std::string_view> auth_mechanisms(std::string_view offered, bool server_proved);

// The answer to a challenge of CRAM-MD5, both in base64; nullopt: the challenge is no base64. Pure.
std::optional<std::string> cram_md5_answer(std::string_view challenge, const SmtpLogin& login);

// Logs in. Returns the last reply: positive, or the refusal. Nothing in it shows the password, whatever the
// server repeats. Throws ConnectionLost.
SmtpReply authenticate(Connection& connection, std::string_view mechanism, const SmtpLogin& login);

}  // namespace hato
