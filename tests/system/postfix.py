"""Debian's Postfix as the other side: a real master with its own configuration, queue and ports in the room. Its
mail for peer.test lands in a Maildir. It runs as two of hato's own users, so that the machine gets no new ones."""

import email
import email.policy
import grp
import pwd

from suite import *

OWNER, GROUP = "qmaild", "qmail"
SERVICES = """cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """listeners: {name: {parameter: value}}, each a port of its own with these settings over `settings`;
    .port[name] is where it listens."""

    def __init__(self, listeners, **settings):
        self.folder = ROOM / f"postfix-{time.monotonic_ns()}"
        self.listeners = listeners
        self.port = {name: free_port() for name in listeners}
        self.log_file = self.folder / "log"
        self.maildir = self.folder / "mail/box"
        uid, gid = pwd.getpwnam(OWNER).pw_uid, pwd.getpwnam(OWNER).pw_gid
        self.program, self.libraries = peer_program("postconf")
        top = PEERS if (PEERS / "usr/lib/postfix/sbin/master").exists() else pathlib.Path("/")
        self.master = top / "usr/lib/postfix/sbin/master"
        self.settings = {
            "compatibility_level": "3.6", "queue_directory": self.folder / "queue",
            "data_directory": self.folder / "data", "daemon_directory": top / "usr/lib/postfix/sbin",
            "command_directory": top / "usr/sbin", "shlib_directory": top / "usr/lib/postfix",
            "meta_directory": top / "etc/postfix", "mail_owner": OWNER, "setgid_group": GROUP,
            "import_environment": "MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH",
            "maillog_file": self.log_file, "maillog_file_prefixes": self.folder,
            "myhostname": "mx.peer.test", "mydestination": "", "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "alias_maps": "", "alias_database": "",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "default_transport": "discard",
            "relay_transport": "discard", "smtputf8_enable": "yes", "smtpd_peername_lookup": "no",
            "virtual_transport": "virtual", "virtual_mailbox_domains": "peer.test",
            "virtual_mailbox_base": self.folder / "mail", "virtual_mailbox_maps": "static:box/",
            "virtual_minimum_uid": "1", "virtual_uid_maps": f"static:{uid}", "virtual_gid_maps": f"static:{gid}",
            **settings}

    def __enter__(self):
        owner, group = pwd.getpwnam(OWNER), grp.getgrnam(GROUP).gr_gid
        etc, queue = self.folder / "etc", self.folder / "queue"
        for folder in (self.folder, etc, queue, self.folder / "data", self.folder / "mail"):
            folder.mkdir(mode=0o755)
        for name in "active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace".split():
            (queue / name).mkdir(mode=0o700)
            if name != "pid":
                os.chown(queue / name, owner.pw_uid, group if name in ("public", "maildrop") else -1)
        (queue / "pid").chmod(0o755)
        (queue / "public").chmod(0o710)
        (queue / "maildrop").chmod(0o730)
        for folder in (self.folder / "data", self.folder / "mail"):
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        text = "".join(f"{name} = {value}\n" for name, value in self.settings.items())
        services = SERVICES
        for name, options in self.listeners.items():
            services += f"127.0.0.1:{self.port[name]} inet n - n - - smtpd\n"
            services += "".join(f"  -o {{ {key} = {value} }}\n" for key, value in options.items())
        (etc / "main.cf").write_text(text)
        (etc / "master.cf").write_text(services)
        self.environment = environment(MAIL_CONFIG=str(etc), **self.libraries)
        self.said = open(self.folder / "said", "wb")
        self.process = subprocess.Popen([self.master, "-c", etc, "-d"], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=self.said, stderr=self.said, start_new_session=True)
        try:
            for port in self.port.values():
                wait_until(lambda: self.process.poll() is not None or listening(port), "Postfix does not start", 30)
            expect(self.process.poll() is None, "Postfix ended")
        except BaseException:
            self.show()
            self.__exit__()
            raise
        return self

    def __exit__(self, *problem):
        # The master ends its children when it gets SIGTERM.
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.said.close()
        if problem and problem[0]:
            self.show()

    def show(self):
        for file in (self.folder / "said", self.log_file):
            if file.exists():
                print(f"  --- {file}")
                print("\n".join("  " + line[:300] for line in file.read_text(errors="replace").splitlines()[-30:]))

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_log(self, pattern):
        return wait_until(lambda: re.search(pattern, self.log(), re.M), f"no {pattern!r} in Postfix's log")

    def files(self):
        return sorted((self.maildir / "new").glob("*"), key=lambda f: f.stat().st_mtime_ns)

    def next_message(self, before):
        """The message that came after there were `before`, parsed; and its bytes."""
        wait_until(lambda: len(self.files()) > before, "Postfix has not delivered it")
        data = self.files()[before].read_bytes()
        return email.message_from_bytes(data, policy=email.policy.default), data
