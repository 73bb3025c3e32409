"""Fills accounts.cdb and control/dotdir, starts qmail-rcptd and asks it: `rcptd.py ACCOUNTS…`, by rcptd.sh."""

import os
import pathlib
import pwd
import random
import socket
import struct
import subprocess
import sys
import threading
import time

HOME = pathlib.Path(os.environ["HATO_HOME"])
ROOM = pathlib.Path(os.environ["HATO_ROOM"])
RULES = 10
UID = 64000
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))


def write_cdb(path, records):
    """cdb(5)."""
    tables = [[] for _ in range(256)]
    with open(path, "wb", buffering=1 << 20) as out:
        out.seek(2048)
        at = 2048
        for key, data in records:
            out.write(struct.pack("<II", len(key), len(data)) + key + data)
            number = 5381
            for c in key:
                number = ((number << 5) + number ^ c) & 0xFFFFFFFF
            tables[number & 255].append((number, at))
            at += 8 + len(key) + len(data)
        heads = []
        for table in tables:
            slots = [(0, 0)] * (2 * len(table))
            for number, where in table:
                slot = (number >> 8) % len(slots)
                while slots[slot][1]:
                    slot = (slot + 1) % len(slots)
                slots[slot] = (number, where)
            heads.append((at, len(slots)))
            for pair in slots:
                out.write(struct.pack("<II", *pair))
            at += 8 * len(slots)
        out.seek(0)
        for head in heads:
            out.write(struct.pack("<II", *head))


def build(number):
    homes, rules = ROOM / f"homes-{number}", ROOM / f"rules-{number}"
    panel = pwd.getpwnam("qmailc").pw_uid
    homes.mkdir()
    rules.mkdir()
    os.chown(rules, panel, 0)

    def records():
        for n in range(number):
            login = f"user{n}"
            home, own = homes / login, rules / login
            home.mkdir()
            own.mkdir(0o750)
            for rule in range(RULES):
                fd = os.open(own / f".qmail-rule{rule}", os.O_WRONLY | os.O_CREAT, 0o640)
                os.write(fd, b"&x@there.example\n")
                os.close(fd)
                os.chown(own / f".qmail-rule{rule}", panel, UID)
            os.chown(own, panel, UID)
            os.chown(home, UID, UID)
            yield f"a{login}".encode(), f"uid={UID}\ngid={UID}\nhome={home}\nmailbox=./Maildir/\n".encode()
        yield b"", b"generation=1\n"

    write_cdb(HOME / "users/accounts.cdb", records())
    for name, text in (("me", "pobox.example"), ("systemusers", "0"), ("homes", str(homes)), ("dotdir", str(rules))):
        (HOME / "control" / name).write_text(text + "\n")


class Asker(threading.Thread):
    def __init__(self, number, seed, until):
        super().__init__()
        self.number, self.random, self.until, self.asked, self.wrong = number, random.Random(seed), until, 0, 0

    def run(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(HOME / "gate/policy/rcptd"))
            while time.monotonic() < self.until:
                exists = self.random.random() < 0.5
                local = f"user{self.random.randrange(self.number)}-" + (
                    f"rule{self.random.randrange(RULES)}" if exists else f"no{self.random.randrange(1000)}")
                s.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nsender=s@there.example\n"
                          b"recipient=" + local.encode() + b"@pobox.example\nsize=0\n\n")
                answer = s.recv(4096)
                self.asked += 1
                self.wrong += answer.startswith(b"action=DUNNO") != exists


def measure(number, connections):
    until = time.monotonic() + SECONDS
    askers = [Asker(number, seed, until) for seed in range(connections)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    if wrong := sum(asker.wrong for asker in askers):
        print(f"  {wrong} WRONG answers")
    return sum(asker.asked for asker in askers) / SECONDS


def main():
    rates = {}
    for number in map(int, sys.argv[1:]):
        begin = time.monotonic()
        build(number)
        print(f"{number} accounts, {number * RULES} rules: made in {time.monotonic() - begin:.0f} s", flush=True)
        server = subprocess.Popen([HOME / "bin/qmail-rcptd"])
        while not (HOME / "gate/policy/rcptd").exists():
            time.sleep(0.05)
        for connections in (1, 4):
            measure(number, connections)  # warm
            rates[number, connections] = measure(number, connections)
            print(f"  {connections} connections: {rates[number, connections]:.0f} look-ups a second", flush=True)
        server.terminate()
        server.wait()
        os.unlink(HOME / "gate/policy/rcptd")
    numbers = list(map(int, sys.argv[1:]))
    for connections in (1, 4):
        print(f"{numbers[-1]} accounts against {numbers[0]}, {connections} connections: "
              f"{rates[numbers[-1], connections] / rates[numbers[0], connections]:.2f}")


main()
