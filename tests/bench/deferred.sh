#!/bin/bash
# deferred.sh NUMBER: a queue of NUMBER deferred messages in the installation HATO_HOME (its queue and control files are
# rewritten). Prints how long qmail-send takes until it delivers after a start, how many files of deferred messages it
# opened until then, and the time of injection beside the same into an empty queue, which is measured before and
# afterwards: what those two differ by is the machine's noise. Run as root.
set -u
number=${1:-200000} home=${HATO_HOME:?} work=${BENCH_STATE:-/tmp}
sample=2000
for f in me locals rcpthosts; do echo deferred.test >"$home/control/$f"; done
echo ':127.0.0.1:1' >"$home/control/smtproutes"
rm -f "$home/control/concurrencyremote"
echo 0 >"$home/control/concurrencyremote"
user=benchu0
getent passwd $user | awk -F: '{ printf "=%s:%s:%s:%s:%s:::\n.\n", $1, $1, $3, $4, $6 }' >"$home/users/assign"
"$home/bin/qmail-newu"
inbox=$(getent passwd $user | cut -d: -f6)/Maildir/new
clean() { for d in new mess state bad; do find "$home/queue/$d" -type f -delete; done; }
start() { # [strace...]
  : >"$work/deferred.log"
  "$@" "$home/bin/qmail-start" ./Maildir/ 0>>"$work/deferred.log" >/dev/null 2>&1 &
  pid=$!
  until [ -S "$home/gate/s" ] && python3 -c "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])" "$home/gate/s" 2>/dev/null; do sleep 0.05; done
}
stop() {
  local child
  child=$pid
  if [ "$(cat /proc/$pid/comm)" = strace ]; then child=$(cat /proc/$pid/task/$pid/children); fi
  # shellcheck disable=SC2086
  kill -TERM $child
  wait $pid 2>/dev/null
}
now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{ printf "%.2f", $1 - $2 }'; }
inject() { # COUNT ADDRESS
  seq "$1" | xargs -P 8 -I{} sh -c 'printf "Subject: {}\n\n" | "$0" -f a@deferred.test "$1"' "$home/bin/qmail-inject" "$2"
}
delivered() { # waits until one local message is delivered
  rm -f "$inbox"/*
  printf 'Subject: now\n\n' | "$home/bin/qmail-inject" -f a@deferred.test $user@deferred.test
  until [ -n "$(ls "$inbox")" ]; do sleep 0.02; done
}

clean
start
begin=$(now)
inject $sample far@away.test
echo "injection into an empty queue:    $(since "$begin") s for $sample messages"
# the rest as copies of one message, under other names: a queue file is immutable and self-contained
stop
one=$(find "$home/queue/mess" "$home/queue/new" -type f | head -n 1)
split=$(find "$home/queue/mess" -mindepth 1 -maxdepth 1 -type d | wc -l)
python3 - "$one" "$home/queue/mess" "$split" "$number" <<'PY'
import os, subprocess, sys
one, mess, split, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
info = os.stat(one)
base = int(os.path.basename(one)) - number * 1000 - 10**9
for n in range(number):
    ident = base + n * 1000
    # a hard link is a name like any other; a copy would need the space of the file system's block twice
    to = f"{mess}/{ident % split}/{ident}"
    if n % 30000 == 0:
        subprocess.run(["cp", "-p", "--sparse=always", one, to], check=True)
        source = to
    else:
        os.link(source, to)
PY
echo "deferred messages in the queue:   $(find "$home/queue/mess" "$home/queue/new" -type f | wc -l)"
begin=$(now)
start strace -f -qq -e trace=open,openat,openat2 -o "$work/deferred.trace"
delivered
echo "start to first local delivery:    $(since "$begin") s (under strace)"
echo "deferred messages opened by then: $(grep -cE '/mess/[0-9]+/[0-9]{16}"' "$work/deferred.trace")"
stop
begin=$(now)
start
delivered
echo "start to first local delivery:    $(since "$begin") s"
begin=$(now)
inject $sample far@away.test
echo "injection into the full queue:    $(since "$begin") s for $sample messages"
stop
clean
start
begin=$(now)
inject $sample far@away.test
echo "into an empty queue once more:    $(since "$begin") s for $sample messages"
stop
clean
