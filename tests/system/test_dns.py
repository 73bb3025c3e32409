"""qmail-remote and its resolver against a real DNS server, Debian's nsd, which is authoritative: it does not follow
aliases from one zone into another, truncates over UDP, and refuses names that are not its own."""

from suite import *

# 127.0.0.1 is where the sink is; "::PORT" in smtproutes keeps the exchangers of the DNS.
TEST = """$ORIGIN test.
$TTL 60
@ SOA ns root 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
a MX 10 mx.a
mx.a A 127.0.0.1
bare A 127.0.0.1
six AAAA ::1
six A 127.0.0.1
alias CNAME b.other.
null MX 0 .
text TXT "no mail here"
dangling MX 10 nowhere
*.wild MX 5 mx.a
loop CNAME loop2.other.
closed MX 10 closed-mx.elsewhere.
xn--wgv71a MX 10 mx.a
"""
OTHER = """$ORIGIN other.
$TTL 60
@ SOA ns.test. root.test. 1 3600 600 86400 60
@ NS ns.test.
b MX 10 mx.a.test.
loop2 CNAME loop.test.
"""
BIG = "".join(f"big MX {100 + n} a-rather-long-name-of-a-mail-exchanger-{n:03}\n" for n in range(100))


@contextlib.contextmanager
def nsd():
    """Port of a server for the two zones, on 127.0.0.1 and ::1."""
    program, libraries = peer_program("nsd")
    folder = ROOM / "nsd"
    folder.mkdir(exist_ok=True)
    (folder / "test.zone").write_text(TEST + BIG + "big MX 1 mx.a\n")
    (folder / "other.zone").write_text(OTHER)
    port = free_port()
    (folder / "nsd.conf").write_text(f"""server:
  ip-address: 127.0.0.1@{port}
  ip-address: ::1@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/pid"
  xfrdfile: "{folder}/xfrd"
  zonelistfile: "{folder}/list"
  xfrdir: "{folder}"
  logfile: "{folder}/log"
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: test.zone
zone:
  name: other
  zonefile: other.zone
""")
    with open(folder / "said", "wb") as said:
        process = subprocess.Popen([program, "-d", "-c", folder / "nsd.conf"], env=environment(**libraries), stdout=said,
                                   stderr=said, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or listening(port), "nsd does not start", 20)
        expect(process.poll() is None, f"nsd ended: {(folder / 'said').read_text()[-500:]} {(folder / 'log').read_text()[-500:]}")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def deliver(host):
    """The reports of one run."""
    done = call(BIN / "qmail-remote", host, "a@mail.test", f"b@{host}", data=b"Subject: x\n\n")
    return done.stdout.decode().split("\0")[:-1]


def test_what_nsd_says():
    with nsd() as port, Sink() as sink:
        for server in (f"127.0.0.1:{port}", f"[::1]:{port}"):
            with Suite(start=False, smtp=False, pop=False,
                       control={"smtproutes": f"::{sink.port}", "resolver": server, "timeoutdns": "5"}):
                for host in ("a.test", "bare.test", "six.test", "alias.test", "x.y.wild.test", "big.test", "日本.test"):
                    before = len(sink.messages)
                    equal([report[:1] for report in deliver(host)], ["r", "K"], host)
                    equal(len(sink.messages), before + 1, host)
                for host, report in (
                        ("nowhere.test", "DSorry, I couldn't find any host named nowhere.test. (#5.1.2)"),
                        ("null.test", "DSorry, null.test does not accept mail"),
                        ("text.test", "DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)"),
                        ("dangling.test", "DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)"),
                        ("loop.test", "ZCNAME lookup failed temporarily. (#4.4.3)"),
                        # nsd answers REFUSED for zones that it does not have
                        ("closed.test", "ZSorry, I couldn't find any host by that name. (#4.1.2)\nDNS server "),
                        ("else.where", "ZSorry, I couldn't find any host by that name. (#4.1.2)\nDNS server ")):
                    reports = deliver(host)
                    equal(len(reports), 1, host)
                    expect(reports[0].startswith(report), f"{host}: {reports[0]!r}")


def test_the_log_says_what_is_wrong_with_the_dns():
    """Through the whole suite: temporary failures, each with its reason, and the messages stay."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    with nsd() as port, silent:
        for resolver, hosts in ((f"127.0.0.1:{port}", {
                "loop.test": r"CNAME_lookup_failed_temporarily\._\(#4\.4\.3\)/the_aliases_\(CNAME\)_of_loop2?\.\w+_loop",
                "else.where": r"Sorry,_I_couldn't_find_any_host_by_that_name\._\(#4\.1\.2\)/DNS_server_.*_answered_REFUSED"}), (
                f"127.0.0.1:{silent.getsockname()[1]}", {
                "a.test": r"Sorry,_I_couldn't_find_any_host_by_that_name\._\(#4\.1\.2\)/no_answer_from_any_DNS_server"})):
            with Suite(smtp=False, pop=False,
                       control={"smtproutes": None, "resolver": resolver, "timeoutdns": "1"}) as suite:
                for host, reason in hosts.items():
                    suite.sendmail("-f", f"{suite.accounts[0].name}@mail.test", f"b@{host}", data=b"Subject: x\n\n")
                    suite.wait_log(r"delivery \d+: deferral: " + reason)
                waiting = lambda: [f for f in suite.queue_files() if f.parent.parent.name == "mess"]
                wait_until(lambda: len(waiting()) == len(hosts), "they wait in the queue")


run(globals())
