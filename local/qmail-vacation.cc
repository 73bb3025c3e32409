// qmail-vacation [-d days] [-s subject] [-f from] [-u until] [--] text: answers a delivered message by an
// automatic reply, where RFC 3834 lets it. man qmail-vacation.
//
// Whatever is wrong with the reply, the mail it answers goes its way: exit 0, and a word in the log. Only
// wrong arguments defer it, so that somebody sees to them.
#include <sys/stat.h>

#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/trace.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/mail/header.h"
#include "lib/mail/vacation.h"
#include "lib/net/submit.h"
#include "lib/store/control.h"
#include "lib/store/reply_record.h"
#include "lib/store/routing.h"

using namespace hato;

namespace {

constexpr std::size_t header_limit = 1U << 20;  // bytes; a message with a longer header gets no reply
constexpr std::int64_t day_seconds = 86400;

void say(const std::string& text) {
  log_line(2, "qmail-vacation: " + text);
}

Vacation settings(int argc, char** argv) {
  try {
    return parse_vacation_words(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const PermError& e) {
    throw TempError(e.text() +
                    "; usage: qmail-vacation [-d days] [-s subject] [-f from] [-u until] [--] text");
  }
}

std::string required(const char* name) {
  const std::optional<std::string> value = env(name);
  if (!value) throw TempError(std::string(name) + " not set; this program is for dot-qmail(5) files");
  return *value;
}

// The header of the message on descriptor 0; nullopt: it is too long.
std::optional<std::string> message_header() {
  Reader reader(0, "message", 0, 65536);
  std::string header, line;
  for (;;) {
    switch (reader.read_line(line, header_limit)) {
      case Reader::Line::eof:
        return header;
      case Reader::Line::too_long:
        return std::nullopt;
      case Reader::Line::complete:
      case Reader::Line::partial:
        break;
    }
    if (line.empty() || line == "\r") return header;
    if (header.size() + line.size() > header_limit) return std::nullopt;
    header += line + "\n";
  }
}

// An address in the header is the recipient when mail for it comes here: by a virtual or account's domain,
// too, which puts the account's name in front.
class Recipient {
 public:
  explicit Recipient(std::string recipient) : recipient_(std::move(recipient)) {
    try {
      router_ = read_router(Control());
    } catch (const Error& e) {
      say(e.text());
    }
  }
  bool is(const std::string& address) const {
    if (same(address)) return true;
    if (!router_) return false;
    const Route route = router_->route(address);
    return route.channel == Channel::local && same(route.recipient);
  }

 private:
  bool same(std::string_view address) const {
    return equal_ignoring_case(local_part(address), local_part(recipient_)) &&
           same_domain(domain_part(address), domain_part(recipient_));
  }
  std::string recipient_;
  std::optional<Router> router_;
};

GateResult send(const std::string& reply, const std::string& from, const std::string& to) {
  Submission submission;
  GateOrigin origin;
  origin.kind = Kind::forward;
  if (GateResult result = submission.open(origin); !result.ok()) return result;
  submission.message(reply);
  submission.sender("", needs_smtputf8(to) || needs_smtputf8(from) ? "SMTPUTF8" : "");
  submission.recipient(to);
  return submission.commit();
}

void answer(const Vacation& vacation) {
  const std::int64_t now = now_seconds();
  if (!vacation_is_on(vacation, now)) return;
  const std::string sender = required("SENDER"), home = required("HOME");
  const Recipient recipient(required("RECIPIENT"));
  const std::optional<std::string> header = message_header();
  if (!header) return say("no reply: the message's header is too long");
  const std::string named =
      named_recipient(*header, [&](const std::string& address) { return recipient.is(address); });
  const VacationMessage message{*header, sender, named};
  if (const std::optional<std::string> reason = no_reply_reason(message)) return say("no reply: " + *reason);

  ReplyRecord record(home + "/" + reply_record_name);
  // Another text is another reply.
  const std::string key =
      to_lower_ascii(named) + '\0' + to_lower_ascii(sender) + '\0' + vacation.subject + '\0' + vacation.text;
  if (!record.claim(key, now, vacation.days * day_seconds))
    return say("no reply: its sender has had one in the last " + std::to_string(vacation.days) + " days");
  const std::string id = new_trace_id() + ".vacation@" + Control().line_or_me("idhost", "idhost");
  const GateResult result = send(vacation_reply(vacation, message, id, now), named, sender);
  if (result.ok()) return say("replied: qp " + std::to_string(result.qp));
  const std::string report = result.report();
  if (!report.starts_with('D')) record.release(key);
  say("no reply: " + report.substr(1));
}

int body(int argc, char** argv) {
  ignore_sigpipe();
  umask(077);
  const Vacation vacation = settings(argc, argv);
  try {
    answer(vacation);
  } catch (const Error& e) {
    say("no reply: " + e.text());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-vacation", argc, argv, body);
}
