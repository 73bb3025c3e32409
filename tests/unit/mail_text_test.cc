// Dates, Received fields, envelopes and VERP.

#include <ctime>

#include "lib/mail/date.h"
#include "lib/mail/envelope.h"
#include "lib/mail/received.h"
#include "lib/mail/utf8.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;
using Status = EnvelopeParser::Status;

TEST_CASE("dates") {
  CHECK(qmail_date(1795428000) == "23 Nov 2026 10:00:00 -0000");
  CHECK(rfc5322_date(1795428000, 540) == "Mon, 23 Nov 2026 19:00:00 +0900");
  CHECK(rfc5322_date(1795428000, -210) == "Mon, 23 Nov 2026 06:30:00 -0330");
  CHECK(rfc5322_date(0, 0) == "Thu, 1 Jan 1970 00:00:00 +0000");
  CHECK(mbox_date(1795428000) == "Mon Nov 23 10:00:00 2026");
  CHECK(mbox_date(951782400) == "Tue Feb 29 00:00:00 2000");
  CHECK(qmail_date(-5) == "1 Jan 1970 00:00:00 -0000");
}

TEST_CASE("dates agree with gmtime_r(3) from 1970 to 2400") {
  for (std::int64_t t = 0; t < 13569465600; t += 86400 * 13 + 4567) {
    const time_t clock = static_cast<time_t>(t);
    std::tm expected{};
    gmtime_r(&clock, &expected);
    const CivilTime got = civil_time(t);
    CAPTURE(t);
    REQUIRE(got.year == expected.tm_year + 1900);
    REQUIRE(got.month == expected.tm_mon + 1);
    REQUIRE(got.day == expected.tm_mday);
    REQUIRE(got.weekday == expected.tm_wday);
    REQUIRE(got.hour * 3600 + got.minute * 60 + got.second ==
            expected.tm_hour * 3600 + expected.tm_min * 60 + expected.tm_sec);
  }
}

TEST_CASE("Received of an SMTP transaction (qmail's form, RFC 5321 4.4)") {
  SmtpReceived received{.remote_host = "mx.example.com",
                        .helo = "MX.example.com",
                        .remote_info = "",
                        .remote_ip = "192.0.2.1",
                        .local_host = "mail.example.jp",
                        .protocol = "ESMTP",
                        .trace = "0123456789abc"};
  CHECK(received_field(received, 1795428000) ==
        "Received: from mx.example.com (192.0.2.1)\n"
        "  by mail.example.jp with ESMTP id 0123456789abc; 23 Nov 2026 10:00:00 -0000\n");
  received.helo = "evil) by\nX: y";
  received.remote_info = "us er";
  received.remote_host = "";
  received.trace = "";
  CHECK(received_field(received, 1795428000) ==
        "Received: from unknown (HELO evil??by?X:?y) (us?er@192.0.2.1)\n"
        "  by mail.example.jp with ESMTP; 23 Nov 2026 10:00:00 -0000\n");
}

TEST_CASE("Received of the gate (qmail-queue(8))") {
  CHECK(received_field(99, invoked_by_uid(1000), "0123456789abc", 1795428000) ==
        "Received: (qmail 99 invoked by uid 1000) id 0123456789abc; 23 Nov 2026 10:00:00 -0000\n");
  CHECK(received_field(99, invoked_from_network, "", 1795428000) ==
        "Received: (qmail 99 invoked from network); 23 Nov 2026 10:00:00 -0000\n");
}

TEST_CASE("envelopes") {
  struct Row {
    std::string bytes;
    Status fed;
    Status finished;
    std::size_t recipients;
  };
  const std::string longest(max_envelope_address - 1, 'a');
  const Row rows[] = {
      {"Fa@b\0Tc@d\0Te\0\0"s, Status::complete, Status::complete, 2},
      {"F\0Tc@d\0\0"s, Status::complete, Status::complete, 1},
      {"Fa\0\0"s, Status::complete, Status::complete, 0},  // qmail-queue(8) allows no recipients
      {"Fa@b\0Tc@d\0"s, Status::more, Status::cut_off, 1},
      {""s, Status::more, Status::cut_off, 0},
      {"Fa"s, Status::more, Status::cut_off, 0},
      {"X"s, Status::format, Status::format, 0},
      {"Ta\0\0"s, Status::format, Status::format, 0},
      {"Fa\0X"s, Status::format, Status::format, 0},
      {"Fa\0Fb\0\0"s, Status::format, Status::format, 0},
      {"F" + longest + "\0\0"s, Status::complete, Status::complete, 0},
      {"F" + longest + "a\0\0"s, Status::too_long, Status::too_long, 0},
      {"F\0T"s + longest + "\0\0"s, Status::complete, Status::complete, 1},
      {"F\0T"s + longest + "a"s, Status::too_long, Status::too_long, 0},
      {"Fa\0Tb\0\0Tc\0\0"s, Status::complete, Status::complete, 1},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{10000}}) {
      CAPTURE(row.bytes, piece);
      EnvelopeParser parser;
      for (std::size_t at = 0; at < row.bytes.size(); at += piece)
        parser.feed(std::string_view(row.bytes).substr(at, piece));
      CHECK(static_cast<int>(parser.status()) == static_cast<int>(row.fed));
      CHECK(static_cast<int>(parser.finish()) == static_cast<int>(row.finished));
      CHECK(parser.envelope().recipients.size() == row.recipients);
    }
}

TEST_CASE("an envelope comes back as it was") {
  const Envelope envelope{.sender = "s@example.jp", .recipients = {{"a@b", ""}, {"", ""}}, .params = ""};
  const std::string bytes = encode_envelope(envelope) + "rest";
  EnvelopeParser parser;
  CHECK(parser.feed(bytes) == Status::complete);
  CHECK(parser.consumed() == bytes.size() - 4);
  CHECK(parser.envelope().sender == envelope.sender);
  CHECK(encode_envelope(parser.take()) == encode_envelope(envelope));
}

TEST_CASE("variable envelope return paths (addresses(5))") {
  CHECK(verp_sender("owner-@host.jp-@[]", "bob@example.com") == "owner-bob=example.com@host.jp");
  CHECK(verp_sender("owner-@host.jp-@[]", "a@b@example.com") == "owner-a@b=example.com@host.jp");
  CHECK(verp_sender("owner@host.jp", "bob@example.com") == "owner@host.jp");
  CHECK(verp_sender("owner-@host.jp-@[]", "bob") == "owner-@host.jp-@[]");
  CHECK(verp_sender("-@[]", "bob@example.com") == "-@[]");
  CHECK(without_verp("owner-@host.jp-@[]") == "owner-@host.jp");
  CHECK(without_verp("owner@host.jp") == "owner@host.jp");
  CHECK(without_verp("#@[]") == "#@[]");
  CHECK(is_verp("owner-@host.jp-@[]"));
  CHECK_FALSE(is_verp("#@[]"));
}

TEST_CASE("UTF-8 (RFC 3629)") {
  for (const char* good : {"", "a", "é", "鳩", "😀", "\xf4\x8f\xbf\xbf"}) CHECK(is_utf8(good));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe9", "\xe3\x81", "\xff"})
    CHECK_FALSE(is_utf8(bad));
  for (const char32_t c : {U'a', U'é', U'鳩', U'😀'}) {
    std::string text;
    append_utf8(text, c);
    std::size_t at = 0;
    CHECK(next_utf8(text, at) == c);
    CHECK(at == text.size());
  }
}
