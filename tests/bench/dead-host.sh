#!/bin/bash
# dead-host.sh [DEAD] [LIVE]: LIVE (1000) messages for a host that answers, alone, and then beside DEAD (10000) for one
# that never does (a port whose connections are not accepted), in the installation HATO_HOME, whose queue and control
# files are rewritten. Prints how long the live host's mail takes in both cases and their ratio, qmail-send's memory,
# and what a restart in the middle leaves: every message of the live host should have arrived once, every one of the dead
# host still be there. Run as root. Nothing here passes or fails.
set -u
dead=${1:-10000} live=${2:-1000}
home=${HATO_HOME:?} work=${BENCH_STATE:-/tmp}
sink=${SINK_PORT:-21709} hole=${HOLE_PORT:-21708}
for f in me locals rcpthosts; do echo dead-host.test >"$home/control/$f"; done
printf 'live.test:127.0.0.1:%s\ndead.test:127.0.0.1:%s\n' "$sink" "$hole" >"$home/control/smtproutes"
echo "${TIMEOUTCONNECT:-60}" >"$home/control/timeoutconnect"
rm -f "$home/control/concurrencyremotehost" "$home/control/rateremotehost"
echo 20 >"$home/control/concurrencyremote"
clean() { for d in new mess state bad; do find "$home/queue/$d" -type f -delete; done; }
started=()
finish() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  rm -f "$home/control/timeoutconnect"
}
trap finish EXIT
# The one answers, and counts messages by their Subject, after 20 ms each; the other has its backlog full.
python3 - "$sink" "$hole" "$work/dead-host.seen" <<'PY' &
import asyncio, socket, sys
sink, hole, seen = int(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], "w", buffering=1)
deaf = socket.create_server(("127.0.0.1", hole), backlog=0)
full = []
for _ in range(4):
    s = socket.socket(); s.setblocking(False); s.connect_ex(("127.0.0.1", hole)); full.append(s)
async def serve(reader, writer):
    def say(text): writer.write(text + b"\r\n")
    say(b"220 live.test")
    while line := await reader.readline():
        verb = line[:4].upper()
        if verb == b"EHLO": say(b"250-live.test\r\n250 PIPELINING")
        elif verb == b"DATA":
            say(b"354 go")
            text = await reader.readuntil(b"\r\n.\r\n")
            await asyncio.sleep(0.02)
            seen.write(text.split(b"Subject: ", 1)[1].split(b"\r\n", 1)[0].decode() + "\n")
            say(b"250 ok")
        elif verb == b"QUIT": say(b"221 bye"); break
        else: say(b"250 ok")
    writer.close()
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", sink, limit=1 << 22) as server: await server.serve_forever()
asyncio.run(main())
PY
started+=($!)
seen() { sort "$work/dead-host.seen" | uniq | wc -l; }
inject() { # COUNT DOMAIN: with nobody delivering yet
  seq "$1" | xargs -P 4 -I{} sh -c 'printf "Subject: $1-{}\n\n" | "$0" -f a@dead-host.test u@"$1"' "$home/bin/qmail-inject" "$2"
}
start() {
  "$home/bin/qmail-start" ./Maildir/ 0>>"$work/dead-host.log" >/dev/null 2>&1 &
  delivery=$!
  started+=("$delivery")
}
stop() { kill -TERM "$delivery"; wait "$delivery" 2>/dev/null; }
rss() { sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$(pgrep -P "$delivery" -x qmail-send || echo "$delivery")/status"; }
now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{ printf "%.2f", $1 - $2 }'; }
gate() { # injection without delivery: the gate alone
  "$home/bin/qmail-queued" 2>/dev/null &
  queued=$!
  until python3 -c "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])" "$home/gate/s" 2>/dev/null; do sleep 0.05; done
}
live_takes() { # prints seconds until all of the live host's mail has arrived
  local begin
  begin=$(now)
  start
  until [ "$(seen)" -ge "$live" ]; do sleep 0.05; done
  since "$begin"
}
clean
: >"$work/dead-host.log"
for what in alone beside; do
  : >"$work/dead-host.seen"
  gate
  [ $what = alone ] || inject "$dead" dead.test
  inject "$live" live.test
  kill "$queued"; wait "$queued" 2>/dev/null
  live_takes >"$work/dead-host.$what"
  echo "live host's $live messages, $what: $(cat "$work/dead-host.$what") s; qmail-send has $(rss)"
  [ $what = alone ] && stop
done
echo "ratio: $(paste "$work/dead-host.alone" "$work/dead-host.beside" | awk '{ printf "%.2f", $2 / $1 }')"
# Again, and an orderly restart when half of it has arrived.
: >"$work/dead-host.seen"
stop
gate
inject "$live" live.test
kill "$queued"; wait "$queued" 2>/dev/null
start
until [ "$(seen)" -ge $((live / 2)) ]; do sleep 0.01; done
stop
start
until [ "$(seen)" -ge "$live" ]; do sleep 0.05; done
sleep 2
echo "with a restart in the middle: $(find "$home/queue/new" "$home/queue/mess" -type f | wc -l) of $dead messages for the dead host wait;" \
  "of the live host's $live $(seen) arrived, $(($(wc -l <"$work/dead-host.seen") - $(seen))) of them twice"
stop
clean
