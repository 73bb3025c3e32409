"""DANE with everything real: zones signed by ldns, served by nsd, validated by unbound, and Debian's Postfix as the mail
exchanger. What the records demand is done, what is forged keeps the mail, what is not signed counts for nothing; and the
log says so."""

import hashlib
import shutil

from tls_postfix import *

FOLDER = ROOM / "dane"
ROOT = """$ORIGIN .
$TTL 60
@ SOA ns.test. root.test. 1 3600 600 86400 60
@ NS ns.test.
test. NS ns.test.
ns.test. A 127.0.0.1
open. NS ns.test.
"""
# 127.0.0.1 is where Postfix is; "::PORT" in smtproutes keeps the exchangers of the DNS.
TEST = """$ORIGIN test.
$TTL 60
@ SOA ns root 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
mx A 127.0.0.1
a MX 10 mx
ta.wild A 127.0.0.1
b MX 10 ta.wild
forged A 127.0.0.2
c MX 10 forged
lost MX 10 mx
alias CNAME mx
d MX 10 alias
dangling CNAME mx.open.
e MX 10 dangling
f MX 20 mx
f MX 10 forged
"""
OPEN = """$ORIGIN open.
$TTL 60
@ SOA ns.test. root.test. 1 3600 600 86400 60
@ NS ns.test.
mx A 127.0.0.1
a MX 10 mx
"""


def der(name, what):
    """A certificate of the tests, or its public key."""
    file = CERTIFICATES / f"{name}.pem"
    if what == "certificate":
        return call("openssl", "x509", "-in", file, "-outform", "DER").stdout
    return call("openssl", "pkey", "-pubin", "-outform", "DER", data=call("openssl", "x509", "-in", file, "-pubkey", "-noout").stdout).stdout


def tlsa(port, host, usage, selector, matching, name):
    data = der(name, "certificate" if selector == 0 else "key")
    value = {0: data.hex(), 1: hashlib.sha256(data).hexdigest(), 2: hashlib.sha512(data).hexdigest()}[matching]
    return f"_{port}._tcp.{host} TLSA {usage} {selector} {matching} {value}\n"


def signed(zone, text):
    """Signs a zone; its DS record."""
    program, libraries = peer_program("ldns-keygen")
    name = zone.strip(".") or "root"
    (FOLDER / f"{name}.zone").write_text(text)
    key = call(program, "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom", zone, cwd=FOLDER, env=libraries).stdout.decode().strip()
    call(peer_program("ldns-signzone")[0], "-f", f"{name}.signed", f"{name}.zone", key, cwd=FOLDER, env=libraries)
    return (FOLDER / f"{key}.ds").read_text()


def forge(file, begin):
    """Changes a digit in the data of the record that begins so, behind its signature's back."""
    lines = file.read_text().splitlines(keepends=True)
    at, = (n for n, line in enumerate(lines) if line.startswith(begin))
    line = lines[at].rstrip("\n")
    lines[at] = line[:-1] + ("0" if line[-1] != "0" else "1") + "\n"
    file.write_text("".join(lines))


