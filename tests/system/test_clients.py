"""Real clients against the installed suite: each sends or fetches, and what arrives is what was sent."""

import email.message
import poplib
import re
import smtplib

from suite import *

LETTER = b"From: sender@elsewhere.test\r\nTo: ann@mail.test\r\nSubject: by %s\r\n\r\nfirst line\r\n.\r\n..two dots\r\nlast\r\n"


def letter(client):
    return LETTER % client.encode()


def lines(data):
    return data.replace(b"\r\n", b"\n")


def one_arrives(suite, data, account=0):
    stored = suite.wait_messages(suite.accounts[account], 1)
    equal(len(stored), 1)
    equal(body_of(stored[0]).rstrip(b"\n"), lines(data).rstrip(b"\n"))  # swaks adds a last empty line
    suite.wait_empty()
    return stored[0]


def test_swaks():
    with Suite() as suite:
        file = ROOM / "swaks.txt"
        file.write_bytes(lines(letter("swaks")))
        call("swaks", "--server", f"127.0.0.1:{suite.smtp_port}", "--from", "sender@elsewhere.test", "--to",
             f"{suite.accounts[0].name}@mail.test", "--data", f"@{file}", "--helo", "client.test")
        stored = one_arrives(suite, letter("swaks"))
        expect(stored.startswith(b"Return-Path: <sender@elsewhere.test>\nDelivered-To: "), "qmail's two fields first")
        expect(b"\nReceived: from client.test" in stored or b"\nReceived: from unknown (HELO client.test)" in stored,
               f"the Received field: {stored[:600]!r}")


def test_swaks_pipelined_to_several():
    with Suite() as suite:
        call("swaks", "--server", f"127.0.0.1:{suite.smtp_port}", "--pipeline", "--from", "<>", "--to",
             ",".join(f"{a.name}@mail.test" for a in suite.accounts), "--body", "hello")
        for account in suite.accounts:
            stored = suite.wait_messages(account, 1)
            expect(stored[0].startswith(b"Return-Path: <>\n"), "the null sender")


def test_curl_smtp():
    with Suite() as suite:
        file, ann = ROOM / "curl.txt", suite.accounts[0]
        file.write_bytes(letter("curl"))
        call("curl", "-sS", "--mail-from", "sender@elsewhere.test", "--mail-rcpt", f"{ann.name}@mail.test", "-T", file,
             f"smtp://127.0.0.1:{suite.smtp_port}/client.test")
        one_arrives(suite, letter("curl"))


def test_curl_pop3():
    with Suite() as suite:
        ann = suite.accounts[0]
        equal(suite.smtp_session(f"{ann.name}@mail.test", data=letter("curl"))[0], 250)
        stored = suite.wait_messages(ann, 1)[0]
        base, login = f"pop3://127.0.0.1:{suite.pop_port}/", f"{ann.name}:{ann.password}"
        listed = call("curl", "-sS", "--user", login, base).stdout.split()
        equal(listed[0], b"1")
        equal(lines(call("curl", "-sS", "--user", login, base + "1").stdout), stored)


