// Packages of QMTP (cr.yp.to/proto/qmtp.txt) and QMQP (cr.yp.to/proto/qmqp.html).
#include "qmtp/package.h"

#include "lib/mail/netstring.h"
#include "qmtp/answer.h"
#include "tests/catch.h"

using namespace hato;
using namespace hato::qmtp;

namespace {

std::string net(std::string_view string) {
  std::string out;
  append_netstring(out, string);
  return out;
}

// What a package says, in one line: ENCODING octets|text|sender|recipient ...; "-" is an address that is too
// long.
class Said : public PackageSink {
 public:
  void message_begins(Encoding encoding, std::uint64_t octets) override {
    all += encoding == Encoding::lf ? "lf " : encoding == Encoding::crlf ? "crlf " : "unknown ";
    all += std::to_string(octets) + "|";
  }
  void text(std::string_view piece) override { all += piece; }
  void message_ends() override { all += "|"; }
  void sender(std::optional<std::string> address) override { all += address.value_or("-"); }
  void recipient(std::optional<std::string> address) override { all += "|" + address.value_or("-"); }
  std::string all;
};

struct Parsed {
  std::string said;
  PackageParser::State state;
  PackageFault fault;
  std::size_t taken;
};

Parsed parse(Protocol protocol, std::string_view octets, std::size_t piece) {
  Said said;
  PackageParser parser(protocol, said);
  std::size_t taken = 0;
  while (taken < octets.size() && parser.state() == PackageParser::State::more)
    taken += parser.feed(octets.substr(taken, piece));
  return {said.all, parser.state(), parser.fault(), taken};
}

}  // namespace

TEST_CASE("the packages of qmtp.txt, section 8", "[qmtp]") {
  const std::string first =
      "246:\nReceived: (qmail-queue invoked by uid 0); 29 Jul 1996 09:36:40 -0000\n"
      "Date: 29 Jul 1996 11:35:35 -0000\nMessage-ID: <19960729113535.375.qmail@heaven.af.mil>\n"
      "From: God@heaven.af.mil\nTo: djb@silverton.berkeley.edu (D. J. Bernstein)\n\nThis is a test.\n,"
      "24:God-DSN-37@heaven.af.mil,30:26:djb@silverton.berkeley.edu,,";
  const std::string second =
      "356:\rFrom: MAILER-DAEMON@heaven.af.mil\r\nTo:\r\n"
      "   Hate.\"The Quoting\"@SILVERTON.berkeley.edu,\r\n   \"\\\\Backslashes!\"@silverton.BERKELEY.edu\r\n"
      "\r\nThe recipient addresses here could have been encoded in SMTP as\r\n\r\n"
      "   RCPT TO:<Hate.The\\ Quoting@silverton.berkeley.EDU>\r\n"
      "   RCPT TO:<\\\\Backslashes!@silverton.berkeley.edu>\r\n\r\n"
      "This ends with a partial last line, right here,0:,"
      "83:39:Hate.The Quoting@silverton.berkeley.edu,36:\\Backslashes!@silverton.berkeley.EDU,,";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100000}}) {
    const Parsed one = parse(Protocol::qmtp, first + second, piece);
    CHECK(one.state == PackageParser::State::complete);
    CHECK(one.taken == first.size());
    CHECK(one.said.starts_with("lf 245|Received: (qmail-queue"));
    CHECK(one.said.ends_with("This is a test.\n|God-DSN-37@heaven.af.mil|djb@silverton.berkeley.edu"));
    const Parsed two = parse(Protocol::qmtp, second, piece);
    CHECK(two.state == PackageParser::State::complete);
    CHECK(two.said.starts_with("crlf 355|From: MAILER-DAEMON@heaven.af.mil\nTo:\n   Hate."));
    CHECK(two.said.ends_with(
        "right here||Hate.The Quoting@silverton.berkeley.edu|\\Backslashes!@silverton.berkeley.EDU"));
    CHECK(two.said.find('\r') == std::string::npos);
  }
}

TEST_CASE("QMTP: line ends of both encodings (section 4)", "[qmtp]") {
  struct Row {
    std::string encoded, said;
  };
  const Row rows[] = {
      {"\na\nb", "lf 3|a\nb|"},
      {"\na\r\nb\r", "lf 5|a\r\nb\r|"},  // a CR is a byte like others: "without corruption"
      {"\ra\r\nb", "crlf 4|a\nb|"},
      {"\ra\rb\r\r\nc\r", "crlf 8|a\rb\r\nc\r|"},
      {"\ra\nb", "crlf 3|a\nb|"},  // no safe message; it may be changed (section 5)
      {std::string("\n\0\xff", 3), std::string("lf 2|\0\xff|", 8)},
      {"\n", "lf 0||"},
      {"\r", "crlf 0||"},
      {"", "unknown 0||"},
      {"abc", "unknown 2||"},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
      CAPTURE(row.encoded, piece);
      const Parsed parsed = parse(Protocol::qmtp, net(row.encoded) + "0:,0:,", piece);
      CHECK(parsed.state == PackageParser::State::complete);
      CHECK(parsed.said == row.said);
    }
}

