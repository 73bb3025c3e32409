"""QMTP and QMQP: real mail from host to host (played by one home), and Postfix's qmqp-source and qmqp-sink."""

from suite import *


def net(data):
    return b"%d:%s," % (len(data), data)


def package(encoded, sender, *recipients):
    return net(encoded) + net(sender) + net(b"".join(map(net, recipients)))


def talk(port, octets):
    """Sends, ends its side, and returns what the server says until it closes."""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.sendall(octets)
        s.shutdown(socket.SHUT_WR)
        said = b""
        while piece := s.recv(65536):
            said += piece
        return said


def reports(*args, data):
    return call(BIN / args[0], *args[1:], data=data).stdout.decode().split("\0")[:-1]


def servers(suite, **env):
    """Ports of qmail-qmtpd and qmail-qmqpd under tcpserver."""
    _, qmtp = suite.tcpserver(BIN / "qmail-qmtpd", env=env)
    _, qmqp = suite.tcpserver(BIN / "qmail-qmqpd", env=env)
    return qmtp, qmqp


LETTER = b"From: ann@mail.test\nSubject: across\n\nfirst\n.\nlast, caf\xc3\xa9\n"


def test_a_queue_elsewhere():
    """sendmail -> qmail-qmqpc -> qmail-qmqpd -> queue -> Maildir."""
    with Suite(smtp=False, pop=False) as suite:
        ann = suite.accounts[0]
        to = f"{ann.name}@{suite.domain}"
        _, port = servers(suite)
        suite.control("qmqpservers", f"127.0.0.1:1\n127.0.0.1:{port}")
        chain = {"QMAILQUEUE": str(BIN / "qmail-qmqpc")}
        suite.sendmail("-f", "s@elsewhere.test", to, data=LETTER, env=chain)
        (message,) = suite.wait_messages(ann, 1)
        expect(message.startswith(b"Return-Path: <s@elsewhere.test>\n"), f"{message!r}")
        expect(b"with QMQP id" in message, f"{message!r}")
        expect(message.endswith(b"first\n.\nlast, caf\xc3\xa9\n"), f"{message!r}")
        # a message of several MB, through a pipe
        suite.sendmail("-f", "s@elsewhere.test", to, data=LETTER + b"x" * 70 * 1024 * 40 + b"\n", env=chain)
        expect(len(suite.wait_messages(ann, 2)[1]) > 70 * 1024 * 40, "all of it")
        # who may connect is tcpserver's to say
        rules = ROOM / "qmqp.cdb"
        call("tcprules", rules, ROOM / "qmqp.tmp", data=b"127.0.0.1:deny\n:allow\n")
        _, closed = suite.tcpserver(BIN / "qmail-qmqpd", options=("-x", rules))
        suite.control("qmqpservers", f"127.0.0.1:{closed}")
        done = suite.sendmail("-f", "s@elsewhere.test", to, data=LETTER, env=chain, check=False)
        equal(done.returncode, 111, f"{done.stderr!r}")
        suite.wait_empty()
        equal(len(ann.files()), 2, "messages")


def test_smtp_to_a_queue_elsewhere():
    with Suite(start=False, smtp=False, pop=False, smtpd_env={"QMAILQUEUE": "bin/qmail-qmqpc"}) as suite:
        suite.start_send()
        _, port = servers(suite)
        suite.control("qmqpservers", f"127.0.0.1:{port}")
        suite.start_smtp()
        ann = suite.accounts[0]
        equal(suite.smtp_session(f"{ann.name}@{suite.domain}", data=b"Subject: x\r\n\r\nx\r\n")[0], 250)
        (message,) = suite.wait_messages(ann, 1)
        expect(b"with ESMTP id" in message and b"with QMQP id" in message, f"{message!r}")
        # the queue's refusal comes back in its own words
        suite.control("databytes", "1000")
        code, text = suite.smtp_session(f"{ann.name}@{suite.domain}", data=b"x" * 70 + b"\r\n" + b"y\r\n" * 1000)
        equal(code, 552, text)


def test_mini_installation():
    """bin/qmail-queue is a link to qmail-qmqpc: every program that submits mail uses it, and install keeps it."""
    queue = BIN / "qmail-queue"
    kept = BIN / ".qmail-queue.kept"
    with Suite(smtp=False, pop=False) as suite:
        ann = suite.accounts[0]
        # The other host is this one, too: its server has the real queue.
        _, port = servers(suite, QMAILQUEUE=str(kept))
        suite.control("qmqpservers", f"127.0.0.1:{port}")
        queue.rename(kept)
        try:
            queue.symlink_to("qmail-qmqpc")
            for number, program in enumerate(("sendmail", "qmail-inject"), 1):
                call(BIN / program, "-f", "s@elsewhere.test", f"{ann.name}@{suite.domain}", data=LETTER)
                expect(b"with QMQP id" in suite.wait_messages(ann, number)[-1], program)
            suite.control("qmqpservers", None)
            done = call(BIN / "sendmail", "-f", "s@elsewhere.test", f"{ann.name}@{suite.domain}", data=LETTER, check=False)
            equal(done.returncode, 111, "without a server")
            suite.control("qmqpservers", f"127.0.0.1:{port}")
            said = call("sh", "admin/instcheck.sh", HOME, check=False, cwd=SOURCE).stdout.decode()
            expect(f"{queue}:" not in said, said)
        finally:
            queue.unlink()
            kept.rename(queue)


