"""kill -9, and nothing is lost.

CRASH_ROUNDS (5) rounds: mail flows in by SMTP and by sendmail and out to Maildirs and to a remote server, while each
long-lived process of the suite is killed in turn. Afterwards every message that got a 250, or exit 0 from sendmail,
must have arrived at each of its recipients. A message that arrived twice must have been in the queue when something
was killed; duplicates are counted and said.

So it is with rules that panels write meanwhile: mail for their address is dealt with by a whole rule, its forwards included.

Further: qmail-send, and the gate, are killed at each of their system calls; a restart waits for a delivery of the old
run; a writer that is killed at any byte of a small message leaves nothing; damaged queue files go to queue/bad and are
logged.
"""

import collections
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from suite import (BIN, HOME, ROOM, Dialogue, Failure, Sink, Suite, call, children_of, environment, equal, expect,  # noqa: E402
                   program_of, run, status_of, wait_until)

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "5"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
DRAIN_SECONDS = 120
RULE_SECONDS = 10 if ROUNDS < 50 else 60
MESSAGES_A_SECOND = 12  # of each of the injectors: a stream, not a flood, so that the queue can be drained


def suite_processes(home=HOME):
    """{pid: program} of everything that runs from an installation: to see that it ends, not to end it."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                executable = os.readlink(entry / "exe")
                if executable.startswith(f"{home}/bin/"):
                    found[int(entry.name)] = os.path.basename(executable)
    return found


# --- mail in ----------------------------------------------------------------------------------------------------


class Message:
    def __init__(self, ident, recipients):
        self.ident, self.recipients = ident, recipients
        self.begun = time.time()
        self.outcome = "unknown"  # accepted, refused, unknown


class Injector(threading.Thread):
    """Sends messages until it is told to stop, one after another, and remembers what it was told of each."""

    def __init__(self, name, suite, recipients, deliver):
        super().__init__(daemon=True)
        self.name, self.suite, self.recipients, self.deliver = name, suite, recipients, deliver
        self.messages, self.stopping = [], threading.Event()
        self.random = random.Random(f"{SEED} {name}")

    def run(self):
        while not self.stopping.wait(self.random.uniform(0.2, 1.8) / MESSAGES_A_SECOND):
            number = self.random.randint(1, len(self.recipients))
            message = Message(f"{self.name}-{len(self.messages)}", self.random.sample(self.recipients, number))
            self.messages.append(message)
            body = "".join(f"{self.random.random()}\n" for _ in range(self.random.choice((1, 10, 1000))))
            text = f"From: <{self.suite.sender}>\nSubject: {message.ident}\n\n{body}"
            try:
                message.outcome = "accepted" if self.deliver(self.suite, message, text) else "refused"
            except (OSError, Failure, ValueError, subprocess.TimeoutExpired):
                message.outcome = "unknown"  # the connection went in the middle


def by_smtp(suite, message, text):
    with Dialogue(suite.smtp_port, timeout=30) as talk:
        if talk.greeting[0] != 220:
            return False
        for line in ("EHLO client.test", f"MAIL FROM:<{suite.sender}>",
                     *(f"RCPT TO:<{r}>" for r in message.recipients)):
            if talk.command(line)[0] != 250:
                return False
        if talk.command("DATA")[0] != 354:
            return False
        talk.send(text.replace("\n", "\r\n").encode() + b".\r\n")
        code, _ = talk.reply()
        if code == 0:
            raise Failure("hung up")
        return code == 250


def by_sendmail(suite, message, text):
    done = subprocess.run([str(suite.bin / "sendmail"), "-f", suite.sender, "-i", *message.recipients],
                          input=text.encode(), env=environment(), capture_output=True, timeout=60)
    if done.returncode < 0:
        raise Failure("killed")
    return done.returncode == 0


# --- the suite under fire -------------------------------------------------------------------------------------------


def start_send(suite):
    """Starts delivery and waits until qmail-send is itself: a signal that comes earlier would end it."""
    mark = len(suite.log())
    suite.start_send()
    wait_until(lambda: suite.send.poll() is not None or "status: " in suite.log()[mark:], "qmail-send says nothing", 10)
    expect(suite.send.poll() is None, f"qmail-send ended: {suite.log()[-500:]}")


class Battered(Suite):
    """A suite with the supervisor that an operator has: what ends is started again."""

    def __init__(self, sink_port, **more):
        super().__init__(control={"smtproutes": f"remote.test:127.0.0.1:{sink_port}", "concurrencyremote": "10",
                                  "concurrencylocal": "10", "timeoutgate": "5", **more.pop("control", {})}, **more)
        self.sender = f"{self.accounts[1].name}@{self.domain}"  # where a bounce would show

    def healthy(self):
        if self.send.poll() is not None:
            return False
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as gate:
            gate.connect(str(self.home / "gate/s"))
            return True
        return False

    def restart_send(self, seconds=60):
        """As a supervisor does: again and again, until it stays."""
        end = time.monotonic() + seconds
        while True:
            if self.send.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    self.send.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.send.wait(30)
            expect(self.send.poll() is not None, "qmail-send does not end within 30 s of SIGTERM")
            with contextlib.suppress(Failure):
                start_send(self)
                return
            expect(time.monotonic() < end, f"the suite does not start again: {self.log()[-1500:]}")
            time.sleep(0.2)


def find(suite, victim):
    """The pid of a process of the suite, or None. `qmail-queued/1` is a process below the topmost qmail-queued, its
    acceptor; `qmail-queued/2` one below that, the worker of one message. `qmail-remote/agent` is one that has sent a
    message already and is kept for more, idle or with its next."""
    program, _, depth = victim.partition("/")
    if depth == "agent":
        return agent(suite)
    if program == "tcpserver":
        return suite.smtp.pid if suite.smtp.poll() is None else None
    pid = suite.pid_of(program)
    pids = [pid] if pid else []
    for _ in range(int(depth or 0)):
        pids = [below for pid in pids for below in children_of(pid) if program_of(below) == program]
    return pids[0] if pids else None


known_agents = {}  # pid: when it was first seen


def agent(suite):
    """A qmail-remote that has lived longer than one message to this server takes, or None."""
    spawner = suite.pid_of("qmail-rspawn")
    now = time.monotonic()
    remotes = [pid for pid in children_of(spawner) if program_of(pid) == "qmail-remote"] if spawner else []
    for pid in set(known_agents) - set(remotes):
        del known_agents[pid]
    return next((pid for pid in remotes if now - known_agents.setdefault(pid, now) > 0.2), None)


# Long-lived: the first six, and qmail-queued's acceptor. The others live as long as one message.
VICTIMS = ("qmail-send", "qmail-queued", "qmail-queued/1", "qmail-lspawn", "qmail-rspawn", "qmail-clean", "tcpserver",
           "qmail-queued/2", "qmail-smtpd", "qmail-local", "qmail-remote", "qmail-remote/agent")
LONG_LIVED = 7


def kill(suite, victim):
    """Kills one process with SIGKILL as soon as there is one. False: there was none within some seconds."""
    for _ in range(200):
        pid = find(suite, victim)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        time.sleep(0.01)
    return False


def recover(suite):
    """What a supervisor and a little time do."""
    for _ in range(3):
        time.sleep(0.1)
        if not suite.healthy():
            suite.restart_send()
            break
    if suite.smtp.poll() is not None:
        suite.start_smtp()


def arrivals(suite, sink):
    """{ident: {recipient: [time of arrival, ...]}} from the Maildirs and the remote server."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for account in suite.accounts:
        for file in account.files():
            subject = re.search(rb"^Subject: (\S+)$", file.read_bytes(), re.M)
            if subject:
                found[subject[1].decode()][f"{account.name}@{suite.domain}"].append(file.stat().st_mtime)
    for when, recipients, ident in sink.seen:
        for recipient in recipients:
            found[ident][recipient].append(when)
    return found


