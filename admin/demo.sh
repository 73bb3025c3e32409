#!/bin/bash
# demo.sh: hato at work, in a room of its own (tests/room.sh): installs into a scratch prefix, starts everything on high
# ports of 127.0.0.1, and sends real messages through it, showing every command. KEEP=1 stays up afterwards until
# Ctrl-C. SMTP_PORT and POP_PORT choose the ports (default: free ones). Exit 1 when a message did not come through.
{ # the whole script is read before it runs: it may be changed meanwhile
set -u
room=${HATO_ROOM:?run me by make demo}
home=$room/home source=$(pwd) domain=demo.example
PATH=$home/bin:$PATH:/usr/sbin:/sbin
export LC_ALL=C.UTF-8
number=0 trouble=0 started=()

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
step() { number=$((number + 1)); printf '\n%s%d. %s%s\n' "$bold" "$number" "$1" "$plain"; }
tell() { printf '   %s\n' "$@"; }
show() { sed 's/^/      /'; }
# run COMMAND LINE: shows it as one would type it, and does it
run() { printf '   $ %s\n' "$1"; eval "$1" 2>&1 | show; }
bad() { trouble=$((trouble + 1)); printf '   %sNOT AS IT SHOULD BE: %s%s\n' "$bold" "$1" "$plain"; }
# until_true SECONDS COMMAND
until_true() {
  local end=$((SECONDS + $1))
  shift
  until eval "$*"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}
stop_all() {
  local i pid
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    pid=${started[i]}
    kill -TERM "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  started=()
}
goodbye() { trap '' INT TERM HUP; printf '\n'; step "Stopping"; stop_all; tell "Everything is stopped; $room is removed."; exit "$((trouble > 0))"; }
trap goodbye INT TERM HUP

# talk PORT LINE...: a dialogue by hand. What the server says is marked S, what we say C. A line may hold \r\n itself.
talk() { (dialogue "$@") || bad "the server went away"; }
dialogue() {
  local port=$1 line said
  shift
  exec 5<>"/dev/tcp/127.0.0.1/$port" || return 1
  hear || return 1
  for line in "$@"; do
    said=$(printf '%s' "$line" | sed -e "s/^PASS .*/PASS ********/" -e $'s/\r$//')
    printf '%s\n' "$said" | sed 's/^/      C: /'
    printf '%s\r\n' "$line" >&5
    case $line in
    RETR*) hear_until_dot ;;
    *) hear ;;
    esac
    [ $? = 0 ] || return 1
  done
}
hear() {
  local reply
  while IFS= read -r -t 30 reply <&5; do
    printf '      S: %s\n' "${reply%$'\r'}"
    case $reply in [0-9][0-9][0-9]-*) ;; *) return 0 ;; esac
  done
  return 1
}
hear_until_dot() {
  local reply
  while IFS= read -r -t 30 reply <&5; do
    reply=${reply%$'\r'}
    printf '      S: %s\n' "$reply"
    case $reply in . | -ERR*) return 0 ;; esac
  done
  return 1
}

echo "${bold}hato: a mail suite in the qmail style, at work${plain}"
echo "Everything happens in $room and on 127.0.0.1; your system's mail is not touched."

step "Building, and installing into a scratch prefix"
tell "\$ make install HOMEDIR=$home"
mkdir -p build
(
  flock 9
  exec make -s -j"$(nproc)" install HOMEDIR="$home" BIN="$room/link" 9>&-
) 9>build/.lock >"$room/make.log" 2>&1 || {
  tail -n 30 "$room/make.log"
  echo "demo: could not build or install"
  exit 1
}
tail -n 1 "$room/make.log" | show
run "make -s instcheck HOMEDIR=$home"
cd "$room" || exit 1

