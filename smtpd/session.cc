#include "smtpd/session.h"

#include <utility>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/trace.h"
#include "lib/mail/domain.h"

namespace hato::smtpd {

namespace {

constexpr std::size_t longest_name_in_log = 300;
constexpr std::size_t policy_fields_limit = 32U << 10;  // bytes of fields that policy servers put in front

std::string without_line_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return std::string(line);
}

std::string in_brackets(std::string_view address) {
  return "<" + log_safe(address, longest_name_in_log) + ">";
}

}  // namespace

Session::Session(Settings& settings, ServerQueue& queue, Journal journal)
    : settings_(settings), queue_(queue), journal_(std::move(journal)) {}

Session::Next Session::greet(std::string& out) {
  std::string what = "the connection";
  if (const auto refusal = policy_refusal(PolicyState::connect, what)) {
    // RFC 5321 3.1 has two refusals in the place of a greeting.
    const std::string line = ((*refusal)[0] == '4' ? "421" : "554") + refusal->substr(3);
    log("refused", what + ": " + without_line_end(line));
    out += line;
    return Next::hang_up;
  }
  out += "220 " + settings_.greeting + " ESMTP\r\n";
  return Next::command;
}

std::string Session::policy_attributes(PolicyState state, std::string_view recipient) {
  const Client& client = settings_.client;
  std::string all;
  const auto add = [&all](std::string_view name, std::string_view value) {
    append_policy_attribute(all, name, value);
  };
  const bool in_message = state == PolicyState::data || state == PolicyState::end_of_message;
  const std::size_t count = transaction_ ? transaction_->envelope.recipients.size() : 0;
  if (in_message && count == 1) recipient = transaction_->envelope.recipients[0].address;
  std::uint64_t size = transaction_ ? transaction_->size : 0;
  if (state == PolicyState::end_of_message) size = meter_.bytes();
  add("request", "smtpd_access_policy");
  add("protocol_state", policy_state_name(state));
  add("protocol_name", extended_ ? "ESMTP" : "SMTP");
  add("client_address", client.ip);
  add("client_name", client.host);
  add("client_port", client.port);
  add("reverse_client_name", client.host);
  add("server_address", client.local_ip);
  add("server_port", client.local_port);
  add("helo_name", helo_);
  add("sender", transaction_ ? std::string_view(transaction_->envelope.sender) : std::string_view());
  add("recipient", recipient);
  add("recipient_count", std::to_string(in_message ? count : 0));
  add("queue_id", "");
  add("instance", trace());
  add("size", std::to_string(size));
  add("etrn_domain", "");
  add("stress", "");
  for (const char* nothing :
       {"sasl_method", "sasl_username", "sasl_sender", "ccert_subject", "ccert_issuer", "ccert_fingerprint",
        "ccert_pubkey_fingerprint", "encryption_protocol", "encryption_cipher"})
    add(nothing, "");
  add("encryption_keysize", "0");
  return all;
}

std::optional<std::string> Session::policy_refusal(PolicyState state, std::string& what,
                                                   std::string_view recipient) {
  if (!policy_) return std::nullopt;
  const PolicyOutcome outcome =
      policy_(state, settings_.client.relay.has_value(), policy_attributes(state, recipient));
  for (const std::string& note : outcome.notes) log("was told of", what + ", " + note);
  bool& discard = transaction_ ? transaction_->discard : discard_all_;
  std::string& fields = transaction_ ? transaction_->fields : fields_for_all_;
  discard |= outcome.discard;
  if (fields.size() + outcome.fields.size() <= policy_fields_limit)
    fields += outcome.fields;
  else
    log("left out", what + ", fields that a policy server wants: there are too many");
  if (outcome.code == 0) return std::nullopt;
  what += " (policy " + outcome.by + ")";
  hang_up_ = outcome.code == 421 || outcome.code == 521;
  return settings_.replies.line_of_policy(outcome);
}