class Remote(Sink):
    """The remote server; notes when each message came."""

    def __init__(self, refuse=None):
        self.seen = []
        refused = lambda line: "550 no such user" if refuse and refuse in line else None
        super().__init__(replies={"RCPT": refused})
        self.server.handle_error = lambda *_: None  # a client that was killed is no news

    def collect(self):
        while self.messages:
            sender, recipients, data = self.messages.pop(0)
            subject = re.search(rb"^Subject: (\S+)\r$", data, re.M)
            if sender and subject:
                self.seen.append((time.time(), recipients, subject[1].decode()))


MESSAGE_AREA = 256 << 20  # where a queue file's message begins; fields put in front by us lie before it


def subject_of(file):
    with contextlib.suppress(FileNotFoundError), open(file, "rb") as f:
        f.seek(MESSAGE_AREA - 4096)
        found = re.search(rb"^Subject: (\S+)$", f.read(16384), re.M)
        return found[1].decode() if found else file.name
    return None


def drain(suite, sink):
    """Everything that waits is tried at once, until nothing is left. A worker that is killed after it gave a message
    its name, and before it pulled the trigger and answered, leaves what the next start or, at the latest, qmail-send's
    rescan of queue/new finds: such messages, none of them acknowledged, are returned, and delivered by a restart."""
    end = time.monotonic() + DRAIN_SECONDS
    unnoticed = []
    while True:
        if suite.send.poll() is not None or not suite.healthy():
            suite.restart_send()
        suite.send.send_signal(signal.SIGALRM)
        for _ in range(20):
            sink.collect()
            time.sleep(0.05)
            if not suite.queue_files():
                return unnoticed
        left = suite.queue_files()
        if not unnoticed and time.monotonic() > end - DRAIN_SECONDS * 3 / 4:
            if all(file.parent.name == "new" for file in left):
                unnoticed = [subject for subject in map(subject_of, left) if subject]
                suite.restart_send()
        if time.monotonic() > end:
            names = [str(f.relative_to(suite.home)) for f in left]
            lines = [line for line in suite.log().splitlines() if any(f.name in line for f in left)]
            raise Failure(f"{len(left)} files are left in the queue after {DRAIN_SECONDS} s: {names[:8]}; log: {lines[-8:]}")


