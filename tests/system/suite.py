"""The installed suite, for the system tests: starts it on free high ports, knows every process that it started,
and ends them. One file of tests is one program: functions named test_*, called in order by run().

A test fails by raising; what a test needs of the suite it asks for with `with Suite() as suite:`. Nothing here is
found by name: only processes that were started here are ever ended, by pid.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import traceback

HOME = pathlib.Path(os.environ["HATO_HOME"])
ROOM = pathlib.Path(os.environ["HATO_ROOM"])
SOURCE = pathlib.Path(os.environ.get("HATO_SOURCE", "."))
BIN = HOME / "bin"
PEERS = SOURCE / ".peers"
PATIENCE = float(os.environ.get("PATIENCE", "60"))  # seconds to wait for what should take a moment


class Failure(Exception):
    pass


def expect(fact, text=""):
    if not fact:
        raise Failure(text or "not so")


def equal(got, wanted, text=""):
    if got != wanted:
        raise Failure(f"{text + ': ' if text else ''}got {got!r:.600}, wanted {wanted!r:.600}")


def wait_until(condition, text, seconds=PATIENCE):
    """Asks until the answer is true; returns it."""
    end = time.monotonic() + seconds
    pause = 0.005
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(f"{text}: not after {seconds:.0f} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def environment(**more):
    """What a process of the suite starts with: nothing of the caller's."""
    return {"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8",
            "HATO_ROOM": str(ROOM), **more}


def call(*args, data=b"", env=None, check=True, timeout=120, **more):
    """Runs a program to its end: CompletedProcess with bytes."""
    done = subprocess.run([str(a) for a in args], input=data, env=environment(**(env or {})), capture_output=True,
                          timeout=timeout, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, args))}: exit {done.returncode}: {done.stdout!r:.400} {done.stderr!r:.400}")
    return done


def peer_program(name):
    """(path, environment) of a program that was unpacked into .peers, or of the system's."""
    for at in (PEERS / "usr/sbin" / name, PEERS / "usr/bin" / name):
        if at.exists():
            return at, {"LD_LIBRARY_PATH": f"{PEERS}/usr/lib/postfix:{PEERS}/usr/lib/x86_64-linux-gnu"}
    found = shutil.which(name, path=environment()["PATH"])
    expect(found, f"{name} is not here: make check-deps")
    return pathlib.Path(found), {}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listening(port, host="127.0.0.1"):
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def children_of(pid):
    """Pids of the live children of a process, from /proc."""
    found = []
    with contextlib.suppress(OSError):  # it may go while it is looked at
        for task in list(pathlib.Path(f"/proc/{pid}/task").glob("*/children")):
            with contextlib.suppress(OSError):
                found += [int(word) for word in task.read_text().split()]
    return found


def family(pid):
    """A process and everything below it."""
    found = [pid]
    for child in children_of(pid):
        found += family(child)
    return found


def session_members(session):
    """Pids of the live processes of a session (setsid(2)), also when the one that began it is gone."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()  # what follows the name: state, ppid, pgrp, session
            if entry.name.isdigit() and fields[0] != "Z" and int(fields[3]) == session:
                found.append(int(entry.name))
    return found


def program_of(pid):
    """The file name of what a process runs; "" when it is gone."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
    except OSError:
        return ""


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


class Account:
    """A customer: a real user of the room's /etc with a home and a Maildir."""

    password = "correct horse"

    def __init__(self, name):
        self.name = name
        self.home = ROOM / "homes" / name
        if not in_passwd(name):
            call("useradd", "-M", "-U", "-d", self.home, "-s", "/bin/sh", name)
            call("chpasswd", "-c", "SHA512", data=f"{name}:{self.password}\n".encode())
        self.uid, self.gid = in_passwd(name)
        self.home.mkdir(parents=True, exist_ok=True)
        os.chown(self.home, self.uid, self.gid)
        self.home.chmod(0o755)
        self.maildir = self.home / "Maildir"
        if not self.maildir.exists():
            call(BIN / "maildirmake", self.maildir, user=self.uid, group=self.gid, extra_groups=[])

    def dot(self, extension, text):
        file = self.home / (".qmail" + extension)
        file.write_text(text)
        file.chmod(0o644)
        os.chown(file, self.uid, self.gid)

    def files(self):
        return sorted((self.maildir / "new").iterdir(), key=lambda f: (f.stat().st_mtime_ns, f.name)) if (
            self.maildir / "new").exists() else []

    def messages(self):
        return [f.read_bytes() for f in self.files()]

    def empty(self):
        """As it was made: folders and counts that a reader left there go, too."""
        for entry in self.maildir.iterdir():
            if entry.name in ("new", "cur", "tmp"):
                for file in entry.iterdir():
                    file.unlink()
            elif entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def assign(self):
        """Lines of users/assign: the user, and everything behind a dash."""
        return (f"={self.name}:{self.name}:{self.uid}:{self.gid}:{self.home}:::\n"
                f"+{self.name}-:{self.name}:{self.uid}:{self.gid}:{self.home}:-::\n")


