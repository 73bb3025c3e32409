"""Notices to senders: read by Python's email package, which knows RFC 3464 by itself, and shown by a mail reader."""

import email
import email.policy
import re

from suite import *

REFUSAL = "550-5.7.1 [192.0.2.9] 受信者が多すぎます\r\n550-5.7.1 Our system has detected that this message is\r\n" \
          "550-5.7.1 likely unsolicited mail.\r\n550 5.7.1 See http://mail.example/help - gsmtp"
LETTER = ("From: ann@mail.test\r\nTo: nobody@far.test\r\nSubject: =?UTF-8?B?6bOp?=\r\nMIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
          "鳩が手紙を運ぶ。\r\n").encode()


def remote(sink):
    return {"smtproutes": f":127.0.0.1:{sink.port}"}


def refusing(answers):
    """A server that refuses the recipients named there."""
    return Sink(replies={"RCPT": lambda line: next((a for r, a in answers.items() if r in line), None)})


def parsed(stored):
    """(message, text part, [fields of the message, fields of each recipient], third part)."""
    message = email.message_from_bytes(stored, policy=email.policy.default)
    equal(message.get_content_type(), "multipart/report")
    equal(message.get_param("report-type"), "delivery-status")
    equal([d for part in message.walk() for d in part.defects], [])
    text, status, original = message.iter_parts()
    equal(text.get_content_type(), "text/plain")
    equal(status.get_content_type(), "message/delivery-status")
    return message, text.get_content(), status.get_payload(), original


def bounce_to(suite, account, number=1):
    stored = suite.wait_messages(account, number)[-1]
    expect(stored.startswith(b"Return-Path: <>\n"), "a bounce comes from the null sender")
    return stored


def test_multi_line_refusal_in_japanese():
    with refusing({"nobody@": REFUSAL}) as sink, Suite(control=remote(sink)) as suite:
        ann = suite.accounts[0]
        sender = f"{ann.name}@mail.test"
        equal(suite.smtp_session("nobody@far.test", "friend@far.test", data=LETTER, sender=sender)[0], 250)
        message, text, fields, original = parsed(bounce_to(suite, ann))
        suite.wait_empty()
    equal(message["to"], sender)
    equal(message["auto-submitted"], "auto-replied")
    equal(message["subject"], "failure notice (メールを配信できませんでした)")
    for words in ("お送りになったメールを、次の宛先へ配信できませんでした。", "<nobody@far.test>:\n", "メールの受け取りが拒否されました。",
                  "Remote host said: 550-5.7.1 [192.0.2.9] 受信者が多すぎます\n550-5.7.1 Our system", "gsmtp\n",
                  "I'm afraid I wasn't able to deliver your message"):
        expect(words in text, f"{words!r} in {text}")
    expect("friend@" not in text, "a recipient who got it is not named")
    equal(len(fields), 2)
    equal(fields[0]["reporting-mta"], "dns; mail.test")
    expect(email.utils.parsedate_to_datetime(fields[0]["arrival-date"]), "a date")
    equal(fields[1]["final-recipient"], "rfc822; nobody@far.test")
    equal(fields[1]["action"], "failed")
    equal(fields[1]["status"], "5.7.1")
    equal(fields[1]["remote-mta"], "dns; [127.0.0.1]")
    diagnostic = re.sub(r"\s*\n\s+", "\n", str(fields[1].get("diagnostic-code")))
    expect(re.fullmatch(r"smtp; 550-5\.7\.1 \[192\.0\.2\.9\] \?+.550-5\.7\.1 Our system has detected that this message is.550-5"
                        r"\.7\.1 likely unsolicited mail\..550 5\.7\.1 See http://mail\.example/help - gsmtp", diagnostic, re.S),
           f"every line of the answer: {diagnostic!r}")
    equal(original.get_content_type(), "message/rfc822")
    returned = original.get_payload(0)
    equal(returned["subject"], "鳩")
    equal(returned.get_content(), "鳩が手紙を運ぶ。\n")


def test_shown_by_a_mail_reader():
    with refusing({"nobody@": REFUSAL}) as sink, Suite(control=remote(sink)) as suite:
        ann = suite.accounts[0]
        equal(suite.smtp_session("nobody@far.test", data=LETTER, sender=f"{ann.name}@mail.test")[0], 250)
        bounce_to(suite, ann)
        # nothing of it is to be changed or moved to cur/ while it is looked at
        shown = call("s-nail", "-:/", "-R", "-f", f"maildir://{ann.maildir}", data=b"print 1\nxit\n",
                     env={"HOME": str(ROOM), "TERM": "dumb", "LC_ALL": "C.UTF-8"}).stdout.decode()
    for words in ("メールを配信できませんでした", "お送りになったメールを、次の宛先へ配信できませんでした。",
                  "550 5.7.1 See http://mail.example/help - gsmtp", "受信者が多すぎます", "鳩が手紙を運ぶ。"):
        expect(words in shown, f"{words!r} in what s-nail shows: {shown}")