def judge(suite, injectors, kills, found):
    """Losses, bounces and duplicates that nothing explains are failures."""
    messages = [m for injector in injectors for m in injector.messages]
    outcomes = collections.Counter(m.outcome for m in messages)
    lost, doubled, unexplained, late = [], 0, [], 0
    for message in messages:
        came = found.get(message.ident, {})
        for recipient in message.recipients:
            times = came.get(recipient, [])
            if message.outcome == "accepted" and not times:
                lost.append(f"{message.ident} to {recipient}")
            if len(times) > 1:
                doubled += len(times) - 1
                # It was under way, or its report or removal was, when something was killed.
                if not any(message.begun <= at <= max(times) + 1 for at, _ in kills):
                    unexplained.append(f"{message.ident} to {recipient}: {len(times)} times")
        if message.outcome == "refused" and came:
            late += 1
    strangers = set(found) - {m.ident for m in messages}
    print(f"        {len(messages)} messages: {outcomes['accepted']} accepted, {outcomes['refused']} refused, "
          f"{outcomes['unknown']} without an answer; {len(kills)} processes killed")
    print(f"        {doubled} duplicates, each of a message that was under way at a kill; "
          f"{late} arrived that were answered 'try later' when the answer was lost", flush=True)
    expect(not lost, f"{len(lost)} lost: {lost[:10]}")
    expect(not unexplained, f"duplicates that no kill explains: {unexplained[:10]}")
    expect(not strangers, f"messages that nobody sent: {sorted(strangers)[:10]}")
    expect(outcomes["accepted"] > len(kills), "hardly anything was accepted: this proves nothing")
    bounces = [m for m in suite.accounts[1].messages() if b"\nReturn-Path: <>" in b"\n" + m]
    expect(not bounces, f"{len(bounces)} bounces, the first: {bounces[:1]!r:.1500}")


def test_kill_each_in_turn():
    with Remote() as sink, Battered(sink.port) as suite:
        dice = random.Random(SEED)
        ann = f"{suite.accounts[0].name}@{suite.domain}"
        injectors = [Injector("smtp", suite, [ann, "far@remote.test"], by_smtp),
                     Injector("smtp2", suite, [ann], by_smtp),
                     Injector("sendmail", suite, [ann, "away@remote.test"], by_sendmail)]
        for injector in injectors:
            injector.start()
        kills, absent = [], collections.Counter()
        for number in range(ROUNDS):
            for victim in VICTIMS:
                time.sleep(dice.uniform(0.02, 0.4))
                if kill(suite, victim):
                    kills.append((time.time(), victim))
                else:
                    absent[victim] += 1
                recover(suite)
                sink.collect()
            if (number + 1) % 10 == 0:
                print(f"        round {number + 1}", flush=True)
        for injector in injectors:
            injector.stopping.set()
        for injector in injectors:
            injector.join(90)
            expect(not injector.is_alive(), f"{injector.name} hangs")
        unnoticed = drain(suite, sink)
        sink.collect()
        judge(suite, injectors, kills, arrivals(suite, sink))
        accepted = {m.ident for injector in injectors for m in injector.messages if m.outcome == "accepted"}
        expect(not accepted & set(unnoticed), f"acknowledged, but qmail-send never heard of it: {accepted & set(unnoticed)}")
        if unnoticed:
            print(f"        {unnoticed}: killed between name and trigger; the restart found it", flush=True)
        expect(not any(absent[v] for v in VICTIMS[:LONG_LIVED]), f"never found: {dict(absent)}")
        expect(all(absent[v] < ROUNDS for v in VICTIMS), f"never found: {dict(absent)}")
    wait_until(lambda: not suite_processes(), "processes of killed runs are still there", 30)


