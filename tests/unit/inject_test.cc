// The pure parts of qmail-inject and sendmail.

#include "inject/line_ends.h"
#include "inject/message_input.h"
#include "inject/options.h"
#include "inject/outgoing_header.h"
#include "inject/qualify.h"
#include "inject/sendmail_options.h"
#include "lib/base/error.h"
#include "lib/mail/encoded_word.h"
#include "lib/mail/header.h"
#include "tests/catch.h"

using namespace hato;

namespace {

const AddressDefaults defaults{.host = "host", .domain = "example.jp", .plus_domain = "plus.example"};

HeaderRules plain_rules() {
  HeaderRules rules;
  rules.defaults = defaults;
  rules.idhost = "id.example.jp";
  rules.identity = {.user = "joe", .host = "", .name = {}, .sender_user = "joe", .sender_host = ""};
  rules.now = 1795428000;
  rules.pid = 42;
  rules.unique = "abc";
  return rules;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : "|") + word;
  return out;
}

std::string body_of(const std::string& header, const char* name) {
  const auto field = find_field(header, name);
  return field ? unfolded(field->body) : "(none)";
}

}  // namespace

TEST_CASE("line ends of input") {
  struct Row {
    const char* input;
    const char* expected;
  };
  const Row rows[] = {
      {"a\nb\n", "a\nb\n"},
      {"a\r\nb\r\n", "a\nb\n"},
      {"a", "a"},
      {"a\r\nb", "a\nb"},
      {"a\r\r\nb\n", "a\nb\n"},
      {"a\rb\n", "a\rb\n"},
      {"a\r", "a\n"},
      {"", ""},
      {"\r\n", "\n"},
      {"\n\n", "\n\n"},
      {".\r\n.\n", ".\n.\n"},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{100}}) {
      CAPTURE(row.input, piece);
      const std::string_view input = row.input;
      LineEnds ends;
      std::string out;
      for (std::size_t at = 0; at < input.size(); at += piece) ends.feed(input.substr(at, piece), out);
      ends.finish(out);
      CHECK(out == row.expected);
    }
}

TEST_CASE("where a message's header ends (qmail-header(5))") {
  struct Row {
    const char* text;
    std::size_t offset;
    bool separator_missing;
  };
  const Row rows[] = {
      {"A: b\n\nbody\n", 5, false},
      {"A: b\n c\n\n", 8, false},
      {"\nbody\n", 0, false},
      {"body\n", 0, true},
      {"A: b\nbody\n", 5, true},
      {" x\n", 0, true},
      {"A: b\n", 5, false},
      {"", 0, false},
      {"From me\nA: b\n\n", 13, false},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    HeaderEnd end;
    CHECK(end.find(row.text, true));
    CHECK(end.offset() == row.offset);
    CHECK(end.separator_missing() == row.separator_missing);
  }
  HeaderEnd endless;
  CHECK(endless.find(std::string(100000, 'x'), false));  // one line without an end: no header
  CHECK(endless.separator_missing());
  HeaderEnd field;
  CHECK_FALSE(field.find("A: " + std::string(100000, 'x'), false));
  HeaderEnd end;
  CHECK_FALSE(end.find("A: b\nB: c", false));
  CHECK(end.find("A: b\nB: c\n\n", false));
  CHECK(end.offset() == 10);
}

TEST_CASE("addresses completed (qmail-inject(8), qmail-header(5))") {
  struct Row {
    const char* raw;
    const char* expected;
  };
  const Row rows[] = {
      {"joe", "joe@host.example.jp"},
      {"joe@silverton", "joe@silverton.example.jp"},
      {"joe@x.org", "joe@x.org"},
      {"joe@cs+", "joe@cs.plus.example"},
      {"joe@x.org.", "joe@x.org"},
      {"joe@", "joe@host.example.jp"},
      {"joe@[192.0.2.1]", "joe@[192.0.2.1]"},
      {"owner-@host.org-@[]", "owner-@host.org-@[]"},
      {"@a.org,@b.org:joe@x.org", "joe@x.org"},
      {"a..b@docomo.ne.jp", "a..b@docomo.ne.jp"},
      {"", ""},
  };
  for (const Row& row : rows) {
    INFO(row.raw);
    CHECK(qualified(row.raw, defaults) == row.expected);
  }
}

