"""qmail-remote's TLS and AUTH against Debian's Postfix: certificates good and bad, TLS demanded and verified, on connect,
a Postfix that has nothing but TLS 1.3, logins at a smarthost; what the log says, and the bounce."""

import base64

from tls_postfix import *


class Logins:
    """Answers Postfix's smtpd in Dovecot's authentication protocol (version 1.1): one user, PLAIN and LOGIN."""

    user, password = "provider-login", "correct horse: battery"

    def __init__(self):
        self.path = ROOM / f"auth-{time.monotonic_ns()}"
        logins = self

        class Session(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b"\n")

            def handle(self):
                self.say("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\n"
                         "COOKIE\t00112233445566778899aabbccddeeff\nDONE")
                waiting = {}
                for raw in self.rfile:
                    word, *fields = raw.decode().rstrip("\n").split("\t")
                    if word == "AUTH":
                        number, mechanism = fields[:2]
                        answer = next((f[5:] for f in fields if f.startswith("resp=")), None)
                        if mechanism == "LOGIN":
                            waiting[number] = []
                            self.say(f"CONT\t{number}\t{base64.b64encode(b'Username:').decode()}")
                        else:
                            self.verdict(number, base64.b64decode(answer).split(b"\0")[1:])
                    elif word == "CONT":
                        waiting[fields[0]].append(base64.b64decode(fields[1]))
                        if len(waiting[fields[0]]) == 1:
                            self.say(f"CONT\t{fields[0]}\t{base64.b64encode(b'Password:').decode()}")
                        else:
                            self.verdict(fields[0], waiting.pop(fields[0]))

            def verdict(self, number, given):
                good = given == [logins.user.encode(), logins.password.encode()]
                self.say(f"OK\t{number}\tuser={logins.user}" if good else f"FAIL\t{number}\tuser=x")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self.server = Server(str(self.path), Session)
        self.path.chmod(0o666)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.path.unlink()


def deliver(suite, port, words="", wanted="success"):
    return suite.deliver(address_route(port, words), wanted)


def test_opportunistic():
    """Encrypts to anyone and says to whom; a Postfix that has only TLS 1.3 gets clear text."""
    listeners = {name: tls_with(name) for name in ("good", "rsa", "expired", "self", "other")}
    listeners["none"] = {}
    listeners["new"] = tls_with("good", smtpd_tls_protocols=">=TLSv1.3")
    with with_postfix(listeners) as peer, Sender() as suite:
        verdicts = {
            "good": "ECDSA-.*certificate_verified_for_127.0.0.1./", "rsa": "RSA-AES128-GCM-SHA256,.*not_verified:_it_is_for_mx.test",
            "expired": "not_verified:_it_has_expired", "self": "not_verified:_it_is_self-signed",
            "other": "not_verified:_it_is_for_other.test,_not_for_127.0.0.1"}
        for number, (name, verdict) in enumerate(verdicts.items()):
            said = deliver(suite, peer.port[name])
            expect(re.search(f"/TLS:_TLSv1.2_ECDHE-.*{verdict}", said), f"{name}: {said}")
            _, data = peer.next_message(number)
            expect(b"(using TLSv1.2 with cipher ECDHE-" in data, f"{name}: {data[:600]!r}")
        said = deliver(suite, peer.port["none"])
        expect("TLS" not in said, said)
        said = deliver(suite, peer.port["new"])
        expect("/TLS:_none,_the_handshake_failed:_it_sent_the_alert_protocol_version./" in said, said)
        _, data = peer.next_message(6)
        expect(b"using TLS" not in data, "clear text")


def test_demanded():
    """TLS or no mail; verified or no mail; TLS from the first byte."""
    listeners = {name: tls_with(name) for name in ("good", "expired", "self", "other")}
    listeners["none"] = {}
    listeners["wrapped"] = tls_with("good", smtpd_tls_wrappermode="yes")
    listeners["new"] = tls_with("good", smtpd_tls_protocols=">=TLSv1.3")
    with with_postfix(listeners) as peer, Sender() as suite:
        for name, words in (("good", "verify"), ("good", "verify=mx.test"), ("self", "starttls"), ("wrapped", "tls verify")):
            said = deliver(suite, peer.port[name], words)
            expect("/TLS:_TLSv1.2_ECDHE" in said, said)
        for name, words, why in (
                ("none", "starttls", "it_offers_no_TLS,_without_which_this_mail_must_not_go._(#4.7.4)"),
                ("new", "starttls", "TLS:_the_handshake_failed:_it_sent_the_alert_protocol_version._(#4.7.5)"),
                ("expired", "verify=mx.test", "its_certificate_will_not_do:_not_verified:_it_has_expired"),
                ("self", "verify=mx.test", "its_certificate_will_not_do:_not_verified:_it_is_self-signed"),
                ("other", "verify=mx.test", "its_certificate_will_not_do:_not_verified:_it_is_for_other.test"),
                ("good", "verify=elsewhere.test", "its_certificate_will_not_do:_not_verified:_it_is_for_mx.test")):
            said = deliver(suite, peer.port[name], words, "deferral")
            expect(why in said, f"{name} {words}: {said}")
        equal(len(peer.files()), 4, "nothing else has come")


def test_login():
    """A smarthost that wants a login, on its submission port and from the first byte; a wrong password is temporary, and
    no password is in any log."""
    with Logins() as logins:
        auth = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": logins.path,
                "smtpd_tls_auth_only": "yes", "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
                "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject"}
        listeners = {"submission": tls_with("good", **auth), "wrapped": tls_with("good", smtpd_tls_wrappermode="yes", **auth)}
        with with_postfix(listeners) as peer, Sender() as suite:
            smtpauth(suite, f"provider:{logins.user}:{logins.password}\nwrong:{logins.user}:not the secret\n")
            expect("/TLS:_TLSv1.2" in deliver(suite, peer.port["submission"], "starttls verify auth=provider"))
            expect("/TLS:_TLSv1.2" in deliver(suite, peer.port["wrapped"], "tls verify auth=provider"))
            peer.wait_log(f"sasl_method=PLAIN, sasl_username={logins.user}")
            said = deliver(suite, peer.port["submission"], "verify auth=wrong", "deferral")
            expect(f"it_refused_my_login_as_{logins.user}._(#4.7.8)/Remote_host_said:_535_5.7.8_" in said, said)
            said = deliver(suite, peer.port["submission"], "verify auth=nobody", "deferral")
            expect("control/smtpauth_has_no_login_" in said, said)
            # without a login the smarthost refuses, and the bounce says over what
            suite.control("smtproutes", address_route(peer.port["submission"], "verify"))
            suite.sendmail("-f", f"{suite.accounts[0].name}@{suite.domain}", "x@peer.test", data=b"Subject: x\n\nhello\n")
            bounce = email.message_from_bytes(suite.wait_messages(suite.accounts[0], 1)[0], policy=email.policy.default)
            bounce = next(part for part in bounce.walk() if part.get_content_maintype() == "text").get_content()
            expect("554 5.7.1 <x@peer.test>" in bounce, bounce)
            expect(re.search(r"^TLS: TLSv1.2 ECDHE-\S+, certificate verified for 127\.0\.0\.1\.$", bounce, re.M), bounce)
            for text in (suite.log(), peer.log()):
                expect(logins.password not in text and "not the secret" not in text, "a password in a log")


run(globals())
