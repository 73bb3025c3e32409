"""qmail-remote against Debian's Postfix with what real servers do: small SIZE, no 8BITMIME, no SMTPUTF8, greylisting,
421 in mid-session, slow, dead, refusals of several lines; and what the bounce and the log say of it."""

from postfix import *

TEXT = "鳩が飛ぶ。\n" * 20 + "= blank at the end \n.dot\nFrom here\n"
LISTENERS = {
    "modern": {},
    "old": {"smtpd_discard_ehlo_keywords": "8bitmime,smtputf8,chunking,dsn,pipelining"},
    "ancient": {"smtpd_discard_ehlo_keywords": "8bitmime,smtputf8,chunking,dsn,pipelining,size,enhancedstatuscodes"},
    "picky": {
        "smtpd_recipient_restrictions": "check_recipient_access inline:{"
                                        "{ grey@peer.test = 450 4.2.0 Greylisted, come back in 300 seconds }, "
                                        "{ no@peer.test = 550 5.7.1 Refused by policy }, "
                                        "{ bye@peer.test = 421 4.3.2 Shutting down now } }, permit",
        "smtpd_reject_footer": "For help write to help@peer.test.\\nOr call us; have the ID at hand."},
    "slow": {"smtpd_recipient_restrictions": "sleep 3, permit"},
    "busy": {"smtpd_client_restrictions": "check_client_access static:{421 4.7.0 Too many connections from you}",
             "smtpd_delay_reject": "no"},
    "small": {"message_size_limit": "20000"},
}


def remote(port, recipient, message, sender="a@mail.test", **env):
    """The reports of one run by hand."""
    host = recipient.rpartition("@")[2]
    with open(ROOM / "outgoing", "wb+") as file:
        file.write(message)
        file.flush()
        file.seek(0)
        done = subprocess.run([BIN / "qmail-remote", host, sender, recipient], stdin=file, capture_output=True,
                              env=environment(**env), timeout=120)
    equal(done.returncode, 0)
    return done.stdout.decode().split("\0")[:-1]


def routed(port, **control):
    return Suite(start=False, smtp=False, pop=False, control={"smtproutes": f":127.0.0.1:{port}", **control})


def accepted(reports):
    expect(len(reports) == 2 and reports[0] == "r" and
           re.match(r"K127\.0\.0\.1 accepted message\.\nRemote host said: 250 2\.0\.0 Ok: .*queued as ", reports[1]),
           f"{reports!r}")


def message(body, **fields):
    head = {"From": "a@mail.test", "To": "x@peer.test", "Subject": "x", **fields}
    return ("".join(f"{name.replace('_', '-')}: {value}\n" for name, value in head.items()) + "\n" + body).encode()


MIME = {"MIME_Version": "1.0", "Content_Type": "text/plain; charset=utf-8", "Content_Transfer_Encoding": "8bit"}


def test_with_everything():
    """BDAT, DSN, 8BITMIME, SMTPUTF8: the message arrives byte for byte, and Postfix reports for itself."""
    with Postfix(LISTENERS) as postfix, routed(postfix.port["modern"]):
        for n, body in enumerate((TEXT, "\n" * 3, "x" * 1500 + "\n", TEXT * 3000)):
            accepted(remote(postfix.port["modern"], "x@peer.test", message(body, **MIME)))
            parsed, data = postfix.next_message(n)
            expect(data.endswith(body.encode()), f"message {n}: {data[-200:]!r}")
            equal(parsed["Content-Transfer-Encoding"], "8bit")
        postfix.wait_log(r"disconnect from .* ehlo=1 mail=1 rcpt=1 bdat=1 quit=1")
        postfix.wait_log(r"disconnect from .* ehlo=1 mail=1 rcpt=1 bdat=(?!1 )\d+ quit=1")  # the large one

        reports = remote(postfix.port["modern"], "x@peer.test", message(TEXT, **MIME), sender="sender@peer.test",
                         QMAILMSGPARAMS="BODY=8BITMIME RET=HDRS ENVID=QQ314159",
                         QMAILRCPTPARAMS="NOTIFY=SUCCESS ORCPT=rfc822;first@elsewhere.test")
        expect(reports[1].endswith("The request for a delivery report was passed on.\n"), repr(reports))
        dsn, data = postfix.next_message(5)  # behind the message itself
        equal(dsn.get_content_type(), "multipart/report", "the sender's success report")
        expect(b"Original-Envelope-Id: QQ314159" in data and b"rfc822;first@elsewhere.test" in data, data)

        accepted(remote(postfix.port["modern"], "鳩@peer.test", message(TEXT, **MIME)))
        postfix.wait_log("to=<鳩@peer.test>")