TEST_CASE("a header without anything gets everything (qmail-header(5))") {
  const OutgoingHeader made = make_header("To: fred\n", plain_rules());
  CHECK(made.text ==
        "Date: 23 Nov 2026 10:00:00 -0000\n"
        "Message-ID: <20261123100000.42.abc.qmail@id.example.jp>\n"
        "From: joe@host.example.jp\n"
        "To: fred@host.example.jp\n");
  CHECK(made.sender == "joe@host.example.jp");
  CHECK(joined(made.recipients) == "fred@host.example.jp");
}

TEST_CASE("a complete header stays as it is") {
  const std::string header =
      "Received: (x)\nDATE: today\nmessage-id: <x@y>\nFrom: \"A, b\" <a@b.org>\nTo: c@d.org,\n  E <e@f.org>\n"
      "Subject: \x1b$B$3\x1b(B\n";
  const OutgoingHeader made = make_header(header, plain_rules());
  CHECK(made.text == header);
  CHECK(joined(made.recipients) == "c@d.org|e@f.org");
}

TEST_CASE("recipients of the header, and what is removed (qmail-header(5))") {
  struct Row {
    const char* header;
    const char* recipients;
    const char* field;
    const char* body;
  };
  const Row rows[] = {
      {"To: a@b.org\nCc: c@d.org\nBcc: e@f.org\n", "a@b.org|c@d.org|e@f.org", "Bcc", "(none)"},
      {"Bcc: e@f.org\n", "e@f.org", "Cc", "recipient list not shown: ;"},
      {"Apparently-To: e@f.org\n", "e@f.org", "Apparently-To", "e@f.org"},
      {"To: g: a@b.org, c;, <>\n", "a@b.org|c@host.example.jp", "To", "g: a@b.org, c@host.example.jp;, <>"},
      {"To: a@b.org\nResent-To: r@x.org\nResent-Bcc: s@x.org\n", "r@x.org|s@x.org", "Resent-Bcc", "(none)"},
      {"To: a@b.org\nResent-Bcc: s@x.org\n", "s@x.org", "Resent-Cc", "recipient list not shown: ;"},
      {"To: a@b.org\nResent-To: r@x.org\n", "r@x.org", "Resent-From", "joe@host.example.jp"},
      {"To: a@b.org\nResent-To: r@x.org\n", "r@x.org", "From", "(none)"},
      {"To: a@b.org\nContent-Length: 3\n", "a@b.org", "Content-Length", "(none)"},
      {"To: \"open <a@b.org>\nCc: c@d.org\n", "c@d.org", "To", "\"open <a@b.org>"},
      {"To: <@r.org:a@b.org>\n", "a@b.org", "To", "<a@b.org>"},
      {"To: a b\n", "a@host.example.jp|b@host.example.jp", "To", "a@host.example.jp, b@host.example.jp"},
      {"To: a@b.org\nReply-To: x\n", "a@b.org", "Reply-To", "x@host.example.jp"},
      {"To: a@b.org\nSubject: x y\n", "a@b.org", "Subject", "x y"},
  };
  for (const Row& row : rows) {
    INFO(row.header);
    const OutgoingHeader made = make_header(row.header, plain_rules());
    CHECK(joined(made.recipients) == row.recipients);
    CHECK(body_of(made.text, row.field) == row.body);
  }
}

TEST_CASE("no line end gets into an address, quoted or in a Japanese text (RFC 5322 3.2.1, RFC 1468)") {
  for (const char* header : {"To: a@c\\\n Bcc: x@y.org\n", "To: a@c\\\r\n Bcc: x@y.org\n",
                             "To: \"a\\\n b\"@c\n", "To: a@\x1b$BM\n Bcc: x@y.org \x1b(B\n"}) {
    const OutgoingHeader made = make_header(header, plain_rules());
    CAPTURE(header, made.text);
    HeaderFields all(made.text);
    while (const auto field = all.next()) CHECK_FALSE(field->is("Bcc"));
    CHECK(all.offset() == made.text.size());  // each line begins a field or continues one
    for (const std::string& address : made.recipients) CHECK(address.find('\n') == std::string::npos);
  }
}