@contextlib.contextmanager
def started(program, *args, port, said):
    path, libraries = peer_program(program)
    with open(said, "wb") as out:
        process = subprocess.Popen([path, *args], env=environment(**libraries), stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or listening(port), f"{program} does not start", 20)
        expect(process.poll() is None, f"{program} ended: {said.read_text()[-1000:]}")
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def dns(records):
    """Ports of two unbounds over the same zones: one that validates, and one that does not."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    ds = signed("test", TEST + records + "lost TXT \"gone\"\n")
    anchor = signed(".", ROOT + ds)
    (FOLDER / "open.signed").write_text(OPEN + records.replace("_tcp.mx ", "_tcp.mx.open. "))
    (FOLDER / "anchor").write_text(anchor)
    forge(FOLDER / "test.signed", next(line for line in (FOLDER / "test.signed").read_text().splitlines()
                                       if "._tcp.forged.test.\t" in line and "\tTLSA\t" in line)[:40])
    text = (FOLDER / "test.signed").read_text()
    expect(re.search(r"^lost\.test\.\t\d+\tIN\tMX\t10 mx\.test\.$", text, re.M), "the MX record of lost.test")
    (FOLDER / "test.signed").write_text(re.sub(r"^(lost\.test\.\t\d+\tIN\tMX\t)10", r"\g<1>11", text, flags=re.M))
    port = free_port()
    zones = "".join(f"zone:\n  name: {zone}\n  zonefile: {name}.signed\n" for zone, name in
                    ((".", "root"), ("test.", "test"), ("open.", "open")))
    (FOLDER / "nsd.conf").write_text(f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{FOLDER}"
  database: ""
  pidfile: "{FOLDER}/nsd.pid"
  xfrdfile: "{FOLDER}/xfrd"
  zonelistfile: "{FOLDER}/list"
  xfrdir: "{FOLDER}"
  logfile: "{FOLDER}/nsd.log"
remote-control:
  control-enable: no
{zones}""")
    with contextlib.ExitStack() as stack:
        stack.enter_context(started("nsd", "-d", "-c", FOLDER / "nsd.conf", port=port, said=FOLDER / "nsd.said"))
        resolvers = []
        for name, modules in (("validating", "validator iterator"), ("trusting", "iterator")):
            resolver = free_port()
            stubs = "".join(f"stub-zone:\n  name: \"{zone}\"\n  stub-addr: 127.0.0.1@{port}\n" for zone in (".", "test.", "open."))
            (FOLDER / f"{name}.conf").write_text(f"""server:
  directory: "{FOLDER}"
  chroot: ""
  username: ""
  pidfile: "{FOLDER}/{name}.pid"
  interface: 127.0.0.1@{resolver}
  do-daemonize: no
  do-ip6: no
  use-syslog: no
  logfile: "{FOLDER}/{name}.log"
  module-config: "{modules}"
  val-log-level: 2
  trust-anchor-file: "{FOLDER}/anchor"
  do-not-query-localhost: no
  local-zone: "test." nodefault
remote-control:
  control-enable: no
{stubs}""")
            stack.enter_context(started("unbound", "-d", "-p", "-c", FOLDER / f"{name}.conf", port=resolver,
                                        said=FOLDER / f"{name}.said"))
            resolvers.append(resolver)
        yield resolvers


def deliver(suite, port, domain, wanted):
    """Through the exchangers of the DNS, on this port."""
    return suite.deliver(f"::{port}", wanted, f"x@{domain}")


