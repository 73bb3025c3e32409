"""qmail-remote against Debian's Exim and OpenSMTPD: certificates good and bad, logins, refusals of several lines, small SIZE,
greylisting; what arrives, what the log says, and the bounce. And a loop between two hosts, the other one Postfix, ends."""

import postfix
from exim import Exim
from opensmtpd import OpenSmtpd
from tls_postfix import *

postfix.SERVICES += "smtp unix - - n - - smtp\n"

UTF8 = ("From: ann@mail.test\nTo: x@peer.test\nSubject: 鳩\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\n")
GREY = "450 4.2.0 Greylisted, come back in 300 seconds"


def deliver(suite, port, words="", wanted="success", **more):
    return suite.deliver(address_route(port, words), wanted, **more)


def bounce_text(suite, number):
    """What ann is told in her bounce of this number, for people."""
    message = email.message_from_bytes(suite.wait_messages(suite.accounts[0], number)[number - 1], policy=email.policy.default)
    equal(message.get_content_type(), "multipart/report")
    return next(part for part in message.walk() if part.get_content_maintype() == "text").get_content()


def test_exim_takes_mail_in_tls():
    certificates()
    chain = lambda name: CERTIFICATES / f"{name}.chain"
    listeners = {name: {"chain": chain(name)} for name in ("good", "expired", "self", "other")}
    listeners["none"] = {}
    listeners["wrapped"] = {"chain": chain("good"), "wrapped": True}
    with Exim(listeners) as peer, Sender() as suite:
        taken = 0
        for name, words, wanted, text in (
                ("good", "", "success", "TLS:_TLSv1.2_ECDHE-\\S+,_certificate_verified_for_127.0.0.1./"),
                ("good", "verify=mx.test", "success", "TLS:_TLSv1.2_ECDHE-\\S+,_certificate_verified_for_mx.test./"),
                ("good", "verify=elsewhere.test", "deferral", "its_certificate_will_not_do:_not_verified:_it_is_for_mx.test"),
                ("self", "", "success", "certificate_not_verified:_it_is_self-signed./"),
                ("self", "starttls", "success", "certificate_not_verified:_it_is_self-signed./"),
                ("self", "verify=mx.test", "deferral", "its_certificate_will_not_do:_not_verified:_it_is_self-signed._\\(#4.7.5\\)"),
                ("expired", "", "success", "certificate_not_verified:_it_has_expired_or_is_not_valid_yet./"),
                ("expired", "verify=mx.test", "deferral", "its_certificate_will_not_do:_not_verified:_it_has_expired"),
                ("other", "verify=mx.test", "deferral", "its_certificate_will_not_do:_not_verified:_it_is_for_other.test"),
                ("none", "", "success", "accepted_message./Remote_host_said:_250-_\\d+_byte_chunk,_total_\\d+/250_OK_id=[^/]+/$"),
                ("none", "starttls", "deferral", "it_offers_no_TLS,_without_which_this_mail_must_not_go._\\(#4.7.4\\)"),
                ("wrapped", "tls verify=mx.test", "success", "TLS:_TLSv1.2_ECDHE-\\S+,_certificate_verified_for_mx.test./")):
            said = deliver(suite, peer.port[name], words, wanted)
            expect(re.search(text, said), f"{name} {words}: {said}")
            taken += wanted == "success"
        wait_until(lambda: len(peer.files()) == taken, f"{taken} messages at Exim")
        expect(b"(TLS1.2) tls TLS_ECDHE_" in peer.next_message(0)[1], "Exim says so, too")

        # by BDAT, in several chunks, byte for byte
        body = "鳩が飛ぶ。\n.\n..dot\n" * 20000
        deliver(suite, peer.port["good"], "starttls", data=(UTF8 + body).encode())
        message, data = peer.next_message(taken)
        equal(message["subject"], "鳩")
        expect(data.endswith(body.encode()), data[-200:])


