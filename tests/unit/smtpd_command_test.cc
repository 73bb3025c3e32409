#include "smtpd/command.h"

#include "lib/net/relay_policy.h"
#include "smtpd/message_text.h"
#include "smtpd/reply.h"
#include "smtpd/settings.h"
#include "tests/catch.h"

using namespace hato;
using namespace hato::smtpd;

TEST_CASE("smtpd command: verb and argument", "[smtpd]") {
  struct Row {
    const char* line;
    Verb verb;
    const char* argument;
    const char* source;
  };
  const Row rows[] = {
      {"HELO a.example", Verb::helo, "a.example", "RFC 5321 4.1.1.1"},
      {"ehlo [192.0.2.1]", Verb::ehlo, "[192.0.2.1]", "RFC 5321 4.1.3; verbs in any case, 2.4"},
      {"MAIL FROM:<a@b> SIZE=1", Verb::mail, "FROM:<a@b> SIZE=1", "RFC 5321 4.1.1.2"},
      {"Rcpt  To:<a@b>", Verb::rcpt, "To:<a@b>", "more than one blank: robustness"},
      {"DATA", Verb::data, "", "RFC 5321 4.1.1.4"},
      {"DATA \t ", Verb::data, "", "RFC 5321 4.1.1: trailing white space tolerated"},
      {"BDAT 3 LAST", Verb::bdat, "3 LAST", "RFC 3030 2"},
      {"RSET", Verb::rset, "", "RFC 5321 4.1.1.5"},
      {"VRFY x", Verb::vrfy, "x", "RFC 5321 4.1.1.6"},
      {"HELP me", Verb::help, "me", "RFC 5321 4.1.1.8"},
      {"NOOP x y", Verb::noop, "x y", "RFC 5321 4.1.1.9"},
      {"QUIT", Verb::quit, "", "RFC 5321 4.1.1.10"},
      {"", Verb::unknown, "", "an empty line is no command"},
      {" DATA", Verb::unknown, "DATA", "a verb begins the line"},
      {"DATAX", Verb::unknown, "", "no prefixes"},
      {"DAT", Verb::unknown, "", "no abbreviations"},
      {"STARTTLS", Verb::unknown, "", "not offered"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line, row.source);
    const Command command = parse_command(row.line);
    CHECK(command.verb == row.verb);
    CHECK(command.argument == row.argument);
  }
}

TEST_CASE("smtpd command: control bytes", "[smtpd]") {
  CHECK(has_control_byte(std::string_view("MAIL\0x", 6)));
  CHECK(has_control_byte("HELO a\x7f"));
  CHECK(has_control_byte("HELO \x1b[2J"));
  CHECK_FALSE(has_control_byte("HELO\ta"));
  CHECK_FALSE(has_control_byte("MAIL FROM:<\xe9\xb3\xa9@x>"));
}