step "Two customers, ann and bob, and the configuration"
ann=ann bob=bob
[ -n "${ROOM_NAMESPACE:-}" ] || { ann=hatoann bob=hatobob; echo "user $ann" >>"$HATO_SCRATCH"; echo "user $bob" >>"$HATO_SCRATCH"; }
password=demo
mkdir -p "$room/homes"
for user in $ann $bob; do
  useradd -M -U -d "$room/homes/$user" -s /bin/sh "$user" 2>/dev/null
  echo "$user:$password" | chpasswd -c SHA512
  install -d -o "$user" -g "$user" "$room/homes/$user"
  setpriv --reuid "$user" --regid "$user" --clear-groups maildirmake "$room/homes/$user/Maildir"
  # user-ANYTHING, too, goes to the Maildir
  echo ./Maildir/ >"$room/homes/$user/.qmail-default"
  chown "$user:$user" "$room/homes/$user/.qmail-default"
done
tell "Users of this machine (only inside the demo), each with a Maildir; password: $password"
mkdir -p "$room/sink"
# The rest of the world, for this demo: an SMTP server in a few lines of shell that keeps what it gets.
cat >"$room/world.sh" <<'SINK'
crlf() { printf '%s\r\n' "$1"; }
crlf '220 far-away.example'
while IFS= read -r line; do
  case $line in
  [Ee][Hh][Ll][Oo]*) printf '250-far-away.example\r\n250 8BITMIME\r\n' ;;
  [Dd][Aa][Tt][Aa]*)
    crlf '354 go on'
    file=$(mktemp sink/XXXXXX)
    while IFS= read -r text; do
      [ "$text" != "$(printf '.\r')" ] || break
      printf '%s\n' "$text"
    done | tr -d '\r' >"$file"
    mv "$file" "$file.message"
    crlf '250 far-away.example has it'
    ;;
  [Qq][Uu][Ii][Tt]*) crlf '221 bye'; exit ;;
  *) crlf '250 ok' ;;
  esac
done
SINK
serve() { # NAME PORT PROGRAM...: tcpserver; its port comes back in $port
  local name=$1 wish=$2
  shift 2
  tcpserver -1 -H -R -l "$domain" -c 50 127.0.0.1 "$wish" "$@" >"$room/$name.port" 2>>"$room/$name.log" </dev/null &
  started+=($!)
  until_true 10 "[ -s '$room/$name.port' ]" || { bad "$name did not start"; tail -n 5 "$room/$name.log" | show; stop_all; exit 1; }
  port=$(cat "$room/$name.port")
}
serve world 0 sh "$room/world.sh"
world=$port
run "echo $domain > $home/control/me"
run "echo $domain > $home/control/locals"
run "echo $domain > $home/control/rcpthosts"
run "echo 20971520 > $home/control/databytes"
tell "All mail for other domains goes to the demo's own stand-in for the rest of the world:"
run "echo :127.0.0.1:$world > $home/control/smtproutes"
tell "Who gets which addresses (users/assign):"
for user in $ann $bob; do
  id=$(id -u $user):$(id -g $user)
  printf '=%s:%s:%s:%s:::\n+%s-:%s:%s:%s:-::\n' $user $user "$id" "$room/homes/$user" $user $user "$id" "$room/homes/$user"
done >"$home/users/assign"
echo . >>"$home/users/assign"
run "cat $home/users/assign"
run "$home/bin/qmail-newu"

step "Starting the suite"
tell "\$ qmail-start ./Maildir/                        (queue and deliveries; the log goes to descriptor 0)"
env -i PATH="$PATH" HATO_ROOM="$room" qmail-start ./Maildir/ 0>>"$room/send.log" >"$room/send.out" 2>&1 &
started+=($!)
until_true 15 "[ -S '$home/gate/s' ]" || bad "the gate did not open"
tell "\$ tcpserver 127.0.0.1 ${SMTP_PORT:-0} qmail-smtpd              (0: any free port)"
serve smtp "${SMTP_PORT:-0}" env -i PATH="$PATH" HATO_ROOM="$room" RELAYCLIENT= TCPREMOTEIP=127.0.0.1 TCPLOCALIP=127.0.0.1 PROTO=TCP qmail-smtpd
smtp=$port
tell "\$ tcpserver 127.0.0.1 ${POP_PORT:-0} qmail-popup $domain checkpassword qmail-pop3d Maildir"
serve pop "${POP_PORT:-0}" qmail-popup "$domain" checkpassword qmail-pop3d Maildir
pop=$port
until_true 10 "ps -eo args= | grep -q '^qmail-clean\|/qmail-clean'" || bad "not all daemons run"
tell "SMTP listens on port $smtp, POP3 on port $pop. Who runs as whom:"
ps -eo user:8,pid,args --forest | grep -E 'qmail-|tcpserver' | grep -vE 'grep|demo.sh' | cut -c 1-110 | show

