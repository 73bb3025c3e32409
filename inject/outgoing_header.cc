#include "inject/outgoing_header.h"

#include <array>
#include <cstdio>

#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "lib/mail/domain.h"
#include "lib/mail/encoded_word.h"
#include "lib/mail/header.h"
#include "lib/mail/header_addresses.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

enum Known : std::size_t {
  to,
  cc,
  bcc,
  apparently_to,
  resent_to,
  resent_cc,
  resent_bcc,
  return_path,
  sender_field,
  from,
  reply_to,
  return_receipt_to,
  errors_to,
  resent_sender,
  resent_from,
  resent_reply_to,
  resent_date,
  resent_message_id,
  date,
  message_id,
  mail_followup_to,
  content_length,
  known_count,
  unknown = known_count
};

constexpr std::array<std::string_view, known_count> known_names = {"To",
                                                                   "Cc",
                                                                   "Bcc",
                                                                   "Apparently-To",
                                                                   "Resent-To",
                                                                   "Resent-Cc",
                                                                   "Resent-Bcc",
                                                                   "Return-Path",
                                                                   "Sender",
                                                                   "From",
                                                                   "Reply-To",
                                                                   "Return-Receipt-To",
                                                                   "Errors-To",
                                                                   "Resent-Sender",
                                                                   "Resent-From",
                                                                   "Resent-Reply-To",
                                                                   "Resent-Date",
                                                                   "Resent-Message-ID",
                                                                   "Date",
                                                                   "Message-ID",
                                                                   "Mail-Followup-To",
                                                                   "Content-Length"};

Known known_field(const HeaderField& field) {
  for (std::size_t i = 0; i < known_count; ++i)
    if (field.is(known_names[i])) return static_cast<Known>(i);
  return unknown;
}

constexpr std::string_view hidden_recipients = "recipient list not shown: ;";

class HeaderMaker {
 public:
  explicit HeaderMaker(const HeaderRules& rules) : rules_(rules) { made_.sender = rules.sender.value_or(""); }

  OutgoingHeader make(std::string_view fields) {
    for (HeaderFields all(fields); auto field = all.next();) take(*field);
    const bool resent = is_resent();
    if (!have_sender()) made_.sender = default_sender();
    add_missing(resent);
    made_.text += kept_;
    made_.recipients = std::move(resent ? resent_recipients_ : recipients_);
    return std::move(made_);
  }

 private:
  bool have_sender() const { return rules_.sender || return_path_seen_; }

  void take(const HeaderField& field) {
    const Known known = known_field(field);
    if (known == unknown) {
      keep(field.all);
      return;
    }
    if (known == from && rules_.flags.delete_from) return;
    if (known == message_id && rules_.flags.delete_message_id) return;
    if (known == return_path) {
      if (!rules_.flags.ignore_return_path) take_return_path(field);
      return;
    }
    seen_[known] = true;
    const bool removed = known == bcc || known == resent_bcc || known == content_length;
    std::string body(field.body);
    if (known <= resent_reply_to) {
      if (const auto addresses = parse_address_list(field.body)) {
        collect(known, *addresses);
        for (const HeaderAddress& address : *addresses)
          made_.utf8_address |=
              !removed && !address.domain.empty() && !is_ascii(address.local) && is_utf8(address.local);
        body = rewrite_address_list(field.body, *addresses, [this](const HeaderAddress& address) {
          return qualified(address.local, address.domain, rules_.defaults);
        });
      }
    }
    if (removed) return;
    if (body == field.body)
      keep(field.all);
    else
      keep(std::string(field.name) + ":" + body + "\n");
  }

  void keep(std::string_view field) {
    kept_ += field;
    if (!field.ends_with('\n')) kept_ += '\n';
  }