Session::Next Session::command(std::string_view line, std::string& out) {
  may_wait_ = false;
  if (has_control_byte(line)) return refuse(Reply::control_byte, "a command", out);
  const Command command = parse_command(line);
  switch (command.verb) {
    case Verb::mail:
    case Verb::rcpt:
    case Verb::data:
    case Verb::bdat:
    case Verb::quit:
      break;
    default:
      if (settings_.limits.commands != 0 && ++commands_ > settings_.limits.commands) {
        log("hung up on", "too many commands");
        return say(Reply::too_many_commands, out, Next::hang_up);
      }
  }
  Next next = Next::command;
  switch (command.verb) {
    case Verb::helo:
      return helo(command, false, out);
    case Verb::ehlo:
      return helo(command, true, out);
    case Verb::mail:
      may_wait_ = true;
      return mail(command, out);
    case Verb::rcpt:
      may_wait_ = true;
      return rcpt(command, out);
    case Verb::data:
      return data_command(command, out);
    case Verb::bdat:
      return bdat(command, out);
    case Verb::rset:
      may_wait_ = true;
      if (!stands_alone(command, out, next)) return next;
      forget_transaction();
      return say(Reply::flushed, out);
    case Verb::noop:
      return say(Reply::ok, out);
    case Verb::vrfy:
      return say(Reply::vrfy, out);
    case Verb::help:
      return say(Reply::help, out);
    case Verb::etrn:
      if (!settings_.etrn) break;
      return etrn(command, out);
    case Verb::quit:
      if (!stands_alone(command, out, next)) return next;
      out += "221 ";
      if (extended_) out += "2.0.0 ";
      out += settings_.greeting + "\r\n";
      forget_transaction();
      return Next::quit;
    case Verb::unknown:
      break;
  }
  return refuse(Reply::unknown_command, "command " + log_safe(command.name, 30), out);
}

Session::Next Session::bad_line(Reply reason, std::string& out) {
  may_wait_ = false;
  return refuse(reason, "a command", out);
}

bool Session::stands_alone(const Command& command, std::string& out, Next& next) {
  if (command.argument.empty()) return true;
  next = refuse(Reply::no_argument, log_safe(command.name, 30), out);
  return false;
}

Session::Next Session::etrn(const Command& command, std::string& out) {
  const std::string what = "ETRN " + log_safe(command.argument, longest_name_in_log);
  if (transaction_ || in_chunks_) return refuse(Reply::etrn_in_mail, what, out);
  if (!greeted_ && settings_.limits.helo) return refuse(Reply::helo_first, what, out);
  const std::optional<std::string> domain = etrn_domain(command.argument);
  if (!domain) return refuse(Reply::etrn_syntax, what, out);
  if (!settings_.etrn->allows(*domain, settings_.client)) return refuse(Reply::etrn_denied, what, out);
  SendAnswer answer{RequestOutcome::failed, 0, "nobody to ask"};
  try {
    const bool known = IpAddress::parse(settings_.client.ip).has_value();
    if (flush_) answer = flush_(*domain, known ? settings_.client.ip : "");
  } catch (const TempError& e) {
    answer.text = e.text();
  }
  const std::string n = std::to_string(answer.number);
  switch (answer.outcome) {
    case RequestOutcome::done:
      log("accepted", what + ", messages " + n);
      if (answer.number == 0) return say(Reply::etrn_none, out);
      out += settings_.replies.line(Reply::etrn_count, n);
      return Next::command;
    case RequestOutcome::begun:
      log("accepted", what + ", messages so far " + n);
      return say(answer.number == 0 ? Reply::etrn_begun : Reply::etrn_some, out);
    default:
      return refuse(Reply::etrn_failed, what + " (" + answer.text + ")", out);
  }
}

Session::Next Session::helo(const Command& command, bool extended, std::string& out) {
  if (command.argument.empty()) return refuse(Reply::helo_name, log_safe(command.name), out);
  forget_transaction();
  helo_ = command.argument;
  greeted_ = true;
  extended_ = extended;
  settings_.replies.enhanced(extended);
  if (!extended) {
    out += "250 " + settings_.greeting + "\r\n";
    return Next::command;
  }
  out += "250-" + settings_.greeting + "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE";
  if (settings_.databytes.limit != 0) out += " " + std::to_string(settings_.databytes.limit);
  if (settings_.etrn) out += "\r\n250-ETRN";
  out += "\r\n250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250 LIMITS RCPTMAX=" +
         std::to_string(settings_.limits.recipients) + "\r\n";
  return Next::command;
}