# --- rules that change meanwhile ------------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Writes one rule after another for abc-p until it is told to stop; every third qmail-dot is killed on its way. As a
    panel's user it goes by qmail-dotd's socket, as root into the directory itself."""

    def __init__(self, number, suite, uid, rules):
        super().__init__(daemon=True)
        self.suite, self.uid, self.rules = suite, uid, rules
        self.random, self.stopping = random.Random(f"{SEED} writer {number}"), threading.Event()
        self.exits = collections.Counter()

    def run(self):
        while not self.stopping.wait(self.random.uniform(0, 0.1)):
            rule = json.dumps(self.random.choice(self.rules)).encode()
            with subprocess.Popen([str(self.suite.bin / "qmail-dot"), "set", "--json", "--", "abc", "p"],
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=environment(), user=self.uid) as writer:
                writer.stdin.write(rule)
                with contextlib.suppress(BrokenPipeError):
                    writer.stdin.close()
                if self.random.random() < 1 / 3:
                    time.sleep(self.random.uniform(0, 0.01))
                    writer.kill()
                self.exits[writer.wait()] += 1


class Hosted(Battered):
    """An account abc, whose address abc-p has rules by which mail comes into four places, and a panel with ann's uid."""

    def __init__(self, sink_port):
        self.dotdir = ROOM / "crash-rules"
        super().__init__(sink_port, accounts=("ann", "bob", "cyd"), pop=False, control={
            "dotdir": str(self.dotdir), "systemusers": "0", "services": "qmail-dotd", "concurrencylocal": "8"})
        self.ann, self.bob, self.cyd = self.accounts
        bob, cyd = (f"{account.name}@{self.domain}" for account in (self.bob, self.cyd))
        # What each does with a message; none contains another, so that half of one is not the whole of another.
        self.rules = {
            frozenset(("inbox", "bob")): {"keep": True, "folder": None, "forward": [bob]},
            frozenset(("shop",)): {"keep": True, "folder": "Shop", "forward": []},
            frozenset(("bob", "cyd")): {"keep": False, "folder": None, "forward": [bob, cyd]},
            frozenset(("inbox", "cyd")): {"keep": True, "folder": None, "forward": [cyd]},
        }

    def configure(self):
        super().configure()
        self.forget()
        self.control("panels", str(self.ann.uid))
        self.maildir = self.open_account("abc", self.ann) / "Maildir"
        self.texts = set()
        for rule in self.rules.values():
            call(self.bin / "qmail-dot", "set", "--json", "--", "abc", "p", data=json.dumps(rule).encode())
            self.texts.add(self.rule_text())

    def rule_text(self):
        """Its lines, in any order: a new forward comes behind those that were there."""
        return tuple(sorted((self.dotdir / "abc/.qmail-p").read_text().split("\n")))

    def forget(self):
        """The next test has no accounts."""
        for table in ("accounts.cdb", "secrets.cdb"):
            (self.home / "users" / table).unlink(missing_ok=True)
        shutil.rmtree(self.dotdir, ignore_errors=True)

    def came(self):
        """{ident: {place: how often}}"""
        found = collections.defaultdict(collections.Counter)
        for place, maildir in (("inbox", self.maildir), ("shop", self.maildir / ".Shop"), ("bob", self.bob.maildir),
                               ("cyd", self.cyd.maildir)):
            for file in (maildir / "new").iterdir() if maildir.exists() else ():
                if subject := re.search(rb"^Subject: (\S+)$", file.read_bytes(), re.M):
                    found[subject[1].decode()][place] += 1
        return found


def test_rules_change_while_mail_comes():
    """Eight writers and eight deliveries at once, kill -9 among them: each message that was accepted has been dealt with by a
    whole rule, once at least."""
    victims = ("qmail-local", "qmail-local", "qmail-lspawn", "qmail-local", "qmail-dotd")
    with Remote() as sink, Hosted(sink.port) as suite:
        dice = random.Random(SEED)
        rules = list(suite.rules.values())
        writers = [Writer(n, suite, suite.ann.uid if n % 2 else 0, rules) for n in range(8)]
        injectors = [Injector(f"rule{n}", suite, [f"abc-p@{suite.domain}"], (by_sendmail, by_smtp)[n % 2]) for n in range(4)]
        for thread in (*writers, *injectors):
            thread.start()
        killed, end = collections.Counter(), time.monotonic() + RULE_SECONDS
        for victim in itertools.cycle(victims):
            expect(suite.rule_text() in suite.texts, f"half a rule: {suite.rule_text()}")
            time.sleep(dice.uniform(0, 0.3))
            killed[victim] += kill(suite, victim)
            recover(suite)
            if time.monotonic() > end and all(killed[victim] for victim in victims):
                break
        for thread in (*writers, *injectors):
            thread.stopping.set()
        for thread in (*writers, *injectors):
            thread.join(60)
            expect(not thread.is_alive(), f"{thread.name} hangs")
        expect(suite.rule_text() in suite.texts, f"half a rule: {suite.rule_text()}")
        drain(suite, sink)

        found, messages = suite.came(), [m for injector in injectors for m in injector.messages]
        accepted = [m.ident for m in messages if m.outcome == "accepted"]
        exits = sum((writer.exits for writer in writers), collections.Counter())
        doubled = sum(count - 1 for places in found.values() for count in places.values())
        print(f"        {len(messages)} messages, {len(accepted)} accepted, {doubled} copies that came once more; writers by "
              f"exit code: {dict(exits)}; killed: {dict(killed)}", flush=True)
        lost = [ident for ident in accepted if ident not in found]
        expect(not lost, f"{len(lost)} lost: {lost[:10]}")
        half = {ident: dict(found[ident]) for ident in accepted
                if not any(places <= found[ident].keys() for places in suite.rules)}
        expect(not half, f"{len(half)} dealt with by half a rule: {list(half.items())[:5]}")
        expect(not any(b"Return-Path: <>" in text for text in suite.bob.messages()), "a bounce")
        expect(set(exits) <= {0, 111, -signal.SIGKILL}, f"a rule was refused: {exits}")
        used = {place for places in found.values() for place in places}
        expect(used == {"inbox", "shop", "bob", "cyd"} and exits[0] > 20 and exits[-signal.SIGKILL] > 5 and len(accepted) > 50,
               "too little happened: this proves nothing")
        suite.forget()


