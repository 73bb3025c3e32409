#include "qmtp/session.h"

#include <utility>

#include "lib/mail/netstring.h"
#include "qmtp/answer.h"

namespace hato::qmtp {

Session::Session(Settings& settings, ServerQueue& queue, Journal journal,
                 std::function<void(std::string_view)> say)
    : settings_(settings), queue_(queue), journal_(std::move(journal)), say_(std::move(say)) {}

void Session::begin() {
  transaction_ = std::make_unique<Transaction>(settings_, queue_, journal_);
  package_.emplace(settings_.protocol, *transaction_);
}

void Session::feed(std::string_view octets) {
  while (!octets.empty() && !over_) {
    if (!package_) begin();
    octets.remove_prefix(package_->feed(octets));
    if (package_->state() == PackageParser::State::more) return;
    respond();
  }
}

void Session::respond() {
  std::string response;
  if (package_->state() == PackageParser::State::broken) {
    const std::string_view answer = answer::broken(package_->fault());
    transaction_->give_up(answer);
    append_netstring(response, answer);
    say_(response);
    over_ = failed_ = true;
  } else {
    const std::string all = transaction_->commit();
    if (settings_.protocol == Protocol::qmqp) {
      append_netstring(response, all);
      say_(response);
      over_ = true;
    } else {
      for (const Transaction::Verdict verdict : transaction_->verdicts()) {
        response.clear();
        append_netstring(response, Transaction::answer_for(verdict, all));
        say_(response);
      }
    }
  }
  package_.reset();
  transaction_.reset();
}

void Session::broken(std::string_view why) {
  if (!at_rest()) transaction_->give_up(why);
  package_.reset();
  transaction_.reset();
  over_ = true;
}

}  // namespace hato::qmtp
