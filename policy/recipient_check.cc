#include "policy/recipient_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/mail/closed_address.h"
#include "lib/mail/domain.h"
#include "lib/store/dotfile.h"
#include "lib/store/mailbox_quota.h"
#include "lib/store/orders.h"
#include "lib/store/quota_settings.h"
#include "lib/store/routing.h"

namespace hato {

namespace {

// The account's own, and where there is none whatever qmail-start was told: it is asked for nothing here but
// that it is not empty.
constexpr const char* usual_delivery = "./Maildir/";

std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return UINT64_MAX;
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

// As qmail-local's chdir, which has no capability: who may not search his home finds no dot-file, and no
// certainty.
bool may_search(const struct stat& directory, uid_t uid, gid_t gid) {
  const mode_t bit = directory.st_uid == uid ? S_IXUSR : directory.st_gid == gid ? S_IXGRP : S_IXOTH;
  return (directory.st_mode & bit) != 0;
}

Fd open_home(const Assignment& to) {
  Fd home = open_file(to.home, O_PATH | O_DIRECTORY);
  struct stat status;
  if (fstat(home.get(), &status) != 0) throw_errno("stat " + to.home);
  if (!may_search(status, to.uid, to.gid)) throw TempError(to.home + ": its user may not search it");
  switch (home_state(status.st_mode)) {
    case HomeState::fine:
      return home;
    case HomeState::writable:
      throw TempError(to.home + " is writable by others");
    case HomeState::sticky:
      throw TempError(to.home + " is sticky");
  }
  return home;
}

bool is_maildir(std::string_view delivery) {
  return (delivery.starts_with('.') || delivery.starts_with('/')) && delivery.ends_with('/');
}

// Does any of it go into the account's own Maildir, or a folder of it? What goes elsewhere has no quota.
bool goes_into(const Dotfile& dotfile, std::string_view mailbox) {
  if (!is_maildir(mailbox)) return false;
  return std::any_of(dotfile.instructions.begin(), dotfile.instructions.end(),
                     [&](const DotfileInstruction& one) {
                       return one.kind == DotfileInstruction::Kind::maildir && one.text.starts_with(mailbox);
                     });
}

}  // namespace

RecipientCheck::RecipientCheck(const std::string& home)
    : control_(home),
      watch_(control_),
      recipients_(home),
      accounts_(home + accounts_file),
      contract_uses_(home + contract_use_file),
      may_know_all_{0, geteuid()} {
  if (const std::optional<uid_t> panel = panel_user()) may_know_all_.push_back(*panel);
}

const Router& RecipientCheck::router() {
  const std::uint64_t now = watch_.generation(now_seconds());
  if (!router_ || now == 0 || now != seen_) router_.emplace(read_router(control_));
  seen_ = now;
  return *router_;
}

RecipientCheck::Finding RecipientCheck::check(const PolicyRequest& request, uid_t asker) {
  const bool about_use = request.value("request") == "mailbox_use";
  try {
    if (about_use) return {use_answer(std::string(request.value("account")), asker), ""};
    return {encode_policy_answer(recipient(request)), ""};
  } catch (const Error& e) {
    return {about_use ? "error=not known just now\n\n" : encode_policy_answer(rcptd_go_on), e.text()};
  }
}

std::string RecipientCheck::recipient(const PolicyRequest& request) {
  const std::string_view address = request.value("recipient");
  if (request.value("protocol_state") != policy_state_name(PolicyState::rcpt) || address.empty())
    return std::string(rcptd_go_on);
  const Route route = router().route(address);
  if (route.channel != Channel::local) return std::string(rcptd_go_on);
  const std::size_t at = route.recipient.rfind('@');
  const Resolution who = recipients_.find(std::string_view(route.recipient).substr(0, at),
                                          std::string_view(route.recipient).substr(at + 1));
  if (std::holds_alternative<NoMailbox>(who)) return std::string(rcptd_no_mailbox);
  const LocalUser* user = std::get_if<LocalUser>(&who);
  if (user == nullptr) throw TempError("only the system's users can tell");
  if (user->to.uid == 0) throw TempError("deliveries as root are not made");
  const Fd home = open_home(user->to);
  const OrdersQuestion question{user->to.user,
                                user->to.home,
                                user->to.dash,
                                user->to.ext,
                                default_delivery_of(*user, usual_delivery),
                                user->any,
                                user->account && user->account->programs,
                                OrdersReader{user->to.uid, user->to.gid}};
  const DotfilePlace place(control_, question, home.get());
  const std::optional<Orders> orders = place.orders(question, conf::break_chars);
  if (!orders) return std::string(rcptd_no_mailbox);
  const Dotfile dotfile = orders->parse();
  if (const std::optional<std::string> words = closing_words(dotfile)) {
    place.list_owner(question.dash, question.ext);  // qmail-local asks before any program: it must be known
    return closed_reply(*words);
  }
  if (!user->account || !goes_into(dotfile, user->account->mailbox)) return std::string(rcptd_go_on);
  // A message has a byte at least; SIZE tells of more.
  const std::uint64_t bytes = std::max<std::uint64_t>(1, least_stored_size(number_of(request.value("size"))));
  return std::string(has_room(*user->account, home.get(), bytes) ? rcptd_go_on : rcptd_mailbox_full);
}

bool RecipientCheck::has_room(const Account& account, int home, std::uint64_t bytes) {
  if (!account.contract.empty()) {
    const std::optional<Contract> contract = accounts_.contract(account.contract);
    const std::optional<ContractUse> use = contract ? contract_uses_.find(account.contract) : std::nullopt;
    if (use && !contract_allows(*contract, *use, bytes, now_seconds())) return false;
  }
  const Quota quota = Quota::of(account.quota_bytes, account.quota_messages);
  const QuotaUse coming{bytes, 1};
  return !quota.limited() || quota.allows(use_of(account, home, coming) + coming);
}

QuotaUse RecipientCheck::use_of(const Account& account, int home, const QuotaUse& coming) {
  const Fd maildir = open_file_at(home, account.mailbox, O_RDONLY | O_DIRECTORY);
  const Quota quota = Quota::of(account.quota_bytes, account.quota_messages);
  const std::optional<QuotaUse> use = mailbox_use(maildir.get(), quota, coming, quota_trash(control_));
  if (!use) throw TempError(account.login + ": more files in the mailbox than are counted here");
  return *use;
}

std::string RecipientCheck::use_answer(const std::string& login, uid_t asker) {
  const std::optional<Account> account = accounts_.find(login);
  const bool may_know_all =
      std::find(may_know_all_.begin(), may_know_all_.end(), asker) != may_know_all_.end();
  if (!may_know_all && (!account || account->uid != asker)) return "error=not yours to ask for\n\n";
  if (!account) return "error=no such account\n\n";
  if (!is_maildir(account->mailbox)) return "error=the mailbox is no Maildir\n\n";
  const Fd home = open_file(account->home, O_PATH | O_DIRECTORY);
  const QuotaUse use = use_of(*account, home.get(), {});
  std::string answer;
  append_policy_attribute(answer, "bytes", std::to_string(use.bytes));
  append_policy_attribute(answer, "messages", std::to_string(use.messages));
  append_policy_attribute(answer, "quota_bytes", std::to_string(account->quota_bytes));
  append_policy_attribute(answer, "quota_messages", std::to_string(account->quota_messages));
  return answer + "\n";
}

}  // namespace hato
