#include "smtpd/reply.h"

#include <algorithm>

#include "lib/base/queue_exit.h"

namespace hato::smtpd {

namespace {

struct Row {
  Reply reply;
  const char* name;
  const char* text;
  const char* status;  // RFC 3463; for texts that do not say it themselves
  // Sent as it stands also after EHLO: the providers' scripts know the whole line. Its code is at its end.
  bool verbatim = false;
};

constexpr Row table[] = {
    {Reply::ok, "ok", "250 ok", "2.0.0"},
    {Reply::mail_ok, "mailok", "250 ok", "2.1.0"},
    {Reply::rcpt_ok, "rcptok", "250 ok", "2.1.5"},
    {Reply::flushed, "flushed", "250 flushed", "2.0.0"},
    {Reply::vrfy, "vrfy", "252 send some mail, i'll try my best", "2.5.0"},
    {Reply::help, "help", "214 HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; see qmail-smtpd(8)",
     "2.0.0"},
    {Reply::go_ahead, "goahead", "354 go ahead", ""},
    {Reply::chunk_ok, "chunkok", "250 ok, octets received:", "2.0.0"},
    {Reply::accepted, "accepted", "250 ok", "2.0.0"},
    {Reply::unknown_command, "unimpl", "502 unimplemented (#5.5.1)", "5.5.1"},
    {Reply::control_byte, "controlbyte",
     "500 that command has a control character in it; send plain text (#5.5.2)", "5.5.2"},
    {Reply::line_ends, "lineends",
     "500 that command line has a CR or LF alone; end each line with CR and LF together (#5.5.2)", "5.5.2"},
    {Reply::line_too_long, "linetoolong", "500 that command line is too long for me; shorten it (#5.5.2)",
     "5.5.2"},
    {Reply::no_argument, "noargument", "501 this command stands alone; send it without an argument (#5.5.4)",
     "5.5.4"},
    {Reply::helo_name, "heloname", "501 say the name of your host after HELO or EHLO (#5.5.4)", "5.5.4"},
    {Reply::helo_first, "helofirst", "503 HELO or EHLO first (#5.5.1)", "5.5.1"},
    {Reply::mail_first, "mailfirst", "503 MAIL first (#5.5.1)", "5.5.1"},
    {Reply::mail_twice, "mailtwice", "503 a message is begun already; finish it or say RSET (#5.5.1)",
     "5.5.1"},
    {Reply::rcpt_first, "rcptfirst", "503 RCPT first (#5.5.1)", "5.5.1"},
    {Reply::finish_chunks, "finishchunks", "503 finish the message with BDAT and LAST, or say RSET (#5.5.1)",
     "5.5.1"},
    {Reply::chunk_syntax, "chunksyntax",
     "501 write BDAT, the number of octets, and LAST with the last (#5.5.4)", "5.5.4"},
    {Reply::sender_syntax, "sendersyntax", "501 that is no sender; write MAIL FROM:<user@domain> (#5.1.7)",
     "5.1.7"},
    {Reply::recipient_syntax, "rcptsyntax", "501 that is no recipient; write RCPT TO:<user@domain> (#5.1.3)",
     "5.1.3"},
    {Reply::not_utf8, "notutf8", "553 that address is neither ASCII nor UTF-8 (#5.6.7)", "5.6.7"},
    {Reply::needs_smtputf8, "needssmtputf8", "553 that address needs SMTPUTF8 at the end of MAIL (#5.6.7)",
     "5.6.7"},
    {Reply::address_too_long, "addresstoolong", "501 that address is too long for me; shorten it (#5.1.3)",
     "5.1.3"},
    {Reply::trailing, "trailing", "501 there is something wrong behind the address (#5.5.4)", "5.5.4"},
    {Reply::unsupported_parameter, "parameter",
     "555 i do not know that parameter; use only what EHLO offers (#5.5.4)", "5.5.4"},
    {Reply::bad_parameter, "badparameter",
     "501 that parameter cannot have that value, or stands twice (#5.5.4)", "5.5.4"},
    {Reply::badmailfrom, "badmailfrom", "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)",
     "5.7.1"},
    {Reply::rcpthosts, "rcpthosts", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
     "5.7.1", true},
    {Reply::too_many_recipients, "toomanyrcpts",
     "452 that is all the recipients i take for one message; send to the rest again (#4.5.3)", "4.5.3"},
    {Reply::databytes, "databytes", "552 sorry, that message size exceeds my databytes limit (#5.3.4)",
     "5.3.4", true},
    {Reply::hops, "hops", "554 too many hops, this message is looping (#5.4.6)", "5.4.6"},
    {Reply::stray_line_ends, "strayends",
     "554 this message has a CR or LF alone; end each line with CR and LF together (#5.6.0)", "5.6.0"},
    {Reply::lookup_failed, "lookupfailed",
     "451 i cannot check that address just now, please try again later (#4.3.0)", "4.3.0"},
    {Reply::timeout, "timeout", "421 timeout, please connect again (#4.4.2)", "4.4.2"},
    {Reply::too_many_errors, "toomanyerrors",
     "421 too many errors, please correct your commands and connect again (#4.7.0)", "4.7.0"},
    {Reply::too_many_commands, "toomanycommands", "421 too many commands without a message, goodbye (#4.7.0)",
     "4.7.0"},
    {Reply::no_memory, "nomemory", "421 out of memory, please try again later (#4.3.0)", "4.3.0"},
    {Reply::no_controls, "nocontrols", "421 unable to read controls, please try again later (#4.3.0)",
     "4.3.0"},
    {Reply::etrn_begun, "etrnbegun", "250 ok, looking for messages for that node", "2.0.0"},
    {Reply::etrn_none, "etrnnone", "251 ok, no messages waiting for that node", "2.0.0"},
    {Reply::etrn_some, "etrnsome", "252 ok, pending messages for that node started", "2.0.0"},
    {Reply::etrn_count, "etrncount", "253 ok, pending messages for that node started:", "2.0.0"},
    {Reply::etrn_failed, "etrnfailed",
     "458 unable to queue messages for that node now, please try again later (#4.3.0)", "4.3.0"},
    {Reply::etrn_denied, "etrndenied", "459 that node is not yours to ask for here (#4.7.1)", "4.7.1"},
    {Reply::etrn_syntax, "etrnsyntax", "501 write ETRN and a domain, or @ and a domain (#5.5.4)", "5.5.4"},
    {Reply::etrn_in_mail, "etrninmail", "503 finish the message first, or say RSET (#5.5.1)", "5.5.1"},
    {Reply::no_mailbox, "nomailbox", "550 sorry, no mailbox here by that name (#5.1.1)", "5.1.1"},
    {Reply::mailbox_full, "mailboxfull", "452 sorry, mailbox is full (#4.5.2)", "4.5.2", true},
    {Reply::policy_reject, "policyreject", "554 sorry, that is against my policy (#5.7.1)", "5.7.1"},
    {Reply::policy_defer, "policydefer", "450 not now by my policy, please try again later (#4.7.1)",
     "4.7.1"},
    {Reply::policy_fail, "policyfail",
     "451 i cannot check my policy just now, please try again later (#4.3.0)", "4.3.0"},
};

constexpr bool table_is_in_order() {
  std::size_t i = 0;
  for (const Row& row : table)
    if (static_cast<std::size_t>(row.reply) != i++) return false;
  return i == static_cast<std::size_t>(Reply::count);
}
static_assert(table_is_in_order());

const Row& row_of(Reply reply) {
  return table[static_cast<std::size_t>(reply)];
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "(#5.7.1)" somewhere in the text, of the class that the code has; empty: none.
std::string_view status_in(std::string_view code_and_text) {
  const std::size_t open = code_and_text.rfind("(#");
  if (open == std::string_view::npos) return {};
  const std::size_t close = code_and_text.find(')', open);
  if (close == std::string_view::npos) return {};
  const std::string_view status = code_and_text.substr(open + 2, close - open - 2);
  const bool fits = status.size() >= 5 && status.size() <= 9 && status[0] == code_and_text[0] &&
                    std::count(status.begin(), status.end(), '.') == 2 && is_digit(status.back()) &&
                    status.find("..") == std::string_view::npos && status[1] == '.' &&
                    std::all_of(status.begin(), status.end(), [](char c) { return is_digit(c) || c == '.'; });
  return fits ? status : std::string_view();
}

bool begins_with_code(std::string_view text) {
  return text.size() > 4 && text[0] >= '2' && text[0] <= '5' && is_digit(text[1]) && is_digit(text[2]) &&
         text[3] == ' ';
}

bool is_printable(char c) {
  return c >= 32 && c < 127;
}

void make_printable(std::string& text) {
  for (char& c : text)
    if (!is_printable(c)) c = '?';
}

// The row of one of our own texts, which somebody else (the gate, qmail-rcptd) says in its place.
const Row* row_with(std::string_view text) {
  for (const Row& row : table)
    if (text == row.text) return &row;
  return nullptr;
}

}  // namespace

const char* reply_name(Reply reply) {
  return row_of(reply).name;
}

bool Replies::override_with(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  std::string_view text = line.substr(colon + 1);
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  if (!begins_with_code(text) || text.size() > max_text) return false;
  if (!std::all_of(text.begin(), text.end(), is_printable)) return false;
  if (name.starts_with("queue") && name.find_first_not_of("0123456789", 5) == std::string_view::npos)
    return override_queue(name.substr(5), text);
  for (const Row& row : table) {
    if (name != row.name) continue;
    if (row.text[0] != text[0]) return false;
    own_.resize(static_cast<std::size_t>(Reply::count));
    own_[static_cast<std::size_t>(row.reply)] = text;
    return true;
  }
  return false;
}

std::string_view Replies::text(Reply reply) const {
  const std::size_t n = static_cast<std::size_t>(reply);
  return own_.empty() || own_[n].empty() ? std::string_view(row_of(reply).text) : std::string_view(own_[n]);
}

int Replies::code(Reply reply) const {
  const std::string_view t = text(reply);
  return (t[0] - '0') * 100 + (t[1] - '0') * 10 + (t[2] - '0');
}

std::string Replies::put_together(std::string_view code_and_text, std::string_view status,
                                  std::string_view detail) const {
  const std::string_view own = status_in(code_and_text);
  std::string line(code_and_text.substr(0, 4));
  if (enhanced_ && !status.empty()) line.append(own.empty() ? status : own) += ' ';
  line += code_and_text.substr(4);
  if (!detail.empty()) (line += ' ') += detail;
  return line += "\r\n";
}

std::string Replies::line(Reply reply) const {
  return line(reply, {});
}

std::string Replies::line(Reply reply, std::string_view detail) const {
  const Row& row = row_of(reply);
  return put_together(text(reply), row.verbatim ? "" : row.status, detail);
}

bool Replies::override_queue(std::string_view digits, std::string_view text) {
  if (digits.empty() || digits.size() > 3) return false;
  int code = 0;
  for (const char c : digits) code = code * 10 + (c - '0');
  const std::string standard = queue_exit_text(code);
  if (standard.empty() || (standard[0] == 'D') != (text[0] == '5') ||
      (standard[0] == 'Z') != (text[0] == '4'))
    return false;
  own_queue_[code] = text;
  return true;
}

std::string Replies::line_of_queue(int exit_code, const std::string& custom) const {
  const std::string report = queue_exit_text(exit_code, custom);
  const bool permanent = !report.empty() && report[0] == 'D';
  if (const auto own = own_queue_.find(exit_code); own != own_queue_.end() && custom.empty())
    return put_together(own->second, permanent ? "5.3.0" : "4.3.0", {});
  std::string text = report.substr(std::min<std::size_t>(report.size(), 1), max_text);
  make_printable(text);
  if (!begins_with_code(text) || text[0] != (permanent ? '5' : '4'))
    text.insert(0, permanent ? "554 " : "451 ");
  if (const Row* row = row_with(text)) return line(row->reply);
  return put_together(text, permanent ? "5.3.0" : "4.3.0", {});
}

std::string Replies::line_of_policy(const PolicyOutcome& outcome) const {
  if (outcome.cannot_ask) return line(Reply::policy_fail);
  const std::string code = std::to_string(outcome.code) + " ";
  if (outcome.text.empty()) {
    const Row& row = row_of(outcome.code < 500 ? Reply::policy_defer : Reply::policy_reject);
    const std::string_view usual = text(row.reply);
    if (outcome.status == row.status && usual.starts_with(code)) return line(row.reply);
    return put_together(
        code + std::string(usual.substr(4, usual.rfind("(#") - 4)) + "(#" + outcome.status + ")",
        outcome.status, {});
  }
  std::string own = code + outcome.text.substr(0, max_text);
  make_printable(own);
  if (const Row* row = row_with(own)) return line(row->reply);
  if (status_in(own).empty()) own += " (#" + outcome.status + ")";
  return put_together(own, outcome.status, {});
}

}  // namespace hato::smtpd