TEST_CASE("the envelope sender (qmail-inject(8))") {
  HeaderRules rules = plain_rules();
  CHECK(make_header("Return-Path: <r@x.org>\n", rules).sender == "r@x.org");
  CHECK(make_header("Return-Path: <>\n", rules).sender.empty());
  CHECK(body_of(make_header("Return-Path: <r@x.org>\n", rules).text, "Return-Path") == "(none)");
  rules.flags.verp_per_recipient = true;
  CHECK(make_header("", rules).sender == "joe-@host.example.jp-@[]");
  CHECK(make_header("Return-Path: r-@x.org\n", rules).sender == "r-@x.org-@[]");
  rules.flags.verp_per_message = true;
  CHECK(make_header("", rules).sender == "joe-1795428000.42-@host.example.jp-@[]");
  rules.flags = {};
  rules.flags.ignore_return_path = true;
  CHECK(make_header("Return-Path: <r@x.org>\n", rules).sender == "joe@host.example.jp");
  rules.identity.sender_user = "s";
  rules.identity.sender_host = "bounce.org";
  CHECK(make_header("", rules).sender == "s@bounce.org");
  rules.sender = "f@x.org";
  CHECK(make_header("Return-Path: <r@x.org>\n", rules).sender == "f@x.org");
}

TEST_CASE("the From field that is added (qmail-inject(8))") {
  HeaderRules rules = plain_rules();
  rules.identity.name = "Joe \"X\" Doe";
  CHECK(body_of(make_header("", rules).text, "From") == "\"Joe \\\"X\\\" Doe\" <joe@host.example.jp>");
  rules.flags.name_in_comment = true;
  rules.identity.name = "Joe (X)";
  CHECK(body_of(make_header("", rules).text, "From") == "joe@host.example.jp (Joe \\(X\\))");
  rules.flags = {};
  rules.identity.name = "鳩";
  CHECK(body_of(make_header("", rules).text, "From") == "=?UTF-8?B?6bOp?= <joe@host.example.jp>");
  rules.identity.name.reset();
  rules.identity.user = "a..b";
  CHECK(body_of(make_header("", rules).text, "From") == "\"a..b\"@host.example.jp");
  rules.flags.delete_from = true;
  rules.flags.delete_message_id = true;
  const OutgoingHeader made = make_header("From: x@y.org\nMessage-ID: <1@2>\n", rules);
  CHECK(body_of(made.text, "From") == "\"a..b\"@host.example.jp");
  CHECK(body_of(made.text, "Message-ID") != "<1@2>");
}

TEST_CASE("Mail-Followup-To ($QMAILMFTFILE)") {
  HeaderRules rules = plain_rules();
  rules.followup_addresses = {"list@x.org"};
  CHECK(body_of(make_header("To: LIST@x.org\nCc: a@b.org\n", rules).text, "Mail-Followup-To") ==
        "LIST@x.org,  a@b.org");
  CHECK(body_of(make_header("To: a@b.org\n", rules).text, "Mail-Followup-To") == "(none)");
  CHECK(body_of(make_header("To: list@x.org\nMail-Followup-To: me\n", rules).text, "Mail-Followup-To") ==
        "me");
}

TEST_CASE("encoded words (RFC 2047)") {
  const std::string words = encoded_words(std::string(40, 'a') + "日本語日本語日本語日本語");
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t lf = std::min(words.find('\n', at), words.size());
    CHECK(lf - at <= 76);
    at = lf + 1;
  }
  CHECK(display_name("a\nb") == "\"a b\"");
  CHECK(display_name("\x1b$BH7\x1b(B") == "=?ISO-2022-JP?B?GyRCSDcbKEI=?=");
  CHECK(comment_text("\x1b$BH7\x1b(B") == "=?ISO-2022-JP?B?GyRCSDcbKEI=?=");
  std::string name = "Joe \x1b$B";
  for (int i = 0; i < 30; ++i) name += "H7";
  const std::string folded = display_name(name + "\x1b(B");
  for (std::size_t at = 0; at < folded.size();) {
    const std::size_t lf = std::min(folded.find('\n', at), folded.size());
    CHECK(lf - at <= 76);
    CHECK(folded.substr(folded.rfind(' ', lf) + 1, 16) == "=?ISO-2022-JP?B?");
    at = lf + 1;
  }
  CHECK_FALSE(is_iso2022_jp("ascii"));
  CHECK_FALSE(is_iso2022_jp("\x1b$BH7"));       // not back in ASCII
  CHECK_FALSE(is_iso2022_jp("\x1b$BH\x1b(B"));  // half a character
  CHECK_FALSE(is_iso2022_jp("a\n\x1b$BH7\x1b(B"));
  CHECK_FALSE(is_iso2022_jp("\x1b[31m\x1b$BH7\x1b(B"));
  CHECK(display_name("\xe9") == "\"\xe9\"");
}

