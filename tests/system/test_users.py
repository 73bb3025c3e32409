"""Who runs as whom, read from /proc while mail flows; what is sealed; what an installation's files allow."""

import grp
import pwd
import stat

from suite import *


def uid(name):
    return pwd.getpwnam(name).pw_uid


def gid(name):
    return grp.getgrnam(name).gr_gid


def processes(suite):
    """[(program, /proc status)] of everything below what was started."""
    found = []
    for process in suite.started:
        for pid in family(process.pid):
            name = program_of(pid)
            status = status_of(pid)
            if name and status:
                found.append((name, {**status, "pid": pid}))
    return found


def is_user(status, user, group=None, text=""):
    """All four uids are the user's; without root no capability is left, and no supplementary group but the user's own."""
    number = user if isinstance(user, int) else uid(user)
    equal(status["Uid"].split(), [str(number)] * 4, f"{text} uid")
    if group is not None:
        number_of_group = group if isinstance(group, int) else gid(group)
        equal(status["Gid"].split(), [str(number_of_group)] * 4, f"{text} gid")
        expect(set(status["Groups"].split()) <= {str(number_of_group)}, f"{text} groups {status['Groups']}")
    if number != 0:
        equal(int(status["CapEff"], 16), 0, f"{text} effective capabilities")
        equal(int(status["CapPrm"], 16), 0, f"{text} permitted capabilities")


def is_sealed(status, text):
    equal(status["NoNewPrivs"], "1", f"{text} no_new_privs")
    equal(status["Seccomp"], "2", f"{text} seccomp")


def only(found, name):
    match = [status for program, status in found if program == name]
    expect(match, f"{name} does not run: {sorted({p for p, _ in found})}")
    return match


def test_daemons():
    with Suite() as suite:
        found = wait_until(lambda: {"qmail-send", "qmail-queued", "qmail-clean", "qmail-lspawn", "qmail-rspawn"} <= {
            p for p, _ in processes(suite)} and processes(suite), "not all daemons run")
        for name, user, group in (("qmail-send", "qmails", "qmail"), ("qmail-queued", "qmailq", "qmail"),
                                  ("qmail-clean", "qmailq", "qmail"), ("qmail-rspawn", "qmailr", "qmail")):
            for status in only(found, name):
                is_user(status, user, group, name)
        for status in only(found, "qmail-lspawn"):
            is_user(status, 0, None, "qmail-lspawn")


def test_smtp_session_and_worker():
    with Suite() as suite, Dialogue(suite.smtp_port) as talk:
        talk.command("EHLO client.test", 250)
        for status in only(processes(suite), "qmail-smtpd"):
            is_user(status, "qmaild", "nofiles", "qmail-smtpd")
            is_sealed(status, "qmail-smtpd")
            expect(os.readlink(f"/proc/{status['pid']}/root") != "/", "qmail-smtpd is in a chroot")
        talk.command("MAIL FROM:<a@elsewhere.test>", 250)
        talk.command(f"RCPT TO:<{suite.accounts[0].name}@mail.test>", 250)
        talk.command("DATA", 354)
        talk.send(b"Subject: half\r\n\r\n" + b"x" * 100 + b"\r\n" * 5000)
        queued = wait_until(lambda: len(only(processes(suite), "qmail-queued")) > 1 and only(
            processes(suite), "qmail-queued"), "no worker")
        main = suite.pid_of("qmail-queued")
        for status in queued:
            is_user(status, "qmailq", "qmail", "qmail-queued's worker")
            if status["pid"] != main:
                is_sealed(status, "qmail-queued's worker")


def test_pop_before_and_after_login():
    with Suite() as suite, socket.create_connection(("127.0.0.1", suite.pop_port), 30) as client:
        ann, file = suite.accounts[0], client.makefile("rb")
        expect(file.readline().startswith(b"+OK"), "greeting")
        found = only(processes(suite), "qmail-popup")
        equal(len(found), 2, "a monitor and a child")
        child = [s for s in found if s["Uid"].split()[0] != "0"]
        equal(len(child), 1, "the child is not root")
        is_user(child[0], "qmaild", "nofiles", "qmail-popup's child")
        is_sealed(child[0], "qmail-popup's child")
        client.sendall(f"USER {ann.name}\r\nPASS {ann.password}\r\n".encode())
        expect(file.readline().startswith(b"+OK"), "USER")
        expect(file.readline().startswith(b"+OK"), "PASS")
        client.sendall(b"NOOP\r\n")
        expect(file.readline().startswith(b"+OK"), "NOOP")
        for status in only(processes(suite), "qmail-pop3d"):
            is_user(status, ann.uid, ann.gid, "qmail-pop3d")
            is_sealed(status, "qmail-pop3d")
        client.sendall(b"QUIT\r\n")