def test_exim_wants_a_login():
    certificates()
    good = CERTIFICATES / "good.chain"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")
    listeners = {name: {"chain": good, "auth": name, "rcpt": ["deny !authenticated = *\n    message = 550 5.7.1 Log in first"]}
                 for name in mechanisms}
    with Exim(listeners) as peer, Sender() as suite:
        smtpauth(suite, f"isp:{peer.user}:{peer.password}\nwrong:{peer.user}:not-the-secret\n")
        for number, name in enumerate(mechanisms):
            deliver(suite, peer.port[name], "verify=mx.test auth=isp")
            peer.next_message(number)
            said = deliver(suite, peer.port[name], "verify=mx.test auth=wrong", "deferral")
            expect(f"it_refused_my_login_as_{peer.user}._(#4.7.8)/Remote_host_said:_535_" in said, said)
        for driver in ("plain", "login", "cram"):
            expect(f" A={driver}:{peer.user} " in peer.log(), peer.log())
        said = deliver(suite, peer.port["PLAIN"], "verify=mx.test", "failure")
        expect("550_5.7.1_Log_in_first" in said, said)
        expect("550 5.7.1 Log in first" in bounce_text(suite, 1), "the bounce says why")
        for text in (suite.log(), peer.log()):
            expect(peer.password not in text and "not-the-secret" not in text, "a password in a log")


def test_exim_refuses():
    picky = {"rcpt": [f"defer recipients = grey@peer.test\n    message = {GREY}",
                      "deny recipients = no@peer.test\n    message = 550 5.7.1 Refused by policy\\n受信できません\\nSee http://peer.test/help"]}
    with Exim({"picky": picky, "small": {"size": "20000"},
               "hostile": {"connect": ["drop message = 554 5.7.1 Nobody likes you\\nand neither do I"]}}) as peer, \
            Sender() as suite:
        said = deliver(suite, peer.port["picky"], wanted="failure", recipient="no@peer.test")
        expect("550-5.7.1_Refused_by_policy/" in said, said)
        text = bounce_text(suite, 1)
        for line in ("Remote host said: 550-5.7.1 Refused by policy", "550-5.7.1 受信できません", "550 5.7.1 See http://peer.test/help"):
            expect(line in text, text)
        said = deliver(suite, peer.port["small"], wanted="failure", data=b"Subject: x\n\n" + b"x" * 70 * 300)
        expect("the_message_is_too_large_for_it:" in said and "it_takes_20000_at_most._(#5.3.4)" in said, said)
        expect("it takes 20000 at most. (#5.3.4)" in bounce_text(suite, 2), "the bounce says so")
        said = deliver(suite, peer.port["picky"], wanted="deferral", recipient="grey@peer.test")
        expect("does_not_like_recipient./Remote_host_said:_450_4.2.0_Greylisted" in said, said)
        equal(call(BIN / "qmail-tcpto").stdout, b"", "a greylisting answer is nothing against the host")
        said = deliver(suite, peer.port["hostile"], wanted="deferral")
        expect("but_greeting_failed./Remote_host_said:_554-5.7.1_Nobody_likes_you/554_5.7.1_and_neither_do_I/" in said, said)