# --- old deliveries -------------------------------------------------------------------------------------------------


def test_restart_waits_for_a_delivery_of_the_old_run():
    with Remote() as sink, Battered(sink.port, smtp=False, pop=False) as suite:
        account = suite.accounts[0]
        account.dot("-slow", "|echo begin >>slow.log; sleep 3; echo end >>slow.log\n")
        log = account.home / "slow.log"
        log.unlink(missing_ok=True)
        text = lambda: log.read_text() if log.exists() else ""
        suite.sendmail(f"{account.name}-slow@{suite.domain}", data=b"Subject: slow\n\n")
        wait_until(lambda: "begin" in text(), "the program does not start")
        os.kill(find(suite, "qmail-send"), signal.SIGKILL)
        suite.send.wait()
        suite.restart_send()

        def drained():
            suite.send.send_signal(signal.SIGALRM)
            return not suite.queue_files()

        wait_until(drained, f"the queue is not empty; {text()!r}", 60)
        lines = text().split()
        # The old run's delivery may have ended with the run, or have succeeded without anybody to tell: then there
        # is a second. But two never run at the same time.
        expect(lines.count("end") >= 1, f"not delivered: {lines}")
        running = 0
        for line in lines:
            running += 1 if line == "begin" else -1
            expect(running <= 1, f"a second delivery was started while the first ran: {lines}")
        log.unlink()


# --- every step -----------------------------------------------------------------------------------------------------


# Where being killed leaves no trace outside of the process.
UNINTERESTING = {"execve", "brk", "mmap", "munmap", "mprotect", "mremap", "arch_prctl", "set_tid_address", "rseq",
                 "set_robust_list", "prlimit64", "readlink", "getrandom", "rt_sigaction", "rt_sigprocmask", "getpid",
                 "getuid", "geteuid", "getppid", "madvise", "futex", "exit_group", "rt_sigreturn", "clock_gettime"}
STEPS = "all" if ROUNDS >= 50 else 24


def straced(suite, *options):
    """Starts delivery under strace, which follows only qmail-start's own process: the one that becomes qmail-send."""
    suite.send_wrapper = ["strace", "-qq", *options]
    try:
        suite.start_send()
    except Failure:
        pass  # killed before the end of its start
    finally:
        suite.send_wrapper = []


def end_straced(suite):
    with contextlib.suppress(ProcessLookupError, TypeError):
        os.kill(find(suite, "qmail-send"), signal.SIGTERM)
    suite.send.wait(30)


def inject_three(suite, ident):
    """One message: to a Maildir, to a remote server, and to a remote recipient whom that server refuses for good."""
    ann = f"{suite.accounts[0].name}@{suite.domain}"
    suite.sendmail("-f", suite.sender, ann, "far@remote.test", "bad@remote.test",
                   data=f"From: <{suite.sender}>\nSubject: {ident}\n\n".encode())


def steps(trace):
    """(system call, how many-th) of each step in strace's output; a sample of them in a short run."""
    counts = collections.Counter(re.findall(r"^(?:\d+ +)?(\w+)\(", trace.read_text(errors="replace"), re.M))
    points = [(call, n) for call in sorted(counts) if call not in UNINTERESTING for n in range(1, counts[call] + 1)]
    expect(len(points) > 15, f"only {len(points)} steps: {counts}")
    return points if STEPS == "all" else random.Random(time.time()).sample(points, min(STEPS, len(points)))


def kill_at(call, n):
    return "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}"


