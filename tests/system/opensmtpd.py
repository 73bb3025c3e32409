"""Debian's OpenSMTPD as the other side: the real smtpd with its own configuration and ports; what it takes it passes on to
a Sink. Its folders are compiled in, so it gets mounts of its own; its users are made in the room's /etc alone.

Debian 12's (6.8.0p2 with OpenSSL 3) offers STARTTLS and then fails every handshake with the alert internal_error, with
openssl s_client, too, in TLS 1.2 and 1.3, with an RSA and an ECDSA key alike (with RSA key exchange smtpd -dv logs "missing
private key": the process that holds the key seems not to be asked). So the fault is not BearSSL's; there is no handshake
to be had from it, but what a sender does then can be looked at."""

from suite import *

USERS = ("opensmtpd", "opensmtpq")
MOUNTS = """mount -t tmpfs none /var/spool && mkdir -m 711 /var/spool/smtpd && mount -t tmpfs none /var/lib &&
mkdir -p /var/lib/opensmtpd/empty && chmod 755 /var/lib /var/lib/opensmtpd /var/lib/opensmtpd/empty &&
mount -t tmpfs none /run && exec "$@" """


class OpenSmtpd:
    """listeners: {name: options of `listen`}; lines: what stands in front of them in smtpd.conf. .port[name] is where it
    listens, .sink has the messages."""

    def __init__(self, listeners, lines=""):
        self.folder = ROOM / f"opensmtpd-{time.monotonic_ns()}"
        self.listeners, self.lines = listeners, lines
        self.port = {name: free_port() for name in listeners}
        self.sink = Sink()

    def __enter__(self):
        for user in USERS:
            if not in_passwd(user):
                expect(os.environ.get("ROOM_NAMESPACE"), f"there is no user {user}, and this room has no /etc of its own")
                call("useradd", "-M", "-U", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", user)
        self.folder.mkdir(mode=0o755)
        self.sink.__enter__()
        listen = "".join(f"listen on 127.0.0.1 port {self.port[name]} hostname mx.peer.test {options}\n"
                         for name, options in self.listeners.items())
        (self.folder / "smtpd.conf").write_text(
            f"{self.lines}{listen}action \"out\" relay host smtp://127.0.0.1:{self.sink.port}\nmatch from any for any action \"out\"\n")
        self.said = open(self.folder / "said", "wb")
        program = PEERS / "opensmtpd/usr/sbin/smtpd"
        libraries = {"LD_LIBRARY_PATH": f"{PEERS}/usr/lib/x86_64-linux-gnu"}
        self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", MOUNTS, "sh", program, "-d", "-f", self.folder / "smtpd.conf"],
                                        env=environment(**libraries), stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said,
                                        start_new_session=True)
        try:
            for port in self.port.values():
                wait_until(lambda: self.process.poll() is not None or listening(port), "OpenSMTPD does not start", 30)
            expect(self.process.poll() is None, "OpenSMTPD ended")
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, *problem):
        if self.process.poll() is None:
            self.process.terminate()  # it ends its children
            self.process.wait(20)
        self.said.close()
        self.sink.__exit__()
        if problem and problem[0]:
            print((self.folder / "said").read_text(errors="replace")[-3000:])
