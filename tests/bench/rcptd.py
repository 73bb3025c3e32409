"""Fills accounts.cdb and control/dotdir, starts qmail-rcptd and asks it: `rcptd.py ACCOUNTS…`, by rcptd.sh."""

import collections
import contextlib
import os
import pathlib
import pwd
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import time

HOME = pathlib.Path(os.environ["HATO_HOME"])
ROOM = pathlib.Path(os.environ["HATO_ROOM"])
RULES = 10
UID = 64000
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
TRACED = 2000  # look-ups
PANEL = pwd.getpwnam("qmailc").pw_uid


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


def in_child(work):
    """Runs work() in a process of its own; what it returns, a few numbers, is read from a pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writing, " ".join(map(str, work())).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)

    def result():
        with open(reading) as pipe:
            text = pipe.read()
        if os.waitpid(pid, 0)[1] != 0:
            raise SystemExit("a process of the benchmark failed")
        return [float(word) for word in text.split()]

    return result


@contextlib.contextmanager
def file_system(number):
    """An ext4 of its own, with inodes for so many accounts; what it holds goes with it."""
    image, where = ROOM / "image", ROOM / "fs"
    where.mkdir()
    inodes = number * (RULES + 2) + 1000
    with open(image, "wb") as file:
        file.truncate(inodes * 1536 + (64 << 20))
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(inodes), "-m", "0", "-O", "inline_data,^has_journal", image], check=True)
        subprocess.run(["mount", "-o", "loop,noatime,noinit_itable", image, where], check=True)
        yield where
        subprocess.run(["umount", where], check=True)
    finally:
        image.unlink()
        where.rmdir()


def make_accounts(homes, rules, first, last):
    """Homes, and directories of dot-files as qmail-dot makes them. By the files' owner: so nothing is to be given away."""
    os.umask(0)
    at_homes, at_rules = os.open(homes, os.O_DIRECTORY), os.open(rules, os.O_DIRECTORY)
    os.setegid(UID)
    os.seteuid(UID)
    for n in range(first, last):
        os.mkdir(f"user{n}", 0o755, dir_fd=at_homes)
    os.seteuid(0)
    os.setgroups([UID])
    os.seteuid(PANEL)
    for n in range(first, last):
        os.mkdir(f"user{n}", 0o2750, dir_fd=at_rules)
        own = os.open(f"user{n}", os.O_DIRECTORY, dir_fd=at_rules)
        for rule in range(RULES):
            fd = os.open(f".qmail-rule{rule}", os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=own)
            os.write(fd, b"&x@there.example\n")
            os.close(fd)
        os.close(own)
    return []


def build(number, place):
    homes, rules = place / "homes", place / "rules"
    homes.mkdir()
    rules.mkdir()
    os.chown(homes, UID, UID)
    os.chown(rules, PANEL, 0)
    children = [in_child(lambda part=part: make_accounts(homes, rules, number * part // 2, number * (part + 1) // 2))
                for part in range(2)]

    def records():
        for n in range(number):
            yield (f"auser{n}".encode(),
                   f"uid={UID}\ngid={UID}\nhome={homes}/user{n}\nmailbox=./Maildir/\n".encode())
        yield b"", b"generation=1\n"

    write_cdb(HOME / "users/accounts.cdb", records())
    for child in children:
        child()
    subprocess.run(["sync", "-f", place], check=True)  # or it is written while we measure
    for name, text in (("me", "pobox.example"), ("systemusers", "0"), ("homes", str(homes)), ("dotdir", str(rules))):
        (HOME / "control" / name).write_text(text + "\n")


def ask(number, seed, go_on):
    """Asks as long as go_on(ASKED): every other time for a rule that is there, else for a name nobody has asked for before."""
    chance, asked, wrong = random.Random(seed), 0, 0
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(HOME / "gate/policy/rcptd"))
        while go_on(asked):
            exists = asked % 2 == 0
            what = f"rule{chance.randrange(RULES)}" if exists else f"no{seed}x{asked}"
            s.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nsender=s@there.example\n"
                      b"recipient=user%d-%s@pobox.example\nsize=0\n\n" % (chance.randrange(number), what.encode()))
            wrong += s.recv(4096).startswith(b"action=DUNNO") != exists
            asked += 1
    return asked, wrong


