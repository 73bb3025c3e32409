"""Quotas beside Debian's Dovecot: both read and write the same Maildirs, and agree to the byte."""

import imaplib
import os
import poplib
import random
import re
import shutil
import subprocess

from suite import BIN, PEERS, ROOM, Suite, equal, environment, expect, run

BYTES, MESSAGES = 2_000_000, 400
OPERATIONS = 1000


class Dovecot:
    """Dovecot's IMAP server for one user, started for him on a pipe; nothing of it is a service."""

    def __init__(self, account):
        self.account = account
        folder = ROOM / "dovecot"
        run_folder = folder / "run"
        run_folder.mkdir(parents=True, exist_ok=True)
        os.chown(run_folder, account.uid, account.gid)
        expect((PEERS / "usr/lib/dovecot/imap").exists(), "dovecot is not here: make check-deps")
        self.programs = folder / "programs"  # where the user can reach them, wherever the source lies
        if not self.programs.exists():
            shutil.copytree(PEERS / "usr/lib/dovecot", self.programs, symlinks=True)
            shutil.copy(PEERS / "usr/bin/doveconf", self.programs)
        self.log = folder / "log"
        self.log.touch()
        os.chown(self.log, account.uid, account.gid)
        self.config = folder / "dovecot.conf"
        self.config.write_text(f"""
base_dir = {run_folder}
libexec_dir = {self.programs}
mail_plugin_dir = {self.programs}/modules
log_path = {self.log}
ssl = no
mail_location = maildir:~/Maildir
mail_plugins = quota imap_quota
namespace inbox {{
  inbox = yes
  separator = .
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:bytes={BYTES}:messages={MESSAGES}
}}
""")
        self.environment = environment(LD_LIBRARY_PATH=str(self.programs), USER=account.name, HOME=str(account.home))
        self.imap = None

    def __enter__(self):
        dovecot = self

        class Session(imaplib.IMAP4_stream):
            def open(self, host=None, port=None, timeout=None):
                self.host = self.port = self.sock = None
                self.process = subprocess.Popen(
                    [dovecot.programs / "doveconf", "-c", dovecot.config, "-m", "imap", "-e", dovecot.programs / "imap"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dovecot.environment,
                    user=dovecot.account.uid, group=dovecot.account.gid, extra_groups=[], cwd=dovecot.account.home)
                self.writefile, self.readfile = self.process.stdin, self.process.stdout
                self.file = self.readfile

        self.imap = Session("")
        equal(self.imap.state, "AUTH", f"dovecot: {self.log.read_text()[-500:]}")
        return self

    def __exit__(self, *_):
        self.imap.logout()
        self.imap.process.wait(20)

    def use(self):
        """(KiB, messages) as its clients see it."""
        _, (_, (answer,)) = self.imap.getquotaroot("INBOX")
        numbers = re.search(rb"STORAGE (\d+) (\d+) MESSAGE (\d+) (\d+)", answer)
        expect(numbers, f"quota root: {answer!r}")
        return int(numbers[1]), int(numbers[3])

    def messages(self, folder):
        code, (answer,) = self.imap.select(folder)
        if code != "OK":
            return []
        _, (found,) = self.imap.uid("SEARCH", "ALL")
        return found.split()

    def append(self, folder, text):
        """False: over quota."""
        return self.imap.append(folder, None, None, text)[0] == "OK"

    def delete(self, folder, uids):
        if uids:
            self.imap.uid("STORE", b",".join(uids), "+FLAGS", r"(\Deleted)")
            equal(self.imap.expunge()[0], "OK")

    def copy(self, uids, folder):
        return self.imap.uid("COPY", b",".join(uids), folder)[0] == "OK"

    def move(self, uids, folder):
        return self.imap.uid("MOVE", b",".join(uids), folder)[0] == "OK"


class Mailbox:
    """What is really there."""

    def __init__(self, account):
        self.account, self.path = account, account.maildir

    def files(self):
        folders = [self.path] + [f for f in self.path.iterdir() if f.name.startswith(".") and f.is_dir()]
        return [f for folder in folders for part in ("new", "cur") if (folder / part).is_dir()
                for f in (folder / part).iterdir() if not f.name.startswith(".")]

    def use(self):
        sizes = [f.stat().st_size for f in self.files()]
        return sum(sizes), len(sizes)

    def size_file(self):
        """(bytes, messages) that maildirsize says; None: there is none."""
        try:
            head, *lines = (self.path / "maildirsize").read_text().splitlines()
        except FileNotFoundError:
            return None
        equal(head, f"{BYTES}S,{MESSAGES}C", "maildirsize's first line")
        numbers = [tuple(map(int, line.split())) for line in lines]
        return sum(n[0] for n in numbers), sum(n[1] for n in numbers)

    def forget(self):
        (self.path / "maildirsize").unlink(missing_ok=True)

    def deliver(self, text, to="./Maildir/"):
        """By qmail-local, as its spawner would start it. False: full."""
        account = self.account
        variable = (f"login={account.name}\nuid={account.uid}\ngid={account.gid}\nhome={account.home}\n"
                    f"mailbox=./Maildir/\nquota={BYTES}\nmessages={MESSAGES}\n")
        file = ROOM / "quota-message"
        file.write_bytes(text)
        with open(file, "rb") as message:
            done = subprocess.run([BIN / "qmail-local", "--", account.name, account.home, account.name, "", "",
                                   "mail.test", "sender@elsewhere.test", to], stdin=message, capture_output=True,
                                  env=environment(QMAILACCOUNT=variable), user=account.uid, group=account.gid,
                                  extra_groups=[], timeout=60)
        if done.returncode == 111:
            equal(done.stderr, b"sorry, mailbox is full (#4.2.2)\n")
            return False
        equal(done.returncode, 0, f"qmail-local: {done.stderr!r}")
        return True


def text(dice):
    lines = dice.choice([0, 1, 5, 20, 200])
    body = "".join(dice.choice(["", ".", "abc", "x" * 70, "日本語"]) + "\n" for _ in range(lines))
    return f"Subject: {dice.random()}\n\n{body}".encode()


def test_agrees_with_dovecot_to_the_byte():
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"  seed {seed}")
    dice = random.Random(seed)
    with Suite(accounts=("ann",), start=False, smtp=False, control={"quotawarn": "0"}) as suite:
        account = suite.accounts[0]
        mailbox = Mailbox(account)
        mailbox.forget()
        with Dovecot(account) as dovecot:
            for folder in ("Lists", "Trash"):
                dovecot.imap.create(folder)
            folders = ["INBOX", "Lists", "Trash"]
            done = {"delivered": 0, "full": 0, "appended": 0, "imap": 0, "pop": 0}

            def deliver():
                where = dice.choice(["./Maildir/", "./Maildir/", "./Maildir/.Lists/", ".//Maildir/.Trash"])
                fits = mailbox.deliver(text(dice), where if where.endswith("/") else where + "/")
                done["delivered" if fits else "full"] += 1

            def append():
                fits = dovecot.append(dice.choice(folders), text(dice).replace(b"\n", b"\r\n"))
                done["appended" if fits else "full"] += 1

            def delete_by_imap():
                folder = dice.choice(folders)
                found = dovecot.messages(folder)
                some = dice.sample(found, min(len(found), dice.choice([1, 2, 10])))
                dovecot.delete(folder, some)
                done["imap"] += len(some)

            def move_or_copy():
                found = dovecot.messages("INBOX")
                if found:
                    some = dice.sample(found, min(len(found), 3))
                    dice.choice([dovecot.move, dovecot.copy])(some, dice.choice(["Lists", "Trash"]))

            def delete_by_pop3():
                client = poplib.POP3("127.0.0.1", suite.pop_port, 60)
                client.user(account.name)
                client.pass_(account.password)
                number, _ = client.stat()
                for which in dice.sample(range(1, number + 1), min(number, dice.choice([1, 3]))):
                    client.dele(which)
                    done["pop"] += 1
                client.quit()

            def forget():
                mailbox.forget()

            actions = [deliver] * 12 + [append] * 2 + [delete_by_imap] * 2 + [move_or_copy] + [delete_by_pop3] * 3
            for number in range(OPERATIONS):
                action = forget if number % 97 == 96 else dice.choice(actions)
                action()
                real, said = mailbox.use(), mailbox.size_file()
                if said is not None:
                    equal(said, real, f"operation {number}, {action.__name__}: maildirsize")
                if number % 20 == 19:
                    equal(dovecot.use(), (-(-real[0] // 1024), real[1]), f"operation {number}: dovecot's clients see")
                    equal(mailbox.size_file(), real, "dovecot's maildirsize")
            print(f"  {done}, {mailbox.use()} left")
            for kind, least in (("delivered", 300), ("appended", 30), ("imap", 50), ("pop", 50)):
                expect(done[kind] >= least, f"only {done[kind]} {kind}")

            # Each of the two counts from nothing.
            real = mailbox.use()
            mailbox.forget()
            dovecot.use()
            equal((mailbox.path / "maildirsize").read_text(), f"{BYTES}S,{MESSAGES}C\n{real[0]} {real[1]}\n",
                  "dovecot counts")
            mailbox.forget()
            equal(mailbox.deliver(b"x" * (BYTES + 1)), False)
            equal((mailbox.path / "maildirsize").read_text(), f"{BYTES}S,{MESSAGES}C\n{real[0]} {real[1]}\n",
                  "qmail-local counts")

            # Both find the mailbox full at the same message.
            size = 50_000
            while mailbox.deliver(b"Subject: fill\n\n" + b"x" * size):
                pass
            before = mailbox.use()
            expect(not dovecot.append("INBOX", b"y" * (size + 1000)), "dovecot takes what does not fit")
            equal(mailbox.use(), before)
            expect(mailbox.size_file() == before, "maildirsize of a full mailbox")
        problems = [line for line in dovecot.log.read_text().splitlines() if re.search("Error|Panic|Fatal", line)]
        equal(problems, [], "dovecot complains")


run(globals())
