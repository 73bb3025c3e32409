"""A thousand generated messages, in by SMTP and by sendmail, arrive exactly once and byte for byte."""

import concurrent.futures
import hashlib
import random

from suite import *

SEED = int(os.environ.get("SEED", "20020401"))
BIG = 20 * 1000 * 1000


def japanese(rng, n):
    return "".join(chr(rng.randrange(0x3041, 0x3094)) for _ in range(n))


def encoded_subject(rng):
    import base64
    raw = japanese(rng, rng.randrange(1, 20)).encode("iso-2022-jp")
    return b"=?ISO-2022-JP?B?" + base64.b64encode(raw) + b"?="


def body(rng, kind):
    """Lines ending in LF; only `unended` has a last line without."""
    if kind == "plain":
        return b"".join(b"line %d %s\n" % (i, b"x" * rng.randrange(70)) for i in range(rng.randrange(1, 60)))
    if kind == "eight":
        line = lambda: bytes(rng.choice([b for b in range(1, 256) if b not in (10, 13)]) for _ in range(rng.randrange(200)))
        return b"".join(line() + b"\n" for _ in range(rng.randrange(1, 30)))
    if kind == "jis":
        return b"".join(japanese(rng, rng.randrange(40)).encode("iso-2022-jp") + b"\n" for _ in range(rng.randrange(1, 30)))
    if kind == "long":
        return b"".join(b"L" * rng.choice([998, 999, 1000, 1001, 2000, 4095, 4096, 4097, 70000]) + b"\n" for _ in range(4))
    if kind == "dots":
        return b"".join(rng.choice([b".", b"..", b"...", b".x", b"x.", b"", b". "]) + b"\n" for _ in range(rng.randrange(1, 40)))
    if kind == "nul":
        return b"a\0b\n\0\n\0\0\0\n"
    if kind == "unended":
        return b"the last line has no end: " + b"z" * rng.randrange(5000)
    if kind == "from":
        return b"From here on\n>From there\nFrom \n"
    if kind == "blank":
        return b"\n" * rng.randrange(20)
    raise AssertionError(kind)


def generate(rng, number, kind):
    head = b"X-Number: %d\nFrom: a@elsewhere.test\nTo: b@mail.test\nDate: Mon, 1 Apr 2002 00:00:00 +0900\nMessage-ID: <%d@elsewhere.test>\n" % (number, number)
    if kind == "jis":
        head += b"Subject: " + encoded_subject(rng) + b"\n\t" + encoded_subject(rng) + b"\n"
    elif kind == "eight":
        head += b"Subject: " + japanese(rng, 12).encode("utf-8") + b" \xe9\xff\n"
    elif kind == "long":
        head += b"X-Long: " + b"h" * 2000 + b"\n"
    return head + b"\n" + body(rng, kind)


def test_a_thousand_messages():
    rng = random.Random(SEED)
    kinds = ["plain", "eight", "jis", "long", "dots", "from", "blank", "nul"]
    with Suite() as suite:
        ann, bob = suite.accounts
        by_smtp = [generate(rng, n, rng.choice(kinds)) for n in range(800)]
        by_sendmail = [generate(rng, n, "unended" if n % 4 == 0 else rng.choice(kinds)) for n in range(800, 1000)]
        sent = {ann: [], bob: []}

        def over_smtp(part):
            with Dialogue(suite.smtp_port) as talk:
                talk.command("EHLO client.test", 250)
                for n, message in part:
                    to = (ann, bob)[n % 2]
                    talk.command("MAIL FROM:<a@elsewhere.test>" + (" BODY=8BITMIME" if n % 3 else ""), 250)
                    talk.command(f"RCPT TO:<{to.name}@mail.test>", 250)
                    talk.command("DATA", 354)
                    talk.send(stuffed(message.replace(b"\n", b"\r\n")) + b".\r\n")
                    code, text = talk.reply()
                    equal(code, 250, text)
                    sent[to].append(message)
                talk.command("QUIT", 221)

        def by_program(part):
            for n, message in part:
                to = (ann, bob)[n % 2]
                suite.sendmail("-i", "-f", "a@elsewhere.test", f"{to.name}@mail.test", data=message)
                sent[to].append(message)

        numbered = list(enumerate(by_smtp))
        injected = list(enumerate(by_sendmail, 800))
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            work = [pool.submit(over_smtp, numbered[k::8]) for k in range(8)] + [
                pool.submit(by_program, injected[k::2]) for k in range(2)]
            for one in work:
                one.result()
        wanted = sum(map(len, sent.values()))
        equal(wanted, 1000)
        wait_until(lambda: len(ann.files()) + len(bob.files()) >= wanted, "not everything arrived", 300)
        suite.wait_empty()
        for account in (ann, bob):
            got = sorted(body_of(m) for m in account.messages())
            exact = sorted(sent[account])
            equal(len(got), len(exact), f"{account.name}: exactly once")
            for a, b in zip(got, exact):
                if a != b:
                    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                    raise Failure(f"{account.name}: differs at byte {at} of {len(b)}: {a[at - 40:at + 40]!r}, sent {b[at - 40:at + 40]!r}")


def test_empty_message():
    """Nothing between DATA and the dot, and nothing on sendmail's input."""
    with Suite() as suite:
        ann, bob = suite.accounts
        equal(suite.smtp_session(f"{ann.name}@mail.test", data=b"")[0], 250)
        equal(body_of(suite.wait_messages(ann, 1)[0]), b"")
        suite.sendmail("-f", "a@elsewhere.test", f"{bob.name}@mail.test", data=b"")
        suite.wait_messages(bob, 1)
        suite.wait_empty()


def test_twenty_megabytes():
    with Suite() as suite:
        ann, bob = suite.accounts
        line = b"0123456789abcdef" * 4 + b"\n"
        message = b"Subject: big\n\n" + line * (BIG // len(line))
        equal(suite.smtp_session(f"{ann.name}@mail.test", data=message.replace(b"\n", b"\r\n"))[0], 250)
        suite.sendmail("-i", "-f", "a@elsewhere.test", f"{bob.name}@mail.test", data=message)
        digest = hashlib.sha256(message).hexdigest()
        equal(hashlib.sha256(body_of(suite.wait_messages(ann, 1)[0])).hexdigest(), digest, "by SMTP")
        got = body_of(suite.wait_messages(bob, 1)[0])
        expect(got.endswith(message.split(b"\n\n", 1)[1]), "by sendmail")
        suite.wait_empty()


def test_crlf_is_lf_in_the_queue():
    """What lies in the queue while a delivery is deferred has LF line ends."""
    with Suite(control={"smtproutes": ":127.0.0.1:1"}) as suite:
        equal(suite.smtp_session("far@away.test", data=b"Subject: ends\r\n\r\none\r\ntwo\r\n")[0], 250)
        suite.wait_log("deferral")
        files = wait_until(lambda: [f for f in (HOME / "queue/mess").rglob("*") if f.is_file()], "nothing in mess")
        text = files[0].read_bytes() if files[0].stat().st_size < 1 << 20 else None
        with open(files[0], "rb") as file:
            file.seek(256 << 20)
            text = file.read()
        expect(text.endswith(b"Subject: ends\n\none\ntwo\n"), f"{text[-100:]!r}")
        expect(b"\r" not in text, "no CR")


run(globals())
