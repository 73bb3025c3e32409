#!/bin/bash
# rcptd.sh [ACCOUNTS…]: RCPT look-ups a second by qmail-rcptd, for each number of accounts (default 1000 and 100000) with
# ten rules each below control/dotdir, on an ext4 of their own (a loop device); processor time and system calls for one.
# Nothing passes or fails; the processor time and the calls are what a busy machine disturbs least. From the source directory, as root:
#     bash tests/room.sh bash tests/bench/rcptd.sh
set -eu
[ $# -gt 0 ] || set -- 1000 100000
room=${HATO_ROOM:?run me by tests/room.sh}
make -s -j"$(nproc)" all install HOMEDIR="$room/home" BIN="$room/link" TESTBIN="$room/tests"
HATO_HOME=$room/home exec /usr/bin/python3 -B tests/bench/rcptd.py "$@"