TEST_CASE("smtpd command: parameters of MAIL", "[smtpd]") {
  struct Row {
    const char* text;
    ParameterError error;
    std::optional<std::uint64_t> size;
    bool eight_bit, smtputf8;
    const char* source;
  };
  const auto none = std::nullopt;
  const Row rows[] = {
      {"", ParameterError::none, none, false, false, "nothing said"},
      {"SIZE=0", ParameterError::none, 0, false, false, "RFC 1870 6.1: the sender does not know"},
      {"SIZE=20971520", ParameterError::none, 20971520, false, false, "RFC 1870 3"},
      {"size=5 body=8bitmime", ParameterError::none, 5, true, false,
       "keywords in any case, RFC 5321 4.1.1.11"},
      {"BODY=7BIT", ParameterError::none, none, false, false, "RFC 6152 2"},
      {"BODY=8BITMIME SMTPUTF8", ParameterError::none, none, true, true, "RFC 6531 3.4"},
      {"SIZE=99999999999999999999", ParameterError::none, UINT64_MAX, false, false, "RFC 1870 3: 20 digits"},
      {"SIZE=100000000000000000000", ParameterError::bad_value, none, false, false, "RFC 1870 3: 21 digits"},
      {"SIZE", ParameterError::bad_value, none, false, false, "no value"},
      {"SIZE=", ParameterError::bad_value, none, false, false, "empty value"},
      {"SIZE=-1", ParameterError::bad_value, none, false, false, "no digits"},
      {"SIZE=1 SIZE=1", ParameterError::bad_value, 1, false, false, "RFC 5321 4.1.1.11: at most once"},
      {"BODY=BINARYMIME", ParameterError::bad_value, none, false, false, "RFC 3030 3: not offered"},
      {"BODY=7BIT BODY=8BITMIME", ParameterError::bad_value, none, true, false, "twice"},
      {"SMTPUTF8=1", ParameterError::bad_value, none, false, false, "RFC 6531 3.4: no value"},
      {"RET=FULL ENVID=QQ314159", ParameterError::none, none, false, false, "RFC 3461 4.3, 4.4"},
      {"RET=FULL RET=HDRS", ParameterError::bad_value, none, false, false, "RFC 3461 4.3: at most once"},
      {"RET=ALL", ParameterError::bad_value, none, false, false, "RFC 3461 4.3"},
      {"ENVID=a+b", ParameterError::bad_value, none, false, false, "RFC 3461 4: no xtext"},
      {"ENVID=a ENVID=a", ParameterError::bad_value, none, false, false, "RFC 3461 4.4: at most once"},
      {"NOTIFY=NEVER", ParameterError::unsupported, none, false, false, "RFC 3461 4.1: of RCPT"},
      {"AUTH=<>", ParameterError::unsupported, none, false, false, "RFC 4954: not offered"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text, row.source);
    const auto words = parse_parameters(row.text);
    REQUIRE(words);
    const MailParameters mail = parse_mail_parameters(*words);
    CHECK(mail.error == row.error);
    if (row.error != ParameterError::none) continue;
    CHECK(mail.size == row.size);
    CHECK(mail.eight_bit == row.eight_bit);
    CHECK(mail.smtputf8 == row.smtputf8);
  }
}

TEST_CASE("smtpd command: what the queue keeps of MAIL", "[smtpd]") {
  const auto kept = [](const char* text) {
    return parse_mail_parameters(parse_parameters(text).value()).words();
  };
  CHECK(kept("SIZE=5").empty());
  CHECK(kept("ret=hdrs envid=a+2Bb smtputf8 body=8bitmime size=7") ==
        "BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb");
}

TEST_CASE("smtpd command: parameters of RCPT", "[smtpd]") {
  struct Row {
    const char* text;
    bool smtputf8;
    ParameterError error;
    const char* kept;
    const char* source;
  };
  const Row rows[] = {
      {"", false, ParameterError::none, "", "nothing said"},
      {"NOTIFY=success,FAILURE ORCPT=rfc822;Bob@example.com", false, ParameterError::none,
       "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@example.com", "RFC 3461 10.1"},
      {"notify=never", false, ParameterError::none, "NOTIFY=NEVER", "RFC 3461 4.1"},
      {"NOTIFY=NEVER,DELAY", false, ParameterError::bad_value, "", "RFC 3461 4.1: NEVER stands alone"},
      {"NOTIFY=DELAY NOTIFY=DELAY", false, ParameterError::bad_value, "", "RFC 3461 4.1: at most once"},
      {"NOTIFY", false, ParameterError::bad_value, "", "no value"},
      {"ORCPT=Bob@example.com", false, ParameterError::bad_value, "", "RFC 3461 4.2: no type"},
      {"ORCPT=rfc822;a@b ORCPT=rfc822;a@b", false, ParameterError::bad_value, "",
       "RFC 3461 4.2: at most once"},
      {"ORCPT=utf-8;\u9ce9@x.example", true, ParameterError::none, "ORCPT=utf-8;\\x{9CE9}@x.example",
       "RFC 6533 3"},
      {"ORCPT=utf-8;\u9ce9@x.example", false, ParameterError::bad_value, "",
       "RFC 6533 3: only with SMTPUTF8"},
      {"ORCPT=utf-8;\\x{9CE9}@x.example", false, ParameterError::none, "ORCPT=utf-8;\\x{9CE9}@x.example",
       "RFC 6533 3"},
      {"RET=FULL", false, ParameterError::unsupported, "", "RFC 3461 4.3: of MAIL"},
      {"SIZE=3", false, ParameterError::unsupported, "", "RFC 1870 3: of MAIL"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text, row.smtputf8, row.source);
    const auto words = parse_parameters(row.text);
    REQUIRE(words);
    const RcptParameters rcpt = parse_rcpt_parameters(*words, row.smtputf8);
    CHECK(rcpt.error == row.error);
    if (row.error == ParameterError::none) CHECK(dsn_words(rcpt.dsn) == row.kept);
  }
}