def test_qmail_send_killed_at_every_step():
    """The Nth call of each system call is the last: no recipient is forgotten, nor the sender of a bounce."""
    with Remote(refuse="bad@") as sink, Battered(sink.port, start=False, smtp=False, pop=False) as suite:
        gate = suite.launch(BIN / "qmail-queued", stderr=subprocess.DEVNULL)
        wait_until(lambda: (suite.home / "gate/s").exists(), "no gate")
        trace = ROOM / f"steps-{os.getpid()}"
        inject_three(suite, "count")
        straced(suite, "-o", trace)
        wait_until(lambda: not suite.queue_files(), "the first message is not delivered")
        end_straced(suite)
        points = steps(trace)
        survived = 0
        for call, n in points:
            inject_three(suite, f"{call}-{n}")
            straced(suite, *kill_at(call, n))
            wait_until(lambda: suite.send.poll() is not None or not suite.queue_files(), f"{call} {n}: nothing moves")
            if suite.send.poll() is None:  # fewer calls this time: it slept less often
                survived += 1
                end_straced(suite)
            start_send(suite)
            drain(suite, sink)
            suite.end(suite.send)
        suite.end(gate)
        sink.collect()
        found = arrivals(suite, sink)
        bounces = b"\n".join(m for m in suite.accounts[1].messages() if m.startswith(b"Return-Path: <>"))
        lost = []
        for call, n in points:
            came = found.get(f"{call}-{n}", {})
            lost += [f"{call} {n}: {who}" for who in (f"{suite.accounts[0].name}@{suite.domain}", "far@remote.test")
                     if who not in came]
            if f"Subject: {call}-{n}\n".encode() not in bounces:
                lost.append(f"{call} {n}: the bounce")
        doubled = sum(len(times) - 1 for came in found.values() for times in came.values())
        print(f"        {len(points)} steps, {survived} not reached; {doubled} duplicates", flush=True)
        expect(not lost, f"{len(lost)} lost: {lost[:10]}")
        expect(survived < len(points) // 2, "hardly ever killed: this proves nothing")


def follow_acceptor(suite, options):
    """strace on the gate's acceptor, which may be a new one after the last kill. An acceptor that sleeps in the call
    that is to be its last ends as soon as strace takes hold of it: then strace has ended with 0, its work done."""
    for _ in range(40):
        acceptor = wait_until(lambda: find(suite, "qmail-queued/1"), "no acceptor")
        strace = suite.launch("strace", "-f", "-qq", *options, "-p", acceptor, stderr=subprocess.DEVNULL)
        with contextlib.suppress(Failure):
            wait_until(lambda: strace.poll() is not None or status_of(acceptor).get("TracerPid") == str(strace.pid), "", 3)
            if not strace.poll():
                return strace
        suite.end(strace, signal.SIGKILL)
    raise Failure("strace cannot follow the acceptor")


def test_the_gate_killed_at_every_step():
    """strace follows the acceptor and the workers that it forks: whoever makes the Nth call is killed. Exit 0 from
    sendmail is a promise whenever that was; anything else must be temporary."""
    with Remote() as sink, Battered(sink.port, start=False, smtp=False, pop=False, control={"timeoutgate": "1"}) as suite:
        ann = f"{suite.accounts[0].name}@{suite.domain}"
        trace = ROOM / f"gate-{os.getpid()}"
        gate = suite.launch(BIN / "qmail-queued", stderr=subprocess.DEVNULL)
        wait_until(lambda: (suite.home / "gate/s").exists(), "no gate")

        def one(ident, *options):
            strace = follow_acceptor(suite, options)
            message = Message(ident, [ann])
            message.outcome = "accepted" if by_sendmail_code(suite, message) else "refused"
            if strace.poll() is None:
                strace.send_signal(signal.SIGTERM)
            strace.wait(10)
            return message

        equal(one("count", "-o", trace).outcome, "accepted", "an undisturbed message")
        messages = [one(f"{call}-{n}", *kill_at(call, n)) for call, n in steps(trace)]
        expect(gate.poll() is None, "qmail-queued itself ended")
        start_send(suite)
        drain(suite, sink)
        suite.end(suite.send)
        suite.end(gate)
        found = arrivals(suite, sink)
        lost = [m.ident for m in messages if m.outcome == "accepted" and not found.get(m.ident)]
        late = [m.ident for m in messages if m.outcome != "accepted" and found.get(m.ident)]
        doubled = [ident for ident, came in found.items() if len(came[ann]) > 1]
        accepted = sum(m.outcome == "accepted" for m in messages)
        print(f"        {len(messages)} steps: {accepted} accepted; {late} queued although the answer was lost", flush=True)
        expect(not lost, f"lost: {lost}")
        expect(not doubled, f"queued twice by one sendmail: {doubled}")
        expect(accepted < len(messages), "nothing was ever killed: this proves nothing")


def by_sendmail_code(suite, message):
    """True for exit 0; fails the test when sendmail says that trying again is of no use."""
    done = subprocess.run([str(suite.bin / "sendmail"), "-f", suite.sender, *message.recipients],
                          input=f"Subject: {message.ident}\n\n".encode(), env=environment(), capture_output=True, timeout=60)
    expect(done.returncode in (0, 75, 111), f"{message.ident}: sendmail ended with {done.returncode}: {done.stderr!r:.300}")
    return done.returncode == 0


# --- writers --------------------------------------------------------------------------------------------------------


def unread(fd):
    """Bytes that a pipe or socket still holds."""
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]