def test_deliveries():
    """A program of a dot-file runs as its user, below a qmail-local that is the user, too; qmail-remote as qmailr."""
    with socket.socket() as stalled:
        stalled.bind(("127.0.0.1", 0))
        stalled.listen()
        with Suite(control={"smtproutes": f":127.0.0.1:{stalled.getsockname()[1]}", "timeoutremote": "10"}) as suite:
            ann = suite.accounts[0]
            ann.dot("-run", "|grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status > status.new; mv status.new status; sleep 5\n")
            suite.sendmail("-f", "a@mail.test", f"{ann.name}-run@mail.test", data=b"\n")
            suite.sendmail("-f", "a@mail.test", "far@away.test", data=b"\n")
            wait_until((ann.home / "status").exists, "the program did not run")
            found = processes(suite)
            for status in only(found, "qmail-local"):
                is_user(status, ann.uid, ann.gid, "qmail-local")
            words = (ann.home / "status").read_text().split()
            equal(words[1:5], [str(ann.uid)] * 4, "the program's uids")
            remote = wait_until(lambda: [s for p, s in processes(suite) if p == "qmail-remote" and s.get("Seccomp") == "2"],
                                "no sealed qmail-remote")
            for status in remote:
                is_user(status, "qmailr", "qmail", "qmail-remote")
                is_sealed(status, "qmail-remote")
            (ann.home / ".qmail-run").unlink()


def test_files_of_the_installation():
    """make instcheck after mail went through, and a look of our own at what may be written."""
    with Suite() as suite:
        suite.sendmail("-f", "a@mail.test", f"{suite.accounts[0].name}@mail.test", data=b"\n")
        suite.wait_messages(suite.accounts[0], 1)
        suite.wait_empty()
        done = call("sh", "admin/instcheck.sh", HOME, cwd=SOURCE, check=False)
        equal(done.returncode, 0, done.stdout.decode())
    for at in [HOME, *HOME.rglob("*")]:
        info = at.lstat()
        if stat.S_ISLNK(info.st_mode):
            equal((at.parent, os.readlink(at), info.st_uid), (HOME / "bin", "sendmail", 0), f"{at} is a link")
            continue
        expect(not info.st_mode & (stat.S_ISUID | stat.S_ISGID), f"{at} is setuid or setgid")
        top = at.relative_to(HOME).parts[:1]
        if at == HOME / "users/secrets.cdb":  # qmail-authd has to read it, and nobody else may
            equal((info.st_uid, info.st_mode & 0o777), (uid("qmaila"), 0o400), f"{at}: who may read")
        elif top in ((), ("bin",), ("man",), ("control",), ("users",)):
            equal((info.st_uid, info.st_mode & 0o022), (0, 0), f"{at}: who may write")
        if top == ("queue",) and stat.S_ISREG(info.st_mode):
            equal(info.st_mode & 0o022, 0, f"{at}: who may write")
            expect(info.st_uid in (uid("qmailq"), uid("qmails"), uid("qmailr")), f"{at}: belongs to {info.st_uid}")


def test_customers_cannot_look_into_the_queue():
    with Suite() as suite:
        suite.sendmail("-f", "a@mail.test", "far@away.test", data=b"secret\n")
        suite.wait_log("deferral")
        ann = suite.accounts[0]
        for args in (["ls", HOME / "queue"], ["cat", HOME / "queue/lock/sendmutex"], [BIN / "checkpassword", "true"]):
            done = call(*args, check=False, user=ann.uid, group=ann.gid, extra_groups=[]) if args[0] != BIN / "checkpassword" else None
            expect(done is None or done.returncode != 0, f"a customer can {args}")
        for program in ("qmail-start", "checkpassword"):
            expect(not os.access(BIN / program, os.X_OK) or stat.S_IMODE((BIN / program).stat().st_mode) == 0o700,
                   f"{program} is root's alone")


run(globals())
