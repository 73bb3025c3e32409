// Every text that qmail-smtpd says to a client, in one table; control/smtpreplies may put others in their
// place.
//
// The defaults are qmail's and the providers' own where they have one (customers and scripts know them), with
// the enhanced code in parentheses as qmail writes it. After EHLO, which offers ENHANCEDSTATUSCODES, the same
// code also stands at the start of the text (RFC 2034): "553 5.7.1 sorry, that domain isn't in my list of
// allowed rcpthosts (#5.7.1)".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "smtpd/policy.h"

namespace hato::smtpd {

enum class Reply {
  ok,
  mail_ok,
  rcpt_ok,
  flushed,
  vrfy,
  help,
  go_ahead,
  chunk_ok,
  accepted,
  unknown_command,
  control_byte,
  line_ends,
  line_too_long,
  no_argument,
  helo_name,
  helo_first,
  mail_first,
  mail_twice,
  rcpt_first,
  finish_chunks,
  chunk_syntax,
  sender_syntax,
  recipient_syntax,
  not_utf8,
  needs_smtputf8,
  address_too_long,
  trailing,
  unsupported_parameter,
  bad_parameter,
  badmailfrom,
  rcpthosts,
  too_many_recipients,
  databytes,
  hops,
  stray_line_ends,
  lookup_failed,
  timeout,
  too_many_errors,
  too_many_commands,
  no_memory,
  no_controls,
  etrn_begun,
  etrn_none,
  etrn_some,
  etrn_count,
  etrn_failed,
  etrn_denied,
  etrn_syntax,
  etrn_in_mail,
  no_mailbox,
  mailbox_full,
  policy_reject,
  policy_defer,
  policy_fail,
  count  // how many there are
};

// The name of a reply in control/smtpreplies: "rcpthosts".
const char* reply_name(Reply reply);

class Replies {
 public:
  // One line of control/smtpreplies: "NAME: CODE text". False: no such name, a code of another class than the
  // default's (a refusal must stay a refusal), more than max_text bytes, or a byte that is not printable
  // ASCII.
  bool override_with(std::string_view line);
  static constexpr std::size_t max_text = 480;  // RFC 5321 4.5.3.1.5: 512 octets a reply line

  // Codes at the start of texts from now on (after EHLO) or not (before it and after HELO).
  void enhanced(bool on) { enhanced_ = on; }

  int code(Reply reply) const;
  // "553 sorry, ...\r\n"
  std::string line(Reply reply) const;
  // `detail` is put behind the words: "250 ok 1700000000 qp 77\r\n".
  std::string line(Reply reply, std::string_view detail) const;
  // What a queue program or the gate said (lib/base/queue_exit.h): "Dtext" is 554, "Ztext" 451, or the code
  // that the text begins with when it fits the letter (5xx, 4xx); its "(#x.y.z)" is the enhanced code. The
  // names queue11 to queue115 of control/smtpreplies override the texts of qmail-queue's exit codes.
  std::string line_of_queue(int exit_code, const std::string& custom) const;
  // The refusal that policy servers want. Without a text it is policy_reject's or policy_defer's, and
  // policy_fail's where they could not be asked.
  std::string line_of_policy(const PolicyOutcome& outcome) const;

 private:
  std::string_view text(Reply reply) const;
  std::string put_together(std::string_view code_and_text, std::string_view status,
                           std::string_view detail) const;

  bool override_queue(std::string_view digits, std::string_view text);

  std::map<int, std::string> own_queue_;  // by exit code
  std::vector<std::string> own_;          // by Reply; empty while nothing is overridden
  bool enhanced_ = false;
};

}  // namespace hato::smtpd