def nothing_was_queued(suite, what):
    def workers_gone():
        supervisor = find(suite, "qmail-queued")
        acceptor = children_of(supervisor)[:1]
        return acceptor and not children_of(acceptor[0])

    wait_until(workers_gone, "workers of qmail-queued are still there", 30)
    time.sleep(0.2)
    equal(re.findall(r"^.*new msg.*$", suite.log(), re.M), [], what)
    equal([str(f) for f in suite.queue_files()], [], what)
    equal([len(a.files()) for a in suite.accounts], [0, 0], what)


def queue_cut_off(message, envelope):
    """Runs qmail-queue, lets it read so much of its descriptors 0 and 1, and kills it."""
    message_read, message_write = os.pipe()
    envelope_read, envelope_write = os.pipe()
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$0" 1<&3 3<&-', str(BIN / "qmail-queue")], stdin=message_read,
        pass_fds=[], env=environment(), preexec_fn=lambda: os.dup2(envelope_read, 3), close_fds=False,
        stderr=subprocess.DEVNULL)
    try:
        os.close(message_read)
        os.write(message_write, message)
        if envelope is not None:
            os.close(message_write)
            message_write = None
            os.write(envelope_write, envelope)
        waiting = message_write if envelope is None else envelope_write
        end = time.monotonic() + 5
        while unread(envelope_read if envelope is not None else waiting) and time.monotonic() < end:
            time.sleep(0.0005)
        expect(process.poll() is None, f"qmail-queue ended by itself: {process.returncode}")
    finally:
        process.kill()
        process.wait()
        for fd in (message_write, envelope_read, envelope_write):
            if fd is not None:
                os.close(fd)


def test_qmail_queue_killed_at_every_byte():
    with Suite(smtp=False, pop=False) as suite:
        ann = f"{suite.accounts[0].name}@{suite.domain}"
        message = b"Subject: x\n\nhello\n"
        envelope = f"F{ann}\0T{ann}\0T{suite.accounts[1].name}@{suite.domain}\0\0".encode()
        for n in range(len(message) + 1):
            queue_cut_off(message[:n], None)
        for n in range(len(envelope)):
            queue_cut_off(message, envelope[:n])
        nothing_was_queued(suite, "qmail-queue was killed before its envelope was complete")
        # And all of it is a message: the cutting was what kept the others out.
        done = subprocess.run(["/bin/sh", "-c", 'exec "$0" 1<&3 3<&-', str(BIN / "qmail-queue")], input=message,
                              env=environment(), preexec_fn=lambda: give(3, envelope), close_fds=False)
        equal(done.returncode, 0, "qmail-queue")
        suite.wait_messages(suite.accounts[0], 1)
        suite.wait_messages(suite.accounts[1], 1)


def give(fd, data):
    """In the child: fd reads data and then ends."""
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    os.dup2(read, fd)


def smtp_cut_off(suite, lines, byte, how):
    """Sends so many bytes of a session in step with the replies; then the server's process, or the client, goes."""
    talk = Dialogue(suite.smtp_port, timeout=20)
    try:
        for line, reply in lines:
            part = line[:byte]
            byte -= len(part)
            talk.send(part)
            if part == line and reply:
                equal(talk.reply()[0], reply, repr(line))
            if byte <= 0:
                break
        if how == "kill":
            pid = wait_until(lambda: find(suite, "qmail-smtpd"), "no qmail-smtpd")
            time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
    finally:
        talk.__exit__()
    if how == "kill":
        wait_until(lambda: not find(suite, "qmail-smtpd"), "qmail-smtpd is still there", 10)


def test_smtpd_killed_at_every_byte():
    with Suite(pop=False) as suite:
        ann = f"{suite.accounts[0].name}@{suite.domain}"
        lines = [(b"EHLO c\r\n", 250), (b"MAIL FROM:<a@b.test>\r\n", 250), (f"RCPT TO:<{ann}>\r\n".encode(), 250),
                 (b"DATA\r\n", 354), (b"Subject: x\r\n\r\nhello\r\n..\r\n.\r\n", None)]
        whole = sum(len(line) for line, _ in lines)
        for how in ("kill", "hang up"):
            for byte in range(whole):
                smtp_cut_off(suite, lines, byte, how)
            nothing_was_queued(suite, f"{how}: before the last byte of CRLF.CRLF")
        smtp_cut_off(suite, lines[:-1] + [(lines[-1][0], 250)], whole, "hang up")
        suite.wait_messages(suite.accounts[0], 1)