TEST_CASE("QMQP: one netstring around all of it", "[qmtp]") {
  struct Row {
    std::string octets, said;
    PackageParser::State state;
    PackageFault fault;
  };
  using enum PackageParser::State;
  const std::string far(max_envelope_address, 'x');
  const Row rows[] = {
      {net(net("a\r\nb\n") + net("s@x") + net("r@y")), "lf 5|a\r\nb\n|s@x|r@y", complete, PackageFault::none},
      {net(net("") + net("") + net("r") + net("")), "lf 0|||r|", complete, PackageFault::none},
      {net(net("m") + net("s")), "lf 1|m|s", complete, PackageFault::none},
      {net(net("m") + net(far) + net(far.substr(1))), "lf 1|m|-|" + far.substr(1), complete,
       PackageFault::none},
      {net(net("m")), "lf 1|m|", broken, PackageFault::overrun},
      {net(""), "", broken, PackageFault::overrun},
      {"3:1:a,0:,,", "", broken, PackageFault::overrun},               // a comma outside of it
      {"10:1:m,1:s,5:r,", "lf 1|m|s", broken, PackageFault::overrun},  // a string beyond it
      {"10:1:m,1:s,00:,,", "lf 1|m|s", broken, PackageFault::length},
      {"12:1:m,1:s,1:rr,", "lf 1|m|s", broken, PackageFault::comma},
      {"12:1:m,1:s,1:r,.", "lf 1|m|s|r", broken, PackageFault::comma},
      {"11:1:m.", "lf 1|m|", broken, PackageFault::comma},
      {"x", "", broken, PackageFault::length},
      {"12:1:m,1:s,1:r,", "lf 1|m|s|r", more, PackageFault::none},
      {"11:1:m,1:s", "lf 1|m|", more, PackageFault::none},
      {net(net("m") + net("s") + std::to_string(max_envelope_octets) + ":" +
           std::string(max_envelope_octets, 'x') + ","),
       "lf 1|m|s", broken, PackageFault::envelope},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1} << 30}) {
      CAPTURE(row.octets.substr(0, 100), piece);
      const Parsed parsed = parse(Protocol::qmqp, row.octets, piece);
      CHECK(parsed.said == row.said);
      CHECK(parsed.state == row.state);
      CHECK(parsed.fault == row.fault);
    }
}

TEST_CASE("QMTP: what is no package", "[qmtp]") {
  struct Row {
    std::string octets, said;
    PackageFault fault;
  };
  const std::string message = net("\nm");
  const std::string begun = "lf 1|m|";
  const Row rows[] = {
      {"EHLO x\r\n", "", PackageFault::length},
      {"2:\nm;", begun, PackageFault::comma},
      {message + "1:s.", begun, PackageFault::comma},
      {message + "1:s,4:1:r.,", begun + "s", PackageFault::comma},
      {message + "1:s,4:1:r,.", begun + "s|r", PackageFault::comma},
      {message + "1:s,4:2:r,,", begun + "s", PackageFault::overrun},
      {message + "1:s,4:9:rrrrrrrrr,,", begun + "s", PackageFault::overrun},
      {message + "1:s,1:4,", begun + "s", PackageFault::overrun},
      {message + "1:s,3::r,,", begun + "s", PackageFault::length},
      {message + "1:s," + std::to_string(max_envelope_octets) + ":", begun + "s", PackageFault::envelope},
      {message + std::to_string(max_envelope_octets + 1) + ":", begun, PackageFault::envelope},
      {"9999999999999999999:", "", PackageFault::length},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
      CAPTURE(row.octets, piece);
      const Parsed parsed = parse(Protocol::qmtp, row.octets, piece);
      CHECK(parsed.state == PackageParser::State::broken);
      CHECK(parsed.said == row.said);
      CHECK(parsed.fault == row.fault);
      CHECK(answer::broken(parsed.fault).starts_with('D'));
    }
}

TEST_CASE("a package has 250000 recipients at most", "[qmtp]") {
  std::string list;
  for (std::size_t i = 0; i < max_recipients; ++i) list += "1:r,";
  Said said;
  PackageParser fits(Protocol::qmtp, said);
  CHECK(fits.feed(net("\n") + "0:," + net(list)) > list.size());
  CHECK(fits.state() == PackageParser::State::complete);
  const Parsed more = parse(Protocol::qmtp, net("\n") + "0:," + net(list + "0:,"), 1U << 30);
  CHECK(more.fault == PackageFault::recipients);
  CHECK(std::string(answer::broken(more.fault)).find(std::to_string(max_recipients)) != std::string::npos);
  CHECK(std::string(answer::broken(PackageFault::envelope)).find(std::to_string(max_envelope_octets)) !=
        std::string::npos);
}

TEST_CASE("answers of the queue lose what is SMTP's", "[qmtp]") {
  struct Row {
    int code;
    const char* text;
    const char* answer;
  };
  const Row rows[] = {
      {82, "D552 sorry, too big (#5.3.4)", "Dsorry, too big (#5.3.4)"},
      {82, "Zlater", "Zlater"},
      {82, "Dtwo\nlines", "Dtwo?lines"},
      {82, "D552", "D552"},
      {82, "", "Zqq temporary problem (#4.3.0)"},
      {31, "", "Dmail server permanently rejected message (#5.3.0)"},
      {53, "", "Zqq write error or disk full (#4.3.0)"},
  };
  for (const Row& row : rows) {
    GateResult result;
    result.code = row.code;
    result.text = row.text;
    CHECK(answer::refused(result) == row.answer);
  }
  CHECK(answer::accepted(838640135, 1390) == "Kok 838640135 qp 1390");
}