step "A message comes in by SMTP, for ann"
talk "$smtp" "EHLO laptop.example" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<$ann@$domain>" "DATA" \
  $'From: carol@laptop.example\r\nTo: '"$ann@$domain"$'\r\nSubject: =?ISO-2022-JP?B?GyRCSC8bKEI=?= by carrier pigeon\r\n\r\nHello ann,\r\n..this line begins with a dot.\r\n.' "QUIT"
inbox=$room/homes/$ann/Maildir/new
if until_true 30 "ls $inbox/* >/dev/null 2>&1"; then
  tell "It is in her Maildir:"
  run "ls $inbox"
  run "cat $inbox/*"
  grep -qx '.this line begins with a dot.' "$inbox"/* || bad "the text came through changed"
else
  bad "it did not arrive"
fi

step "ann fetches it by POP3"
talk "$pop" "USER $ann" "PASS $password" "STAT" "RETR 1" "DELE 1" "QUIT" | tee "$room/pop.said"
grep -q '^      S: .*this line begins with a dot' "$room/pop.said" || bad "POP3 did not show the message"
[ -z "$(ls "$inbox")" ] || bad "the message is still there"

step "A web form of ann's calls sendmail -t -f, and bob gets the message"
letter() { printf 'To: %s\nSubject: from a script\n\nThe form was filled in at %s.\n' "$1" "$(date)"; }
tell "\$ sendmail -t -f $ann@$domain < letter       (as the user $ann)"
letter "$bob@$domain" | show
letter "$bob@$domain" | setpriv --reuid $ann --regid $ann --clear-groups "$home/bin/sendmail" -t -f "$ann@$domain" || bad "sendmail failed"
inbox=$room/homes/$bob/Maildir/new
if until_true 30 "ls $inbox/* >/dev/null 2>&1"; then
  tell "bob's Maildir:"
  run "cat $inbox/*"
else
  bad "it did not arrive"
fi

step "And one to the rest of the world, by SMTP"
tell "\$ sendmail -t -f $ann@$domain < letter       (To: dave@far-away.example)"
letter dave@far-away.example | setpriv --reuid $ann --regid $ann --clear-groups "$home/bin/sendmail" -t -f "$ann@$domain" || bad "sendmail failed"
if until_true 30 "ls $room/sink/*.message >/dev/null 2>&1"; then
  tell "far-away.example got:"
  run "cat $room/sink/*.message"
else
  bad "it did not arrive"
fi

step "What the queue's log says"
until_true 20 "! find $home/queue/new $home/queue/mess -type f | grep -q ." || bad "the queue is not empty"
run "cat $room/send.log $room/send.out"
run "qmail-qstat"

if [ "$trouble" = 0 ]; then printf '\n   %sAll messages came through.%s\n' "$bold" "$plain"; else printf '\n   %s%d things went wrong.%s\n' "$bold" "$trouble" "$plain"; fi
if [ -n "${KEEP:-}" ]; then
  step "KEEP=1: it stays up. Connect with your own mail program:"
  tell "incoming mail:  POP3, server 127.0.0.1, port $pop, no encryption, user $ann or $bob, password $password" \
    "outgoing mail:  SMTP, server 127.0.0.1, port $smtp, no encryption, no password" \
    "addresses:      $ann@$domain and $bob@$domain, also $ann-ANYTHING@$domain" \
    "from a shell:   curl --mail-from me@$domain --mail-rcpt $bob@$domain -T FILE smtp://127.0.0.1:$smtp" \
    "log:            tail -f $room/send.log" \
    "end:            Ctrl-C"
  while :; do sleep 3600 & wait $!; done
fi
goodbye
exit
}
