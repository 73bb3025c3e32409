#include "lib/store/account_check.h"

#include <algorithm>
#include <limits>

#include "lib/base/conf.h"
#include "lib/mail/domain.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

// Mail to these is the operator's or a program's, whoever asks for the name.
constexpr std::string_view reserved[] = {"root", "postmaster", "mailer-daemon"};

bool is_reserved(std::string_view name) {
  const std::vector<std::string> users = suite_users();
  return std::find(std::begin(reserved), std::end(reserved), name) != std::end(reserved) ||
         std::find(users.begin(), users.end(), name) != users.end();
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

// Not UTF-8 counts as such a character.
bool has_control(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_utf8(text, at);
    if (c == invalid_utf8 || is_control(c)) return true;
  }
  return false;
}

bool may_be_in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '+' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_sound_name(std::string_view name) {
  return !name.empty() && name[0] != '.' && name[0] != '-' && name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), may_be_in_name) && !has_control(name);
}

// Between slashes: nothing, "." or ".."?
bool has_odd_component(std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

bool may_be_id(std::uint32_t id) {
  return id != 0 && id != std::numeric_limits<std::uint32_t>::max();
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

}  // namespace

std::vector<std::string> suite_users() {
  return {conf::user_alias,  conf::user_qmaild, conf::user_qmaill, conf::user_root,   conf::user_qmailp,
          conf::user_qmailq, conf::user_qmailr, conf::user_qmails, conf::user_qmailt, conf::user_qmailk,
          conf::user_qmaila, conf::user_qmailg, conf::user_qmailv, conf::user_qmailc};
}

Refusal refuse_login(std::string_view login) {
  if (login.empty()) return "a login may not be empty";
  if (login.size() > max_login) return "a login may have " + std::to_string(max_login) + " bytes at most";
  const std::size_t at = login.rfind('@');
  const std::string_view name = login.substr(0, at);
  if (name.size() > max_login_name)
    return "a login's name may have " + std::to_string(max_login_name) + " bytes at most";
  if (!is_sound_name(name))
    return "a login's name is made of a-z, 0-9, \".\", \"_\", \"-\", \"+\" and letters that are not ASCII, "
           "does not begin "
           "with \".\" or \"-\", and has no \"..\" in it";
  if (at != std::string_view::npos) return refuse_domain(login.substr(at + 1));
  if (is_reserved(name))
    return quoted(name) + " is reserved: mail to it belongs to the operator or to a program of the suite";
  return std::nullopt;
}

Refusal refuse_domain(std::string_view domain) {
  const std::optional<std::string> canonical = to_ascii_domain(domain);
  if (!canonical || domain.starts_with('[')) return quoted(domain) + " is not a domain";
  if (*canonical != domain) return quoted(domain) + " is to be written as " + quoted(*canonical);
  for (const char c : domain)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
      return quoted(domain) + " is not a domain";
  if (domain.find('.') == std::string_view::npos) return quoted(domain) + " is a domain without a dot";
  return std::nullopt;
}

Refusal refuse_directory(std::string_view path) {
  if (!path.starts_with('/')) return quoted(path) + " is not an absolute path";
  if (path.size() > max_account_path)
    return "a path may have " + std::to_string(max_account_path) + " bytes at most";
  if (path == "/") return "\"/\" is nobody's directory";
  if (has_control(path)) return "a path has a control character in it, or is not UTF-8";
  if (path.ends_with('/') || has_odd_component(path.substr(1)))
    return quoted(path) + " has an empty component, \".\" or \"..\" in it";
  return std::nullopt;
}

Refusal refuse_mailbox(std::string_view mailbox) {
  const bool below_home = mailbox.starts_with("./");
  if (!below_home && !mailbox.starts_with('/'))
    return quoted(mailbox) + " is not a mailbox: \"./NAME/\" is a Maildir in the home, \"./NAME\" an mbox";
  if (mailbox.size() > max_account_path)
    return "a mailbox may have " + std::to_string(max_account_path) + " bytes at most";
  if (has_control(mailbox)) return "a mailbox has a control character in it, or is not UTF-8";
  std::string_view path = mailbox.substr(below_home ? 2 : 1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty() || path.ends_with('/') || has_odd_component(path))
    return quoted(mailbox) + " has an empty component, \".\" or \"..\" in it";
  if (mailbox.ends_with(' ') || mailbox.ends_with('\t')) return "a mailbox may not end with a blank";
  return std::nullopt;
}

Refusal refuse_contract_name(std::string_view name) {
  const bool sound =
      !name.empty() && name.size() <= max_contract_name && is_sound_name(name) && is_ascii(name);
  if (sound) return std::nullopt;
  return "a contract's name is made of up to " + std::to_string(max_contract_name) +
         " of a-z, 0-9, \".\", \"_\", \"-\" and \"+\", and does not begin with \".\" or \"-\"";
}

Refusal refuse_password(std::string_view password) {
  if (password.empty()) return "a password may not be empty";
  if (password.size() > max_password)
    return "a password may have " + std::to_string(max_password) + " bytes at most";
  if (has_control(password)) return "a password has a control character in it, or is not UTF-8";
  return std::nullopt;
}

Refusal refuse_account(const Account& account) {
  if (Refusal refusal = refuse_login(account.login)) return refusal;
  if (account.login != canonical_login(account.login)) return "the login is to be written in lower case";
  if (!may_be_id(account.uid))
    return "uid " + std::to_string(account.uid) + ": no mail is delivered with this user id";
  if (!may_be_id(account.gid))
    return "gid " + std::to_string(account.gid) + ": no mail is delivered with this group id";
  if (Refusal refusal = refuse_directory(account.home)) return "home: " + *refusal;
  if (Refusal refusal = refuse_mailbox(account.mailbox)) return "mailbox: " + *refusal;
  if (!account.contract.empty())
    if (Refusal refusal = refuse_contract_name(account.contract)) return refusal;
  if (account.domains.size() > max_own_domains)
    return "an account may have " + std::to_string(max_own_domains) + " domains of its own at most";
  for (auto domain = account.domains.begin(); domain != account.domains.end(); ++domain) {
    if (Refusal refusal = refuse_domain(*domain)) return refusal;
    if (std::find(account.domains.begin(), domain, *domain) != domain)
      return quoted(*domain) + " is there twice";
  }
  return std::nullopt;
}

Refusal refuse_contract(const Contract& contract) {
  if (Refusal refusal = refuse_contract_name(contract.name)) return refusal;
  if (contract.directories.empty()) return "a contract has one directory at least";
  if (contract.directories.size() > max_contract_directories)
    return "a contract may have " + std::to_string(max_contract_directories) + " directories at most";
  for (const std::string& directory : contract.directories)
    if (Refusal refusal = refuse_directory(directory)) return "directory: " + *refusal;
  const bool by_id = contract.kind != Contract::Kind::directories;
  if (by_id && !may_be_id(contract.id))
    return "the file system keeps no quota for id " + std::to_string(contract.id);
  if (!by_id && contract.id != 0) return "an id has no meaning for a contract that counts directories";
  return std::nullopt;
}

}  // namespace hato
