#include "qmtp/transaction.h"

#include <utility>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/trace.h"
#include "lib/mail/address.h"
#include "qmtp/answer.h"

namespace hato::qmtp {

namespace {

constexpr std::size_t longest_name_in_log = 300;
constexpr std::size_t refusals_logged = 10;  // recipients of one package that are named in the log

std::string in_brackets(std::string_view address) {
  return "<" + log_safe(address, longest_name_in_log) + ">";
}

}  // namespace

Settings read_settings(Protocol protocol, const Control& control) {
  Settings settings;
  settings.protocol = protocol;
  settings.databytes = read_databytes(control);
  settings.client = client_from_environment();
  if (protocol == Protocol::qmtp) settings.policy = read_recipient_policy(control);
  return settings;
}

Transaction::Transaction(Settings& settings, ServerQueue& queue, const Journal& journal)
    : settings_(settings), queue_(queue), journal_(journal), trace_(new_trace_id()) {}

GateOrigin Transaction::origin() const {
  const bool qmqp = settings_.protocol == Protocol::qmqp;
  GateOrigin origin = settings_.client.origin();
  origin.kind = qmqp || settings_.client.relay ? Kind::submission : Kind::mx;
  origin.trace = trace_;
  origin.protocol = qmqp ? "QMQP" : "QMTP";
  if (settings_.databytes.from_environment) origin.databytes = settings_.databytes.limit;
  return origin;
}

void Transaction::message_begins(Encoding encoding, std::uint64_t octets) {
  encoding_ = encoding;
  // With CR LF it may become smaller.
  if (encoding == Encoding::lf && settings_.databytes.limit != 0 && octets > settings_.databytes.limit)
    too_large_ = true;
  if (fault().empty()) submission_ = queue_.open(origin(), not_admitted_);
}

std::string_view Transaction::fault() const {
  if (encoding_ == Encoding::unknown) return answer::encoding;
  if (too_large_ || (settings_.databytes.limit != 0 && meter_.bytes() > settings_.databytes.limit))
    return answer::databytes;
  if (meter_.hops() >= default_hops) return answer::hops;
  return {};
}

void Transaction::text(std::string_view piece) {
  if (!submission_) return;
  meter_.feed(piece);
  if (fault().empty())
    submission_->text(piece);
  else
    submission_.reset();
}

void Transaction::sender(std::optional<std::string> address) {
  bad_sender_ = !address || !is_clean_address(*address);
  // qmail-send's own name for the null sender of a double bounce: nobody outside may have a message lost by
  // it.
  if (settings_.protocol == Protocol::qmtp && address == double_bounce_sender) bad_sender_ = true;
  if (!bad_sender_) envelope_.sender = std::move(*address);
}

Transaction::Verdict Transaction::judge(std::string& address) {
  if (address.empty() || !is_clean_address(address)) return Verdict::bad_address;
  if (settings_.protocol == Protocol::qmqp) return Verdict::taken;
  if (settings_.client.relay) {
    address += *settings_.client.relay;
    return address.size() < max_envelope_address ? Verdict::taken : Verdict::bad_address;
  }
  try {
    return settings_.policy.allows(address) ? Verdict::taken : Verdict::rcpthosts;
  } catch (const TempError& e) {
    log(e.text());
    return Verdict::lookup_failed;
  }
}

void Transaction::recipient(std::optional<std::string> address) {
  const Verdict verdict = address ? judge(*address) : Verdict::bad_address;
  verdicts_.push_back(verdict);
  if (verdict == Verdict::taken)
    envelope_.recipients.push_back({std::move(*address), ""});
  else if (++refusals_ <= refusals_logged)
    refuse(
        "recipient " + in_brackets(address.value_or("(too long)")) + " from " + in_brackets(envelope_.sender),
        answer_for(verdict, {}));
}

std::string_view Transaction::answer_for(Verdict verdict, std::string_view all) {
  switch (verdict) {
    case Verdict::taken:
      return all;
    case Verdict::rcpthosts:
      return answer::rcpthosts;
    case Verdict::bad_address:
      return answer::bad_recipient;
    case Verdict::lookup_failed:
      return answer::lookup_failed;
  }
  return all;
}

std::string Transaction::queue_it() {
  if (settings_.protocol == Protocol::qmqp && (bad_sender_ || refusals_ > 0))
    return std::string(answer::bad_addresses);
  if (const std::string_view wrong = fault(); !wrong.empty()) return std::string(wrong);
  if (bad_sender_) return std::string(answer::bad_sender);
  if (!submission_) return answer::refused(not_admitted_);
  bool utf8 = needs_smtputf8(envelope_.sender);
  for (const Recipient& recipient : envelope_.recipients) utf8 = utf8 || needs_smtputf8(recipient.address);
  if (utf8) envelope_.parameters = "SMTPUTF8";
  const GateResult result = submission_->commit(envelope_);
  if (!result.ok()) return answer::refused(result);
  log("accepted a message from " + in_brackets(envelope_.sender) + " for " +
      std::to_string(envelope_.recipients.size()) + ", bytes " + std::to_string(meter_.bytes()) + ", qp " +
      std::to_string(result.qp));
  return answer::accepted(now_seconds(), result.qp);
}

std::string Transaction::commit() {
  if (refusals_ > refusals_logged)
    log("refused " + std::to_string(refusals_ - refusals_logged) + " more recipients of that message");
  const bool anybody = settings_.protocol == Protocol::qmqp || !envelope_.recipients.empty();
  std::string answer = anybody ? queue_it() : std::string();
  submission_.reset();
  if (anybody && answer[0] != 'K') refuse("a message from " + in_brackets(envelope_.sender), answer);
  return answer;
}

void Transaction::give_up(std::string_view why) {
  submission_.reset();
  log("lost a message half-way: " + std::string(why));
}

void Transaction::refuse(std::string_view what, std::string_view answer) {
  log("refused " + std::string(what) + ": " + std::string(answer));
}

void Transaction::log(std::string_view text) {
  const Client& client = settings_.client;
  journal_("trace " + trace_ + " " + log_safe(client.ip, 60) + " (" + log_safe(client.host, 255) +
           "): " + std::string(text));
}

}  // namespace hato::qmtp
