#include "inject/injection.h"

#include <unistd.h>

#include <set>

#include "inject/message_input.h"
#include "inject/outgoing_header.h"
#include "lib/base/clock.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/trace.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/net/submit.h"
#include "lib/store/control.h"

namespace hato {

namespace {

// The names that complete addresses: the environment's, else the gate's, else (without a gate) the control
// files'.
struct Names {
  AddressDefaults defaults;
  std::string idhost;
};

Names names_for(const Admission* admission) {
  const auto choose = [&](const char* variable, const char* file, const std::string* admitted) {
    if (auto value = env(variable)) return *value;
    if (admitted && !admitted->empty()) return *admitted;
    return Control().line_or_me(file, file);
  };
  Names names;
  names.defaults.host =
      choose("QMAILDEFAULTHOST", "defaulthost", admission ? &admission->defaulthost : nullptr);
  names.defaults.domain =
      choose("QMAILDEFAULTDOMAIN", "defaultdomain", admission ? &admission->defaultdomain : nullptr);
  names.defaults.plus_domain =
      choose("QMAILPLUSDOMAIN", "plusdomain", admission ? &admission->plusdomain : nullptr);
  names.idhost = choose("QMAILIDHOST", "idhost", admission ? &admission->idhost : nullptr);
  return names;
}

void check_clean(const std::string& text, const char* what) {
  if (!is_clean_address(text))
    throw PermError(std::string(what) + " \"" + log_safe(text, 200) +
                    "\" holds a control character or is not UTF-8; nothing was sent");
}

HeaderRules rules_for(const Injection& injection, const Admission* admission) {
  HeaderRules rules;
  const Names names = names_for(admission);
  rules.defaults = names.defaults;
  rules.idhost = names.idhost;
  rules.identity = identity_from_environment(admission ? admission->default_sender : "");
  rules.flags = inject_flags(env_or("QMAILINJECT", ""));
  if (injection.sender) {
    rules.sender = qualified(*injection.sender, rules.defaults);
    if (injection.from_is_sender && !injection.sender->empty()) {
      rules.identity.user = local_part(*injection.sender);
      rules.identity.host = domain_part(*injection.sender);
      rules.identity.name.reset();
    }
  }
  if (injection.name) rules.identity.name = injection.name;
  if (const auto file = env("QMAILMFTFILE")) {
    // One address a line, as in a control file.
    const auto text = read_file(*file, control_limit);
    for (std::string_view rest = text ? std::string_view(*text) : ""; !rest.empty();) {
      const std::size_t lf = rest.find('\n');
      std::string_view line = rest.substr(0, lf);
      while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
      if (!line.empty() && line.front() != '#') rules.followup_addresses.emplace_back(line);
      rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
    }
  }
  rules.now = now_seconds();
  rules.pid = getpid();
  rules.unique = new_trace_id();
  for (const std::string* text : {&rules.defaults.host, &rules.defaults.domain, &rules.defaults.plus_domain,
                                  &rules.idhost, &rules.identity.user, &rules.identity.host})
    check_clean(*text, "the name");
  return rules;
}

// Every recipient once, complete, in the order given.
std::vector<std::string> recipients_of(const Injection& injection, const OutgoingHeader& header,
                                       const AddressDefaults& defaults) {
  std::vector<std::string> all;
  std::set<std::string> known;
  const auto add = [&](const std::string& raw) {
    if (raw.empty()) throw PermError("a recipient address is empty");
    check_clean(raw, "the recipient address");
    if (known.insert(raw).second) all.push_back(raw);
  };
  if (injection.from_arguments)
    for (const std::string& recipient : injection.recipients) add(qualified(recipient, defaults));
  if (injection.from_header)
    for (const std::string& recipient : header.recipients) add(recipient);
  if (all.empty())
    throw PermError(injection.from_header ? "no recipient address found in the message's header"
                                          : "no recipients: name them as arguments");
  return all;
}

void print(const OutgoingHeader& header, MessageInput& input) {
  write_all(1, "Return-Path: <" + quote_address(header.sender) + ">\n" + header.text, "standard output");
  for (auto piece = input.next_piece(); !piece.empty(); piece = input.next_piece())
    write_all(1, piece, "standard output");
}

// RFC 6531 for what cannot be said without it. A domain of a U-label alone can: qmail-remote has its A-label.
bool needs_utf8_session(const std::string& address) {
  const std::string_view domain = domain_part(address);
  return needs_smtputf8(local_part(address)) || (needs_smtputf8(domain) && !to_ascii_domain(domain));
}

std::string message_params(const Injection& injection, const OutgoingHeader& header,
                           const std::vector<std::string>& recipients) {
  bool utf8 = header.utf8_address || needs_utf8_session(header.sender);
  for (const std::string& recipient : recipients) utf8 |= needs_utf8_session(recipient);
  std::string words;
  for (const std::string& word : {injection.body.empty() ? "" : "BODY=" + injection.body,
                                  std::string(utf8 ? "SMTPUTF8" : ""), dsn_words(injection.dsn)})
    if (!word.empty()) words += (words.empty() ? "" : " ") + word;
  return words;
}

// With NOTIFY goes the address as it was written here, so that a notice names what the sender knows.
std::string recipient_params(const Injection& injection, const std::string& recipient) {
  if (!injection.notify.said) return "";
  RecipientDsn dsn{injection.notify, {}};
  dsn.original = {needs_smtputf8(recipient) ? "utf-8" : "rfc822", quote_address(recipient)};
  return dsn_words(dsn);
}

}  // namespace

void inject(const Injection& injection) {
  MessageInput input(0, injection.prefix);
  const std::string fields = input.read_header();
  if (injection.print) {
    print(make_header(fields, rules_for(injection, nullptr)), input);
    return;
  }
  input.read_ahead();

  Submission submission;
  GateOrigin origin = local_origin();
  origin.asks_sender = !injection.sender && !environment_names_user();
  check_queued(submission.open(origin));

  const HeaderRules rules = rules_for(injection, submission.admission());
  const OutgoingHeader header = make_header(fields, rules);
  const std::vector<std::string> recipients = recipients_of(injection, header, rules.defaults);
  check_clean(header.sender, "the sender address");

  submission.message(header.text);
  for (auto piece = input.next_piece(); !piece.empty() && !submission.refused(); piece = input.next_piece())
    submission.message(piece);
  submission.sender(header.sender, message_params(injection, header, recipients));
  for (const std::string& recipient : recipients)
    submission.recipient(recipient, recipient_params(injection, recipient));
  check_queued(submission.commit());
}

std::vector<std::string> recipients_of(const Injection& injection) {
  const HeaderRules rules = rules_for(injection, nullptr);
  OutgoingHeader header;
  if (injection.from_header) header = make_header(MessageInput(0).read_header(), rules);
  return recipients_of(injection, header, rules.defaults);
}

}  // namespace hato
