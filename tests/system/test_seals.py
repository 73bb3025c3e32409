"""Programs linked with lib/base/seal_probe.cc try, right after sealing, what they must not be able to do. check.sh links
them into $HATO_ROOM/probe."""

from suite import *

PROBE = ROOM / "probe"
CALLS = ["open", "execve", "connect", "ptrace", "kill", "tgkill"]


def high_pipe():
    """A pipe whose write end is not one of the small numbers that programs give a meaning to."""
    import fcntl
    read, write = os.pipe()
    high = fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, 60)
    os.close(write)
    return read, high


def probed(program, *args, data=b"", seconds=30, **more):
    """Runs a program with $HATO_SEAL_PROBE_FD; returns {(profile, call): verdict}."""
    read, write = high_pipe()
    env = environment(HATO_SEAL_PROBE_FD=str(write), **more.pop("env", {}))
    said = b""
    try:
        process = subprocess.Popen([str(PROBE / program), *map(str, args)], stdin=subprocess.PIPE, stdout=more.pop("stdout", subprocess.DEVNULL),
                                   stderr=subprocess.PIPE, env=env, pass_fds=[write], **more)
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, said = process.communicate(data, timeout=seconds)
        process.kill()
        process.wait()
    finally:
        os.close(write)
    with open(read, "rb") as report:
        text = report.read().decode()
    text += "".join(line + "\n" for line in said.decode(errors="replace").splitlines() if re.search(r"^\w+ \w+ (denied|ALLOWED)$", line))
    verdicts = {}
    for line in text.splitlines():
        profile, name, verdict = line.split()
        verdicts[profile, name] = verdict
    expect(verdicts, f"{program}: the probe said nothing; {said!r:.300}")
    return verdicts


def all_denied(verdicts, profile):
    for name in CALLS:
        equal(verdicts.get((profile, name)), "denied", f"{profile}: {name}")
    expect("ALLOWED" not in verdicts.values(), f"{verdicts}")


def test_smtpd():
    with Suite(smtp=False, pop=False):
        env = {"TCPREMOTEIP": "127.0.0.1", "PROTO": "TCP", "TCPLOCALIP": "127.0.0.1"}
        all_denied(probed("qmail-smtpd", data=b"QUIT\r\n", env=env), "smtpd")
        # and as the user it becomes, without a chroot
        import pwd
        who = pwd.getpwnam("qmaild")
        all_denied(probed("qmail-smtpd", data=b"QUIT\r\n", env=env, user=who.pw_uid, group=who.pw_gid, extra_groups=[]), "smtpd")


def test_remote():
    with Suite(start=False, smtp=False, pop=False), Sink() as sink:
        (HOME / "control/smtproutes").write_text(f":127.0.0.1:{sink.port}\n")
        verdicts = probed("qmail-remote", "away.test", "a@mail.test", "b@away.test", data=b"Subject: x\n\nx\n")
        all_denied(verdicts, "remote")
        equal(len(sink.messages), 1, "and the message still went out")


def test_qmtp():
    with Suite(smtp=False, pop=False) as suite:
        env = {"TCPREMOTEIP": "127.0.0.1", "PROTO": "TCP"}
        for server in ("qmail-qmtpd", "qmail-qmqpd"):
            all_denied(probed(server, env=env), "smtpd")
        _, port = suite.tcpserver(suite.bin / "qmail-qmqpd")
        suite.control("qmqpservers", f"127.0.0.1:{port}")
        to = f"{suite.accounts[0].name}@{suite.domain}"
        with open(ROOM / "envelope", "w+b") as envelope:
            envelope.write(f"Fa@mail.test\0T{to}\0\0".encode())
            envelope.seek(0)
            all_denied(probed("qmail-qmqpc", data=b"Subject: x\n\nx\n", stdout=envelope), "remote")
        _, port = suite.tcpserver(suite.bin / "qmail-qmtpd")
        suite.control("smtproutes", f":127.0.0.1:{port} qmtp")
        all_denied(probed("qmail-qmtpc", "mail.test", "a@mail.test", to, data=b"Subject: x\n\nx\n"), "remote")
        suite.wait_messages(suite.accounts[0], 2)


def test_popup_child():
    with Suite(start=False, smtp=False, pop=False):
        all_denied(probed("qmail-popup", "mail.test", "/bin/false", data=b"QUIT\r\n"), "plain")


def test_pop3d():
    with Suite(start=False, smtp=False, pop=False) as suite:
        ann = suite.accounts[0]
        verdicts = probed("qmail-pop3d", "Maildir", data=b"STAT\r\nQUIT\r\n", user=ann.uid, group=ann.gid, extra_groups=[],
                          cwd=ann.home, env={"HOME": str(ann.home), "USER": ann.name})
        all_denied(verdicts, "pop3d")


def test_worker():
    """qmail-queued's worker, behind a gate of the probe's own."""
    with Suite(start=False, smtp=False, pop=False) as suite:
        read, write = high_pipe()
        with open(suite.log_file, "ab") as log:
            suite.launch(PROBE / "qmail-queued", pass_fds=[write], env={"HATO_SEAL_PROBE_FD": str(write)}, stdin=log,
                         stdout=log, stderr=log)
        os.close(write)
        gate = HOME / "gate/s"

        def answers():
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
                s.connect(str(gate))
                return True

        wait_until(answers, "nobody listens at the gate")
        suite.sendmail("-f", "a@mail.test", f"{suite.accounts[0].name}@mail.test", data=b"\n")
        os.set_blocking(read, False)
        said = b""

        def reported():
            nonlocal said
            with contextlib.suppress(BlockingIOError):
                said += os.read(read, 65536)
            return said.count(b"gate ") >= len(CALLS)

        wait_until(reported, f"the probe said only {said!r}", 10)
        os.close(read)
        verdicts = {tuple(line.split()[:2]): line.split()[2] for line in said.decode().splitlines()}
        all_denied(verdicts, "gate")
        suite.empty_queue()