TEST_CASE("smtpd command: BDAT", "[smtpd]") {
  struct Row {
    const char* text;
    bool good;
    std::uint64_t size;
    bool last;
  };
  const Row rows[] = {
      // RFC 3030 section 2
      {"0", true, 0, false},
      {"0 LAST", true, 0, true},
      {"1000 last", true, 1000, true},
      {"7  LAST", true, 7, true},
      {"", false, 0, false},
      {"LAST", false, 0, false},
      {"-1", false, 0, false},
      {"1k", false, 0, false},
      {"1 LAST x", false, 0, false},
      {"1 FIRST", false, 0, false},
      {"9223372036854775807", true, 9223372036854775807U, false},
      {"9223372036854775808", false, 0, false},
      {"99999999999999999999999", false, 0, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto chunk = parse_chunk(row.text);
    REQUIRE(chunk.has_value() == row.good);
    if (!chunk) continue;
    CHECK(chunk->size == row.size);
    CHECK(chunk->last == row.last);
  }
}

namespace {

struct Decoded {
  std::string text;
  std::size_t taken;
  bool done, stray, waiting;
};

Decoded decode(std::string_view octets, std::size_t piece) {
  DataDecoder decoder;
  Decoded result{};
  while (result.taken < octets.size() && !decoder.done())
    result.taken += decoder.feed(octets.substr(result.taken, piece), result.text);
  result.done = decoder.done();
  result.stray = decoder.stray();
  result.waiting = decoder.may_be_waiting();
  return result;
}

}  // namespace

TEST_CASE("smtpd data: what is text, what is the end, what is stray", "[smtpd]") {
  struct Row {
    std::string octets;
    std::string text;  // when nothing is stray
    bool done, stray;
    std::size_t left;  // octets that belong to the next command
    const char* source;
  };
  const Row rows[] = {
      {".\r\n", "", true, false, 0, "an empty message"},
      {"a\r\n.\r\n", "a\n", true, false, 0, "RFC 5321 4.1.1.4"},
      {"a\r\n.\r\nQUIT\r\n", "a\n", true, false, 6, "RFC 2920: input that comes early stays"},
      {"..\r\n.\r\n", ".\n", true, false, 0, "RFC 5321 4.5.2: dot-stuffing"},
      {".a\r\n.\r\n", "a\n", true, false, 0, "RFC 5321 4.5.2: the first dot goes"},
      {"...\r\n.\r\n", "..\n", true, false, 0, "only one of them"},
      {"a.\r\n.\r\n", "a.\n", true, false, 0, "a dot at the end is text"},
      {"\r\n\r\n.\r\n", "\n\n", true, false, 0, "empty lines"},
      {std::string("a\0b\r\n.\r\n", 8), std::string("a\0b\n", 4), true, false, 0, "NUL is text"},
      {"a\r\n", "a\n", false, false, 0, "not yet"},
      {"a\r\n.", "a\n", false, false, 0, "not yet"},
      {"a\r\n.\r", "a\n", false, false, 0, "not yet"},
      {"a\nb\r\n.\r\n", "", true, true, 0, "LF alone"},
      {"a\rb\r\n.\r\n", "", true, true, 0, "CR alone"},
      {"a\r\r\n.\r\n", "", true, true, 0, "CR CR LF"},
      {"a\r\n.\n", "", false, true, 0, "smuggling: CR LF . LF is no end"},
      {"a\n.\n", "", false, true, 0, "smuggling: LF . LF"},
      {"a\n.\r\n", "", false, true, 0, "smuggling: LF . CR LF"},
      {"a\r.\r\n", "", false, true, 0, "smuggling: CR . CR LF"},
      {"a\r.\r", "", false, true, 0, "smuggling: CR . CR"},
      {"a\r\n.\r", "a\n", false, false, 0, "its LF may follow"},
      {"a\r\n.\rb", "", false, true, 0, "smuggling: CR LF . CR"},
      {"a\r\n\n.\r\nMAIL\r\n.\r\n", "", true, true, 0, "smuggling: CR LF LF . CR LF, on to the true end"},
      {"a\r\n.\r\r\n.\r\n", "", true, true, 0, ". CR CR LF"},
      {std::string("a\r\n\0.\r\n.\r\n", 10), std::string("a\n\0.\n", 5), true, false, 0,
       "NUL . is no dot line"},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{1000}}) {
      CAPTURE(row.octets, row.source, piece);
      const Decoded decoded = decode(row.octets, piece);
      CHECK(decoded.done == row.done);
      CHECK(decoded.stray == row.stray);
      if (!row.stray) CHECK(decoded.text == row.text);
      CHECK(row.octets.size() - decoded.taken == (row.done ? row.left : 0));
    }
}