  void take_return_path(const HeaderField& field) {
    const auto addresses = parse_address_list(field.body);
    if (!addresses || addresses->empty() || have_sender()) return;
    return_path_seen_ = true;
    const HeaderAddress& address = addresses->front();
    made_.sender = qualified(address.local, address.domain, rules_.defaults);
    if (rules_.flags.verp_per_recipient && !made_.sender.empty()) made_.sender += "-@[]";
  }

  void collect(Known known, const std::vector<HeaderAddress>& addresses) {
    if (known > resent_bcc) return;
    for (const HeaderAddress& address : addresses) {
      const std::string raw = qualified(address.local, address.domain, rules_.defaults);
      if (raw.empty()) continue;
      (known >= resent_to ? resent_recipients_ : recipients_).push_back(raw);
      if (known == to || known == cc) shown_.push_back(raw);
    }
  }

  bool is_resent() const {
    for (const Known known : {resent_sender, resent_from, resent_reply_to, resent_to, resent_cc, resent_bcc,
                              resent_date, resent_message_id})
      if (seen_[known]) return true;
    return false;
  }

  std::string default_sender() const {
    std::string user = rules_.identity.sender_user;
    if (rules_.flags.verp_per_message)
      user += "-" + std::to_string(rules_.now) + "." + std::to_string(rules_.pid);
    if (rules_.flags.verp_per_recipient) user += "-";
    std::string address = qualified(user, rules_.identity.sender_host, rules_.defaults);
    if (rules_.flags.verp_per_recipient) address += "-@[]";
    return address;
  }

  std::string default_from() const {
    const Identity& who = rules_.identity;
    std::string address = quote_address(qualified(who.user, who.host, rules_.defaults));
    if (!who.name) return address;
    if (rules_.flags.name_in_comment) return address + " (" + comment_text(*who.name) + ")";
    return display_name(*who.name) + " <" + address + ">";
  }

  std::string new_message_id() const {
    const CivilTime t = civil_time(rules_.now);
    char stamp[32];
    std::snprintf(stamp, sizeof stamp, "%04d%02d%02d%02d%02d%02d", t.year, t.month, t.day, t.hour, t.minute,
                  t.second);
    return "<" + std::string(stamp) + "." + std::to_string(rules_.pid) + "." + rules_.unique + ".qmail@" +
           rules_.idhost + ">";
  }

  void add(std::string_view prefix, std::string_view name, std::string_view body) {
    made_.text.append(prefix).append(name).append(": ").append(body).append("\n");
  }

  void add_missing(bool resent) {
    const std::string_view prefix = resent ? "Resent-" : "";
    if (!seen_[resent ? resent_date : date]) add(prefix, "Date", qmail_date(rules_.now));
    if (!seen_[resent ? resent_message_id : message_id]) add(prefix, "Message-ID", new_message_id());
    if (!seen_[resent ? resent_from : from]) add(prefix, "From", default_from());
    if (!seen_[resent ? resent_to : to] && !seen_[resent ? resent_cc : cc])
      add(prefix, "Cc", hidden_recipients);
    if (!resent) add_followup();
  }

  // Mail-Followup-To, when a mailing list of $QMAILMFTFILE is among the recipients (qmail-inject's
  // QMAILMFTFILE).
  void add_followup() {
    if (seen_[mail_followup_to]) return;
    bool listed = false;
    for (const std::string& address : shown_)
      for (const std::string& list : rules_.followup_addresses) listed |= equal_ignoring_case(address, list);
    if (!listed) return;
    std::string body;
    for (const std::string& address : shown_) body += (body.empty() ? "" : ",\n  ") + quote_address(address);
    add("", "Mail-Followup-To", body);
  }

  const HeaderRules& rules_;
  OutgoingHeader made_;
  std::string kept_;
  std::array<bool, known_count> seen_{};
  bool return_path_seen_ = false;
  std::vector<std::string> recipients_, resent_recipients_, shown_;
};

}  // namespace

OutgoingHeader make_header(std::string_view fields, const HeaderRules& rules) {
  return HeaderMaker(rules).make(fields);
}

}  // namespace hato
