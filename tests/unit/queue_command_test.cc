// qmail-q(8)'s command line, selections and listings.

#include "admin/queue_command.h"
#include "lib/base/error.h"
#include "tests/catch.h"

using namespace hato;

namespace {

constexpr std::int64_t now = 1'000'000;

std::int64_t uid_of(const std::string& name) {
  return name == "joe" ? 1234 : -1;
}

QueueCommand parse(const std::vector<std::string>& words) {
  return parse_queue_command(words, now, uid_of);
}

ListedMessage listed(std::int64_t age, bool fresh = false, bool held = false) {
  ListedMessage message;
  message.id = QueueId(static_cast<std::uint64_t>(now - age) * 1000000);
  message.fresh = fresh;
  message.held = held;
  return message;
}

QueuedEnvelope envelope(const std::string& sender, const std::vector<std::string>& recipients) {
  QueuedEnvelope made;
  made.sender = sender;
  for (const std::string& address : recipients) made.recipients.push_back({address, ""});
  return made;
}

QueueHeader header(std::uint32_t uid, std::uint64_t bytes = 500, Kind kind = Kind::local) {
  QueueHeader made;
  made.uid = uid;
  made.kind = kind;
  made.message_end = bytes;
  return made;
}

}  // namespace

TEST_CASE("patterns", "[queue_filter]") {
  struct Row {
    const char* text;
    const char* pattern;
    bool fits;
  };
  const Row rows[] = {{"abc", "abc", true},      {"abc", "ABC", true},  {"abc", "a?c", true},
                      {"abc", "a*", true},       {"abc", "*c", true},   {"abc", "*b*", true},
                      {"abc", "ab", false},      {"abc", "*d*", false}, {"", "*", true},
                      {"", "?", false},          {"", "", true},        {"aXbXc", "a*b*c", true},
                      {"aaaaab", "a*a*b", true}, {"abc", "a**c", true}, {"a*c", "a*c", true}};
  for (const Row& row : rows) {
    CAPTURE(row.text, row.pattern);
    CHECK(pattern_matches(row.text, row.pattern) == row.fits);
  }
  // no pattern makes it slow
  CHECK_FALSE(pattern_matches(std::string(100000, 'a'), "*a*a*a*a*a*a*a*a*a*ab"));
}

TEST_CASE("addresses as they are selected", "[queue_filter]") {
  CHECK(address_matches("Joe@Example.org", "joe@example.ORG"));
  CHECK_FALSE(address_matches("joe@example.org", "joe"));
  CHECK(address_matches("joe@example.org", "@example.org"));
  CHECK_FALSE(address_matches("joe@sub.example.org", "@example.org"));
  CHECK(address_matches("joe@sub.example.org", "@.example.org"));
  CHECK(address_matches("", "<>"));
  CHECK(address_matches("", ""));
  CHECK_FALSE(address_matches("a@b", "<>"));
  CHECK(address_matches("a@b", "*"));
  CHECK(address_matches("list-bounces@example.org", "*-bounces@*"));
  CHECK_FALSE(address_matches("a@b", "@"));
}

TEST_CASE("times and sizes", "[queue_filter]") {
  CHECK(parse_age("90") == 90);
  CHECK(parse_age("15m") == 900);
  CHECK(parse_age("2h") == 7200);
  CHECK(parse_age("7d") == 604800);
  CHECK(parse_age("1w") == 604800);
  for (const char* none : {"", "m", "1x", "-1", "1.5h", "1hh", "99999999999999999999", "9999999w"})
    CHECK_FALSE(parse_age(none));
  CHECK(parse_size("20k") == 20000u);
  CHECK(parse_size("5M") == 5000000u);
  for (const char* none : {"", "k", "5T", "99999999999999999G"}) CHECK_FALSE(parse_size(none));
}

TEST_CASE("what directories tell", "[queue_filter]") {
  const auto fits = [](const std::vector<std::string>& words, const ListedMessage& message) {
    std::vector<std::string> all{"list"};
    all.insert(all.end(), words.begin(), words.end());
    const QueueCommand command = parse(all);
    CHECK_FALSE(command.filter.by_file());
    return command.filter.fits_name(message);
  };
  CHECK(fits({}, listed(10)));
  CHECK(fits({"--older", "1h"}, listed(3601)));
  CHECK_FALSE(fits({"--older", "1h"}, listed(3599)));
  CHECK(fits({"--newer=1h"}, listed(3599)));
  CHECK_FALSE(fits({"--newer", "1h", "--older", "30m"}, listed(60)));
  CHECK(fits({"--state", "new"}, listed(1, true)));
  CHECK_FALSE(fits({"--state", "new"}, listed(1)));
  CHECK(fits({"--state", "deferred"}, listed(1)));
  CHECK_FALSE(fits({"--state", "deferred"}, listed(1, false, true)));
  CHECK(fits({"--state", "held"}, listed(1, true, true)));
  CHECK(fits({"--state", "held", "--state", "deferred"}, listed(1)));
  const std::string id = listed(10).id.text();
  CHECK(fits({"5", "#" + id}, listed(10)));
  CHECK_FALSE(fits({"5", id}, listed(11)));
  CHECK_FALSE(fits({id, "--older", "11"}, listed(10)));
}

