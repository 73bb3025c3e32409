#include "local/mailbox_room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/mail/quota_warning.h"
#include "lib/store/contract_use.h"
#include "lib/store/control.h"
#include "lib/store/maildir.h"
#include "lib/store/queuefile.h"
#include "lib/store/quota_settings.h"

namespace hato {

namespace {

constexpr char warned_name[] = "quotawarn";  // in the Maildir, as Courier has it: touched when it was warned
constexpr std::int64_t seconds_between_warnings = 24 * 60 * 60;
constexpr std::size_t warning_text_limit = 64U << 10;

// The header of the queue's file, when the message is read from one: then qmail-queued wrote it.
std::optional<QueueHeader> queue_header(const MessageFile& message) {
  try {
    const std::optional<QueueHeader> header =
        decode_header(pread_some(message.descriptor(), queue_format::header_size, 0, "queue header"));
    if (header && header->message_start == message.start()) return header;
  } catch (const SystemError&) {
  }
  return std::nullopt;
}

// What the message had when it came to us: the same number that qmail-rcptd was told before.
std::uint64_t size_as_received(const MessageFile& message) {
  const std::optional<QueueHeader> header = queue_header(message);
  return header ? header->message_end - queue_format::message_area
                : static_cast<std::uint64_t>(message.size());
}

// Nobody outside can be this: the queue notes the user who handed a message in, whatever he says.
bool is_from_postmaster(const Delivery& delivery, const MessageFile& message) {
  const std::optional<QueueHeader> header = queue_header(message);
  if (!header || header->kind != Kind::local || header->uid != 0) return false;
  if (!equal_ignoring_case(local_part(delivery.sender), "postmaster")) return false;
  const std::string domain(domain_part(delivery.sender));
  const Control control;
  if (same_domain(domain, control.line_or("me", ""))) return true;
  const std::optional<std::vector<std::string>> locals = control.lines("locals");
  return locals && std::any_of(locals->begin(), locals->end(),
                               [&](const std::string& local) { return same_domain(local, domain); });
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Is `maildir` this mailbox or one of its folders that count, by whatever name it is called?
bool counts_in(int mailbox, const std::string& maildir, Trash trash) {
  struct stat whole, part;
  if (fstat(mailbox, &whole) != 0 || stat(maildir.c_str(), &part) != 0) return false;
  if (same_file(whole, part)) return true;
  char real[PATH_MAX];
  if (realpath(maildir.c_str(), real) == nullptr) return false;
  const std::string path(real);
  const std::size_t slash = path.rfind('/');
  const std::string folder = path.substr(slash + 1);
  if (!folder.starts_with('.') || (trash == Trash::excluded && folder == trash_folder)) return false;
  return stat(path.substr(0, slash + 1).c_str(), &part) == 0 && same_file(whole, part);
}

bool warned_lately(int mailbox, std::int64_t now) {
  struct stat status;
  return fstatat(mailbox, warned_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mtime <= now &&
         now - status.st_mtime < seconds_between_warnings;
}

// False: the mark cannot be made, and without it there would be a warning each time.
bool mark_warned(int mailbox) {
  const Fd mark = try_open_at(mailbox, warned_name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
  return mark && futimens(mark.get(), nullptr) == 0;
}

}  // namespace

void refuse_full_mailbox(const MessageFile& message) {
  const std::optional<QueueHeader> header = queue_header(message);
  if (header && now_us() / 1'000'000 - static_cast<std::int64_t>(header->birth_us / 1'000'000) >=
                    quota_lifetime(Control()))
    throw PermError(mailbox_full_for_good);
  throw TempError(mailbox_full_for_now);
}

void require_room_in_contract(const Account& account, const Delivery& delivery, const MessageFile& message) {
  if (account.contract.empty()) return;
  const std::optional<Contract> contract = Accounts().contract(account.contract);
  const std::optional<ContractUse> use = contract ? ContractUses().find(account.contract) : std::nullopt;
  if (!use || contract_allows(*contract, *use, size_as_received(message), now_seconds())) return;
  if (!is_from_postmaster(delivery, message)) refuse_full_mailbox(message);
}

MailboxRoom::MailboxRoom(const Account& account, const Delivery& delivery, const MessageFile& message,
                         const std::string& maildir)
    : account_(account), quota_(Quota::of(account.quota_bytes, account.quota_messages)) {
  if (!quota_.limited() || !account.mailbox.ends_with('/')) return;
  Fd mailbox = try_open(account.mailbox, O_RDONLY | O_DIRECTORY);
  const Trash trash = quota_trash(Control());
  if (!mailbox || !counts_in(mailbox.get(), maildir, trash)) return;  // what is wrong the delivery will say
  const QuotaUse coming{size_as_received(message), 1};
  try {
    use_ = mailbox_use_for_delivery(mailbox.get(), quota_, coming, trash);
  } catch (const TempError& e) {
    throw TempError("Unable to count the mailbox. (#4.3.0)\n" + e.text());
  }
  if (!quota_.allows(use_ + coming) && !is_from_postmaster(delivery, message)) refuse_full_mailbox(message);
  end_.emplace(mailbox.get());
  mailbox_ = std::move(mailbox);
}

void MailboxRoom::delivered(std::uint64_t bytes) noexcept {
  if (!mailbox_) return;
  end_->changed(static_cast<std::int64_t>(bytes), 1);
  try {
    const QuotaUse use = use_ + QuotaUse{bytes, 1};
    const unsigned percent = quota_warn_percent(Control());
    if (percent != 0 && quota_.reached(use, percent) && !quota_.reached(use_, percent)) warn(use);
  } catch (const std::exception&) {  // without a warning, then
  }
}

void MailboxRoom::warn(const QuotaUse& use) {
  const std::int64_t now = now_seconds();
  const Control control;
  const std::string me = control.me();
  if (warned_lately(mailbox_.get(), now) || !mark_warned(mailbox_.get())) return;
  const bool has_domain = account_.login.find('@') != std::string::npos;
  const std::string text =
      quota_warning_message({.host = me,
                             .to = has_domain ? account_.login : account_.login + "@" + me,
                             .date = now,
                             .id = std::to_string(now_us()) + "." + std::to_string(getpid()),
                             .bytes_used = use.bytes,
                             .bytes_limit = quota_.bytes,
                             .messages_used = use.messages,
                             .messages_limit = quota_.messages},
                            control.words("bouncelanguage", "ja en"),
                            control.text("quotawarntext").value_or("").substr(0, warning_text_limit));
  const std::string whole = "Return-Path: <>\n" + text;
  const Fd nothing = open_file("/dev/null", O_RDONLY);
  MessageFile rest(nothing.get());
  deliver_to_maildir(account_.mailbox, whole, rest);
  end_->changed(static_cast<std::int64_t>(whole.size()), 1);
}

}  // namespace hato