# --- damage ---------------------------------------------------------------------------------------------------------


HEADER = 256


def flip(file, at):
    data = bytearray(file.read_bytes()[:HEADER + 64]) if at < HEADER + 64 else None
    with open(file, "r+b") as f:
        f.seek(at)
        byte = data[at] if data else f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x40]))


DAMAGE = {
    "a flipped bit in the header": lambda f: flip(f, 20),
    "a flipped bit in the envelope": lambda f: flip(f, HEADER + 3),
    "a wrong magic": lambda f: flip(f, 0),
    "cut off in the header": lambda f: os.truncate(f, 100),
    "cut off in the hole": lambda f: os.truncate(f, 4096),
    "cut off in the message": lambda f: os.truncate(f, f.stat().st_size - 1),
    "empty": lambda f: os.truncate(f, 0),
    "one byte too many": lambda f: os.truncate(f, f.stat().st_size + 1),
}


def test_damaged_files():
    for folder in ("new", "mess"):
        # a host for each: mail for one that backs off is not tried, and stays in queue/new
        routes = "\n".join(f"remote{n}.test:127.0.0.1:{n + 1}" for n in range(len(DAMAGE)))
        with Suite(pop=False, control={"smtproutes": routes}) as suite:
            sound = b"Subject: sound\n\n"
            for n in range(len(DAMAGE)):
                suite.sendmail("-f", f"{suite.accounts[1].name}@{suite.domain}", f"nobody@remote{n}.test", data=sound)
            names = lambda: sorted((suite.home / "queue/mess").glob("*/*"))
            wait_until(lambda: len(names()) == len(DAMAGE), "the messages are not deferred")
            suite.end(suite.send)
            files = names()
            if folder == "new":
                files = [file.rename(suite.home / "queue/new" / file.name) for file in files]
            for file, damage in zip(files, DAMAGE.values()):
                damage(file)
            mark = len(suite.log())
            start_send(suite)
            bad = suite.home / "queue/bad"

            def all_bad():
                suite.send.send_signal(signal.SIGALRM)
                return len(list(bad.iterdir())) == len(DAMAGE)

            try:
                wait_until(all_bad, "damaged files are not in queue/bad", 30)
            except Failure:
                kept = {f.name for f in bad.iterdir()}
                left = [what for file, what in zip(files, DAMAGE) if file.name not in kept]
                raise Failure(f"in queue/{folder}, not moved to queue/bad: {left}")
            log = suite.log()[mark:]
            for file, what in zip(files, DAMAGE):
                expect(file.name in log, f"{what}: not a word in the log about {file.name}")
            equal([len(a.files()) for a in suite.accounts], [0, 0], "bounces for damaged files")
            # The rest of the queue goes on.
            suite.sendmail(f"{suite.accounts[0].name}@{suite.domain}", data=sound)
            suite.wait_messages(suite.accounts[0], 1)


def test_a_torn_state_file_delivers_again():
    """What a state file says about a recipient counts only when it is whole and of that message."""
    with Remote() as sink, Battered(sink.port, pop=False) as suite:
        suite.end(suite.send)
        suite.control("smtproutes", ":127.0.0.1:1")
        suite.start_send()
        suite.sendmail("-f", suite.sender, "far@remote.test", "away@remote.test", data=b"Subject: state\n\n")
        wait_until(lambda: list((suite.home / "queue/mess").glob("*/*")), "the message is not deferred")
        suite.end(suite.send)
        file = next((suite.home / "queue/mess").glob("*/*"))
        state = suite.home / "queue/state" / file.parent.name / file.name
        owner = (suite.home / "queue/state").stat()
        state.write_bytes(b"torn\xff\x00\x01" * 7)
        os.chown(state, owner.st_uid, owner.st_gid)
        state.chmod(0o600)
        suite.control("smtproutes", f"remote.test:127.0.0.1:{sink.port}")
        start_send(suite)
        drain(suite, sink)
        sink.collect()
        equal(sorted(r for _, recipients, _ in sink.seen for r in recipients), ["away@remote.test", "far@remote.test"])


def test_a_rest_of_a_crash_is_removed():
    """Dot names in queue/new are what a gate without O_TMPFILE leaves behind."""
    with Suite(pop=False, start=False, smtp=False) as suite:
        left = suite.home / "queue/new/.spool.12345"
        left.write_bytes(b"half")
        owner = left.parent.stat()
        os.chown(left, owner.st_uid, owner.st_gid)
        suite.start_send()
        wait_until(lambda: not left.exists(), "it is still there", 10)
        equal(list((suite.home / "queue/bad").iterdir()), [])


if __name__ == "__main__":
    run(globals())