CHECKER = """#!/usr/bin/python3
import hashlib, os, sys
name, password, stamp = os.fdopen(3, "rb").read().split(b"\\0")[:3]
secret = b"correct horse"
if password not in (secret, hashlib.md5(stamp + secret).hexdigest().encode()):
    sys.exit(1)
import pwd
user = pwd.getpwnam(name.decode())
os.chdir(user.pw_dir)
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_apop():
    """APOP by poplib, behind a checkpassword that knows the passwords in clear, as APOP needs."""
    checker = ROOM / "apop-checker"
    checker.write_text(CHECKER)
    checker.chmod(0o755)
    with Suite(checker=checker) as suite:
        ann = suite.accounts[0]
        equal(suite.smtp_session(f"{ann.name}@mail.test", data=letter("apop"))[0], 250)
        stored = suite.wait_messages(ann, 1)[0]
        pop = poplib.POP3("127.0.0.1", suite.pop_port, timeout=30)
        pop.apop(ann.name, ann.password)
        equal(b"".join(line + b"\n" for line in pop.retr(1)[1]), stored)
        pop.quit()


def test_msmtp():
    with Suite() as suite:
        call("msmtp", f"--host=127.0.0.1", f"--port={suite.smtp_port}", "--auth=off", "--tls=off", "--set-date-header=off", "--set-msgid-header=off",
             "--from=sender@elsewhere.test", "--domain=client.test", f"{suite.accounts[0].name}@mail.test",
             data=lines(letter("msmtp")), env={"HOME": str(ROOM)})
        one_arrives(suite, letter("msmtp"))


def test_smtplib_and_poplib():
    with Suite() as suite:
        ann = suite.accounts[0]
        with smtplib.SMTP("127.0.0.1", suite.smtp_port, "client.test") as server:
            for n in range(5):
                message = email.message.EmailMessage()
                message["From"], message["To"] = "sender@elsewhere.test", f"{ann.name}@mail.test"
                message["Subject"] = f"数 {n}"
                message.set_content("本文\n", charset="iso-2022-jp" if n % 2 else "utf-8")
                equal(server.send_message(message), {})
        stored = suite.wait_messages(ann, 5)
        suite.wait_empty()
        pop = poplib.POP3("127.0.0.1", suite.pop_port, timeout=30)
        pop.user(ann.name)
        pop.pass_(ann.password)
        equal(pop.stat()[0], 5)
        fetched = [b"".join(line + b"\n" for line in pop.retr(n + 1)[1]) for n in range(5)]
        equal(sorted(fetched), sorted(stored))
        uids = [line.split()[1] for line in pop.uidl()[1]]
        equal(len(set(uids)), 5, "UIDs are unique")
        equal(b"\n".join(pop.top(1, 0)[1]).strip(), fetched[0].split(b"\n\n")[0])
        pop.dele(1)
        pop.dele(2)
        pop.rset()
        pop.dele(3)
        pop.quit()
        pop = poplib.POP3("127.0.0.1", suite.pop_port, timeout=30)
        pop.user(ann.name)
        pop.pass_(ann.password)
        equal(pop.stat()[0], 4)
        equal([line.split()[1] for line in pop.uidl()[1]], uids[:2] + uids[3:], "UIDs stay")
        pop.quit()


def test_wrong_password():
    with Suite() as suite:
        pop = poplib.POP3("127.0.0.1", suite.pop_port, timeout=30)
        pop.user(suite.accounts[0].name)
        try:
            pop.pass_("wrong")
        except poplib.error_proto as refusal:
            expect(str(refusal.args[0]).startswith("b'-ERR"), str(refusal))
        else:
            raise Failure("a wrong password was taken")


def test_fetchmail():
    fetchmail, env = peer_program("fetchmail")
    with Suite() as suite:
        ann, bob = suite.accounts
        for n in range(3):
            equal(suite.smtp_session(f"{ann.name}@mail.test", data=letter(f"fetchmail {n}"))[0], 250)
        suite.wait_messages(ann, 3)
        rc = ROOM / "fetchmailrc"
        rc.write_text(f'poll 127.0.0.1 protocol POP3 port {suite.pop_port} user "{ann.name}" password "{ann.password}" '
                      f'sslproto "" is "{bob.name}" here mda "{BIN}/sendmail -i -f fetch@mail.test {bob.name}@mail.test"\n')
        rc.chmod(0o600)
        call(fetchmail, "-f", rc, "--nodetach", "--nosyslog", "--pidfile", ROOM / "fetchmail.pid", env={
            **env, "HOME": str(ROOM), "FETCHMAILHOME": str(ROOM), "USER": "root"})
        stored = suite.wait_messages(bob, 3)
        for n in range(3):
            expect(any(b"Subject: by fetchmail %d\n" % n in m for m in stored), f"message {n}")
        equal(ann.files(), [], "fetched messages are deleted")


def test_smtp_source():
    source, env = peer_program("smtp-source")
    with Suite() as suite:
        call(source, "-s", "10", "-m", "200", "-l", "3000", "-f", "sender@elsewhere.test", "-t",
             f"{suite.accounts[0].name}@mail.test", f"127.0.0.1:{suite.smtp_port}", env=env)
        equal(len(suite.wait_messages(suite.accounts[0], 200)), 200)
        suite.wait_empty()


def test_smtp_source_reused_sessions():
    source, env = peer_program("smtp-source")
    with Suite() as suite:
        call(source, "-d", "-s", "5", "-m", "100", "-l", "3000", "-f", "sender@elsewhere.test", "-t",
             f"{suite.accounts[0].name}@mail.test", f"127.0.0.1:{suite.smtp_port}", env=env)
        equal(len(suite.wait_messages(suite.accounts[0], 100)), 100)


def test_smtp_sink():
    """Postfix's sink takes 100 messages from qmail-remote, sent by sendmail."""
    sink, env = peer_program("smtp-sink")
    port = free_port()
    dumps = ROOM / "sink"
    dumps.mkdir(exist_ok=True)
    dumps.chmod(0o777)
    with Suite(control={"smtproutes": f":127.0.0.1:{port}"}) as suite:
        suite.launch(sink, "-u", "nobody", "-d", f"{dumps}/message.", f"127.0.0.1:{port}", "100", env=env)
        wait_until(lambda: listening(port), "smtp-sink does not listen")
        for n in range(100):
            suite.sendmail("-f", "ann@mail.test", f"far{n}@sink.test", data=b"Subject: %d\n\n.\n..\nbody\n" % n)
        suite.wait_empty()
        # smtp-sink may put several messages into one file: count the envelopes
        text = b"".join(f.read_bytes() for f in dumps.iterdir())
        equal(sorted(re.findall(rb"X-Rcpt-Args: <far(\d+)@sink.test>", text)), sorted(b"%d" % n for n in range(100)))
        equal(len(re.findall(rb"(?m)^body$", text)), 100)