def processes(pid):
    return [pid] + list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def cpu_seconds(pid):
    total = 0
    for one in processes(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


seeds = iter(range(1, 1 << 30))


def together(number, connections, go_on):
    children = [in_child(lambda seed=seed: ask(number, seed, go_on)) for seed in [next(seeds) for _ in range(connections)]]
    results = [child() for child in children]
    if wrong := int(sum(one[1] for one in results)):
        raise SystemExit(f"{wrong} WRONG answers")
    return sum(one[0] for one in results)


def measure(server, number, connections):
    """Look-ups a second, and microseconds of processor time that qmail-rcptd takes for one."""
    until = time.monotonic() + SECONDS
    before = cpu_seconds(server.pid)
    asked = together(number, connections, lambda _: time.monotonic() < until)
    return asked / SECONDS, (cpu_seconds(server.pid) - before) / asked * 1e6


def trace(server, number):
    """System calls for one look-up, by name."""
    report = ROOM / "strace"
    pids = processes(server.pid)
    tracer = subprocess.Popen(["strace", "-c", "-o", report] + [word for pid in pids for word in ("-p", str(pid))],
                              stderr=subprocess.PIPE, text=True)
    for _ in pids:
        tracer.stderr.readline()  # "Process N attached"
    together(number, 1, lambda asked: asked < TRACED)
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    calls = collections.Counter()
    for line in report.read_text().splitlines():
        if found := re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)", line):
            if found[2] != "total":
                calls[found[2]] = round(int(found[1]) / TRACED, 1)
    return calls


def main():
    numbers = list(map(int, sys.argv[1:]))
    rates, costs, counts = {}, {}, {}
    for number in numbers:
        with file_system(number) as place:
            begin = time.monotonic()
            build(number, place)
            print(f"{number} accounts, {number * RULES} rules: made in {time.monotonic() - begin:.0f} s", flush=True)
            server = subprocess.Popen([HOME / "bin/qmail-rcptd"])
            try:
                while not (HOME / "gate/policy/rcptd").exists():
                    time.sleep(0.05)
                # A directory that nobody has looked into since it was made comes from the disk, not from the kernel's cache.
                begin, draws = time.monotonic(), 3 * number
                together(number, 4, lambda asked: asked < draws // 4)
                print(f"  {draws} look-ups to begin with: {draws / (time.monotonic() - begin):.0f} a second", flush=True)
                for connections in (1, 4):
                    measure(server, number, connections)  # warm
                    rates[number, connections], costs[number, connections] = measure(server, number, connections)
                    print(f"  {connections} connections: {rates[number, connections]:.0f} look-ups a second, "
                          f"{costs[number, connections]:.0f} us of processor time each", flush=True)
                calls = trace(server, number)
                counts[number] = sum(calls.values())
                print(f"  system calls for one: {counts[number]:.1f} (" +
                      ", ".join(f"{name} {count:g}" for name, count in calls.most_common() if count) + ")", flush=True)
            finally:
                server.terminate()
                server.wait()
                os.unlink(HOME / "gate/policy/rcptd")
    first, last = numbers[0], numbers[-1]
    for connections in (1, 4):
        print(f"{last} accounts against {first}, {connections} connections: look-ups a second "
              f"{rates[last, connections] / rates[first, connections]:.2f}, processor time for one "
              f"{costs[last, connections] / costs[first, connections]:.2f}")
    print(f"{last} accounts against {first}: system calls for one {counts[last] / counts[first]:.2f}")


main()