def test_a_route_by_qmtp():
    """smtproutes' qmtp -> qmail-qmtpd -> queue -> Maildir. The receiving side puts .mail.test behind the address."""
    with Suite(smtp=False, pop=False, control={"locals": "mail.test\nfar.test.mail.test"}) as suite:
        ann, bob = suite.accounts
        port, _ = servers(suite, RELAYCLIENT=f".{suite.domain}")
        suite.control("smtproutes", f"far.test:127.0.0.1:{port} qmtp\n:127.0.0.1:1")
        data = LETTER + b"no end"
        suite.sendmail("-f", "s@elsewhere.test", f"{ann.name}@far.test", f"{bob.name}@far.test", data=data)
        for account in (ann, bob):
            (message,) = suite.wait_messages(account, 1)
            expect(b"with QMTP id" in message and b"Delivered-To: " in message, f"{message!r}")
            expect(message.endswith(data.split(b"\n\n", 1)[1]), f"{message!r}")
        suite.wait_log(r"delivery \d+: success: 127.0.0.1_accepted_message\./Remote_host_said:_ok_\d+_qp_\d+/")
        suite.wait_empty()


def test_one_connection_for_many():
    """Messages that wait for a route by QMTP share a connection, one package behind the other."""
    with Suite(smtp=False, pop=False, control={"concurrencyremote": "1", "locals": "mail.test\nfar.test.mail.test"}) as suite:
        ann = suite.accounts[0]
        sessions = ROOM / f"qmtp-sessions-{time.monotonic_ns()}"
        _, port = suite.tcpserver("sh", "-c", f"echo one >>{sessions}; exec {BIN}/qmail-qmtpd", env={"RELAYCLIENT": f".{suite.domain}"})
        suite.control("smtproutes", f"far.test:127.0.0.1:{port} qmtp")
        for n in range(20):
            suite.sendmail("-f", "s@elsewhere.test", f"{ann.name}@far.test", data=b"Subject: %d\n\nx\n" % n)
        subjects = [re.search(rb"^Subject: (\d+)$", message, re.M).group(1) for message in suite.wait_messages(ann, 20)]
        equal(sorted(map(int, subjects)), list(range(20)))
        suite.wait_empty()
        count = sessions.read_text().count("one")
        expect(count <= 10, f"{count} connections for 20 messages")


def test_a_loop_ends():
    with Suite(smtp=False, pop=False) as suite:
        ann = suite.accounts[0]
        port, _ = servers(suite)
        suite.control("rcpthosts", f"{suite.domain}\nround.test")
        suite.control("smtproutes", f"round.test:127.0.0.1:{port} qmtp")
        suite.sendmail("-f", f"{ann.name}@{suite.domain}", "x@round.test", data=LETTER)
        (bounce,) = suite.wait_messages(ann, 1, 120)
        expect(b"too many hops, this message is looping (#5.4.6)" in bounce, f"{bounce!r}")
        suite.wait_empty()


def test_by_hand():
    with Suite(smtp=False, pop=False) as suite:
        ann = suite.accounts[0]
        port, _ = servers(suite)
        suite.control("smtproutes", f"{suite.domain}:127.0.0.1:{port} qmtp")
        to = f"{ann.name}@{suite.domain}"
        said = reports("qmail-qmtpc", suite.domain, "s@elsewhere.test", to, "x@nowhere.test", data=LETTER)
        equal(said[0], "r")
        expect(said[1].startswith("h127.0.0.1 does not like recipient.\nRemote host said: sorry, that domain"), said[1])
        expect(re.match(r"K127\.0\.0\.1 accepted message\.\nRemote host said: ok \d+ qp \d+\n$", said[2]), said[2])
        suite.wait_messages(ann, 1)
        # two packages at once, in both encodings, and the end of the connection in the middle of a third
        octets = package(b"\nSubject: a\n\na\n", b"s@x.test", to.encode()) + package(
            b"\rSubject: b\r\n\r\nb\r\n", b"", to.encode(), b"x@nowhere.test")
        answers = talk(port, octets + octets[:20])
        expect(re.fullmatch(rb"\d+:Kok \d+ qp \d+,\d+:Kok \d+ qp \d+,66:Dsorry, that domain isn't in my list of allowed "
                            rb"rcpthosts \(#5.7.1\),", answers), f"{answers!r}")
        messages = suite.wait_messages(ann, 3)
        equal(sorted(m.split(b"\n\n", 1)[1] for m in messages[1:]), [b"a\n", b"b\n"])
        suite.wait_empty()
        equal(len(ann.files()), 3, "messages")


def test_peers():
    """Postfix's QMQP client and server."""
    with Suite(smtp=False, pop=False) as suite:
        ann = suite.accounts[0]
        _, port = servers(suite)
        source, libraries = peer_program("qmqp-source")
        call(source, "-f", "s@elsewhere.test", "-t", f"{ann.name}@{suite.domain}", "-l", "5000", "-m", "20", "-s", "4",
             f"127.0.0.1:{port}", env=libraries)
        suite.wait_messages(ann, 20)
        suite.wait_empty()
        sink, libraries = peer_program("qmqp-sink")
        free = free_port()
        process = suite.launch(sink, f"127.0.0.1:{free}", "10", env=libraries)
        wait_until(lambda: listening(free), "qmqp-sink does not start")
        suite.control("qmqpservers", f"127.0.0.1:{free}")
        for _ in range(3):
            suite.sendmail("-f", "s@elsewhere.test", "x@nowhere.test", data=LETTER, env={"QMAILQUEUE": str(BIN / "qmail-qmqpc")})
        expect(process.poll() is None, "qmqp-sink ended")


run(globals())