TEST_CASE("smtpd data: a client that ended wrongly and may be waiting is noticed", "[smtpd]") {
  for (const char* octets : {"a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r", "a\r\n.\n\n.\n"}) {
    CAPTURE(octets);
    CHECK(decode(octets, 1000).waiting);
    CHECK(decode(octets, 1).waiting);
    CHECK_FALSE(decode(std::string(octets) + "b", 1000).waiting);
    CHECK_FALSE(decode(std::string(octets) + "b", 1).waiting);
  }
  for (const char* octets : {"a\nb", "a\r\n.\r\n", "a\r\n.\r", "a\r\n."})
    CHECK_FALSE(decode(octets, 1).waiting);
}

TEST_CASE("smtpd chunks: line ends over the borders of chunks", "[smtpd]") {
  struct Row {
    std::vector<std::string> chunks;
    std::string text;
    bool stray;
  };
  const Row rows[] = {
      {{"a\r\nb\r\n"}, "a\nb\n", false},
      {{"a\r", "\nb"}, "a\nb", false},
      {{".\r\n.\r\n"}, ".\n.\n", false},
      {{"a\n"}, "", true},
      {{"a\r", "b"}, "", true},
      {{"a\r"}, "", true},
      {{"a\r\r\n"}, "", true},
      {{"", "", "x"}, "x", false},
      {{}, "", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.chunks);
    ChunkDecoder decoder;
    std::string text;
    for (const std::string& chunk : row.chunks) decoder.feed(chunk, text);
    decoder.finish();
    CHECK(decoder.stray() == row.stray);
    if (!row.stray) CHECK(text == row.text);
  }
}

TEST_CASE("smtpd meter: hops in the header, bytes of all", "[smtpd]") {
  struct Row {
    const char* text;
    unsigned hops;
  };
  const Row rows[] = {
      {"Received: x\nreceived:y\nRECEIVED : z\n\n", 3},
      {"Delivered-To: a\ndelivered-to: b\n\nReceived: c\n", 2},
      {"\nReceived: x\n", 0},
      {"X-Received: a\n Received: b\n\n", 0},
      {"Received-SPF: a\nReceive: b\nDelivered: c\n", 0},
      {"Delivered-Tox: a\nReceivedd: b\n", 0},
      {"", 0},
      {"Received: no end", 1},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{1000}}) {
      CAPTURE(row.text, piece);
      MessageMeter meter;
      std::string_view rest = row.text;
      while (!rest.empty()) {
        meter.feed(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
      }
      CHECK(meter.hops() == row.hops);
      CHECK(meter.bytes() == std::string_view(row.text).size());
    }
}