def in_passwd(name):
    for line in pathlib.Path("/etc/passwd").read_text().splitlines():
        field = line.split(":")
        if field[0] == name:
            return int(field[2]), int(field[3])
    return None


def remove_account(name):
    """Patiently: somebody else may hold the lock of /etc/passwd, or a process of the account may just be ending."""
    for _ in range(20):
        if not in_passwd(name) or subprocess.run(["userdel", name], capture_output=True).returncode == 0:
            return
        time.sleep(0.3)


class Suite:
    """The suite on free ports of 127.0.0.1. Accounts ann and bob get mail for `domain`."""

    domain = "mail.test"

    def __init__(self, control=None, accounts=("ann", "bob"), start=True, smtp=True, pop=True, relay=True,
                 home=HOME, smtpd_wrapper=(), send_wrapper=(), smtpd_env=None, host="127.0.0.1", checker=None):
        self.home, self.host = pathlib.Path(home), host
        self.bin = self.home / "bin"
        self.started = []  # Popen of what was started here, in order
        self.want = (start, smtp, pop)
        self.relay = relay
        self.checker = checker or self.bin / "checkpassword"
        self.smtpd_wrapper, self.send_wrapper, self.smtpd_env = list(smtpd_wrapper), list(send_wrapper), smtpd_env or {}
        self.log_file = ROOM / f"send-{os.getpid()}-{time.monotonic_ns()}.log"
        self.smtp_log = self.log_file.with_suffix(".smtp")
        self.send = self.smtp_port = self.pop_port = None
        # In a room without a private /etc the machine's own users are not ours to touch.
        suffix = "" if os.environ.get("ROOM_NAMESPACE") else f"h{os.environ['HATO_ROOM'].rsplit('.', 1)[-1].lower()}"
        self.accounts = [Account(name + suffix) for name in accounts]
        self.control_files = {
            "me": self.domain, "locals": self.domain, "rcpthosts": self.domain, "databytes": "20971520",
            "smtproutes": ":127.0.0.1:1", "concurrencyremote": "20", **(control or {})}

    # --- setting up

    def configure(self):
        folder = self.home / "control"
        for old in folder.iterdir():
            old.unlink()
        for name, text in self.control_files.items():
            self.control(name, text)
        assign = "".join(a.assign() for a in self.accounts) + ".\n"
        (self.home / "users/assign").write_text(assign)
        call(self.bin / "qmail-newu")
        for account in self.accounts:
            account.empty()
        for name in ("postmaster", "mailer-daemon", "root"):
            dot = self.home / "alias" / f".qmail-{name}"
            dot.write_text(f"&{self.accounts[0].name}@{self.domain}\n" if self.accounts else "#\n")
            dot.chmod(0o644)

    def open_account(self, login, owner, *options, data=b""):
        """An account of the table, with the uid of `owner`, a home of its own and a directory for rules. Returns the home."""
        folder = ROOM / "homes" / login
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.chown(folder, owner.uid, owner.gid)
        call(self.bin / "maildirmake", folder / "Maildir", user=owner.uid, group=owner.gid, extra_groups=[])
        call(self.bin / "qmail-account", "add", login, "--uid", str(owner.uid), "--gid", str(owner.gid), "--home", folder,
             *options, data=data)
        return folder

    def control(self, name, text):
        """Writes (None: removes) a control file."""
        file = self.home / "control" / name
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text if text.endswith("\n") or not text else text + "\n")
            file.chmod(0o644)

    def queue_files(self):
        """Everything that is a message or about one, in the queue."""
        found = []
        for part in ("new", "mess", "state", "bad"):
            found += [f for f in (self.home / "queue" / part).rglob("*") if f.is_file()]
        return found

    def empty_queue(self):
        for file in self.queue_files():
            file.unlink()

    # --- processes

    def launch(self, *args, **more):
        process = subprocess.Popen([str(a) for a in args], env=environment(**more.pop("env", {})),
                                   cwd=more.pop("cwd", "/"), start_new_session=True, **more)
        self.started.append(process)
        return process

    def start_send(self):
        with open(self.log_file, "ab") as log:
            self.send = self.launch(*self.send_wrapper, self.bin / "qmail-start", "./Maildir/", stdin=log, stdout=log,
                                    stderr=log)
        gate = self.home / "gate/s"

        def answers():
            expect(self.send.poll() is None, f"qmail-start ended: {self.log()[-500:]}")
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
                s.connect(str(gate))
                return True
            return False

        wait_until(answers, "nobody listens at the gate")
        return self.send

    def tcpserver(self, *program, options=(), env=None, log=None, host=None):
        """Starts tcpserver on a free port; returns (process, port)."""
        with open(log or self.smtp_log, "ab") as out:
            process = self.launch("tcpserver", "-1", "-H", "-R", "-l", self.domain, "-c", "400", "-b", "128", *options,
                                  host or self.host, "0", *program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=out, env=env or {})
        port = int(process.stdout.readline())
        process.stdout.close()
        return process, port

    def start_smtp(self):
        env = {**({"RELAYCLIENT": ""} if self.relay else {}), **self.smtpd_env}
        self.smtp, self.smtp_port = self.tcpserver(*self.smtpd_wrapper, self.bin / "qmail-smtpd", env=env)

    def start_pop(self):
        self.pop, self.pop_port = self.tcpserver(self.bin / "qmail-popup", self.domain, self.checker,
                                                 self.bin / "qmail-pop3d", "Maildir")

    def end(self, process, how=signal.SIGTERM, seconds=20):
        """Ends a process that was started here, and waits for it."""
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                for pid in reversed(family(process.pid)):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
                raise Failure(f"{process.args[0]} did not end within {seconds} s of signal {how}")
        if process is self.send:  # the others of qmail-start go when qmail-send is gone, in their own time
            wait_until(lambda: not session_members(process.pid), "qmail-start's programs do not end", seconds)
        return process.returncode

    def __enter__(self):
        self.configure()
        self.empty_queue()
        try:
            start, smtp, pop = self.want
            if start:
                self.start_send()
            if smtp:
                self.start_smtp()
            if pop:
                self.start_pop()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, *_):
        with contextlib.suppress(*([Exception] if kind else [])):
            self.stop()
        if kind and not issubclass(kind, KeyboardInterrupt):
            self.show_logs()

    def stop(self):
        problem = None
        for process in reversed(self.started):
            try:
                self.end(process)
            except Failure as failure:
                problem = failure
        self.started = []
        if not os.environ.get("ROOM_NAMESPACE"):
            for account in self.accounts:
                remove_account(account.name)
        if problem:
            raise problem

    def show_logs(self):
        for file in (self.log_file, self.smtp_log):
            if file.exists():
                print(f"  --- {file.name}")
                for line in file.read_text(errors="replace").splitlines()[-25:]:
                    print("  " + line[:300])

    # --- looking

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_log(self, pattern, seconds=PATIENCE):
        return wait_until(lambda: re.search(pattern, self.log(), re.M), f"no {pattern!r} in the log", seconds)

    def wait_messages(self, account, number, seconds=PATIENCE):
        wait_until(lambda: len(account.files()) >= number,
                   f"{account.name} has {len(account.files())} of {number} messages", seconds)
        return account.messages()

    def wait_empty(self, seconds=PATIENCE):
        wait_until(lambda: not self.queue_files(), "the queue is not empty", seconds)

    def pid_of(self, program):
        """Pid of the long-lived program (qmail-send, qmail-queued, …) below what was started here."""
        for process in self.started:
            for pid in family(process.pid):
                if program_of(pid) == program:
                    return pid
        return None

    # --- sending

    def smtp_session(self, *recipients, data, sender="sender@elsewhere.test", helo="client.test"):
        """One message in a plain dialogue; data with CRLF, not dot-stuffed. Returns the last reply (code, text)."""
        with Dialogue(self.smtp_port, self.host) as talk:
            talk.command(f"EHLO {helo}", 250)
            code, text = talk.command(f"MAIL FROM:<{sender}>")
            if code != 250:
                return code, text
            for recipient in recipients:
                code, text = talk.command(f"RCPT TO:<{recipient}>")
                if code != 250:
                    return code, text
            code, text = talk.command("DATA")
            if code != 354:
                return code, text
            talk.send(stuffed(data) + b".\r\n")
            reply = talk.reply()
            talk.command("QUIT", 221)
            return reply

    def sendmail(self, *args, data, **more):
        return call(self.bin / "sendmail", *args, data=data, **more)


