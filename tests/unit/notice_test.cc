// Notices to senders: what deliveries' reports mean, the words for people, and both forms (RFC 3464, 6522,
// 6533; qmail's QSBMF).
#include "lib/mail/notice.h"

#include "lib/mail/diagnosis.h"
#include "lib/mail/dsn_report.h"
#include "lib/mail/notice_text.h"
#include "lib/mail/qsbmf.h"
#include "lib/mail/quoted_printable.h"
#include "tests/catch.h"

using namespace hato;

namespace {

NoticeFacts facts() {
  NoticeFacts f;
  f.from = "MAILER-DAEMON@me.example";
  f.host = "me.example";
  f.reporter = "mx.me.example";
  f.to = "joe@there.example";
  f.sender = "joe@there.example";
  f.trace = "0123456789abc";
  f.id = "77";
  f.recipients = {{"a@b.example", "550 no\n"}};
  return f;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

OriginalScan scanned(std::string_view message) {
  OriginalScan scan;
  scan.feed(message);
  return scan;
}

std::string whole_report(const NoticeFacts& f, const std::string& message, bool whole = true) {
  const NoticeMessage m = dsn_report(f, NoticeTexts({"en"}), scanned(message), whole, "=_b");
  return m.head + (m.whole ? message : "") + m.tail;
}

constexpr char refusal[] =
    "192.0.2.1 does not like recipient.\nRemote host said: 550-5.7.1 We do not\n550-5.7.1 \n550-\n550 5.7.1 "
    "like "
    "you (#5.9.9)\nGiving up on 192.0.2.1.\n";

}  // namespace

TEST_CASE("a report taken apart", "[notice]") {
  struct Row {
    const char* report;
    Action action;
    bool remote;
    const char *status, *mta;
    bool smtp;
    std::vector<std::string> lines;
  };
  const Row rows[] = {
      {refusal,
       Action::failed,
       true,
       "5.7.1",
       "192.0.2.1",
       true,
       {"550-5.7.1 We do not", "550-5.7.1 ", "550-", "550 5.7.1 like you (#5.9.9)"}},
      // a customer's program cannot speak for a server
      {refusal,
       Action::failed,
       false,
       "5.9.9",
       "",
       false,
       {"192.0.2.1 does not like recipient.", "Remote host said: 550-5.7.1 We do not", "550-5.7.1 ", "550-",
        "550 5.7.1 like you (#5.9.9)", "Giving up on 192.0.2.1."}},
      {"Connected to 2001:db8::1 but sender was rejected.\nRemote host said: 421 4.7.0 later\n",
       Action::delayed,
       true,
       "4.7.0",
       "2001:db8::1",
       true,
       {"421 4.7.0 later"}},
      // a status of another class than the code's is none
      {"192.0.2.1 failed on DATA command.\nRemote host said: 554 4.7.0 no\n",
       Action::failed,
       true,
       "5.0.0",
       "192.0.2.1",
       true,
       {"554 4.7.0 no"}},
      {"Sorry, I couldn't find any host named x.example. (#5.1.2)\n",
       Action::failed,
       true,
       "5.1.2",
       "",
       false,
       {"Sorry, I couldn't find any host named x.example. (#5.1.2)"}},
      {"Sorry, no mailbox here by that name. (#5.1.1)\n",
       Action::failed,
       false,
       "5.1.1",
       "",
       false,
       {"Sorry, no mailbox here by that name. (#5.1.1)"}},
      {"", Action::failed, false, "5.0.0", "", false, {}},
      {"", Action::delayed, true, "4.0.0", "", false, {}},
      {"192.0.2.1 accepted message.\nRemote host said: 250 2.6.0 queued\n",
       Action::relayed,
       true,
       "2.6.0",
       "192.0.2.1",
       true,
       {"250 2.6.0 queued"}},
      {"did 1+0+0\n", Action::delivered, false, "2.0.0", "", false, {"did 1+0+0"}},
      {"(#5.1.1x) (#5.1) (#55.1.1) (#5.1.1234) (#5.22.333)",
       Action::failed,
       false,
       "5.22.333",
       "",
       false,
       {"(#5.1.1x) (#5.1) (#55.1.1) (#5.1.1234) (#5.22.333)"}},
      {"x\nnot Remote host said: 550 no\nRemote host said: nothing\n",
       Action::failed,
       true,
       "5.0.0",
       "",
       false,
       {"x", "not Remote host said: 550 no", "Remote host said: nothing"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.report);
    const Diagnosis d = diagnose({"a@b", row.report, row.action, row.remote, std::nullopt});
    CHECK(d.status == row.status);
    CHECK(d.remote_mta == row.mta);
    CHECK(d.smtp == row.smtp);
    CHECK(d.lines == row.lines);
  }
  const std::string late =
      std::string("Connected to 192.0.2.1 but connection died. (#4.4.2)\n") + std::string(queued_too_long);
  CHECK(diagnose({"a@b", late, Action::failed, true, std::nullopt}).status == "4.4.7");  // RFC 3463 3.5
}

TEST_CASE("what a success is called", "[notice]") {
  const std::string passed(dsn_passed_on);
  struct Row {
    bool remote;
    std::string report;
    std::optional<Action> action;
  };
  for (const Row& row : {
           Row{true, "192.0.2.1 accepted message.\nRemote host said: 250 ok\n", Action::relayed},
           Row{true, "192.0.2.1 accepted message.\nRemote host said: 250 ok\n" + passed, std::nullopt},
           Row{true, "192.0.2.1 accepted message.\nRemote host said: 250-" + passed + "250 ok\n",
               Action::relayed},
           Row{false, "did 1+0+0\n", Action::delivered},
           Row{false, "did 0+0+1\n", Action::delivered},
           Row{false, "did 1+2+0\nqp 5\n", Action::delivered},  // the mailbox has it
           Row{false, "did 0+2+0\nqp 5\n", Action::expanded},
           Row{false, "did 0+1+0\nqp 5\n", Action::expanded},
           Row{false, "did 0+1+0\nqp 5\n" + passed, std::nullopt},
           Row{false, "did 0+0+0\n", Action::delivered},
           Row{false, "", Action::delivered},
           Row{false, "did 0+2\n", Action::delivered},
           Row{false, "it did 0+2+0\n", Action::delivered},
       }) {
    CAPTURE(row.remote, row.report);
    CHECK(success_action(row.remote, row.report) == row.action);
  }
}

TEST_CASE("quoted-printable", "[notice]") {
  struct Row {
    std::string plain, coded;
  };
  for (const Row& row : {
           Row{"", ""},
           Row{"a=b\n", "a=3Db\n"},
           Row{"鳩\n", "=E9=B3=A9\n"},
           Row{"a \nb\t\n \n", "a=20\nb=09\n=20\n"},  // RFC 2045 6.7 (3)
           Row{"x\r\n", "x=0D\n"},
           Row{".\n..\n", "=2E\n..\n"},
           Row{"From me\nFrom\n", "=46rom me\nFrom\n"},
           Row{std::string(76, 'x') + "\n", std::string(76, 'x') + "\n"},
           Row{std::string(77, 'x') + "\n", std::string(75, 'x') + "=\nxx\n"},
           Row{std::string(75, 'x') + "\xff", std::string(75, 'x') + "=\n=FF"},
           Row{std::string(75, 'x') + "From me", std::string(75, 'x') + "=\n=46rom me"},
           Row{std::string(74, 'x') + "= \n", std::string(74, 'x') + "=\n=3D=20\n"},
       }) {
    CAPTURE(row.plain);
    CHECK(quoted_printable(row.plain) == row.coded);
  }
}

TEST_CASE("what a person reads", "[notice]") {
  NoticeFacts f = facts();
  f.recipients = {{"a@b.example", refusal},
                  {"c@d.example", "Sorry, no mailbox here by that name. (#5.1.1)\n"}};
  f.recipients[1].remote = false;
  const NoticeWords both = NoticeTexts().words(f);
  CHECK(both.subject == "failure notice (メールを配信できませんでした)");
  CHECK(has(both.text, "こちらは me.example のメールサーバーです。\n"));
  CHECK(has(both.text, "This is the mail system at me.example.\n"));
  CHECK(has(both.text,
            "\n\n<a@b.example>:\nメールの受け取りが拒否されました。\nThe message was refused.\n192.0.2.1"));
  CHECK(has(both.text, "\n550-5.7.1 \n550-\n550 5.7.1 like you"));
  CHECK(has(both.text, "<c@d.example>:\nこの宛先は存在しません。"));
  CHECK(has(both.text, "0123456789abc"));
  CHECK(both.text.find("こちらは") < both.text.find("Hi."));

  CHECK(NoticeTexts({"en"}).words(f).subject == "failure notice");
  CHECK_FALSE(has(NoticeTexts({"en", "xx"}).words(f).text, "こちらは"));
  CHECK(NoticeTexts({"ja"}).words(f).subject == "メールを配信できませんでした");
  CHECK_FALSE(has(NoticeTexts({"ja"}).words(f).text, "Hi."));
  const std::string turned = NoticeTexts({"en", "ja"}).words(f).text;
  CHECK(turned.find("こちらは") > turned.find("Hi."));

  f.kind = NoticeKind::delay;
  f.until = 1796000000;
  CHECK(has(NoticeTexts().words(f).text, "2026-11-30 00:53 UTC まで"));
  f.kind = NoticeKind::success;
  f.recipients = {{"a@b.example", "did 1+0+0\n", Action::delivered, false, std::nullopt}};
  CHECK(has(NoticeTexts({"en"}).words(f).text, "<a@b.example>:\nThe message was put into the mailbox.\n\n"));
  f.kind = NoticeKind::refused;
  f.refusal = "no such domain";
  CHECK(has(NoticeTexts().words(f).text, "<joe@there.example>:\nno such domain\n"));
}

TEST_CASE("text from outside is made readable and cannot open a line of its own", "[notice]") {
  CHECK(readable("a\xff\xc3\xa9\x1b\x7f\t\n\r") == "a\xef\xbf\xbd\xc3\xa9??\t\n?");
  NoticeFacts f = facts();
  f.recipients[0].address = "a\n\nX: <x@y";
  f.recipients[0].report = std::string("Bonjour \xe9t\xe9\0\n", 14);
  const NoticeWords words = NoticeTexts().words(f);
  CHECK(has(words.text, "<a  X: <x@y>:\n"));
  CHECK(has(words.text, "Bonjour \xef\xbf\xbdt\xef\xbf\xbd?\n"));
}

TEST_CASE("the operator's own words", "[notice]") {
  NoticeFacts f = facts();
  const auto taken = [&f](std::string_view text, std::vector<std::string> wrong = {}) {
    NoticeTexts texts;
    CHECK(texts.take_own(text) == wrong);
    return texts.words(f);
  };
  CHECK(taken("{sender} へ\n\n{recipients}番号 {trace} {nothing} {\n").text ==
        "joe@there.example へ\n\n<a@b.example>:\n550 no\n\n番号 0123456789abc {nothing} {\n");
  const NoticeWords own = taken("[failure]\nSubject: 不達 {trace}\n\nSorry.\n\n\n[delay]\nLate.\n");
  CHECK(own.subject == "不達 0123456789abc");
  CHECK(own.text == "Sorry.\n\n<a@b.example>:\n550 no\n\n");
  CHECK(taken("[delay]\nLate.\n").subject == "failure notice (メールを配信できませんでした)");
  CHECK(has(taken("").text, "Hi."));
  CHECK(has(taken("\xff\n", {"bouncetext is not UTF-8; it is not used"}).text, "Hi."));
  CHECK(has(taken("[bogus]\nx\n", {"bouncetext has a section [bogus] that means nothing"}).text, "Hi."));
  f.kind = NoticeKind::refused;
  CHECK(taken("[double]\nFor the postmaster.\n").text.starts_with("For the postmaster.\n"));
  // What is filled in is not looked at again.
  f = facts();
  f.recipients[0].address = "{trace}@b.example";
  CHECK(has(taken("{recipients}\n").text, "<{trace}@b.example>:"));
}

TEST_CASE("the original looked through", "[notice]") {
  const OriginalScan plain = scanned("Subject: x\nTo: y\n\nbody\n");
  CHECK(plain.header() == "Subject: x\nTo: y\n");
  CHECK((plain.fits() && !plain.eight_bit() && plain.ends_line() && plain.header_done()));
  CHECK_FALSE(scanned("Subject: x").header_done());
  CHECK_FALSE(scanned("\nx").ends_line());
  CHECK(scanned("\n\xe9").eight_bit());
  CHECK(scanned("\n" + std::string(998, 'x') + "\n").fits());
  CHECK_FALSE(scanned("\n" + std::string(999, 'x') + "\n").fits());  // RFC 2045 2.8
  CHECK_FALSE(scanned("\nx\r\n").fits());
  CHECK_FALSE(scanned(std::string_view("\n\0\n", 3)).fits());

  std::string big;
  while (big.size() < 2 * returned_header_limit) big += "X-Filler: " + std::string(50, 'f') + "\n";
  OriginalScan pieces;
  for (std::size_t at = 0; at < big.size(); at += 999) pieces.feed(std::string_view(big).substr(at, 999));
  CHECK(pieces.header().size() <= returned_header_limit);
  CHECK(pieces.header().size() > returned_header_limit - 100);
  CHECK(pieces.header().ends_with("f\n"));
  CHECK(scanned(std::string(2 * returned_header_limit, 'x')).header().empty());
}

TEST_CASE("a failure as multipart/report", "[notice]") {
  NoticeFacts f = facts();
  f.envid = "QQ 314";
  f.arrival = 1795430495;
  f.recipients[0] = {"a@b.example", refusal, Action::failed, true,
                     OriginalRecipient{"rfc822", "A+B@c.example"}};
  CHECK(whole_report(f, "Subject: x\n\nbody") ==
        "Date: 1 Jan 1970 00:00:00 -0000\n"
        "From: MAILER-DAEMON@me.example\n"
        "To: joe@there.example\n"
        "Subject: failure notice\n"
        "Message-ID: <77.bounce.0123456789abc@me.example>\n"
        "Auto-Submitted: auto-replied\n"
        "MIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status;\n"
        " boundary=\"=_b\"\n"
        "\n"
        "--=_b\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "\n"
        "Hi. This is the mail system at me.example.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n"
        "\n"
        "<a@b.example>:\n"
        "The message was refused.\n"
        "192.0.2.1 does not like recipient.\n"
        "Remote host said: 550-5.7.1 We do not\n"
        "550-5.7.1 \n"
        "550-\n"
        "550 5.7.1 like you (#5.9.9)\n"
        "Giving up on 192.0.2.1.\n"
        "\n"
        "The message is known as 0123456789abc in our log.\n"
        "\n"
        "--=_b\n"
        "Content-Type: message/delivery-status\n"
        "\n"
        "Reporting-MTA: dns; mx.me.example\n"
        "Original-Envelope-Id: QQ 314\n"
        "Arrival-Date: Mon, 23 Nov 2026 10:41:35 +0000\n"
        "X-Qmail-Trace: 0123456789abc\n"
        "\n"
        "Original-Recipient: rfc822; A+B@c.example\n"
        "Final-Recipient: rfc822; a@b.example\n"
        "Action: failed\n"
        "Status: 5.7.1\n"
        "Remote-MTA: dns; [192.0.2.1]\n"
        "Diagnostic-Code: smtp; 550-5.7.1 We do not\n"
        " 550-5.7.1 \n"
        " 550-\n"
        " 550 5.7.1 like you (#5.9.9)\n"
        "\n"
        "--=_b\n"
        "Content-Type: message/rfc822\n"
        "\n"
        "Return-Path: <joe@there.example>\n"
        "Subject: x\n"
        "\n"
        "body\n"
        "\n"
        "--=_b--\n");
}

TEST_CASE("how the original goes back", "[notice]") {
  const NoticeTexts texts;
  const std::string eight_bit = "Subject: \xe9\xb3\xa9\n\n\xff\n";
  const NoticeMessage whole = dsn_report(facts(), texts, scanned(eight_bit), true, "b");
  CHECK(whole.whole);
  CHECK(whole.params == "BODY=8BITMIME");
  CHECK(has(whole.head, "\nContent-Transfer-Encoding: 8bit\n\n--b\n"));
  CHECK(has(whole.head, "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nReturn-Path: "));
  CHECK(whole.tail == "\n--b--\n");

  const NoticeMessage header = dsn_report(facts(), texts, scanned(eight_bit), false, "b");
  CHECK_FALSE(header.whole);
  CHECK(header.params.empty());  // all of it is 7-bit then
  CHECK(
      has(header.head,
          "Content-Type: text/rfc822-headers; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
          "Return-Path: <joe@there.example>\nSubject: =E9=B3=A9\n"));
  for (const char c : header.head) CHECK(static_cast<unsigned char>(c) < 128);

  const NoticeMessage latin = dsn_report(facts(), texts, scanned("Subject: \xe9\n"), false, "b");
  CHECK(has(latin.head, "Content-Type: text/rfc822-headers\nContent-Transfer-Encoding: quoted-printable\n"));
  const NoticeMessage long_line =
      dsn_report(facts(), texts, scanned("Subject: x\n\n" + std::string(999, 'x') + "\n"), true, "b");
  CHECK_FALSE(long_line.whole);
  CHECK(has(long_line.head, "text/rfc822-headers\n\nReturn-Path: <joe@there.example>\nSubject: x\n"));
}

TEST_CASE("the human part in Japanese is 7-bit and comes back", "[notice]") {
  const NoticeMessage m = dsn_report(facts(), NoticeTexts(), scanned("Subject: x\n\n"), true, "b");
  CHECK(has(m.head, "Subject: failure notice\n =?UTF-8?B?"));
  CHECK(
      has(m.head, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n"));
  CHECK(has(m.head, "=E3=83=A1=E3=83=BC=E3=83=AB"));
  CHECK(m.params.empty());
}

TEST_CASE("reports about addresses in UTF-8", "[notice]") {
  NoticeFacts f = facts();
  f.recipients = {{"鳩@例.jp", "192.0.2.1 does not like recipient.\nRemote host said: 550 だめ\n"}};
  const std::string to_ascii = whole_report(f, "Subject: x\n\n");
  CHECK(has(to_ascii, "report-type=global-delivery-status;"));
  CHECK(has(to_ascii,
            "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: quoted-printable\n"));
  CHECK(has(to_ascii, "Content-Type: message/global\n"));
  CHECK(has(to_ascii, "utf-8; =E9=B3=A9@"));
  CHECK(has(whole_report(f, "Subject: x\n\n", false), "Content-Type: message/global-headers\n"));
  f.sender = f.to = "鳩@there.example";
  const NoticeMessage m = dsn_report(f, NoticeTexts(), scanned("Subject: x\n\n"), true, "b");
  CHECK(m.params == "BODY=8BITMIME SMTPUTF8");
  CHECK(has(m.head, "\nTo: 鳩@there.example\n"));

  f = facts();  // ASCII alone: what is not, in an answer, is not told to machines
  f.recipients[0].report = "192.0.2.1 does not like recipient.\nRemote host said: 550 だめ!\n";
  CHECK(has(whole_report(f, "Subject: x\n\n"),
            "Diagnostic-Code: smtp; 550 ??"
            "??"
            "??"
            "!\n"));
  CHECK(has(whole_report(f, "Subject: x\n\n"), "Content-Type: message/delivery-status\n\n"));
}

TEST_CASE("the other kinds of notice", "[notice]") {
  NoticeFacts f = facts();
  f.kind = NoticeKind::delay;
  f.until = 1796000000;
  f.recipients[0] = {"a@b.example",
                     "Connected to 192.0.2.1 but greeting failed.\nRemote host said: 421 busy\n",
                     Action::delayed, true, std::nullopt};
  const std::string delay = whole_report(f, "Subject: x\n\nbody\n", false);
  CHECK(has(delay, "Subject: delay notice\n"));
  CHECK(has(delay,
            "Action: delayed\nStatus: 4.0.0\nRemote-MTA: dns; [192.0.2.1]\nDiagnostic-Code: smtp; 421 "
            "busy\nWill-Retry-Until: Mon, 30 Nov 2026 00:53:20 +0000\n"));
  CHECK_FALSE(has(delay, "body"));
  f.kind = NoticeKind::success;
  f.recipients = {{"a@b.example", "did 1+0+0\n", Action::delivered, false, std::nullopt}};
  const std::string success = whole_report(f, "Subject: x\n\nbody\n", false);
  CHECK(has(success, "Action: delivered\nStatus: 2.0.0\n\n--"));
  f.kind = NoticeKind::double_bounce;
  f.sender = "";
  const std::string twice = whole_report(f, "Subject: x\n\nbody\n");
  CHECK(has(twice, "\nX-Double-Bounce: me.example\n"));
  CHECK(has(twice, "Return-Path: <>\n"));
}

TEST_CASE("nothing from outside makes a field of a report", "[notice]") {
  NoticeFacts f = facts();
  const std::string evil = "x\nX-Evil: 1\n\n--=_b\n";
  f.to = f.sender = f.envid = f.reporter = f.host = f.from = evil;
  f.recipients[0] = {evil, "192.0.2.1 does not like recipient.\nRemote host said: 550 a\r\x1b\n",
                     Action::failed, true, OriginalRecipient{"rfc822", evil}};
  const std::string text = whole_report(f, "Subject: x\n\n");
  CHECK_FALSE(has(text, "\nX-Evil"));
  CHECK(has(text, "smtp; 550 a??\n"));
  f = facts();
  f.recipients[0].address = std::string(1200, 'l') + "@b.example";
  f.recipients[0].report =
      "192.0.2.1 failed on DATA command.\nRemote host said: 550 " + std::string(20000, 'y');
  const std::string long_lines = whole_report(f, "Subject: x\n\n");
  std::string_view status =
      std::string_view(long_lines).substr(long_lines.find("Content-Type: message/delivery"));
  while (!status.empty()) {
    const std::size_t end = std::min(status.find('\n'), status.size());
    CHECK(end <= 998);
    status.remove_prefix(std::min(end + 1, status.size()));
  }
}

TEST_CASE("the bounce is QSBMF", "[notice]") {
  CHECK(qsbmf_text(facts(), false) ==
        "Date: 1 Jan 1970 00:00:00 -0000\n"
        "From: MAILER-DAEMON@me.example\n"
        "To: joe@there.example\n"
        "Subject: failure notice\n"
        "Message-ID: <77.bounce.0123456789abc@me.example>\n"
        "Auto-Submitted: auto-replied\n"
        "\n"
        "Hi. This is the qmail-send program at me.example.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n"
        "The message is known as 0123456789abc in our log.\n"
        "\n"
        "<a@b.example>:\n"
        "550 no\n"
        "\n"
        "--- Below this line is a copy of the message.\n"
        "\n"
        "Return-Path: <joe@there.example>\n");
  CHECK(
      has(qsbmf_text(facts(), true), "\n--- Below this line is the header of the message.\n\nReturn-Path: "));
}

TEST_CASE("a double bounce in QSBMF says that the bounce bounced", "[notice]") {
  NoticeFacts f = facts();
  f.kind = NoticeKind::double_bounce;
  f.sender = "";
  f.to = "postmaster@me.example";
  const std::string text = qsbmf_text(f, false);
  CHECK(has(text, "\nTo: postmaster@me.example\n"));
  CHECK(has(text, "\nX-Double-Bounce: me.example\n"));
  CHECK(has(text, "but the bounce bounced!\n"));
  CHECK(text.ends_with("--- Below this line is the original bounce.\n\nReturn-Path: <>\n"));
}

TEST_CASE("a refused bounce in QSBMF tells whose it was", "[notice]") {
  NoticeFacts f = facts();
  f.kind = NoticeKind::refused;
  f.to = "postmaster@me.example";
  f.refusal = "no such domain";
  CHECK(has(qsbmf_text(f, false), "\n\n<joe@there.example>:\nno such domain\n\n<a@b.example>:\n"));
}

TEST_CASE("a recipient's paragraph in QSBMF has no empty line and cannot be forged", "[notice]") {
  CHECK(qsbmf_paragraph("a@b", "x") == "<a@b>:\nx\n\n");
  CHECK(qsbmf_paragraph("a@b", "") == "<a@b>:\n\n");
  CHECK(qsbmf_paragraph("a@b", "one\n\ntwo\n") == "<a@b>:\none\n/two\n\n");
  CHECK(qsbmf_paragraph("a@b", "one\n\n\n") == "<a@b>:\none\n\n");
  CHECK(qsbmf_paragraph("a\n\n<x@y", "no\n") == "<a__<x@y>:\nno\n\n");
  NoticeFacts f = facts();
  f.to = "a b\nX-Evil: 1@c.example";
  CHECK_FALSE(has(qsbmf_text(f, false), "\nX-Evil"));
}