def test_with_little():
    """No 8BITMIME: what arrives is ASCII on the way and the same text for who reads it."""
    with Postfix(LISTENERS) as postfix:
        for n, name in enumerate(("old", "ancient")):
            with routed(postfix.port[name]):
                accepted(remote(postfix.port[name], "x@peer.test", message(TEXT, **{**MIME, "Subject": "鳩です"})))
                parsed, data = postfix.next_message(2 * n)
                expect(data.isascii(), "all of it is ASCII")
                equal(parsed["Subject"], "鳩です")
                equal(parsed.get_content(), TEXT)

                multipart = message("before\n--b\n" + "".join(f"{k.replace('_', '-')}: {v}\n" for k, v in MIME.items()) +
                                    "\n" + TEXT + "\n--b\nContent-Type: application/octet-stream; name=\"鳩.bin\"\n"
                                    "Content-Transfer-Encoding: base64\n\nAAEC\n--b\nContent-Type: message/rfc822\n"
                                    "\nSubject: 中\n\n" + TEXT + "\n--b--\n",
                                    MIME_Version="1.0", Content_Type="multipart/mixed; boundary=b")
                accepted(remote(postfix.port[name], "x@peer.test", multipart))
                parsed, data = postfix.next_message(2 * n + 1)
                expect(data.isascii(), "all of it is ASCII")
                text, binary, inner = parsed.iter_parts()
                equal(text.get_content(), TEXT)
                equal((binary.get_content(), binary.get_param("name")), (b"\0\1\2", "鳩.bin"))
                equal(inner.get_content()["Subject"], "中")
                equal(inner.get_content().get_content(), TEXT)

                report, = remote(postfix.port[name], "鳩@peer.test", message("x\n"))
                expect(report.startswith("DConnected to 127.0.0.1 but it does not know internationalized addresses "
                                         "(SMTPUTF8) like 鳩@peer.test. (#5.6.7)"), report)
                report, = remote(postfix.port[name], "x@peer.test", message("x\n", Subject="鳩"), QMAILMSGPARAMS="SMTPUTF8")
                expect("(#5.6.7)" in report and report.startswith("D"), report)
                reports = remote(postfix.port[name], "x@peer.test", message("x\n"), QMAILRCPTPARAMS="NOTIFY=SUCCESS")
                accepted(reports)
                expect("passed on" not in reports[1], repr(reports))
                postfix.next_message(2 * n + 2)
                for file in postfix.files()[2 * n + 2:]:
                    file.unlink()


