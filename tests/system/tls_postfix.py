"""Postfix with TLS, the certificates that it shows (tests/certificates.sh), and a suite that sends to it."""

import postfix
from postfix import *

postfix.SERVICES += "tlsmgr unix - - n 1000? 1 tlsmgr\n"

CERTIFICATES = ROOM / "certificates"


def certificates():
    if not CERTIFICATES.exists():
        call("sh", SOURCE / "tests/certificates.sh", CERTIFICATES)
        for name in ("good", "expired", "self", "other", "rsa"):
            text = "".join((CERTIFICATES / f"{part}").read_text() for part in (f"{name}.key", f"{name}.pem", "middle.pem"))
            (CERTIFICATES / f"{name}.chain").write_text(text)


def tls_with(name, **more):
    return {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": CERTIFICATES / f"{name}.chain",
            "smtpd_tls_received_header": "yes", "smtpd_tls_session_cache_database": "", **more}


def with_postfix(listeners, **settings):
    certificates()
    return Postfix(listeners, **settings)


class Sender(Suite):
    """The suite with the test's authority as the only one that is trusted. Each message by a connection of its own: a kept
    one would outlive a changed control file by a second."""

    def __init__(self, **control):
        super().__init__(smtp=False, pop=False, control={"reuseremote": "1", **control})

    def configure(self):
        super().configure()
        self.control("tlsca", (CERTIFICATES / "root.pem").read_text())

    def empty_queue_of_deferred(self):
        self.end(self.send)
        self.started.remove(self.send)
        self.empty_queue()
        self.start_send()

    def deliver(self, route, wanted="success", recipient="x@peer.test", data=b"Subject: x\n\nhello\n"):
        """Sends one message by this route; what the log says of its delivery, which is to end so."""
        self.control("smtproutes", route)
        mark = len(self.log())
        self.sendmail("-f", f"{self.accounts[0].name}@{self.domain}", recipient, data=data)
        # the bounce of the one before may just be under way, too
        pattern = re.compile(rf"starting delivery (\d+): msg \d+ to remote {re.escape(recipient)}\n(?:.*\n)*?"
                             r"delivery \1: (success|deferral|failure): (.*)")
        found = wait_until(lambda: pattern.search(self.log()[mark:]), "no delivery in the log")
        equal(found[2], wanted, f"{recipient}: {found[3]}")
        if wanted == "deferral":
            self.empty_queue_of_deferred()
        return found[3]


def address_route(port, words=""):
    """A route by address: the names that count are those in verify=."""
    return f":127.0.0.1:{port} {words}".rstrip()


def smtpauth(suite, text):
    file, who = suite.home / "control/smtpauth", pwd.getpwnam("qmailr")
    suite.control("smtpauth", text)
    os.chown(file, who.pw_uid, who.pw_gid)
    file.chmod(0o400)