std::optional<Reply> Session::fault_of(const Path& path, bool sender) const {
  switch (path.error) {
    case PathError::none:
      return std::nullopt;
    case PathError::syntax:
    case PathError::control:
      return sender ? Reply::sender_syntax : Reply::recipient_syntax;
    case PathError::not_utf8:
      return Reply::not_utf8;
    case PathError::too_long:
      return Reply::address_too_long;
    case PathError::trailing:
      return Reply::trailing;
  }
  return sender ? Reply::sender_syntax : Reply::recipient_syntax;
}

std::optional<Reply> Session::fault_of(ParameterError error) const {
  switch (error) {
    case ParameterError::none:
      break;
    case ParameterError::unsupported:
      return Reply::unsupported_parameter;
    case ParameterError::bad_value:
      return Reply::bad_parameter;
  }
  return std::nullopt;
}

Session::Next Session::mail(const Command& command, std::string& out) {
  std::string what = "MAIL " + log_safe(command.argument, longest_name_in_log);
  if (in_chunks_) return refuse(Reply::finish_chunks, what, out);
  if (transaction_) return refuse(Reply::mail_twice, what, out);
  if (!greeted_ && settings_.limits.helo) return refuse(Reply::helo_first, what, out);
  Path path = parse_path(command.argument, "FROM");
  if (const auto fault = fault_of(path, true)) return refuse(*fault, what, out);
  // qmail-send's own name for the null sender of a double bounce: nobody outside may have a message lost by
  // it.
  if (path.address == double_bounce_sender) return refuse(Reply::sender_syntax, what, out);
  const MailParameters parameters = parse_mail_parameters(path.parameters);
  if (const auto fault = fault_of(parameters.error)) return refuse(*fault, what, out);
  if (!parameters.smtputf8 && needs_smtputf8(path.address)) return refuse(Reply::needs_smtputf8, what, out);
  if (settings_.databytes.limit != 0 && parameters.size.value_or(0) > settings_.databytes.limit)
    return refuse(Reply::databytes, what, out);

  Transaction& transaction = transaction_.emplace();
  transaction.smtputf8 = parameters.smtputf8;
  transaction.envelope.sender =
      replace_local_literal(std::move(path.address), settings_.own_addresses, settings_.localiphost);
  transaction.envelope.parameters = parameters.words();
  transaction.barred = settings_.badmailfrom && settings_.badmailfrom->contains(transaction.envelope.sender);
  transaction.size = parameters.size.value_or(0);
  if (const auto refusal = policy_refusal(PolicyState::mail, what)) {
    transaction_.reset();
    return refuse_with(*refusal, what, out);
  }
  return say(Reply::mail_ok, out);
}

Session::Next Session::rcpt(const Command& command, std::string& out) {
  std::string what = "RCPT " + log_safe(command.argument, longest_name_in_log);
  if (in_chunks_) return refuse(Reply::finish_chunks, what, out);
  if (!transaction_) return refuse(Reply::mail_first, what, out);
  what += " from " + in_brackets(transaction_->envelope.sender);
  Path path = parse_path(command.argument, "TO");
  if (const auto fault = fault_of(path, false)) return refuse(*fault, what, out);
  if (path.address.empty()) return refuse(Reply::recipient_syntax, what, out);
  const RcptParameters parameters = parse_rcpt_parameters(path.parameters, transaction_->smtputf8);
  if (const auto fault = fault_of(parameters.error)) return refuse(*fault, what, out);
  if (!transaction_->smtputf8 && needs_smtputf8(path.address))
    return refuse(Reply::needs_smtputf8, what, out);
  if (transaction_->barred) return refuse(Reply::badmailfrom, what, out);

  std::string address =
      replace_local_literal(std::move(path.address), settings_.own_addresses, settings_.localiphost);
  if (settings_.client.relay) {
    address += *settings_.client.relay;
  } else {
    bool allowed = false;
    try {
      allowed = settings_.policy.allows(address);
    } catch (const TempError& e) {
      journal_(e.text());
      return refuse(Reply::lookup_failed, what, out);
    }
    if (!allowed) return refuse(Reply::rcpthosts, what, out);
  }
  std::vector<Recipient>& recipients = transaction_->envelope.recipients;
  if (recipients.size() >= settings_.limits.recipients) {
    if (!std::exchange(transaction_->over_limit_said, true))
      return refuse(Reply::too_many_recipients, what, out);
    return say(Reply::too_many_recipients, out);
  }
  if (const auto refusal = policy_refusal(PolicyState::rcpt, what, address))
    return refuse_with(*refusal, what, out);
  recipients.push_back({std::move(address), dsn_words(parameters.dsn)});
  return say(Reply::rcpt_ok, out);
}