def test_all_of_it():
    names = ("good", "expired", "self", "other")
    with with_postfix({**{name: tls_with(name) for name in names}, "none": {}, "new": tls_with("self")},
                      virtual_mailbox_domains="static:all") as peer:
        port = peer.port
        records = "".join((
            tlsa(port["good"], "mx", 3, 1, 1, "good"), tlsa(port["expired"], "mx", 3, 0, 2, "expired"),
            tlsa(port["self"], "mx", 3, 1, 1, "good"), tlsa(port["other"], "mx", 2, 0, 1, "middle"),
            tlsa(port["none"], "mx", 3, 1, 1, "good"), tlsa(port["new"], "mx", 1, 1, 1, "good"),
            tlsa(port["good"], "ta.wild", 2, 1, 2, "middle"), tlsa(port["good"], "forged", 3, 1, 1, "good"),
            tlsa(port["good"], "dangling", 3, 1, 1, "other")))
        with dns(records) as (validating, trusting), Sender(dane="1", resolver=f"127.0.0.1:{validating}", timeoutdns="10") as suite:
            verified = "certificate_verified_by_a_TLSA_record_({})_for_{}./DANE:_the_TLSA_records_of_{}_are_enforced./"
            enforced = "/DANE:_the_TLSA_records_of_mx.test_are_enforced./"
            rows = (
                ("its key", "good", "a.test", "success", verified.format("3_1_1", "mx.test", "mx.test")),
                ("it has expired, which is nothing to DANE-EE", "expired", "a.test", "success",
                 verified.format("3_0_2", "mx.test", "mx.test")),
                ("an authority of its own", "good", "b.test", "success", verified.format("2_1_2", "ta.wild.test", "ta.wild.test")),
                ("by an alias", "good", "d.test", "success", verified.format("3_1_1", "mx.test", "mx.test")),
                ("another key", "self", "a.test", "deferral",
                 "its_certificate_will_not_do:_not_verified:_no_TLSA_record_of_mx.test_fits_it._(#4.7.5)"),
                ("the authority's, for another host", "other", "a.test", "deferral",
                 "its_certificate_will_not_do:_not_verified:_it_is_for_other.test,_not_for_mx.test_or_a.test._(#4.7.5)"),
                ("no TLS", "none", "a.test", "deferral",
                 "it_offers_no_TLS,_without_which_this_mail_must_not_go._(#4.7.4)" + enforced),
                ("records that cannot be used", "new", "a.test", "success",
                 "certificate_not_verified:_it_is_self-signed./DANE:_the_TLSA_records_of_mx.test_demand_TLS;_to_tell_who_it_is_none_can_be_used./"),
                ("forged records", "good", "c.test", "deferral",
                 f"The_TLSA_records_of_forged.test_could_not_be_looked_up,_without_which_this_mail_must_not_go_there._(#4.4.3)/"
                 f"DNS_server_127.0.0.1:{validating}_answered_SERVFAIL./"),
                ("forged records of the best exchanger", "good", "f.test", "success", verified.format("3_1_1", "mx.test", "mx.test")),
                ("forged MX records", "good", "lost.test", "deferral",
                 f"Sorry,_I_couldn't_find_any_host_by_that_name._(#4.1.2)/DNS_server_127.0.0.1:{validating}_answered_SERVFAIL./"),
                ("an alias that is signed, to a host that is not", "good", "e.test", "deferral",
                 "no_TLSA_record_of_dangling.test_fits_it._(#4.7.5)"),
                ("a domain that is not signed", "self", "a.open", "success", "certificate_not_verified:_it_is_self-signed./"),
            )
            before = 0
            for what, name, domain, wanted, text in rows:
                said = deliver(suite, port[name], domain, wanted)
                expect(text in said, f"{what}: {said}")
                if domain == "a.open":
                    expect("DANE" not in said, said)
                before += wanted == "success"
            wait_until(lambda: len(peer.files()) == before, f"{before} messages at Postfix")

            # Of a server that does not validate nothing counts as signed, and the log says so.
            suite.control("resolver", f"127.0.0.1:{trusting}")
            said = deliver(suite, port["self"], "a.test", "success")
            expect(f"DANE:_none,_the_DNS_server_127.0.0.1:{trusting}_does_not_validate_(DNSSEC)./" in said, said)
            # What the operator has said counts instead.
            suite.control("resolver", f"127.0.0.1:{validating}")
            suite.control("tlshosts", "a.test:may")
            said = deliver(suite, port["self"], "a.test", "success")
            expect("DANE" not in said, said)

        # When the time is over, the bounce says what was demanded and what was missing.
        with dns(records) as (validating, _), Sender(dane="1", resolver=f"127.0.0.1:{validating}", queuelifetime="0") as suite:
            ann = suite.accounts[0]
            suite.control("smtproutes", f"::{port['self']}")
            suite.sendmail("-f", f"{ann.name}@{suite.domain}", "x@a.test", data=b"Subject: x\n\nhello\n")
            suite.wait_log(r"delivery 1: deferral: .*_no_TLSA_record_of_mx\.test_fits_it")
            time.sleep(1.1)  # ages are whole seconds
            os.kill(suite.pid_of("qmail-send"), signal.SIGALRM)
            bounce = email.message_from_bytes(suite.wait_messages(ann, 1)[0], policy=email.policy.default)
            text = next(part for part in bounce.walk() if part.get_content_maintype() == "text").get_content()
            for line in ("Connected to 127.0.0.1 but its certificate will not do: not verified: no TLSA record of mx.test fits it. (#4.7.5)",
                         "DANE: the TLSA records of mx.test are enforced."):
                expect(line in text, text)


run(globals())