TEST_CASE("what header and envelope tell", "[queue_filter]") {
  const auto fits = [](const std::vector<std::string>& words, const QueueHeader& head,
                       const QueuedEnvelope& env) {
    std::vector<std::string> all{"list"};
    all.insert(all.end(), words.begin(), words.end());
    const QueueCommand command = parse(all);
    CHECK(command.filter.by_file());
    return command.filter.fits_file(head, env);
  };
  QueuedEnvelope env = envelope("s@x.example", {"a@one.example", "b@two.example"});
  env.origin = {{"script", "/home/joe/www/mail.php"}, {"ip", "192.0.2.7"}};
  CHECK(fits({"--sender", "S@x.example"}, header(1), env));
  CHECK_FALSE(fits({"--sender", "<>"}, header(1), env));
  CHECK(fits({"--sender", "<>", "--sender", "@x.example"}, header(1), env));
  CHECK(fits({"--domain", "TWO.example"}, header(1), env));
  CHECK(fits({"--domain", ".example"}, header(1), env));
  CHECK_FALSE(fits({"--domain", "example"}, header(1), env));
  CHECK(fits({"--recipient", "b*"}, header(1), env));
  CHECK_FALSE(fits({"--recipient", "b*", "--sender", "q@q"}, header(1), env));
  CHECK(fits({"--uid", "joe"}, header(1234), env));
  CHECK(fits({"--uid", "5", "--uid", "1234"}, header(1234), env));
  CHECK_FALSE(fits({"--uid", "5"}, header(1234), env));
  CHECK(fits({"--kind", "mx"}, header(1, 500, Kind::mx), env));
  CHECK_FALSE(fits({"--kind", "bounce"}, header(1, 500, Kind::mx), env));
  CHECK(fits({"--script", "/home/joe/*"}, header(1), env));
  CHECK_FALSE(fits({"--script", "/home/jim/*"}, header(1), env));
  CHECK_FALSE(fits({"--script", "*", "--login", "*"}, header(1), env));
  CHECK(fits({"--ip", "192.0.2.*"}, header(1), env));
  CHECK(fits({"--larger", "1k"}, header(1, 1001), env));
  CHECK_FALSE(fits({"--larger", "1k"}, header(1, 1000), env));
}

TEST_CASE("command lines", "[queue_command]") {
  CHECK_FALSE(parse({"list"}).selected);
  CHECK(parse({"list", "--json", "--limit", "5"}).limit == 5);
  CHECK(parse({"list", "--by", "sender-domain"}).count_by == "sender-domain");
  CHECK(parse({"hold", "-n", "17"}).dry_run);
  CHECK(parse({"hold", "--dry-run", "--all"}).selected);
  CHECK(parse({"remove", "-"}).ids_from_input);
  const QueueCommand bounce =
      parse({"remove", "--bounce", "--reason", "so there", "--domain", "a.example", "--recipients-only"});
  CHECK(bounce.bounce);
  CHECK(bounce.reason == "so there");
  CHECK(bounce.recipients_only);
  CHECK(parse({"remove", "17", "--bounce"}).reason.find("removed") != std::string::npos);
  CHECK(parse({"show", "--headers", "--", "17"}).filter.ids() == std::vector<QueueId>{QueueId(17)});
}

TEST_CASE("what cannot be meant is refused with a sentence", "[queue_command]") {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"delete", "17"},
      {"hold"},
      {"remove", "--json"},
      {"show"},
      {"show", "--all"},
      {"hold", "0017"},
      {"hold", "17x"},
      {"hold", "/etc/passwd"},
      {"hold", "17", "--bounce"},
      {"remove", "17", "--reason", "x"},
      {"remove", "17", "--recipients-only"},
      {"remove", "--bounce", "--reason", "", "17"},
      {"list", "-n"},
      {"list", "--older"},
      {"list", "--older", "soon"},
      {"list", "--limit", "0"},
      {"list", "--by", "weather"},
      {"list", "--by", "sender", "--ids"},
      {"list", "--by", "sender", "--why"},
      {"list", "--why", "--long"},
      {"list", "--ids", "--why"},
      {"show", "--why", "1"},
      {"list", "--json=yes"},
      {"list", "--uid", "nobody-of-that-name"},
      {"list", "--kind", "spam"},
      {"list", "--state", "lost"},
      {"list", "--domain", "a b"},
      {"list", "--frobnicate"},
      {"status", "17"},
  };
  for (const auto& words : wrong) {
    CAPTURE(words);
    CHECK_THROWS_AS(parse(words), PermError);
  }
}
