"""Budgets that are counted: execve, forks and fsyncs for one message, instructions to main, sizes, idle memory."""

from suite import *

HOT = ["qmail-smtpd", "qmail-queue", "qmail-queued", "qmail-send", "qmail-local", "qmail-remote", "qmail-pop3d",
       "qmail-popup", "qmail-inject", "sendmail", "qmail-clean", "qmail-rspawn"]
TRACE = "trace=execve,fork,vfork,clone,clone3,fsync,fdatasync,sync,syncfs,sync_file_range,msync"


def sessions_of_one(suite):
    equal(suite.smtp_session(f"{suite.accounts[0].name}@mail.test", data=b"Subject: counted\r\n\r\nhello\r\n")[0], 250)


def test_calls_for_one_message():
    """SMTP to Maildir: two execve, one fork for the worker (besides tcpserver's and the spawner's), at most four fsyncs,
    none in qmail-send. A user's further messages: one execve, and no fork of the spawner's. A worker that may wait for
    another sender is no fork either."""
    #              message, execves, forks
    calls_of_messages("1", [(2, 2, 3),  # the second in a short time: its qmail-local stays
                            (3, 1, 2), (4, 1, 2)])
    calls_of_messages("100 300 60", [(2, 2, 2), (3, 1, 1), (4, 1, 1)])


def calls_of_messages(reusegate, wanted):
    traces = [ROOM / "trace.send", ROOM / "trace.smtp"]
    wrap = lambda file: ["strace", "-D", "-f", "-qq", "-s", "80", "-e", TRACE, "-e", "signal=none", "-o", str(file)]
    with Suite(send_wrapper=wrap(traces[0]), smtp=False, pop=False,
               control={"reuselocal": "100 300 60", "reusegate": reusegate}) as suite:
        env = {"RELAYCLIENT": ""}
        with open(suite.smtp_log, "ab") as log:
            server = suite.launch(*wrap(traces[1]), "tcpserver", "-1", "-H", "-R", "-l", "mail.test", "127.0.0.1", "0",
                                  BIN / "qmail-smtpd", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env)
        suite.smtp_port = int(server.stdout.readline())
        send_pid = None
        for number, execs, forks in [(1, None, None), *wanted]:  # the first is to warm up
            marks = [file.stat().st_size for file in traces]
            sessions_of_one(suite)
            suite.wait_messages(suite.accounts[0], number)
            suite.wait_empty()
            time.sleep(0.5)
            send_pid = send_pid or next((pid for pid in family(suite.send.pid) if program_of(pid) == "qmail-send"), None)
            if execs is None:
                continue
            calls = []
            for file, mark in zip(traces, marks):
                for line in file.read_bytes()[mark:].decode(errors="replace").splitlines():
                    found = re.match(r"(\d+) +(\w+)\((.*)", line)
                    if found and not re.search(r"= -1 E", line):
                        calls.append((int(found[1]), found[2], found[3]))
            shown = "\n".join(f"{pid} {name}({rest[:90]}" for pid, name, rest in calls)
            count = lambda *names: sum(name in names for _, name, _ in calls)
            equal(count("execve"), execs, f"message {number}: execve\n{shown}\n")
            equal(count("fork", "vfork", "clone", "clone3"), forks,
                  f"reusegate {reusegate}: message {number}: forks: tcpserver's, the worker, the spawner's\n{shown}\n")
            syncs = count("fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync")
            expect(1 <= syncs <= 4, f"message {number}: {syncs} fsyncs\n{shown}")
            expect(send_pid, "qmail-send was found")
            equal([name for pid, name, _ in calls if pid == send_pid and "sync" in name], [], "fsyncs in qmail-send")


def test_getpw_is_one_execve_more():
    """A recipient who is not in users/cdb costs one execve more, qmail-getpw's."""
    trace = ROOM / "trace.getpw"
    wrap = ["strace", "-D", "-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", str(trace)]
    with Suite(send_wrapper=wrap, smtp=False, pop=False) as suite:
        (HOME / "users/cdb").unlink()
        ann = suite.accounts[0]
        suite.sendmail("-f", "a@mail.test", f"{ann.name}@mail.test", data=b"\n")  # warm
        suite.wait_messages(ann, 1)
        suite.wait_empty()
        mark = trace.stat().st_size
        suite.sendmail("-f", "a@mail.test", f"{ann.name}@mail.test", data=b"\n")
        suite.wait_messages(ann, 2)
        suite.wait_empty()
        time.sleep(0.3)
        started = re.findall(rb'execve\("[^"]*/([^"/]+)"', trace.read_bytes()[mark:])
        equal(sorted(started), [b"qmail-getpw", b"qmail-local"])


