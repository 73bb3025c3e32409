#!/bin/bash
# deferred.sh NUMBER: a queue of NUMBER deferred messages in the installation HATO_HOME (its queue and control files are
# rewritten). Prints how long qmail-send takes until it delivers after a start, how many files of deferred messages and
# of their state it opened until then, and the time of injection beside the same into an empty queue, which is measured before and
# afterwards: what those two differ by is the machine's noise. Run as root.
set -u
number=${1:-200000} home=${HATO_HOME:?} work=${BENCH_STATE:-/tmp}
sample=2000
for f in me locals rcpthosts; do echo deferred.test >"$home/control/$f"; done
echo ':127.0.0.1:1' >"$home/control/smtproutes"
rm -f "$home/control/concurrencyremote"
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

# One message that was tried and deferred, and so has a state file: the rest are copies of it, under other names. A
# queue file is immutable and self-contained, and a state file belongs to its message by a key that both have.
clean
start
inject 1 far@away.test
until grep -q deferral "$work/deferred.log"; do sleep 0.1; done
stop
one=$work/deferred.message state=$work/deferred.state
mv "$(find "$home/queue/mess" -type f)" "$one"
mv "$(find "$home/queue/state" -type f)" "$state"
birth=$(date +%s)000000
echo 0 >"$home/control/concurrencyremote"
clean
start
begin=$(now)
inject $sample far@away.test
echo "injection into an empty queue:    $(since "$begin") s for $sample messages"
stop
split=$(find "$home/queue/mess" -mindepth 1 -maxdepth 1 -type d | wc -l)
python3 - "$one" "$state" "$home/queue" "$split" "$number" "$birth" <<'PY'
import os, subprocess, sys
queue, split, number, birth = sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
source = {}
for n in range(number):
    ident = birth - (number - n) * 1000 - 10**9
    # a hard link is a name like any other; a copy would need the space of the file system's block twice
    for original, kind in ((sys.argv[1], "mess"), (sys.argv[2], "state")):
        to = f"{queue}/{kind}/{ident % split}/{ident}"
        if n % 30000 == 0:
            subprocess.run(["cp", "-p", "--sparse=always", original, to], check=True)
            source[kind] = to
        else:
            os.link(source[kind], to)
PY
echo "deferred messages in the queue:   $(find "$home/queue/mess" "$home/queue/new" -type f | wc -l), with state: $(find "$home/queue/state" -type f | wc -l)"
begin=$(now)
start strace -f -qq -e trace=open,openat,openat2 -o "$work/deferred.trace"
delivered
echo "start to first local delivery:    $(since "$begin") s (under strace)"
echo "deferred messages opened by then: $(grep -cE '/mess/[0-9]+/[0-9]{16}"' "$work/deferred.trace"), state files: $(grep -cE '/state/[0-9]+/[0-9]{16}"' "$work/deferred.trace")"
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
