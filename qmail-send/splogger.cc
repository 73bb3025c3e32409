// splogger [TAG [FACILITY]]: gives each line of its input to syslog. man splogger.
#include <syslog.h>

#include <charconv>
#include <cstdio>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/io.h"

using namespace hato;

namespace {

// Bytes of a line that go into one message; what is longer is folded.
constexpr std::size_t fold_limit = 799;
constexpr int last_facility = LOG_NFACILITIES - 1;

int facility(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > last_facility)
    throw PermError("facility " + std::string(text) + ": want a number from 0 to " +
                    std::to_string(last_facility) + " (2 is mail)");
  return number << 3;
}

int priority_of(std::string_view line) {
  if (line.starts_with("alert:")) return LOG_ALERT;
  if (line.starts_with("warning:")) return LOG_WARNING;
  return LOG_INFO;
}

// Seconds and microseconds since 1970.
std::string stamp() {
  const std::int64_t now = now_us();
  char text[40];
  snprintf(text, sizeof text, "%lld.%06lld", static_cast<long long>(now / 1000000),
           static_cast<long long>(now % 1000000));
  return text;
}

std::string printable(std::string line) {
  for (char& c : line)
    if (c < 32 || c > 126) c = '?';
  return line;
}

int body(int argc, char** argv) {
  if (argc > 3) throw PermError("usage: splogger [tag [facility]]");
  openlog(argc > 1 ? argv[1] : "splogger", 0, argc > 2 ? facility(argv[2]) : LOG_MAIL);

  Reader input(0, "standard input");
  std::string line, started;
  int priority = LOG_INFO;
  for (bool folded = false;;) {
    const Reader::Line end = input.read_line(line, fold_limit);
    if (end == Reader::Line::eof) return 0;
    line = printable(line);
    if (!folded && !line.empty()) {
      started = stamp();
      priority = priority_of(line);
    }
    if (!line.empty()) syslog(priority, "%s%c%s", started.c_str(), folded ? '+' : ' ', line.c_str());
    folded = end == Reader::Line::too_long;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("splogger", argc, argv, body);
}