TEST_CASE("smtpd policy: rcpthosts as qmail reads it", "[smtpd]") {
  RecipientPolicy policy;
  CHECK(policy.allows("x@anywhere.example"));  // no rcpthosts: everything (qmail-smtpd(8))
  policy.rcpthosts.emplace(
      "heaven.af.mil\n.heaven.af.mil\n# comment.example\n\n  \nUPPER.example "
      "\t\n.\xe6\x97\xa5\xe6\x9c\xac.jp\nxn--wgv71a.example");
  struct Row {
    const char* address;
    bool allowed;
    const char* source;
  };
  const Row rows[] = {
      {"a@heaven.af.mil", true, "listed"},
      {"a@HEAVEN.af.MIL", true, "any case"},
      {"a@x.heaven.af.mil", true, "wildcard"},
      {"a@x.y.heaven.af.mil", true, "wildcard, deeper"},
      {"a@xheaven.af.mil", false, "a wildcard begins at a dot"},
      {"a@af.mil", false, "parent"},
      {"a@upper.example", true, "blanks at the end do not count"},
      {"a@comment.example", false, "comment"},
      {"postmaster", true, "without @: always"},
      {"a@heaven.af.mil@evil.example", false, "the last @ counts"},
      {"a%evil.example@heaven.af.mil", true, "percenthack is qmail-send's"},
      {"a@\xe6\x97\xa5\xe6\x9c\xac.example", true, "U-label asked, A-label listed"},
      {"a@www.xn--wgv71a.jp", true, "A-label asked, U-label listed"},
      {"a@", false, "empty domain"},
      {"a@[192.0.2.1]", false, "literal"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.address, row.source);
    CHECK(policy.allows(row.address) == row.allowed);
  }
}

TEST_CASE("smtpd policy: badmailfrom", "[smtpd]") {
  const SenderList list("spammer@example.net\n@bad.example\nplain\n");
  for (const char* bad :
       {"spammer@example.net", "Spammer@EXAMPLE.net", "x@bad.example", "y@BAD.example", "plain"})
    CHECK(list.contains(bad));
  for (const char* good : {"", "x@example.net", "x@sub.bad.example", "bad.example", "@example.net"})
    CHECK_FALSE(list.contains(good));
}

