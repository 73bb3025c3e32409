#include "qmail-send/settings.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "lib/base/error.h"
#include "lib/store/routing.h"

namespace hato {

namespace {

using Lines = std::vector<std::string>;

std::size_t read_concurrency(const Control& control, const char* name, std::int64_t fallback) {
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(control.number(name, fallback), 0, concurrency_ceiling));
}

void read_notice_form(const Control& control, SendSettings& settings) {
  const std::string form = control.line_or("bounceformat", "dsn");
  settings.qsbmf = form == "qsbmf";
  if (form != "dsn" && form != "qsbmf")
    settings.complaints.push_back("control/bounceformat is neither dsn nor qsbmf; it means dsn");
  const std::int64_t bytes =
      control.number("bouncemaxbytes", static_cast<std::int64_t>(settings.bounce_bytes));
  settings.bounce_bytes = static_cast<std::uint64_t>(bytes);
  settings.notice_texts = NoticeTexts(control.words("bouncelanguage", "ja en"));
  const std::optional<std::string> own = control.text("bouncetext");
  if (!own) return;
  for (const std::string& complaint : settings.notice_texts.take_own(*own))
    settings.complaints.push_back("control/" + complaint);
}

}  // namespace

SendSettings read_send_settings(const Control& control) {
  SendSettings settings;
  settings.concurrency[0] = read_concurrency(control, "concurrencylocal", 10);
  settings.concurrency[1] = read_concurrency(control, "concurrencyremote", 20);
  settings.queue_lifetime = control.number("queuelifetime", settings.queue_lifetime);
  settings.envnoathost = control.line_or_me("envnoathost", "envnoathost");
  settings.bounce_host = control.line_or_me("bouncehost", "bouncehost");
  settings.bounce_from = control.line_or("bouncefrom", "MAILER-DAEMON") + "@" + settings.bounce_host;
  const std::string to = control.line_or("doublebounceto", "postmaster");
  if (!to.empty())
    settings.double_bounce_to = to + "@" + control.line_or_me("doublebouncehost", "doublebouncehost");
  settings.reporter = control.line_or_me("me", settings.bounce_host);
  settings.delay_notice = control.number("delaynotice", 0);
  read_notice_form(control, settings);
  settings.percenthack = control.lines("percenthack").value_or(Lines());
  reread_domains(control, settings);
  reread_limits(control, settings);
  return settings;
}

void reread_limits(const Control& control, SendSettings& settings) {
  const auto hosts = [&](const char* name, std::uint32_t most) {
    return HostLimits(name, control.lines(name).value_or(Lines()), most);
  };
  HostLimits concurrency = hosts("concurrencyremotehost", concurrency_ceiling);
  HostLimits rate = hosts("rateremotehost", rate_ceiling);
  settings.concurrency_user = read_concurrency(control, "concurrencylocaluser", 0);
  settings.concurrency_host = std::move(concurrency);
  settings.rate_host = std::move(rate);
}

void reread_domains(const Control& control, SendSettings& settings) {
  if (!control.text("locals")) control.me();  // a server that does not know its name must not start
  settings.domains = read_routing_lines(control);
}

}  // namespace hato