def test_cleaner():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, Suite(start=False, smtp=False, pop=False) as suite:
        read, write = high_pipe()
        process = suite.launch(PROBE / "qmail-clean", stdin=theirs, pass_fds=[write], env={"HATO_SEAL_PROBE_FD": str(write)})
        os.close(write)
        theirs.close()
        ours.shutdown(socket.SHUT_WR)
        with open(read, "rb") as report:
            verdicts = {tuple(line.split()[:2]): line.split()[2] for line in report.read().decode().splitlines()}
        process.wait(10)
        all_denied(verdicts, "cleaner")


def test_rcptd():
    """And that it opens nothing for writing, and nothing outside of where homes are."""
    with Suite(start=False, smtp=False, pop=False, control={"homes": str(ROOM / "homes"), "systemusers": "0"}) as suite:
        read, write = high_pipe()
        with open(suite.log_file, "ab") as log:
            process = suite.launch(PROBE / "qmail-rcptd", pass_fds=[write], env={"HATO_SEAL_PROBE_FD": str(write)},
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(write)
        with open(read, "rb") as report:
            said = b""
            while said.count(b"reader ") < len(CALLS):
                piece = os.read(report.fileno(), 65536)
                expect(piece, f"the probe said only {said!r}")
                said += piece
        verdicts = {tuple(line.split()[:2]): line.split()[2] for line in said.decode().splitlines()}
        all_denied(verdicts, "reader")
        process.terminate()
        equal(process.wait(10), 0, "its exit code")


def test_mtastsd():
    """The keeper and the starter, as the user they become (without a chroot, so that a file could be found)."""
    import pwd
    who = pwd.getpwnam("qmailr")
    with Suite(start=False, smtp=False, pop=False) as suite:
        read, write = high_pipe()
        with open(suite.log_file, "ab") as log:
            process = suite.launch(PROBE / "qmail-mtastsd", pass_fds=[write], env={"HATO_SEAL_PROBE_FD": str(write)},
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=who.pw_uid, group=who.pw_gid,
                                   extra_groups=[])
        os.close(write)
        os.set_blocking(read, False)
        said = b""

        def reported(profile):
            nonlocal said
            with contextlib.suppress(BlockingIOError):
                said += os.read(read, 65536)
            return said.count(profile) >= len(CALLS)

        for profile in (b"keeper ", b"starter "):
            wait_until(lambda: reported(profile), f"the probe said only {said!r}", 10)
        # and what fetches, once it is asked to
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as question:
            question.connect(str(HOME / "mtasts/s"))
            question.send(b"nobody.test")
            wait_until(lambda: reported(b"remote "), f"the probe said only {said!r}", 10)
        os.close(read)
        process.terminate()
        equal(process.wait(10), 0, "its exit code")
        verdicts = {tuple(line.split()[:2]): line.split()[2] for line in said.decode().splitlines()}
        for profile in ("keeper", "starter", "remote"):
            all_denied(verdicts, profile)


def test_dotd():
    """It reads /etc/passwd, which the probe tries to open; nothing else that the probe knows."""
    import pwd
    dots = ROOM / "probe-dots"
    with Suite(start=False, smtp=False, pop=False) as suite:
        suite.control("dotdir", str(dots))
        subprocess.run([str(BIN / "qmail-dot"), "init"], check=True)
        verdicts = probed("qmail-dotd", seconds=3)
        suite.control("dotdir", None)
        equal(verdicts.pop(("keeper", "open")), "ALLOWED", "it has to look into /etc/passwd")
        for name in CALLS:
            if name != "open":
                equal(verdicts.get(("keeper", name)), "denied", name)
    shutil.rmtree(dots)


def test_memory_of_a_static_program():
    """What lib/base/static_start.cc does instead of the C library: relocated tables are read-only (RELRO), nothing is
    writable and executable, the stack is not for code; the seal's list of calls comes on top."""
    with Suite(smtp=False, pop=False):
        process = subprocess.Popen([str(BIN / "qmail-smtpd")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(
            TCPREMOTEIP="127.0.0.1", PROTO="TCP", TCPLOCALIP="127.0.0.1"))
        try:
            expect(process.stdout.readline().startswith(b"220 "), "no greeting")
            maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        finally:
            process.stdin.close()
            process.wait(10)
            process.stdout.close()
        equal([line for line in maps if re.search(r" [r-]wx", line)], [], "writable and executable")
        expect(any(line.endswith("[stack]") and " rw-p " in line for line in maps), f"the stack: {maps}")
        ours = [line.split() for line in maps if "qmail-smtpd" in line]
        # text between headers and constants; then what relocation wrote, read-only again; then data
        kinds = [fields[1] for fields in ours]
        equal(kinds, ["r--p", "r-xp", "r--p", "r--p", "rw-p"], "the program's segments")


run(globals())