Session::Next Session::data_command(const Command& command, std::string& out) {
  Next next;
  if (in_chunks_) return refuse(Reply::finish_chunks, "DATA", out);
  if (!stands_alone(command, out, next)) return next;
  if (!transaction_) return refuse(Reply::mail_first, "DATA", out);
  if (transaction_->envelope.recipients.empty()) return refuse(Reply::rcpt_first, "DATA", out);
  std::string what = "DATA";
  auto refusal = policy_refusal(PolicyState::data, what);
  if (!refusal) refusal = begin_message();
  if (refusal) {
    const Next after = refuse_with(*refusal, what, out);
    forget_transaction();
    return after;
  }
  return say(Reply::go_ahead, out, Next::data);
}

// Connects to the queue, before the client is asked for the text. Returns the refusal if there is one.
std::optional<std::string> Session::begin_message() {
  meter_ = MessageMeter();
  data_ = DataDecoder();
  chunks_ = ChunkDecoder();
  GateResult refused;
  submission_ = queue_.open(origin(), refused);
  if (submission_) return std::nullopt;
  return settings_.replies.line_of_queue(refused.code, refused.text);
}

std::size_t Session::data(std::string_view octets) {
  decoded_.clear();
  const std::size_t taken = data_.feed(octets, decoded_);
  if (data_.stray()) submission_.reset();
  text(decoded_);
  return taken;
}

// Text for the queue, unless something is wrong with the message already.
void Session::text(std::string_view decoded) {
  if (!submission_) return;
  meter_.feed(decoded);
  if (fault_of_message(false))
    submission_.reset();
  else
    submission_->text(decoded);
}

std::optional<Reply> Session::fault_of_message(bool stray) const {
  if (stray) return Reply::stray_line_ends;
  if (settings_.limits.hops != 0 && meter_.hops() >= settings_.limits.hops) return Reply::hops;
  if (settings_.databytes.limit != 0 && meter_.bytes() > settings_.databytes.limit) return Reply::databytes;
  return std::nullopt;
}

Session::Next Session::end_of_data(bool in_step, std::string& out) {
  may_wait_ = false;
  const Next next = finish_message(data_.stray(), out);
  return in_step ? next : Next::hang_up;
}

Session::Next Session::finish_message(bool stray, std::string& out) {
  std::string what = "a message from " + in_brackets(transaction_->envelope.sender);
  Next next = Next::command;
  if (const auto fault = fault_of_message(stray)) {
    next = refuse(*fault, what, out);
  } else if (const auto refusal = policy_refusal(PolicyState::end_of_message, what)) {
    next = refuse_with(*refusal, what, out);
  } else if (transaction_->discard || discard_all_) {
    out += settings_.replies.line(Reply::accepted, std::to_string(now_seconds()) + " qp 0");
    log("discarded", what + " for " + std::to_string(transaction_->envelope.recipients.size()) + ", bytes " +
                         std::to_string(meter_.bytes()));
    errors_ = 0;
    commands_ = 0;
  } else {
    const GateResult outcome = submission_->commit(transaction_->envelope);
    if (outcome.code != 0) {
      next = refuse_with(settings_.replies.line_of_queue(outcome.code, outcome.text), what, out);
    } else {
      const std::string qp = "qp " + std::to_string(outcome.qp);
      out += settings_.replies.line(Reply::accepted, std::to_string(now_seconds()) + " " + qp);
      log("accepted", what + " for " + std::to_string(transaction_->envelope.recipients.size()) + ", bytes " +
                          std::to_string(meter_.bytes()) + ", " + qp);
      errors_ = 0;
      commands_ = 0;
    }
  }
  forget_transaction();
  return next;
}