TEST_CASE("options as getopt(3) reads them") {
  const std::vector<std::string> words = {"x", "-abv", "-f", "v1", "-fv2", "-z", "--", "-a"};
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  Options options(static_cast<int>(argv.size()), argv.data(), "abf:v");
  std::string seen;
  while (const auto option = options.next()) seen += option->letter + option->value + " ";
  CHECK(seen == "a b v fv1 fv2 ? ");
  CHECK(joined(options.operands()) == "-a");
}

TEST_CASE("sendmail's DSN and body options (RFC 3461)") {
  const SendmailCommand command =
      parse_sendmail("sendmail", {"-N", "Failure,delay", "-Rhdrs", "-V", "QQ 1", "-B8bitmime", "a"});
  CHECK(command.notify.said);
  CHECK((command.notify.failure && command.notify.delay && !command.notify.success));
  CHECK(command.dsn.ret == DsnReturn::headers);
  CHECK(command.dsn.envid == "QQ 1");
  CHECK(command.body == "8BITMIME");
  CHECK(parse_sendmail("sendmail", {"-Nnever", "a"}).notify.never());
  CHECK(parse_sendmail("sendmail", {"-R", "FULL", "a"}).dsn.ret == DsnReturn::full);
  const SendmailCommand plain = parse_sendmail("sendmail", {"a"});
  CHECK_FALSE(plain.notify.said);
  CHECK(plain.dsn == MessageDsn());
  CHECK(plain.body.empty());
}

TEST_CASE("which headers need SMTPUTF8 (RFC 6531)") {
  CHECK(make_header("To: 鳩@b.org\n", plain_rules()).utf8_address);
  CHECK(make_header("From: X <鳩@b.org>\nTo: a@b.org\n", plain_rules()).utf8_address);
  for (const char* header : {"To: 鳩 <a@b.org>\nSubject: 鳩\n", "To: a@例え.jp\n", "Bcc: 鳩@b.org\n",
                             "From: 鳩 a@b.org\n", "To: \x8e\x8e@b.org\n"}) {
    INFO(header);
    CHECK_FALSE(make_header(header, plain_rules()).utf8_address);
  }
}