TEST_CASE("smtpd policy: address literals of this host", "[smtpd]") {
  const OwnAddresses ours({*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")});
  const auto replaced = [&](const char* address) {
    return replace_local_literal(address, ours, "me.example");
  };
  CHECK(replaced("a@[192.0.2.1]") == "a@me.example");
  CHECK(replaced("a@[IPv6:2001:DB8:0::1]") == "a@me.example");
  CHECK(replaced("a@[192.0.2.2]") == "a@[192.0.2.2]");
  CHECK(replaced("a@b") == "a@b");
  CHECK(replaced("[192.0.2.1]") == "[192.0.2.1]");
  CHECK(replace_local_literal("a@[192.0.2.1]", ours, "") == "a@[192.0.2.1]");  // nothing to put there
}

TEST_CASE("smtpd replies: the providers' texts word for word", "[smtpd]") {
  Replies replies;
  CHECK(replies.line(Reply::rcpthosts) ==
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n");
  CHECK(replies.line(Reply::databytes) ==
        "552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n");
  CHECK(replies.line(Reply::accepted, "1 qp 2") == "250 ok 1 qp 2\r\n");
  replies.enhanced(true);
  CHECK(replies.line(Reply::rcpthosts) ==
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n");
  CHECK(replies.line_of_queue(82, "D552 sorry, that message size exceeds my databytes limit (#5.3.4)") ==
        "552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n");
  // RFC 2034 4: the code begins the text
  CHECK(replies.line(Reply::unknown_command) == "502 5.5.1 unimplemented (#5.5.1)\r\n");
  CHECK(replies.line(Reply::rcpt_ok) == "250 2.1.5 ok\r\n");
  CHECK(replies.line(Reply::go_ahead) == "354 go ahead\r\n");
  for (int i = 0; i < static_cast<int>(Reply::count); ++i) {
    const std::string line = replies.line(static_cast<Reply>(i));
    CAPTURE(line);
    CHECK(line.size() <= 512);  // RFC 5321 4.5.3.1.5
    const bool verbatim = line.starts_with("553 sorry, that domain") || line.starts_with("552 sorry") ||
                          line.starts_with("452 sorry, mailbox is full");
    if (line[0] != '3' && !verbatim) CHECK((line[4] == line[0] && line[5] == '.'));
    if (line[0] >= '4') CHECK(line.find("(#") != std::string::npos);
  }
}

TEST_CASE("smtpd replies: the operator's own", "[smtpd]") {
  Replies replies;
  CHECK(replies.override_with("rcpthosts: 550 no relaying; see https://help.example/relay (#5.7.0)"));
  CHECK(replies.line(Reply::rcpthosts) == "550 no relaying; see https://help.example/relay (#5.7.0)\r\n");
  CHECK(replies.override_with("databytes: 552 zu gross"));
  CHECK(replies.override_with("queue51: 451 come back"));
  CHECK(replies.override_with("unimpl: 502 what? (#5.5.2)"));
  CHECK(replies.override_with("hops: 554 round and round"));
  replies.enhanced(true);
  CHECK(replies.line(Reply::rcpthosts) == "550 no relaying; see https://help.example/relay (#5.7.0)\r\n");
  CHECK(replies.line(Reply::databytes) == "552 zu gross\r\n");
  CHECK(replies.line_of_queue(51, "") == "451 4.3.0 come back\r\n");
  CHECK(replies.line(Reply::unknown_command) == "502 5.5.2 what? (#5.5.2)\r\n");
  CHECK(replies.line(Reply::hops) == "554 5.4.6 round and round\r\n");
  for (const char* wrong :
       {"rcpthosts: 250 ok", "rcpthosts: 450 later", "rcpthosts 550 x", "nosuch: 550 x", "rcpthosts: 55 x",
        "rcpthosts: 550", "rcpthosts: 550 \xe9", "rcpthosts: 550 a\rb", "queue51: 550 x", "queue0: 250 x",
        "queue: 451 x", "queue1234: 451 x", "rcpthosts: 550 (#4.0.0)x\n"})
    CHECK_FALSE(replies.override_with(wrong));
  CHECK_FALSE(replies.override_with("rcpthosts: 550 " + std::string(500, 'x')));
}

TEST_CASE("smtpd replies: what the queue said", "[smtpd]") {
  const Replies replies;
  struct Row {
    int code;
    const char* custom;
    const char* line;
  };
  const Row rows[] = {
      {82, "Dno virus today (#5.7.1)", "554 no virus today (#5.7.1)\r\n"},
      {82, "Zlater", "451 later\r\n"},
      {82, "D552 sorry, that message size exceeds my databytes limit (#5.3.4)",
       "552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n"},
      {82, "D452 no", "554 452 no\r\n"},
      {82, "Z250 ok", "451 250 ok\r\n"},
      {82, "Da\r\n250 b", "554 a??250 b\r\n"},
      {11, "", "554 envelope address too long for qq (#5.1.3)\r\n"},
  };
  for (const Row& row : rows) CHECK(replies.line_of_queue(row.code, row.custom) == row.line);
  for (const int code : {51, 52, 53, 54, 61, 71, 72, 73, 74, 91, 1, 99})
    CHECK(replies.line_of_queue(code, "").substr(0, 4) == "451 ");
}

TEST_CASE("smtpd limits: control/smtplimits", "[smtpd]") {
  Limits limits;
  CHECK(limits.set("recipients: 5"));
  CHECK(limits.recipients == 5);
  CHECK(limits.set("recipients: 0"));
  CHECK(limits.recipients == 1);  // a server that takes none would be down
  CHECK(limits.set("commandline: 1"));
  CHECK(limits.commandline == 512);  // RFC 5321 4.5.3.1.4
  CHECK(limits.set("helo:0"));
  CHECK_FALSE(limits.helo);
  for (const char* wrong : {"recipients", "recipients:", "recipients: x", "recipients: -1", "recipients: 1 2",
                            "rcpts: 3", "errors: 99999999999"})
    CHECK_FALSE(limits.set(wrong));
}
