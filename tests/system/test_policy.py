"""qmail-smtpd with policy servers of the outside world: Debian's postgrey. And what it costs where there is none."""

from suite import *


class Postgrey:
    """postgrey on a Unix socket of its own, as the account `who`."""

    def __init__(self, suite, who, *options):
        self.suite = suite
        self.folder = ROOM / f"postgrey-{os.getpid()}-{time.monotonic_ns()}"
        self.folder.mkdir()
        os.chown(self.folder, who.uid, who.gid)
        self.socket = self.folder / "s"
        nobody = self.folder / "nobody"
        nobody.write_text("")
        program, env = peer_program("postgrey")
        self.said = open(self.folder / "said", "wb")
        self.process = suite.launch(
            "/usr/bin/perl", "-T", program, f"--unix={self.socket}", f"--user={who.name}", f"--group={who.name}",
            f"--dbdir={self.folder}", f"--pidfile={self.folder}/pid", f"--whitelist-clients={nobody}",
            f"--whitelist-recipients={nobody}", "--delay=2", "--hostname=mail.test", *options, env=env,
            stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said)

    def __enter__(self):
        def listens():
            expect(self.process.poll() is None, f"postgrey ended: {(self.folder / 'said').read_text()[-500:]}")
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
                s.connect(str(self.socket))
                return True
            return False

        wait_until(listens, "postgrey does not listen")
        return self

    def end(self):
        self.suite.end(self.process, signal.SIGKILL)  # its own way of ending waits for every client

    def __exit__(self, *problem):
        self.end()
        self.said.close()
        if problem and problem[0]:
            print((self.folder / "said").read_text()[-2000:])


def test_postgrey():
    """An unknown client is sent away for a while; the message that passes says so in its header. Customers are not asked."""
    with Suite(relay=False) as suite, Postgrey(suite, suite.accounts[1]) as grey:
        suite.control("policy", f"{grey.socket} RCPT mx")
        ann = f"{suite.accounts[0].name}@mail.test"
        data = b"Subject: grey\r\n\r\nhello\r\n"
        code, text = suite.smtp_session(ann, data=data)
        equal(code, 450, text)
        expect(text.startswith("4.2.0 Greylisted"), text)
        expect(f"(policy {grey.socket}): 450 4.2.0 Greylisted" in suite.smtp_log.read_text(), "the refusal is logged")

        def passes():
            code, text = suite.smtp_session(ann, data=data)
            expect(code in (250, 450), text)
            return code == 250

        wait_until(passes, "postgrey lets nothing pass")
        message = suite.wait_messages(suite.accounts[0], 1)[0]
        expect(re.search(rb"(?m)^X-Greylist: delayed \d+ seconds by postgrey-[^\n]* at mail\.test", message), repr(message))
        equal(message.count(b"X-Greylist"), 1)
        # the same triplet is known now
        equal(suite.smtp_session(ann, data=data)[0], 250)

        # whoever may relay is not asked
        suite.end(suite.smtp)
        suite.relay = True
        suite.start_smtp()
        equal(suite.smtp_session(ann, data=data, sender="other@elsewhere.test")[0], 250)
        suite.wait_messages(suite.accounts[0], 3)


def test_postgrey_goes_away():
    """Without it: 451, or on, as control/policyfail says; and with it again all is as before."""
    with Suite(relay=False) as suite:
        ann = f"{suite.accounts[0].name}@mail.test"
        data = b"Subject: grey\r\n\r\nhello\r\n"
        with Postgrey(suite, suite.accounts[1]) as grey:
            suite.control("policy", f"{grey.socket} RCPT mx")
            equal(suite.smtp_session(ann, data=data)[0], 450)
            with Dialogue(suite.smtp_port) as talk:
                talk.command("EHLO client.test", 250)
                talk.command("MAIL FROM:<s@elsewhere.test>", 250)
                equal(talk.command(f"RCPT TO:<{ann}>")[0], 450)
                grey.end()
                equal(talk.command(f"RCPT TO:<{ann}>")[0], 451)  # in a session that had it
                talk.command("QUIT", 221)
        equal(suite.smtp_session(ann, data=data)[0], 451)
        suite.control("policyfail", "go")
        equal(suite.smtp_session(ann, data=data)[0], 250)
        suite.wait_messages(suite.accounts[0], 1)


def test_a_closed_address():
    """qmail-rcptd has it refused with its owner's words: nothing is queued, and nobody gets a bounce."""
    with Suite(relay=False, control={"policy": "rcptd RCPT", "services": "qmail-rcptd", "systemusers": "0",
                                     "homes": str(ROOM / "homes")}) as suite:
        account = suite.accounts[0]
        ann = account.name
        call(BIN / "qmail-account", "add", ann, "--uid", str(account.uid), "--gid", str(account.gid), "--home", account.home)
        for extension, words in (("old", "It's closed: ask <info@mail.test>"), ("closed", "閉鎖しました")):
            call(BIN / "qmail-dot", "set", "--refuse", words, "--", ann, extension)
        call(BIN / "qmail-account", "delete", ann)
        with Dialogue(suite.smtp_port) as talk:
            talk.send(b"EHLO client.test\r\n")
            expect(b"ENHANCEDSTATUSCODES" in talk.reply()[1].encode(), "enhanced codes")
            talk.command("MAIL FROM:<s@elsewhere.test>", 250)
            equal(talk.command(f"RCPT TO:<{ann}-old@mail.test>"),
                  (550, "5.7.1 It's closed: ask <info@mail.test> (#5.7.1)"))
            equal(talk.command(f"RCPT TO:<{ann}-closed@mail.test>"),
                  (550, "5.7.1 sorry, this address takes no mail (#5.7.1)"))
            talk.command(f"RCPT TO:<{ann}@mail.test>", 250)
            talk.command("DATA", 354)
            talk.send(b"Subject: open\r\n\r\nhello\r\n.\r\n")
            equal(talk.reply()[0], 250)
        expect(b"Subject: open" in suite.wait_messages(suite.accounts[0], 1)[0], "the message")
        suite.wait_empty()
        expect("bounce msg" not in suite.log(), suite.log())
        # What is injected here bounces as ever, with the words as they are.
        suite.sendmail("-f", f"{ann}@mail.test", f"{ann}-closed@mail.test", data=b"Subject: in\n\nhello\n")
        suite.wait_log("failure: 閉鎖しました")


def test_nothing_without_servers():
    """A session without control/policy looks for that file, and that is all."""
    trace = ROOM / "trace.policy"
    with Suite() as suite:
        done = call("strace", "-f", "-s", "200", "-o", trace, suite.bin / "qmail-smtpd",
                    data=b"EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<ann@mail.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
                    env={"TCPREMOTEIP": "127.0.0.1", "PROTO": "TCP"})
        expect(b"\r\n354 " in done.stdout, done.stdout)
        lines = [line for line in trace.read_text().splitlines() if "policy" in line]
        equal(len(lines), 1, "\n".join(lines))
        expect("ENOENT" in lines[0], lines[0])
        equal(len(re.findall(r"(?m)\bsocket\(AF_UNIX", trace.read_text())), 1, "sockets: the gate's")


run(globals())