def test_header_alone():
    """RET=HDRS, and a message that no MIME part can hold as it is."""
    long_line = LETTER + b"x" * 1500 + b"\r\n"
    with refusing({"nobody@": "550 no"}) as sink, Suite(control=remote(sink)) as suite:
        ann = suite.accounts[0]
        for number, (words, data) in enumerate(((" RET=HDRS ENVID=a+2Bb", LETTER), ("", long_line)), 1):
            with Dialogue(suite.smtp_port) as talk:
                talk.command("EHLO client.test", 250)
                talk.command(f"MAIL FROM:<{ann.name}@mail.test>{words}", 250)
                talk.command("RCPT TO:<nobody@far.test> ORCPT=rfc822;First+2BName@far.test", 250)
                talk.command("DATA", 354)
                talk.send(stuffed(data) + b".\r\n")
                equal(talk.reply()[0], 250)
            _, _, fields, original = parsed(bounce_to(suite, ann, number))
            equal(fields[0]["original-envelope-id"], "a+b" if words else None)
            equal(fields[1]["original-recipient"], "rfc822; First+Name@far.test")
            equal(original.get_content_type(), "text/rfc822-headers")
            header = email.message_from_string(original.get_content(), policy=email.policy.default)
            equal(header["subject"], "鳩")
            equal(header.get_payload(), "")


def test_reports_of_success():
    plain = Sink()
    offering = Sink(replies={"EHLO": lambda line: "250-sink.test\r\n250 DSN"})
    with plain, offering, Suite(control={"smtproutes": f"plain.test:127.0.0.1:{plain.port}\n"
                                                       f"dsn.test:127.0.0.1:{offering.port}"}) as suite:
        ann, bob = suite.accounts
        with Dialogue(suite.smtp_port) as talk:
            talk.command("EHLO client.test", 250)
            talk.command(f"MAIL FROM:<{ann.name}@mail.test>", 250)
            for recipient in (f"{bob.name}@mail.test", "a@plain.test", "b@dsn.test"):
                talk.command(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE", 250)
            talk.command("DATA", 354)
            talk.send(stuffed(LETTER) + b".\r\n")
            equal(talk.reply()[0], 250)
        message, text, fields, original = parsed(bounce_to(suite, ann))
        suite.wait_empty()
    equal(sorted((f["final-recipient"], f["action"]) for f in fields[1:]),
          [("rfc822; a@plain.test", "relayed"), (f"rfc822; {bob.name}@mail.test", "delivered")])
    equal(message["subject"], "delivery notice (メールの配信のお知らせ)")
    equal(original.get_content_type(), "text/rfc822-headers")
    equal(len(plain.messages) + len(offering.messages), 2)


def test_qsbmf_by_a_switch():
    with refusing({"nobody@": REFUSAL}) as sink, Suite(control={**remote(sink), "bounceformat": "qsbmf"}) as suite:
        ann = suite.accounts[0]
        equal(suite.smtp_session("nobody@far.test", data=LETTER, sender=f"{ann.name}@mail.test")[0], 250)
        body = bounce_to(suite, ann).partition(b"\n\n")[2]
    # As its description has it: paragraphs, and a break that begins with a dash.
    notice, _, copy = body.partition(b"\n--- Below this line is a copy of the message.\n\n")
    paragraphs = notice.rstrip(b"\n").split(b"\n\n")
    expect(paragraphs[0].startswith(b"Hi. This is the qmail-send program at mail.test.\n"), paragraphs[0])
    equal(len(paragraphs), 2)
    expect(paragraphs[1].startswith(b"<nobody@far.test>:\n"), paragraphs[1])
    expect(b"\n550 5.7.1 See http://mail.example/help - gsmtp" in paragraphs[1], paragraphs[1])
    expect(copy.startswith(b"Return-Path: <" + ann.name.encode() + b"@mail.test>\nReceived: "), copy)


def test_two_hosts_that_forward_to_one_another():
    """The other one sends all mail for its postmaster back to ours, and takes our own loop detection out of it."""
    passes = []

    def forward(sender, recipients, data):
        passes.append(sender)
        data = re.sub(rb"(?m)^Delivered-To: .*\r\n", b"", data)
        data = b"Received: from mail.test by far.test; 23 Nov 2026 10:00:00 -0000\r\n" + data
        code, text = suite.smtp_session("postmaster@mail.test", data=data, sender=sender)
        return f"{code} {text}"

    with Sink(take=forward) as other, Suite(control={**remote(other), "smtplimits": "hops: 30"}) as suite:
        (suite.home / "alias/.qmail-postmaster").write_text("&postmaster@far.test\n")
        # A bounce for somebody who is not here: the postmaster is to hear of it.
        equal(suite.smtp_session("nobody@mail.test", data=LETTER, sender="")[0], 250)
        suite.wait_log(r"^triple bounce: discarding ")
        suite.wait_empty()
        expect(5 < len(passes) < 30, f"{len(passes)} passes")
        equal(set(passes), {""}, "#@[] is the null sender outside")
        expect("too_many_hops" in suite.log(), "the limit of hops ended it")
        equal(suite.log().count("bounce msg"), 1, "one notice was made, and none of it")


if __name__ == "__main__":
    run(globals())