def test_inetd_style_with_tcp_env():
    """qmail-smtpd on a plain socket as inetd gives it, behind tcp-env."""
    with Suite(smtp=False, pop=False) as suite, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server, _ = listener.accept()
            with server:
                session = suite.launch(BIN / "tcp-env", "-R", BIN / "qmail-smtpd", stdin=server, stdout=server)
            talk = client.makefile("rb")
            expect(talk.readline().startswith(b"220 "), "greeting")
            client.sendall(b"HELO client.test\r\nMAIL FROM:<>\r\n" +
                           f"RCPT TO:<{suite.accounts[0].name}@mail.test>\r\nDATA\r\n".encode())
            for code in (b"250", b"250", b"250", b"354"):
                expect(talk.readline().startswith(code), f"wanted {code}")
            client.sendall(b"Subject: inetd\r\n\r\nhello\r\n.\r\nQUIT\r\n")
            expect(talk.readline().startswith(b"250"), "taken")
            expect(talk.readline().startswith(b"221"), "goodbye")
        session.wait(20)
        stored = suite.wait_messages(suite.accounts[0], 1)
        expect(b"127.0.0.1" in stored[0].split(b"\n\n")[0], "the client's address is in Received")


def test_ipv6():
    """tcpserver on ::1 (from the package ucspi-tcp-ipv6), which sets PROTO=TCP6 and the TCP6 variables."""
    tcpserver, _ = peer_program("tcpserver")
    with Suite(smtp=False, pop=False) as suite:
        port = free_port()
        suite.launch(tcpserver, "-H", "-R", "-l", "mail.test", "::1", port, BIN / "qmail-smtpd", stdin=subprocess.DEVNULL)
        wait_until(lambda: listening(port, "::1"), "tcpserver does not listen on ::1")
        suite.smtp_port, suite.host = port, "::1"
        code, text = suite.smtp_session(f"{suite.accounts[0].name}@mail.test", data=b"Subject: six\r\n\r\nhello\r\n",
                                        helo="[IPv6:::1]")
        equal(code, 250, text)
        stored = suite.wait_messages(suite.accounts[0], 1)
        expect(b"::1" in stored[0].split(b"\n\n")[0], "the client's address is in Received")


run(globals())