def stuffed(data):
    """RFC 5321 4.5.2, over lines ending in CRLF."""
    if data and not data.endswith(b"\r\n"):
        data += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", data)


class Dialogue:
    """A line-wise client: SMTP replies and POP3 answers."""

    def __init__(self, port, host="127.0.0.1", greet=True, timeout=60):
        self.socket = socket.create_connection((host, port), timeout)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """(code, text) of a reply that may have several lines; (0, "") when the connection ended."""
        texts = []
        while True:
            line = self.file.readline()
            if not line:
                return 0, "\n".join(texts)
            texts.append(line[4:].decode(errors="replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(texts)

    def command(self, line, wanted=None):
        self.send(line.encode() + b"\r\n")
        code, text = self.reply()
        if wanted is not None and code != wanted:
            raise Failure(f"{line!r:.200}: answer {code} {text}, wanted {wanted}")
        return code, text


class Sink:
    """An SMTP server that keeps what it gets: .messages is a list of (sender, recipients, data with CRLF)."""

    def __init__(self, greeting="220 sink.test", replies=None, take=None):
        """replies: {"RCPT": function(line) -> reply text} and the like, instead of the friendly default.
        take: function(sender, recipients, data) -> the reply to the final dot."""
        self.messages, self.connections = [], 0
        sink = self
        replies = replies or {}

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                sink.connections += 1
                say = lambda text: self.wfile.write(text.encode() + b"\r\n")
                say(greeting)
                sender, recipients = None, []
                for raw in self.rfile:
                    line = raw.decode(errors="replace").strip()
                    verb = line[:4].upper()
                    answer = replies.get(verb)
                    if answer:
                        answer = answer(line)
                    if answer is None:
                        answer = {"EHLO": "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0",
                                  "DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 ok")
                    say(answer)
                    good = answer[:1] in "23"
                    if verb == "MAIL" and good:
                        sender, recipients = line.split("<", 1)[1].split(">")[0], []
                    elif verb == "RCPT" and good:
                        recipients.append(line.split("<", 1)[1].split(">")[0])
                    elif verb == "DATA" and good:
                        data = []
                        for raw in self.rfile:
                            if raw == b".\r\n":
                                break
                            data.append(raw[1:] if raw.startswith(b".") else raw)
                        else:
                            return
                        done = replies["."](line) if "." in replies else "250 kept"
                        if take:
                            done = take(sender, recipients, b"".join(data))
                        if done[:1] == "2":
                            sink.messages.append((sender, recipients, b"".join(data)))
                        say(done)
                    elif verb == "QUIT":
                        return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, address):
                if not isinstance(sys.exc_info()[1], ConnectionError):  # a client need not wait for the answer to QUIT
                    super().handle_error(request, address)

        self.server = Server(("127.0.0.1", 0), Session)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def body_of(stored):
    """A delivered message without the fields that the suite puts in front (Return-Path, Delivered-To, Received):
    what was sent, byte for byte."""
    rest = stored
    while True:
        line, newline, after = rest.partition(b"\n")
        name = line.split(b":")[0].lower()
        if not newline or name not in (b"return-path", b"delivered-to", b"received"):
            return rest
        while after[:1] in (b" ", b"\t"):
            _, _, after = after.partition(b"\n")
        rest = after


def mount_private(where, kind, *options):
    """Mounts `kind` at `where` for this process and its children only; call after enter_mount_namespace()."""
    call("mount", "-t", kind, *options, kind, where)


def enter_mount_namespace():
    """This process gets mounts of its own. False where the kernel does not let it."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True).returncode == 0


def run(names):
    """Calls every test_* of a module; prints `N passed, N failed`, and exits accordingly."""
    passed = failed = 0
    only = os.environ.get("TEST")
    for name, test in list(names.items()):
        if not name.startswith("test_") or (only and only not in name):
            continue
        begin = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok      {name} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception as problem:  # noqa: BLE001: whatever went wrong is the test's failure
            failed += 1
            print(f"FAILED  {name} ({time.monotonic() - begin:.1f} s): {problem}", flush=True)
            if not isinstance(problem, Failure):
                traceback.print_exc(limit=-4, file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
