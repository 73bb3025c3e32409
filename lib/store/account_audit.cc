#include "lib/store/account_audit.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/mail/json.h"

namespace hato {

namespace {

std::string utc(std::int64_t seconds) {
  const time_t when = seconds;
  tm parts{};
  gmtime_r(&when, &parts);
  char text[sizeof "2026-11-23T16:00:00Z"];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void append_text(std::string& line, std::string_view name, const std::string& text) {
  if (!text.empty()) line.append(",").append(json_string(name)).append(":").append(json_string(text));
}

void append_json(std::string& line, std::string_view name, const std::string& json) {
  if (!json.empty()) line.append(",").append(json_string(name)).append(":").append(json);
}

}  // namespace

AuditActor AuditActor::of_this_process() {
  return {getuid(), env_or("SUDO_USER", ""), ""};
}

std::string audit_line(std::int64_t now_seconds, std::uint64_t generation, const AuditActor& actor,
                       const AuditChange& change) {
  std::string line = "{\"time\":\"" + utc(now_seconds) + "\",\"generation\":" + std::to_string(generation) +
                     ",\"uid\":" + std::to_string(actor.uid);
  append_text(line, "sudo_user", actor.sudo_user);
  append_text(line, "on_behalf_of", actor.on_behalf_of);
  append_text(line, "verb", change.verb);
  append_text(line, "name", change.name);
  append_text(line, "secrets", change.secrets);
  append_json(line, "before", change.before);
  append_json(line, "after", change.after);
  return line + "}\n";
}

void append_audit(const std::string& users, const std::string& lines) {
  const std::string path = users + "/accounts.audit";
  const Fd file = open_file(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
  write_all(file.get(), lines, path);
  fsync_fd(file.get(), path);
}

}  // namespace hato
