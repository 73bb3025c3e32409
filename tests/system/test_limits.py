"""databytes to the byte, by SMTP with and without SIZE, by BDAT and by sendmail; an 80 MB line; recipients."""

import poplib

from suite import *

LIMIT = 20971520
TEXT = "sorry, that message size exceeds my databytes limit (#5.3.4)"


def exactly(size):
    """A message of `size` bytes as queued (LF), with CRLF line ends."""
    head, line = b"Subject: edge\n\n", b"e" * 79 + b"\n"
    rest = size - len(head)
    message = head + line * (rest // 80) + (b"e" * (rest % 80 - 1) + b"\n" if rest % 80 else b"")
    equal(len(message), size)
    return message.replace(b"\n", b"\r\n")


def test_exactly_databytes_passes():
    with Suite() as suite:
        code, text = suite.smtp_session("ann@mail.test" if os.environ.get("ROOM_NAMESPACE") else f"{suite.accounts[0].name}@mail.test", data=exactly(LIMIT))
        equal(code, 250, text)
        equal(len(body_of(suite.wait_messages(suite.accounts[0], 1)[0])), LIMIT)


def test_one_more_does_not():
    with Suite() as suite:
        code, text = suite.smtp_session(f"{suite.accounts[0].name}@mail.test", data=exactly(LIMIT + 1))
        equal((code, text), (552, TEXT))
        suite.wait_empty()
        equal(suite.accounts[0].files(), [])


def test_size_at_mail():
    with Suite() as suite, Dialogue(suite.smtp_port) as talk:
        code, text = talk.command("EHLO client.test")
        expect(f"SIZE {LIMIT}" in text.split("\n"), f"EHLO says {text!r}")
        talk.command(f"MAIL FROM:<a@elsewhere.test> SIZE={LIMIT}", 250)
        talk.command("RSET", 250)
        equal(talk.command(f"MAIL FROM:<a@elsewhere.test> SIZE={LIMIT + 1}"), (552, TEXT))
        equal(talk.command("MAIL FROM:<a@elsewhere.test> SIZE=99999999999999999999"), (552, TEXT))
        talk.command("MAIL FROM:<a@elsewhere.test>", 250)


def test_bdat():
    with Suite() as suite, Dialogue(suite.smtp_port) as talk:
        talk.command("EHLO client.test", 250)
        for size, wanted in ((LIMIT, 250), (LIMIT + 1, 552)):
            data = exactly(size)
            talk.command("MAIL FROM:<a@elsewhere.test>", 250)
            talk.command(f"RCPT TO:<{suite.accounts[0].name}@mail.test>", 250)
            half = len(data) // 2
            talk.send(f"BDAT {half}\r\n".encode() + data[:half])
            equal(talk.reply()[0], 250)
            talk.send(f"BDAT {len(data) - half} LAST\r\n".encode() + data[half:])
            code, text = talk.reply()
            equal(code, wanted, text)
            talk.command("RSET", 250)
        equal(len(body_of(suite.wait_messages(suite.accounts[0], 1)[0])), LIMIT)


def test_sendmail_too_large():
    with Suite() as suite:
        done = suite.sendmail("-i", "-f", "a@mail.test", f"{suite.accounts[0].name}@mail.test",
                              data=exactly(LIMIT + 1).replace(b"\r\n", b"\n"), check=False)
        expect(done.returncode not in (0,), "refused")
        suite.wait_empty()
        equal(suite.accounts[0].files(), [])


def test_no_databytes_no_limit():
    with Suite(control={"databytes": None}) as suite:
        (HOME / "control/databytes").unlink(missing_ok=True)
        code, text = suite.smtp_session(f"{suite.accounts[0].name}@mail.test", data=exactly(LIMIT + 4096))
        equal(code, 250, text)


def memory_peak(pids):
    return max((int(status_of(pid).get("VmHWM", "0 kB").split()[0]) for pid in pids), default=0)


def test_a_line_of_80_megabytes():
    """As text, and as a command: no process grows beyond 64 MiB, and the session goes on or ends with an answer."""
    with Suite(control={"databytes": None}) as suite:
        peak = 0
        with Dialogue(suite.smtp_port) as talk:
            talk.command("EHLO client.test", 250)
            talk.command("MAIL FROM:<a@elsewhere.test>", 250)
            talk.command(f"RCPT TO:<{suite.accounts[0].name}@mail.test>", 250)
            talk.command("DATA", 354)
            for _ in range(80):
                talk.send(b"x" * (1 << 20))
                peak = max(peak, memory_peak(p for s in suite.started for p in family(s.pid)))
            talk.send(b"\r\n.\r\n")
            equal(talk.reply()[0], 250)
            talk.command("QUIT", 221)
        suite.wait_messages(suite.accounts[0], 1)
        suite.wait_empty()
        with Dialogue(suite.smtp_port) as talk:
            with contextlib.suppress(ConnectionError):
                for _ in range(80):
                    talk.send(b"x" * (1 << 20))
                    peak = max(peak, memory_peak(p for s in suite.started for p in family(s.pid)))
                talk.send(b"\r\n")
                code, _ = talk.reply()
                expect(code in (0, 421, 500), f"answer {code}")
        expect(0 < peak <= 64 << 10, f"peak of {peak} KiB")


def test_80_megabytes_to_everywhere():
    """A message of one line of 80 MB goes to a Maildir, an mbox, a program, a forward and a remote host, and out by POP3,
    where no process may have more than 64 MiB of data."""
    wrapper = ["prlimit", f"--data={64 << 20}"]
    head, size = b"Subject: long\r\n\r\n", 80 << 20
    with Sink() as sink, Suite(control={"databytes": None, "smtproutes": f":127.0.0.1:{sink.port}"}, pop=False,
                               send_wrapper=wrapper, smtpd_wrapper=wrapper) as suite:
        ann, bob = suite.accounts
        bob.dot("-all", f"./box\n|wc -c >counted\n&{ann.name}@mail.test\n&far@away.test\n")
        with Dialogue(suite.smtp_port) as talk:
            for line in ("EHLO client.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{bob.name}-all@mail.test>"):
                talk.command(line, 250)
            talk.command("DATA", 354)
            talk.send(head)
            for _ in range(80):
                talk.send(b"x" * (1 << 20))
            talk.send(b"\r\n.\r\n")
            equal(talk.reply()[0], 250)
        suite.wait_empty()
        expect((bob.home / "box").stat().st_size > size, "the mbox")
        expect(int((bob.home / "counted").read_text()) > size, "the program")
        equal([len(data) > size for _, _, data in sink.messages], [True], "the remote host")
        expect(ann.files()[0].stat().st_size > size, "the Maildir")
        suite.pop, suite.pop_port = suite.tcpserver(*wrapper, BIN / "qmail-popup", "mail.test", suite.checker,
                                                    BIN / "qmail-pop3d", "Maildir")
        pop = poplib.POP3("127.0.0.1", suite.pop_port, timeout=60)
        poplib._MAXLINE, kept = 100 << 20, poplib._MAXLINE
        pop.user(ann.name)
        pop.pass_(ann.password)
        expect(max(map(len, pop.retr(1)[1])) == size, "POP3")
        pop.quit()
        poplib._MAXLINE = kept
        for file in (bob.home / "box", bob.home / "counted", bob.home / ".qmail-all"):
            file.unlink()
        ann.empty()


def test_recipients():
    """1 000 recipients pass; the next ones get 452 and do not count as errors."""
    with Suite() as suite, Dialogue(suite.smtp_port) as talk:
        name = suite.accounts[0].name
        talk.command("EHLO client.test", 250)
        talk.command("MAIL FROM:<a@elsewhere.test>", 250)
        talk.send(b"".join(f"RCPT TO:<{name}-{n}@mail.test>\r\n".encode() for n in range(1040)))
        codes = [talk.reply()[0] for _ in range(1040)]
        equal(codes, [250] * 1000 + [452] * 40)
        talk.command("NOOP", 250)


def test_twenty_errors():
    with Suite() as suite, Dialogue(suite.smtp_port) as talk:
        talk.send(b"NONSENSE\r\n" * 40)
        codes = []
        with contextlib.suppress(ConnectionError):
            while code := talk.reply()[0]:
                codes.append(code)
        equal(codes[-1], 421, "the last answer")
        expect(len(codes) <= 22, f"{len(codes)} answers")


run(globals())
