#include "admin/rule_requests.h"

#include <new>
#include <set>
#include <utility>

#include "admin/rule_json.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/mail/json.h"
#include "lib/store/rule_directory.h"

namespace hato {

namespace {

const std::string& text_member(const JsonValue& request, const char* name) {
  const JsonValue* member = request.member(name);
  if (member == nullptr || member->string() == nullptr)
    throw PermError(std::string("the request lacks ") + name + ", a text");
  return *member->string();
}

std::string extension(const JsonValue& request) {
  const JsonValue* member = request.member("ext");
  if (member == nullptr || member->is_null()) return "";
  if (member->string() == nullptr) throw RuleError("ext", "ext is a text");
  return *member->string();
}

std::string file_name(const std::string& ext) {
  const std::optional<std::string> name = rule_file_name(ext);
  if (!name)
    throw RuleError("ext", "an extension has no slash and no control character, is UTF-8, and has at most " +
                               std::to_string(max_extension) + " bytes");
  return *name;
}

RuleDirectory directory_of(const RuleAccount& account) {
  return {account.directory, account.panel()};
}

RuleText text_of(const std::optional<RuleFile>& file, const RuleAccount& account) {
  if (!file) return {};
  return read_rule(file->text, account.mailbox, file->forward_only, account.limits());
}

std::string whole_json(const RuleAccount& account, const std::string& name,
                       const std::optional<RuleFile>& file) {
  return rule_json({account.login, rule_extension(name).value_or(""), name, file.has_value()},
                   text_of(file, account));
}

std::string instructions_json(const WalkStep& step) {
  std::string text = "[";
  for (const WalkInstruction& instruction : step.instructions)
    text += std::string(text.size() > 1 ? "," : "") + "{\"kind\":" + json_string(instruction.kind) +
            ",\"text\":" + json_string(instruction.text) + "}";
  return text + "]";
}

std::string or_null(const std::string& text) {
  return text.empty() ? "null" : json_string(text);
}

std::string step_json(const WalkStep& step) {
  const char* where = step.where == WalkStep::Where::remote  ? "remote"
                      : step.where == WalkStep::Where::local ? "local"
                                                             : "unknown";
  return "{\"address\":" + json_string(quote_address(step.address)) +
         ",\"by\":" + (step.by.empty() ? "null" : json_string(quote_address(step.by))) + ",\"where\":\"" +
         where + "\",\"account\":" + or_null(step.account) + ",\"file\":" + or_null(step.file) +
         ",\"instructions\":" + instructions_json(step) + ",\"note\":" + or_null(step.note) +
         ",\"loop\":" + (step.loop ? "true" : "false") + "}";
}

}  // namespace

std::string rule_refusal(int code, std::string_view text, std::string_view field) {
  return "{\"ok\":false,\"code\":" + std::to_string(code) + ",\"error\":" + json_string(text) +
         ",\"field\":" + (field.empty() ? "null" : json_string(field)) + "}";
}

std::string RuleRequests::conf_accounts() {
  return std::string(conf::home) + accounts_file;
}

std::string RuleRequests::answer(std::string_view request, const RuleAsker& asker) {
  try {
    return carried_out(JsonValue::parse(request), asker);
  } catch (const RuleError& e) {
    return rule_refusal(e.exit_code(), e.text(), e.field());
  } catch (const PermError& e) {
    return rule_refusal(e.exit_code(), e.text());
  } catch (const Error& e) {
    return rule_refusal(111, e.text());
  } catch (const std::bad_alloc&) {
    return rule_refusal(111, "out of memory");
  }
}

std::string RuleRequests::carried_out(const JsonValue& request, const RuleAsker& asker) {
  const std::string& what = text_member(request, "do");
  if (what == "test") return test(text_member(request, "address"), asker);
  const bool known = what == "get" || what == "list" || what == "set" || what == "delete";
  if (!known) throw PermError("a request is to get, list, set, delete or test");
  const RuleAccount account = account_for(text_member(request, "account"), asker);
  if (what == "list") return list(account);
  const std::string ext = extension(request);
  if (what == "get") return get(account, ext);
  if (what == "delete") return remove(account, ext);
  const JsonValue* rule = request.member("rule");
  if (rule == nullptr) throw PermError("the request lacks rule, an object");
  return set(account, ext, *rule);
}

RuleAccount RuleRequests::account_for(const std::string& login, const RuleAsker& asker) {
  if (asker.any_account) return find_rule_account(control_, accounts_, login);
  // One sentence for all, or names could be tried.
  const PermError foreign("that account is not yours");
  try {
    RuleAccount account = find_rule_account(control_, accounts_, login);
    if (account.uid != asker.uid || shares_uid(account.login, account.uid)) throw foreign;
    return account;
  } catch (const PermError&) {
    throw foreign;
  }
}

bool RuleRequests::shares_uid(const std::string& login, uid_t uid) {
  Cdb* cdb = owners_.current();
  if (cdb == nullptr) {
    accounts_of_uid_.clear();
  } else if (owners_.changed()) {
    accounts_of_uid_.clear();
    cdb->for_each([&](std::string_view key, std::string_view record) {
      if (!key.starts_with('a')) return;
      if (const std::optional<Account> account = parse_account(key.substr(1), record))
        ++accounts_of_uid_[account->uid];
    });
  }
  const auto found = accounts_of_uid_.find(uid);
  const std::size_t all = found == accounts_of_uid_.end() ? 0 : found->second;
  return all > (accounts_.find(login) ? 1U : 0U);
}

std::string RuleRequests::get(const RuleAccount& account, const std::string& ext) {
  const std::string name = file_name(ext);
  return "{\"ok\":true,\"rule\":" + whole_json(account, name, directory_of(account).read(name)) + "}";
}

std::string RuleRequests::list(const RuleAccount& account) {
  const RuleDirectory directory = directory_of(account);
  std::string text = "{\"ok\":true,\"account\":" + json_string(account.login) + ",\"rules\":[";
  bool first = true;
  for (const std::string& name : directory.names()) {
    const std::optional<RuleFile> file = directory.read(name);
    if (!file) continue;  // deleted in the meantime
    text += (first ? "" : ",") + whole_json(account, name, file);
    first = false;
    if (text.size() > json_text_limit - 2)
      throw PermError("these rules have over 1 MiB together: ask for them one by one");
  }
  return text + "]}";
}

std::string RuleRequests::set(const RuleAccount& account, const std::string& ext, const JsonValue& rule) {
  const std::string name = file_name(ext);
  const RuleDirectory directory = directory_of(account);
  if (!directory.exists())
    throw TempError("there is no directory for the rules of " + account.login +
                    " yet: as root, qmail-dot init " + account.login);
  const Fd lock = directory.lock();
  std::optional<RuleFile> file = directory.read(name);
  const RuleText before = text_of(file, account);
  const Rule changed = changed_rule(rule, before);

  const auto most = control_.number("dotmaxforwards", default_dotmaxforwards);
  if (std::cmp_greater(changed.forward.size(), most) && changed.forward.size() > before.rule.forward.size())
    throw RuleError("forward", "an address may be forwarded to " + std::to_string(most) + " others at most");
  if (!file &&
      std::cmp_greater_equal(directory.names().size(), control_.number("dotmaxrules", default_dotmaxrules)))
    throw RuleError("", "this account has as many rules as it may have");
  RuleFile after{edit_rule(file ? file->text : "", changed, account.mailbox, file && file->forward_only,
                           account.limits()),
                 file && file->forward_only};
  for (const std::string& target : changed.forward)
    if (walk_.leads_to(target, account.login, name))
      throw RuleError("forward", "forwarding to " + quote_address(target) +
                                     " would be a loop: it leads back to this rule");
  if (!file || file->text != after.text) directory.write(name, after);
  return "{\"ok\":true,\"rule\":" + whole_json(account, name, std::optional<RuleFile>(std::move(after))) +
         "}";
}

std::string RuleRequests::remove(const RuleAccount& account, const std::string& ext) {
  const std::string name = file_name(ext);
  const RuleDirectory directory = directory_of(account);
  bool deleted = false;
  if (directory.exists()) {
    const Fd lock = directory.lock();
    deleted = directory.remove(name);
  }
  return std::string("{\"ok\":true,\"deleted\":") + (deleted ? "true" : "false") + "}";
}

std::string RuleRequests::test(const std::string& address, const RuleAsker& asker) {
  const std::optional<std::string> raw = parse_mailbox(address);
  if (!raw || !is_clean_address(*raw)) throw RuleError("address", "\"" + address + "\" is not an address");
  std::vector<WalkStep> steps = walk_.follow(*raw);
  bool loop = false;
  if (!asker.any_account) {
    const WalkStep& first = steps.front();
    if (first.account.empty() || first.uid != asker.uid || shares_uid(first.account, first.uid))
      throw PermError("that address is not yours");
    // What others do with their mail is theirs to know.
    std::set<std::string> own;
    for (const WalkStep& step : steps)
      if (!step.account.empty() && step.uid == asker.uid) own.insert(step.address);
    std::erase_if(steps, [&](const WalkStep& step) { return !step.by.empty() && !own.contains(step.by); });
    for (WalkStep& step : steps)
      if (step.account.empty() || step.uid != asker.uid) {
        const WalkStep known = std::move(step);
        step = WalkStep{};
        step.address = known.address;
        step.by = known.by;
        step.where = known.where;
      }
  }
  std::string text;
  for (const WalkStep& step : steps) {
    loop = loop || step.loop;
    text += (text.empty() ? "" : ",") + step_json(step);
    if (text.size() > json_text_limit - 4096)
      throw PermError("the way of a message for it is over 1 MiB long");
  }
  return "{\"ok\":true,\"address\":" + json_string(quote_address(*raw)) +
         ",\"loop\":" + (loop ? "true" : "false") + ",\"steps\":[" + text + "]}";
}

}  // namespace hato
