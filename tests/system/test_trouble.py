"""What goes wrong on real machines: each trouble has its temporary (or documented) answer, one clear log line, and
nothing is lost when it is over."""

from suite import *

OWN_MOUNTS = enter_mount_namespace()
TEMPORARY = range(400, 500)


class Mounted:
    """A small tmpfs in the place of a folder, with what the folder held; gone afterwards."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options

    def __enter__(self):
        expect(OWN_MOUNTS, "needs a mount namespace")
        copy = ROOM / f"copy{time.monotonic_ns()}"
        call("cp", "-a", self.folder, copy)
        call("mount", "-t", "tmpfs", "-o", f"mode=0755,{self.options}", "tmpfs", self.folder)
        call("cp", "-aT", copy, self.folder)
        shutil.rmtree(copy)
        return self

    def __exit__(self, *_):
        call("umount", "-l", self.folder)


class Moved:
    """A file that is elsewhere for a while."""

    def __init__(self, file):
        self.file, self.aside = file, file.with_name("." + file.name + ".aside")

    def __enter__(self):
        self.file.rename(self.aside)

    def __exit__(self, *_):
        self.aside.rename(self.file)


def to(suite, n=0, domain="mail.test"):
    return f"{suite.accounts[n].name}@{domain}"


def fill(folder):
    """Leaves no byte free."""
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while file.write(b"\0" * 65536):
            pass
    with contextlib.suppress(OSError), open(folder / "filler2", "wb", buffering=0) as file:
        while file.write(b"\0"):
            pass


def retry(suite):
    suite.send.send_signal(signal.SIGALRM)


def test_full_queue_disk():
    """4xx by SMTP, 111 or 53 from programs, while full; what was accepted before arrives, and so does what comes after."""
    with Mounted(HOME / "queue", "size=4m"), Suite(control={"queuefree": "0 0"}) as suite:
        equal(suite.smtp_session(to(suite), data=b"Subject: before\r\n\r\n")[0], 250)
        suite.wait_messages(suite.accounts[0], 1)
        fill(HOME / "queue")
        code, text = suite.smtp_session(to(suite), data=b"Subject: full\r\n\r\n" + b"x" * 70000 + b"\r\n")
        expect(code in TEMPORARY, f"{code} {text}")
        done = suite.sendmail("-f", "a@mail.test", to(suite), data=b"Subject: full\n\n" + b"x" * 70000, check=False)
        expect(done.returncode in (75, 111), f"sendmail: exit {done.returncode}, {done.stderr!r}")
        done = call(BIN / "qmail-queue", check=False, data=b"", preexec_fn=None, pass_fds=()) if False else None
        equal([f.name for f in suite.queue_files() if f.parent.name in ("new",)], [], "nothing is left in new/")
        for name in ("filler", "filler2"):
            (HOME / "queue" / name).unlink(missing_ok=True)
        equal(suite.smtp_session(to(suite), data=b"Subject: after\r\n\r\n")[0], 250)
        equal(len(suite.wait_messages(suite.accounts[0], 2)), 2)
        suite.wait_empty()


def test_reserve_of_space():
    """control/queuefree refuses before the disk is full."""
    with Mounted(HOME / "queue", "size=8m"), Suite(control={"queuefree": f"{6 << 20} 0"}) as suite:
        equal(suite.smtp_session(to(suite), data=b"Subject: small\r\n\r\n")[0], 250)
        code, text = suite.smtp_session(to(suite), data=b"Subject: big\r\n\r\n" + (b"x" * 78 + b"\r\n") * 40000)
        expect(code in TEMPORARY, f"{code} {text}")
        suite.wait_empty()


def test_no_inodes_in_the_queue():
    with Mounted(HOME / "queue", "nr_inodes=200"), Suite(control={"queuefree": "0 0"}) as suite:
        taken = 0
        with contextlib.suppress(OSError):
            while True:
                (HOME / "queue" / f"filler{taken}").touch()
                taken += 1
        code, text = suite.smtp_session(to(suite), data=b"Subject: none\r\n\r\n")
        expect(code in TEMPORARY, f"{code} {text}")
        for n in range(taken):
            (HOME / "queue" / f"filler{n}").unlink()
        equal(suite.smtp_session(to(suite), data=b"Subject: again\r\n\r\n")[0], 250)
        equal(len(suite.wait_messages(suite.accounts[0], 1)), 1)


def test_full_home():
    with Suite() as suite:
        ann = suite.accounts[0]
        with Mounted(ann.home, "size=256k"):
            os.chown(ann.home, ann.uid, ann.gid)
            fill(ann.home)
            suite.sendmail("-f", "a@mail.test", to(suite), data=b"Subject: waits\n\n" + b"x" * 9000 + b"\n")
            suite.wait_log(r"deferral: .")
            for folder in ("new", "cur", "tmp"):
                equal(os.listdir(ann.maildir / folder), [], f"Maildir/{folder}")
            for name in ("filler", "filler2"):
                (ann.home / name).unlink(missing_ok=True)
            retry(suite)
            stored = suite.wait_messages(ann, 1)
            equal(len(stored), 1)
            expect(stored[0].endswith(b"x" * 9000 + b"\n"), "whole")
        suite.wait_empty()


def test_home_missing():
    with Suite() as suite:
        with Moved(suite.accounts[0].home):
            suite.sendmail("-f", "a@mail.test", to(suite), data=b"Subject: waits\n\n")
            suite.wait_log(r"deferral: .*home")
        retry(suite)
        equal(len(suite.wait_messages(suite.accounts[0], 1)), 1)
        suite.wait_empty()


def test_home_writable_by_others():
    with Suite() as suite:
        ann = suite.accounts[0]
        for mode, text in ((0o757, "writable"), (0o1755, "sticky")):
            ann.empty()
            mark = len(suite.log())
            ann.home.chmod(mode)
            suite.sendmail("-f", "a@mail.test", to(suite), data=b"Subject: waits\n\n")
            wait_until(lambda: re.search(rf"deferral: .*{text}", suite.log()[mark:]), f"no word of {text}")
            ann.home.chmod(0o755)
            retry(suite)
            equal(len(suite.wait_messages(ann, 1)), 1)
        suite.wait_empty()


def helper_missing(program, recipient, delivered):
    with Suite() as suite, Sink() as sink:
        suite.control("smtproutes", f":127.0.0.1:{sink.port}")
        with Moved(BIN / program):
            suite.sendmail("-f", "a@mail.test", recipient(suite), data=b"Subject: waits\n\n")
            suite.wait_log(r"deferral: .")
        retry(suite)
        wait_until(lambda: delivered(suite, sink) == 1, "not delivered")
        suite.wait_empty()
        expect("bounce" not in suite.log(), "no bounce for a missing program")


def test_qmail_local_missing():
    helper_missing("qmail-local", to, lambda suite, sink: len(suite.accounts[0].files()))


def test_qmail_remote_missing():
    helper_missing("qmail-remote", lambda suite: "b@away.test", lambda suite, sink: len(sink.messages))


def test_qmail_queue_missing():
    with Suite() as suite:
        with Moved(BIN / "qmail-queue"):
            done = suite.sendmail("-f", "a@mail.test", to(suite), data=b"Subject: x\n\n", check=False)
            if done.returncode != 0:  # an inject that talks to the gate itself does not need it
                expect(done.returncode in (75, 111) and done.stderr, f"exit {done.returncode}: {done.stderr!r}")


def test_checkpassword_missing():
    with Suite() as suite, Moved(BIN / "checkpassword"):
        with socket.create_connection(("127.0.0.1", suite.pop_port), 30) as client:
            file = client.makefile("rb")
            file.readline()
            client.sendall(b"USER ann\r\nPASS x\r\n")
            file.readline()
            expect(file.readline().startswith(b"-ERR"), "an error for the client")


def test_nobody_behind_the_gate():
    """qmail-queued is down: 451 within seconds, 111 from sendmail after control/timeoutgate."""
    with Suite(start=False, control={"timeoutgate": "1"}) as suite:
        begin = time.monotonic()
        code, text = suite.smtp_session(to(suite), data=b"Subject: x\r\n\r\n")
        equal(code, 451, text)
        expect(time.monotonic() - begin < 20, "soon")
        done = suite.sendmail("-f", "a@mail.test", to(suite), data=b"Subject: x\n\n", check=False)
        expect(done.returncode in (75, 111) and done.stderr, f"exit {done.returncode}: {done.stderr!r}")


def test_control_me_missing():
    """Without me (and what falls back to it) nothing pretends to work: a temporary answer and a line that names the file.
    The gate opens by itself when the file is there."""
    with Suite(start=False) as suite:
        suite.control("me", None)
        with socket.create_connection(("127.0.0.1", suite.smtp_port), 30) as client:
            greeting = client.makefile("rb").readline()
            expect(greeting[:1] in (b"4", b""), f"{greeting!r}")
        with open(suite.log_file, "ab") as log:
            start = suite.launch(BIN / "qmail-start", "./Maildir/", stdin=log, stdout=log, stderr=log)
        suite.wait_log(r"control/me")
        suite.control("me", "mail.test")
        wait_until(lambda: suite.smtp_session(to(suite), data=b"Subject: x\r\n\r\n")[0] == 250, "the gate stays shut", 20)
        suite.wait_messages(suite.accounts[0], 1)
        expect(suite.log().count("control/me") < 20, "the log is not flooded")


def test_unreadable_control_files():
    """Unreadable for qmaild: a session that cannot know its rules answers 4xx, and does not relay."""
    import pwd
    who = pwd.getpwnam("qmaild")
    for name in ("rcpthosts", "badmailfrom", "databytes"):
        with Suite(start=False, smtp=False, pop=False, relay=False) as suite:
            suite.control(name, "mail.test" if name == "rcpthosts" else "1000")
            (HOME / "control" / name).chmod(0o600)
            done = subprocess.run([str(BIN / "qmail-smtpd")], capture_output=True, timeout=30, user=who.pw_uid,
                                  group=who.pw_gid, extra_groups=[], input=b"QUIT\r\n",
                                  env=environment(TCPREMOTEIP="192.0.2.1", PROTO="TCP"))
            expect(done.stdout[:1] == b"4", f"{name}: {done.stdout!r}")
            expect(name.encode() in done.stderr, f"{name}: the log line is {done.stderr!r}")


def test_unreadable_control_file_of_qmail_send():
    """A locals that is a directory, met at SIGHUP and at a start."""
    with Suite() as suite:
        suite.control("locals", None)
        (HOME / "control/locals").mkdir()
        try:
            suite.send.send_signal(signal.SIGHUP)
            suite.wait_log("locals")
            suite.sendmail("-f", "a@mail.test", to(suite), data=b"Subject: old settings\n\n")
            equal(len(suite.wait_messages(suite.accounts[0], 1)), 1)
        finally:
            (HOME / "control/locals").rmdir()


def test_dead_host():
    """Nobody listens: a deferral, then the host is left alone as a whole and the log says so; everything stays in the
    queue, and SIGALRM tries it at once."""
    with Suite(control={"smtproutes": f":127.0.0.1:{free_port()}"}) as suite:
        for n in range(5):
            suite.sendmail("-f", "a@mail.test", f"b{n}@away.test", data=b"Subject: waits\n\n")
        suite.wait_log(r"deferral: ")
        suite.wait_log(r"backoff host 127\.0\.0\.1:\d+: not tried for 60 seconds")
        expect(suite.log().count("deferral: ") < 5, "a dead host was tried for each message")
        equal(len([f for f in suite.queue_files() if f.parent.parent.name == "mess" or f.parent.name == "new"]), 5)
        with Sink() as sink:
            suite.control("smtproutes", f":127.0.0.1:{sink.port}")
            call(BIN / "qmail-tcpok")
            retry(suite)
            wait_until(lambda: len(sink.messages) == 5, "not delivered when the host is back")
            suite.wait_empty()


def test_host_that_stalls():
    """Connections are taken and never answered: only that delivery waits, others pass."""
    with socket.socket() as stalled:
        stalled.bind(("127.0.0.1", 0))
        stalled.listen()
        with Sink() as sink, Suite(control={"timeoutremote": "3", "smtproutes":
                                            f"stalls.test:127.0.0.1:{stalled.getsockname()[1]}\n:127.0.0.1:{sink.port}"}) as suite:
            suite.sendmail("-f", "a@mail.test", "b@stalls.test", data=b"\n")
            suite.sendmail("-f", "a@mail.test", "b@fine.test", data=b"\n")
            wait_until(lambda: len(sink.messages) == 1, "the other message waits, too")
            suite.wait_log(r"deferral: .*stalls|deferral: .*127\.0\.0\.1", 30)


def test_dns_down():
    """The resolver does not answer, and is not there: temporary, and the text says that it is the DNS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        for resolver in (f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{free_port()}"):
            with Suite(control={"smtproutes": None, "resolver": resolver, "timeoutdns": "2"}) as suite:
                suite.control("smtproutes", None)
                suite.sendmail("-f", "a@mail.test", "b@away.test", data=b"\n")
                suite.wait_log(r"deferral: .*(DNS|lookup|CNAME)")
                equal(len([f for f in suite.queue_files()]) >= 1, True, "still in the queue")


def test_queue_folder_unwritable():
    """new/ belongs to somebody else: temporary, and nothing is lost when it is mended."""
    with Suite() as suite:
        new = HOME / "queue/new"
        before = new.stat()
        os.chown(new, 0, 0)
        new.chmod(0o700)
        try:
            code, text = suite.smtp_session(to(suite), data=b"Subject: x\r\n\r\n")
            expect(code in TEMPORARY, f"{code} {text}")
        finally:
            os.chown(new, before.st_uid, before.st_gid)
            new.chmod(0o750)
        equal(suite.smtp_session(to(suite), data=b"Subject: y\r\n\r\n")[0], 250)
        equal(len(suite.wait_messages(suite.accounts[0], 1)), 1)


def test_damaged_files():
    """A queue file with a flipped byte, and one that is no queue file, go to bad/ and are logged; others are delivered."""
    with Suite(start=False, smtp=False, pop=False) as suite:
        strange = HOME / "queue/new/1234567890123456"
        strange.write_bytes(b"not a queue file")
        os.chown(strange, *[int(n) for n in ((HOME / "queue/new").stat().st_uid, (HOME / "queue/new").stat().st_gid)])
        suite.start_send()
        wait_until(lambda: list((HOME / "queue/bad").iterdir()), "nothing in bad/")
        expect(not strange.exists(), "moved")
        suite.wait_log("1234567890123456")
        suite.sendmail("-f", "a@mail.test", to(suite), data=b"\n")
        suite.wait_messages(suite.accounts[0], 1)


run(globals())