TEST_CASE("sendmail's command lines") {
  struct Row {
    std::vector<std::string> words;
    bool header;
    const char* sender;  // null: none
    const char* recipients;
    const char* source;
  };
  const Row rows[] = {
      {{"-t", "-i"}, true, nullptr, "", "PHP's sendmail_path"},
      {{"-t", "-i", "-fa@b.org"}, true, "a@b.org", "", "PHP's mail() with a fifth argument"},
      {{"-ti"}, true, nullptr, "", "bundled"},
      {{"-f", "a@b.org", "c@d.org"}, false, "a@b.org", "c@d.org", "sendmail(8)"},
      {{"-oi", "-oem", "-odb", "-t"}, true, nullptr, "", "old options"},
      {{"-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"}, false, nullptr, "root", "Debian's cron"},
      {{"-oem", "-oi", "-f", "a@b.org", "--", "c@d.org"}, false, "a@b.org", "c@d.org", "mutt"},
      {{"-i", "a@b.org,c@d.org", "e"}, false, nullptr, "a@b.org|c@d.org|e", "joined by commas"},
      {{"-t", "-f", ""}, true, "", "", "an empty sender is the null sender"},
      {{"-f", "<>", "a@b.org"}, false, "", "a@b.org", "the null sender"},
      {{"-f", "Joe <a@b.org>", "c"}, false, "a@b.org", "c", "a name with it"},
      {{"-r", "a@b.org", "c"}, false, "a@b.org", "c", "sendmail 8: -r is -f"},
      {{"a@b.org", "-f", "x@y.org"}, false, "x@y.org", "a@b.org", "options behind a recipient"},
      {{"--", "-f"}, false, nullptr, "-f", "-- ends the options"},
      {{"-N", "never", "-R", "hdrs", "-V", "id", "a"}, false, nullptr, "a", "DSN"},
      {{"-bm", "-U", "-v", "-n", "-m", "a"}, false, nullptr, "a", "without meaning here"},
      {{"-X", "/tmp/log", "-O", "A=b", "-p", "SMTP:x", "-h", "3", "-L", "tag", "a"},
       false,
       nullptr,
       "a",
       "values"},
      {{"-d0.1", "-x", "a"}, false, nullptr, "a", "attached values"},
      {{"Joe <a@b.org>", "-t"}, true, nullptr, "a@b.org", "a name with it"},
      {{"-"}, false, nullptr, "-", "a word"},
      {{"-oMr", "spam-scanned", "-oMs", "h.org", "a"}, false, nullptr, "a", "Exim: a word of its own"},
      {{"-oMrUUCP", "-oMsh.org", "a"}, false, nullptr, "a", "rmail for sendmail 8: attached"},
      {{"-oA", "/etc/aliases", "-o", "i", "a"}, false, nullptr, "a", "old options"},
      {{"-tls-on-connect", "-dropcr", "-oitrue", "a"}, false, nullptr, "a", "Exim's long ones"},
      {{"a@b.org", "", " "}, false, nullptr, "a@b.org", "a script's empty variables"},
      {{"-f", "a@b.org (Joe)", "c"}, false, "a@b.org", "c", "a comment with it"},
      {{"-f", "\"a b\"@c.org", "c"}, false, "a b@c.org", "c", "quoted"},
      {{"-fa@b.org", "-fc@d.org", "e"}, false, "c@d.org", "e", "the last counts"},
      {{"-I", "-bm", "a"}, false, nullptr, "a", "the last mode counts"},
  };
  for (const Row& row : rows) {
    INFO(joined(row.words) << ": " << row.source);
    const SendmailCommand command = parse_sendmail("sendmail", row.words);
    CHECK(command.recipients_from_header == row.header);
    CHECK(command.sender.has_value() == (row.sender != nullptr));
    if (row.sender && command.sender) CHECK(*command.sender == row.sender);
    CHECK(joined(command.recipients) == row.recipients);
    CHECK(command.mode == SendmailMode::deliver);
  }
  CHECK(parse_sendmail("sendmail", {"-bs"}).mode == SendmailMode::smtp);
  CHECK(parse_sendmail("sendmail", {"-bp"}).mode == SendmailMode::queue);
  CHECK(parse_sendmail("mailq", {}).mode == SendmailMode::queue);
  CHECK(parse_sendmail("newaliases", {}).mode == SendmailMode::nothing);
  CHECK(parse_sendmail("sendmail", {"-bi"}).mode == SendmailMode::nothing);
  CHECK(parse_sendmail("sendmail", {"-q30m"}).mode == SendmailMode::nothing);
  CHECK(parse_sendmail("mailq", {"-q30m"}).mode == SendmailMode::queue);
  CHECK(parse_sendmail("newaliases", {"-v"}).mode == SendmailMode::nothing);
  CHECK(parse_sendmail("sendmail", {"-bv", "a"}).mode == SendmailMode::verify);
  CHECK(parse_sendmail("sendmail", {"-q"}).mode == SendmailMode::nothing);
  CHECK(parse_sendmail("sendmail", {"-qSjoe"}).mode == SendmailMode::nothing);
  CHECK(parse_sendmail("sendmail", {"-qR"}).mode == SendmailMode::nothing);
  CHECK(parse_sendmail("sendmail", {"-qRb.org"}).mode == SendmailMode::flush);
  CHECK(parse_sendmail("sendmail", {"-qR@b.org"}).flush_host == "b.org");
  CHECK(parse_sendmail("sendmail", {"-F", "Joe X", "a"}).name == "Joe X");
  CHECK_FALSE(parse_sendmail("sendmail", {"-F", "", "a"}).name);
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"-bd"},
                                             {"-bl"},
                                             {"-bt"},
                                             {"-bS"},
                                             {"-be"},
                                             {"-bP"},
                                             {"-b", ""},
                                             {"-k"},
                                             {"-f"},
                                             {"-F", "a\nBcc: x@y.org"},
                                             {"-tZ"},
                                             {"-M", "1aBcDe-000000-00"},
                                             {"-Mrm", "1aBcDe-000000-00"},
                                             {"-Qspam"},
                                             {"-S", "joe"},
                                             {"-N", "sometimes"},
                                             {"-N", "never,delay"},
                                             {"-R", "half"},
                                             {"-V", "a\nb"},
                                             {"-V", std::string(101, 'v')},
                                             {"-B", "BINARYMIME"},
                                             {"-f", "a\r\nRCPT TO:<x@y>@b.org"}}) {
    INFO(joined(bad));
    CHECK_THROWS_AS(parse_sendmail("sendmail", bad), PermError);
  }
}