def test_refusals():
    with Postfix(LISTENERS) as postfix:
        plain = message("x\n")
        call(BIN / "qmail-tcpok")  # other tests had their own dead hosts
        with routed(postfix.port["picky"]) as suite:
            equal(remote(postfix.port["picky"], "no@peer.test", plain),
                  ["h127.0.0.1 does not like recipient.\nRemote host said: 550-5.7.1 <no@peer.test>: Recipient address "
                   "rejected: Refused by policy\n550-5.7.1 For help write to help@peer.test.\n"
                   "550 5.7.1 Or call us; have the ID at hand.\n", "DGiving up on 127.0.0.1.\n"])
            report, _ = remote(postfix.port["picky"], "grey@peer.test", plain)
            expect(report.startswith("s127.0.0.1 does not like recipient.\nRemote host said: 450-4.2.0 "), report)
            equal(call(BIN / "qmail-tcpto").stdout, b"", "a greylisting answer is nothing against the host")
            report, = remote(postfix.port["picky"], "bye@peer.test", plain)
            expect(report.startswith("ZConnected to 127.0.0.1 but it closed the session.\nRemote host said: 421"), report)
            expect(call(BIN / "qmail-tcpto").stdout.startswith(f"127.0.0.1:{postfix.port['picky']} ".encode()),
                   "421 counts against the host")
        with routed(postfix.port["busy"]):
            report, = remote(postfix.port["busy"], "x@peer.test", plain)
            expect(report.startswith("ZConnected to 127.0.0.1 but "), report)
            expect("421 4.7.0" in report, report)
        with routed(postfix.port["small"]):
            report, = remote(postfix.port["small"], "x@peer.test", message("x" * 70 + "\n" * 20000))
            expect(re.match(r"DConnected to 127.0.0.1 but the message is too large for it: \d+ bytes, and it takes "
                            r"20000 at most. \(#5.3.4\)", report), report)
            accepted(remote(postfix.port["small"], "x@peer.test", plain))
        with routed(postfix.port["slow"], timeoutremote="1"):
            report, = remote(postfix.port["slow"], "x@peer.test", plain)
            equal(report, "ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n")
        with routed(postfix.port["slow"], timeoutremote="30"):
            accepted(remote(postfix.port["slow"], "x@peer.test", plain))
        dead = free_port()
        with routed(dead):
            equal(remote(dead, "x@peer.test", plain),
                  [f"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n127.0.0.1:{dead}: Connection "
                   "refused.\n"])


def test_the_bounce_and_the_log_say_what_happened():
    """Through the whole suite: sendmail to the queue to Postfix, and the bounce to ann."""
    with Postfix(LISTENERS) as postfix:
        routes = (f"small.test:127.0.0.1:{postfix.port['small']}\nold.test:127.0.0.1:{postfix.port['old']}\n"
                  f":127.0.0.1:{postfix.port['picky']}")
        with Suite(smtp=False, pop=False, control={"smtproutes": routes}) as suite:
            ann = suite.accounts[0]
            send = lambda to, data: suite.sendmail("-f", f"{ann.name}@mail.test", to, data=data)
            rows = (
                ("no@peer.test", message("x\n"), ("550-5.7.1 For help write to help@peer.test.",
                                                  "550 5.7.1 Or call us; have the ID at hand.")),
                ("x@small.test", message("x" * 70 + "\n" * 20000), ("too large for it", "#5.3.4")),
                ("x@old.test", message("--b\n\n鳩\n--b--\n", MIME_Version="1.0",
                                       Content_Type="multipart/signed; boundary=b"),
                 ("8BITMIME", "a signed part of it", "#5.6.3")),
                ("x@old.test", message("\n", **{"From": "鳩@mail.test"}), ("SMTPUTF8", "#5.6.7")),
            )
            for n, (to, data, wanted) in enumerate(rows):
                send(to, data)
                bounce = suite.wait_messages(ann, n + 1)[n].decode()
                for text in wanted:
                    expect(text in bounce, f"{to}: {text!r} is not in the bounce:\n{bounce[:2000]}")
                expect(to in bounce, to)
            log = suite.log()
            expect("550-5.7.1_For_help_write_to_help@peer.test./550_5.7.1_Or_call_us" in log, log[-1500:])

            # Greylisting: deferred, and only this recipient; the next attempt is the message's own.
            send("grey@peer.test", message("x\n"))
            suite.wait_log(r"deferral: 127\.0\.0\.1_does_not_like_recipient\./Remote_host_said:_450-4\.2\.0")
            send("other@peer.test", message("other\n"))
            suite.wait_log(r"success: 127\.0\.0\.1_accepted_message")
            equal(len(suite.queue_files()) > 0, True, "the greylisted message waits")
            expect(postfix.next_message(0)[1].endswith(b"other\n"), "the other one arrived")


run(globals())
