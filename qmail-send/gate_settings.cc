#include "qmail-send/gate_settings.h"

#include <pwd.h>
#include <stdio.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/words.h"
#include "lib/store/accounts.h"
#include "lib/store/cdb.h"

namespace hato {

namespace {

uid_t uid_of(const char* name) {
  const std::optional<User> user = passwd_user(std::string(name));
  if (!user) throw TempError("user " + std::string(name) + " does not exist; make install creates it");
  return user->uid;
}

std::uint64_t number(const std::string& word, const std::string& where) {
  if (word.empty() || word.size() > 18 || word.find_first_not_of("0123456789") != std::string::npos)
    throw TempError(where + ": " + word + " is not a number");
  return std::stoull(word);
}

std::pair<std::string, std::string> two_words(const std::string& line, const std::string& where) {
  std::vector<std::string> both = split_words(line);
  if (both.size() != 2) throw TempError(where + ": \"" + line + "\" has not two words");
  return {both[0], both[1]};
}

constexpr std::int64_t longest_wait = 1'000'000'000;  // seconds: 30 years are as good as for ever

void read_pools(const Control& control, GateSettings& settings) {
  for (const std::string& line : control.lines("gatepools").value_or(std::vector<std::string>())) {
    const std::string where = control.path("gatepools");
    const auto [name, count] = two_words(line, where);
    const auto n = static_cast<unsigned>(std::min<std::uint64_t>(number(count, where), 100000));
    if (name == "mx")
      settings.pool_mx = n;
    else if (name == "submission")
      settings.pool_submission = n;
    else if (name == "local")
      settings.pool_local = n;
    else if (name == "forward")
      settings.pool_forward = n;
    else if (name == "bounce")
      settings.pool_bounce = n;
    else if (name == "all")
      settings.pool_all = n;
    else
      throw TempError(where + ": " + name + " is none of mx, submission, local, forward, bounce, all");
  }
}

void read_content(const Control& control, GateSettings& settings) {
  for (const std::string& line : control.lines("content").value_or(std::vector<std::string>())) {
    const std::string where = control.path("content");
    const auto [name, path] = two_words(line, where);
    const std::optional<Kind> kind = parse_kind(name);
    if (!kind) throw TempError(where + ": " + name + " is none of mx, submission, local, forward, bounce");
    settings.content[*kind].push_back(path);
  }
}

// The address of a customer is the local part that users/assign has for his uid, or his account's login; of
// everybody else his name in /etc/passwd; all at the default host, but for logins that are addresses.
void read_senders(const Control& control, GateSettings& settings) {
  SenderAddresses& senders = settings.senders;
  senders.host = settings.admission.defaulthost;
  if (senders.host.find('.') == std::string::npos && !settings.admission.defaultdomain.empty())
    senders.host += "." + settings.admission.defaultdomain;
  senders.cgi = CgiSenders(control.lines("cgisenders").value_or(std::vector<std::string>()),
                           control.path("cgisenders"));
  try {
    if (std::optional<Cdb> users = Cdb::open(users_cdb_path()))
      users->for_each([&](std::string_view key, std::string_view data) {
        if (const auto found = assigned_name(key, data))
          senders.assigned.add(found->uid, found->local, found->rank);
      });
  } catch (const Error& e) {  // mail is taken all the same
    log_line(2, "qmail-queued: local senders get their names from elsewhere: " + e.text());
  }
  senders.assigned.sort();
  try {
    if (std::optional<Cdb> accounts = Cdb::open(accounts_cdb_path()))
      accounts->for_each([&](std::string_view key, std::string_view record) {
        if (const auto found = account_uid(key, record)) senders.accounts.add(found->uid, found->login);
      });
  } catch (const Error& e) {
    log_line(2, "qmail-queued: local senders get their names from elsewhere: " + e.text());
  }
  senders.accounts.sort(Several::none);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen("/etc/passwd", "re"), fclose);
  if (!file) throw_errno("open /etc/passwd");
  while (const passwd* entry = fgetpwent(file.get())) senders.passwd.add(entry->pw_uid, entry->pw_name);
  senders.passwd.sort();
}

void read_shown(const Control& control, GateSettings& settings) {
  for (const std::string& line : control.lines("showorigin").value_or(std::vector<std::string>())) {
    if (line == "uid")
      settings.show_uid = true;
    else if (line == "script")
      settings.show_script = true;
    else
      throw TempError(control.path("showorigin") + ": " + line + " is neither uid nor script");
  }
}

}  // namespace

std::string users_cdb_path() {
  return std::string(conf::home) + "/users/cdb";
}

std::string accounts_cdb_path() {
  return std::string(conf::home) + accounts_file;
}

unsigned GateSettings::pool(Kind kind) const {
  switch (kind) {
    case Kind::local:
      return pool_local;
    case Kind::forward:
      return pool_forward;
    case Kind::submission:
      return pool_submission;
    case Kind::mx:
      return pool_mx;
    case Kind::bounce:
      return pool_bounce;
  }
  return 0;
}

unsigned GateSettings::room_for_customers() const {
  return pool_all - std::min(pool_mx + pool_submission + pool_bounce, pool_all / 2);
}

GateSettings read_gate_settings(const Control& control) {
  GateSettings settings;
  // qmail-inject(8): defaulthost, defaultdomain and plusdomain fall back to me, then to a text that says so.
  settings.admission.me = control.me();
  settings.admission.defaulthost = control.line_or_me("defaulthost", "defaulthost");
  settings.admission.defaultdomain = control.line_or_me("defaultdomain", "defaultdomain");
  settings.admission.plusdomain = control.line_or_me("plusdomain", "plusdomain");
  settings.admission.idhost = control.line_or_me("idhost", "idhost");
  settings.databytes = static_cast<std::uint64_t>(control.number("databytes", 0));
  settings.admission.databytes = settings.databytes;
  settings.free_bytes = 16ULL << 20;
  settings.free_inodes = 1000;
  if (const std::optional<std::string> line = control.line("queuefree")) {
    const std::string where = control.path("queuefree");
    const auto [bytes, inodes] = two_words(*line, where);
    settings.free_bytes = number(bytes, where);
    settings.free_inodes = number(inodes, where);
  }
  settings.worker_seconds = std::min(control.number("timeoutqueue", settings.worker_seconds), longest_wait);
  settings.content_seconds =
      std::min(control.number("timeoutcontent", settings.content_seconds), longest_wait);
  settings.reuse = control_reuse(control, "reusegate");
  read_pools(control, settings);
  read_content(control, settings);
  for (const std::string& line : control.lines("gateclaim").value_or(std::vector<std::string>()))
    settings.claimers.insert(static_cast<uid_t>(number(line, control.path("gateclaim"))));
  settings.qmaild = uid_of(conf::user_qmaild);
  settings.qmails = uid_of(conf::user_qmails);
  settings.alias = uid_of(conf::user_alias);
  read_senders(control, settings);
  read_shown(control, settings);
  return settings;
}

}  // namespace hato