def test_opensmtpd():
    certificates()
    lines = ('smtp max-message-size "20000"\n'
             f'filter "grey" phase rcpt-to match rcpt-to regex {{ "^<?grey@" }} reject "{GREY}"\n'
             'filter "no" phase rcpt-to match rcpt-to regex { "^<?no@" } reject "550 5.7.1 Refused by policy"\n'
             f'pki good cert "{CERTIFICATES}/rsa.pem"\npki good key "{CERTIFICATES}/rsa.key"\n')
    (CERTIFICATES / "rsa.key").chmod(0o600)
    with OpenSmtpd({"plain": 'filter { "grey", "no" }', "tls": "tls pki good"}, lines) as peer, Sender() as suite:
        said = deliver(suite, peer.port["plain"], data=(UTF8 + "鳩が飛ぶ。\n.\n").encode())
        expect("accepted_message./Remote_host_said:_250_2.0.0_" in said, said)
        wait_until(lambda: len(peer.sink.messages) == 1, "OpenSMTPD passes it on")
        expect(peer.sink.messages[0][2].endswith("鳩が飛ぶ。\r\n.\r\n".encode()), peer.sink.messages[0][2])
        said = deliver(suite, peer.port["plain"], "starttls", "deferral")
        expect("it_offers_no_TLS" in said, said)
        said = deliver(suite, peer.port["plain"], wanted="failure", recipient="no@peer.test")
        expect("550_5.7.1_Refused_by_policy" in said, said)
        expect("550 5.7.1 Refused by policy" in bounce_text(suite, 1), "the bounce says so")
        said = deliver(suite, peer.port["plain"], wanted="failure", data=b"Subject: x\n\n" + b"x" * 70 * 300)
        expect("it_takes_20000_at_most._(#5.3.4)" in said, said)
        said = deliver(suite, peer.port["plain"], wanted="deferral", recipient="grey@peer.test")
        expect("Remote_host_said:_450_4.2.0_Greylisted" in said, said)
        # TLS is offered; where a handshake fails mail goes in clear text, unless it must not.
        said = deliver(suite, peer.port["tls"])
        expect("TLS:_" in said, said)
        if "TLSv1.2" not in said:
            expect("TLS:_none,_the_handshake_failed:_it_sent_the_alert_internal_error./" in said, said)
            said = deliver(suite, peer.port["tls"], "starttls", "deferral")
            expect("TLS:_the_handshake_failed:_it_sent_the_alert_internal_error._(#4.7.5)" in said, said)
        wait_until(lambda: len(peer.sink.messages) == 2, "OpenSMTPD passes it on")


def round_trip(hops, hopcount_limit):
    """A domain that either of us takes for the other's. What ann is told, and the number of rounds."""
    with Suite(pop=False, control={"smtplimits": f"hops: {hops}"}) as suite:
        ann = suite.accounts[0]
        here = f"smtp:[127.0.0.1]:{suite.smtp_port}"
        with Postfix({"mx": {}}, relay_domains="loop.test mail.test", hopcount_limit=hopcount_limit, smtputf8_enable="no",
                     transport_maps=f"inline:{{ {{ loop.test = {here} }}, {{ mail.test = {here} }} }}") as peer:
            suite.control("smtproutes", f"loop.test:127.0.0.1:{peer.port['mx']}")
            suite.sendmail("-f", f"{ann.name}@mail.test", "x@loop.test", data=b"Subject: round and round\n\nhello\n")
            notice = suite.wait_messages(ann, 1, 120)[0]
            suite.wait_empty()
            # nothing is under way any more, at either
            wait_until(lambda: not [f for part in ("incoming", "active", "deferred", "maildrop")
                                    for f in (peer.folder / "queue" / part).rglob("*") if f.is_file()], "Postfix is not done")
            equal(len(ann.files()), 1, "one notice")
            return email.message_from_bytes(notice, policy=email.policy.default), suite.log().count("starting delivery")


def test_a_loop_ends_where_postfix_notices():
    notice, rounds = round_trip(100, 20)
    text = next(part for part in notice.walk() if part.get_content_maintype() == "text").get_content()
    expect("<x@loop.test>" in text and "554 5.4.0 Error: too many hops" in text, text)
    equal(notice["return-path"], "<>")
    expect(5 < rounds < 30, f"{rounds} deliveries")


def test_a_loop_ends_where_we_notice():
    notice, rounds = round_trip(20, 1000)
    expect("mx.peer.test" in notice["from"], notice["from"])  # Postfix has to tell ann
    text = notice.as_string()
    expect("554" in text and "5.4.6" in text, text[:3000])
    expect(5 < rounds < 30, f"{rounds} deliveries")


run(globals())