Session::Next Session::bdat(const Command& command, std::string& out) {
  const std::optional<Chunk> chunk = parse_chunk(command.argument);
  if (!chunk) {  // how much would have to be skipped is not known, and it must not be read as commands
    refuse(Reply::chunk_syntax, "BDAT", out);
    forget_transaction();
    return Next::hang_up;
  }
  chunk_size_ = chunk_left_ = chunk->size;
  chunk_last_ = chunk->last;
  chunk_refusal_.clear();
  chunk_refuser_ = "BDAT";
  if (!transaction_) {
    chunk_refusal_ = settings_.replies.line(Reply::mail_first);
  } else if (transaction_->envelope.recipients.empty()) {
    chunk_refusal_ = settings_.replies.line(Reply::rcpt_first);
  } else if (!in_chunks_) {
    auto refusal = policy_refusal(PolicyState::data, chunk_refuser_);
    if (!refusal) refusal = begin_message();
    chunk_refusal_ = refusal.value_or("");
    in_chunks_ = chunk_refusal_.empty();
  }
  return Next::chunk;
}

void Session::chunk(std::string_view octets) {
  chunk_left_ -= octets.size();
  if (!chunk_refusal_.empty()) return;
  decoded_.clear();
  chunks_.feed(octets, decoded_);
  if (chunks_.stray()) submission_.reset();
  text(decoded_);
}

Session::Next Session::end_of_chunk(std::string& out) {
  may_wait_ = false;
  if (!chunk_refusal_.empty()) {
    const Next next = refuse_with(chunk_refusal_, chunk_refuser_, out);
    forget_transaction();
    return next;
  }
  if (chunk_last_) {
    chunks_.finish();
    return finish_message(chunks_.stray(), out);
  }
  if (const auto fault = fault_of_message(chunks_.stray())) {
    const Next next = refuse(*fault, "a message from " + in_brackets(transaction_->envelope.sender), out);
    forget_transaction();
    return next;
  }
  out += settings_.replies.line(Reply::chunk_ok, std::to_string(chunk_size_));
  return Next::command;
}

void Session::broken(std::string_view why) {
  if (submission_) log("lost", std::string("a message half-way: ") + std::string(why));
  forget_transaction();
}

void Session::forget_transaction() {
  submission_.reset();
  in_chunks_ = false;
  transaction_.reset();
  trace_.clear();
}

std::string Session::protocol() const {
  if (transaction_->smtputf8) return "UTF8SMTP";
  return extended_ ? "ESMTP" : "SMTP";
}

GateOrigin Session::origin() {
  const Client& client = settings_.client;
  GateOrigin origin = client.origin();
  origin.kind = client.relay ? Kind::submission : Kind::mx;
  origin.trace = trace();
  if (!equal_ignoring_case(helo_, client.host)) origin.helo = helo_;
  origin.protocol = protocol();
  if (settings_.databytes.from_environment) origin.databytes = settings_.databytes.limit;
  origin.fields = fields_for_all_ + transaction_->fields;
  return origin;
}

const std::string& Session::trace() {
  if (trace_.empty()) trace_ = new_trace_id();
  return trace_;
}

void Session::log(std::string_view verb, std::string_view what) {
  const Client& client = settings_.client;
  std::string line =
      "trace " + trace() + " " + log_safe(client.ip, 60) + " (" + log_safe(client.host, 255) + "): ";
  (line.append(verb) += ' ').append(what);
  journal_(line);
}

Session::Next Session::say(Reply reply, std::string& out, Next next) {
  out += settings_.replies.line(reply);
  return next;
}

Session::Next Session::refuse(Reply reply, std::string_view what, std::string& out) {
  return refuse_with(settings_.replies.line(reply), what, out);
}

Session::Next Session::refuse_with(const std::string& line, std::string_view what, std::string& out) {
  log("refused", std::string(what) + ": " + without_line_end(line));
  if (line[0] == '5' && settings_.limits.errors != 0 && ++errors_ > settings_.limits.errors) {
    log("hung up on", "too many errors");
    return say(Reply::too_many_errors, out, Next::hang_up);
  }
  out += line;
  return std::exchange(hang_up_, false) ? Next::hang_up : Next::command;
}

}  // namespace hato::smtpd