def test_pop3_of_a_large_maildir():
    """20 000 messages are read once, at the start of the session: no command reads a folder or asks for a file's state
    again, and only RETR and TOP open one."""
    number = 20000
    with Suite(start=False, smtp=False, pop=False) as suite:
        ann = suite.accounts[0]
        new = os.open(ann.home / "Maildir/new", os.O_RDONLY)
        for n in range(number):
            name = f"{1700000000 + n}.M{n % 1000000}P1.host,S=2"
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=new))
        os.close(new)
        trace = ROOM / "trace.pop3d"
        trace.touch()
        os.chown(trace, ann.uid, ann.gid)
        session = suite.launch("strace", "-D", "-qq", "-o", trace, BIN / "qmail-pop3d", "Maildir", cwd=ann.home, bufsize=0,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=ann.uid, group=ann.gid, extra_groups=[])
        replies = os.fdopen(os.dup(session.stdout.fileno()), "rb")
        replies.readline()

        def calls(command, lines=0):
            """The system calls of one command, by name; its reply has so many lines behind the first."""
            time.sleep(0.2)
            mark = trace.stat().st_size
            session.stdin.write(command + b"\r\n")
            expect(replies.readline().startswith(b"+OK"), f"{command!r}")
            for _ in range(lines):
                replies.readline()
            time.sleep(0.2)
            names = re.findall(rb"(?m)^(\w+)\(", trace.read_bytes()[mark:])
            return {name.decode(): names.count(name) for name in set(names)}

        for command, lines in ((b"STAT", 0), (b"LIST", number + 1), (b"UIDL", number + 1), (b"LIST 9", 0), (b"UIDL 9", 0),
                               (b"DELE 9", 0), (b"RSET", 0), (b"STAT", 0)):
            found = calls(command, lines)
            equal(set(found) - {"read", "write", "poll"}, set(), f"{command!r}: {found}")
            expect(found.get("write", 0) <= 40, f"{command!r}: {found}")
        found = calls(b"RETR 20000", 1)
        equal(set(found) - {"read", "write", "poll", "openat", "close"}, set(), f"RETR: {found}")
        equal(found["openat"], 1, "RETR opens its message")
        session.stdin.close()  # without QUIT: nothing is moved
        session.wait(20)
        replies.close()
        for file in (ann.home / "Maildir/new").iterdir():
            file.unlink()


def test_sizes_and_linking():
    for name in HOT:
        file = BIN / name
        expect(file.stat().st_size < 1200 * 1000, f"{name} has {file.stat().st_size} bytes")
        headers = call("readelf", "-hlS", "-W", file).stdout.decode()
        expect("DYN (" in headers, f"{name} is not position independent")
        expect("INTERP" not in headers, f"{name} is not static")
        expect(".symtab" not in headers, f"{name} is not stripped")
        expect("GNU_RELRO" in headers, f"{name} has no RELRO")
        expect(not re.search(r"GNU_STACK .* RWE", headers), f"{name} has an executable stack")


def instructions(program, *args, **env):
    """Instructions until main is entered, by callgrind: what it dumps before main. The program has symbols; what it does
    afterwards (a limit on its memory, for one, ends valgrind) does not matter."""
    out = ROOM / "callgrind"
    out.mkdir(exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    process = subprocess.Popen(["valgrind", "--vgdb=no", "--tool=callgrind", "--dump-before=main",
                                f"--callgrind-out-file={out}/out", str(program), *args], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(**env))
    dump = out / "out.1"
    total = lambda: dump.exists() and re.search(r"^(?:totals|summary): (\d+)", dump.read_text(), re.M)
    try:
        return int(wait_until(total, f"callgrind wrote no total for {program}")[1])
    finally:
        process.kill()
        process.wait()


def test_instructions_to_main():
    """Hot programs reach main within 20 % of an empty static-pie program. check.sh links them with symbols into
    $HATO_ROOM/symbols."""
    source = ROOM / "empty.cc"
    source.write_text("int main() { return 0; }\n")
    compiler = (SOURCE / "conf-cc").read_text().splitlines()[0].split()
    call(*compiler, "-std=c++20", "-O2", "-fPIE", "-static-pie", "-o", ROOM / "empty", source)
    empty = instructions(ROOM / "empty")
    expect(empty > 1000, f"an empty program takes {empty}")
    slow = []
    for name, args in (("qmail-smtpd", []), ("qmail-queue", []), ("qmail-local", []), ("qmail-remote", []),
                       ("qmail-pop3d", []), ("qmail-inject", ["-n"]), ("sendmail", ["-bp"])):
        if (ROOM / "symbols" / name).exists():
            taken = instructions(ROOM / "symbols" / name, *args)
            print(f"        {name}: {taken} instructions, an empty program {empty} ({taken / empty:.2f})")
            if taken > empty * 1.2:
                slow.append(f"{name} {taken / empty:.2f}")
        else:
            slow.append(f"{name} is not in {ROOM / 'symbols'}")
    equal(slow, [], f"more than 1.2 times an empty program's {empty}")


def proportional(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def test_idle_sessions():
    """200 idle sessions after EHLO: at most 120 KiB of PSS each, tcpserver included."""
    number = 200
    with Suite(pop=False) as suite, contextlib.ExitStack() as stack:
        everything = lambda: [pid for process in suite.started for pid in family(process.pid)]
        before = proportional(everything())
        for _ in range(number):
            stack.enter_context(Dialogue(suite.smtp_port)).command("EHLO client.test", 250)
        pids = everything()
        equal(sum(program_of(pid) == "qmail-smtpd" for pid in pids), number)
        each = (proportional(pids) - before) / number
        print(f"        {each:.0f} KiB a session")
        expect(each <= 120, f"{each:.0f} KiB a session")


run(globals())
