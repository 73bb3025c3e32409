#!/bin/bash
# demo.sh: hato at work, in a room of its own (tests/room.sh): installs into a scratch prefix, starts everything on high
# ports of 127.0.0.1, and sends real messages through it, showing every command before it runs. KEEP=1 stays up afterwards
# until Ctrl-C. SMTP_PORT, POP_PORT and PANEL_PORT choose the ports (default: free ones). Exit 1 when something did not come
# out as it should.
{ # the whole script is read before it runs: it may be changed meanwhile
set -u
room=${HATO_ROOM:?run me by make demo}
home=$room/home domain=demo.example pobox=pobox.example customer_password=carrier-pigeon
PATH=$home/bin:$PATH:/usr/sbin:/sbin
export LC_ALL=C.UTF-8
number=0 trouble=0 started=()

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
step() { number=$((number + 1)); printf '\n%s%d. %s%s\n' "$bold" "$number" "$1" "$plain"; }
tell() { printf '   %s\n' "$@"; }
show() { sed 's/^/      /'; }
# run COMMAND LINE: shows it as one would type it, and does it. False: the command failed.
run() {
  printf '   $ %s\n' "$1"
  eval "$1" 2>&1 | show
  return "${PIPESTATUS[0]}"
}
# must COMMAND LINE: run, and what fails is trouble
must() { run "$1" || bad "it failed"; }
# start COMMAND LINE: shows it, and lets it run in the background. Its process becomes the last of $started.
start() {
  printf '   $ %s &\n' "$1"
  (eval "exec $1") </dev/null &
  started+=($!)
}
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
# All of it is in the file "said" afterwards.
talk() {
  tell "To 127.0.0.1, port $1 (C: what we send, S: what the server says):"
  dialogue "$@" | tee said
  [ "${PIPESTATUS[0]}" = 0 ] || bad "the server went away"
}
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

# What a browser does. browse METHOD PATH [FIELD...]: a request to the panel, with its cookies; FIELDs are NAME=VALUE of a form.
# $status, $location and $page are the answer; the page's text is shown, unless it is another page that is gone to.
cookies='' status='' location='' page=''
browse() { request "$@" || bad "the web server went away"; }
request() {
  local method=$1 path=$2 field form='' said='' reply
  shift 2
  for field in "$@"; do
    form+=${form:+&}${field%%=*}=$(percent "${field#*=}")
    case $field in
    key=*) field='key=(the secret that came with the form)' ;;
    password=*) field='password=********' ;;
    esac
    said+="${said:+, }${field//$'\n'/ and }"
  done
  printf '      browser: %s http://127.0.0.1:%s%s%s\n' "$method" "$panel" "$path" "${said:+ with $said}"
  exec 6<>"/dev/tcp/127.0.0.1/$panel" || return 1
  {
    printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nAccept-Language: en\r\nConnection: close\r\n' "$method" "$path" "$panel"
    [ -z "$cookies" ] || printf 'Cookie: %s\r\n' "$cookies"
    if [ "$method" = POST ]; then
      printf 'Origin: http://127.0.0.1:%s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s' \
        "$panel" ${#form} "$form"
    else
      printf '\r\n'
    fi
  } >&6
  location=
  IFS= read -r -t 30 status <&6 || return 1
  status=${status#* } status=${status%% *}
  while IFS= read -r -t 30 reply <&6; do
    reply=${reply%$'\r'}
    case $reply in
    '') break ;;
    Set-Cookie:*) reply=${reply#*: } cookies+="${cookies:+; }${reply%%;*}" ;;
    Location:*) location=${reply#*: } ;;
    esac
  done
  page=$(cat <&6)
  exec 6>&-
  printf '      answer:  %s%s\n' "$status" "${location:+, and on to $location}"
  [ -n "$location" ] || page_text | sed 's/^/         | /'
}
# The page as one sees it: without style sheet and tags.
page_text() {
  sed -e '/<style/,/<\/style>/d' -e '/<title>/d' -e 's/<\/*\(b\|a\|p\|span\|label\|li\|nav\|form\|button\|br\)[^>]*>/ /g' -e 's/<[^>]*>//g' \
    -e 's/&#39;/'"'"'/g; s/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' -e 's/  */ /g; s/^ //; s/ $//' -e '/^$/d' <<<"$page"
}
form_key() { sed -n 's/.*name="key" value="\([0-9a-f]*\)".*/\1/p' <<<"$page" | head -n 1; }
# As it is sent in a form
percent() {
  local LC_ALL=C text=$1 i c
  for ((i = 0; i < ${#text}; i++)); do
    c=${text:i:1}
    case $c in
    [A-Za-z0-9._-]) printf %s "$c" ;;
    *) printf '%%%02X' "'$c" ;;
    esac
  done
}

# arrived FOLDER... : a file in each of them holds $mark, within 30 seconds; the subjects are shown
arrived() {
  local folder
  for folder in "$@"; do
    if ! until_true 30 "grep -qsr -- '$mark' '$folder'"; then
      bad "nothing came to $folder"
      return
    fi
  done
  must "grep -r 'Subject: $mark' $*"
}

echo "${bold}hato: a mail suite in the qmail style, at work${plain}"
echo "Everything happens in $room and on 127.0.0.1; your system's mail is not touched."

step "Building, and installing into a scratch prefix"
tell "\$ make -s -j$(nproc) install HOMEDIR=$home BIN=$room/link"
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
must "make -s instcheck HOMEDIR=$home"
tell "\$ cd $room"
cd "$room" || exit 1

step "Two users of this machine, ann and bob, and the configuration"
ann=ann bob=bob
[ -n "${ROOM_NAMESPACE:-}" ] || { ann=hatoann$$ bob=hatobob$$; echo "user $ann" >>"$HATO_SCRATCH"; echo "user $bob" >>"$HATO_SCRATCH"; }
password=demo
tell "They exist only inside the demo. Each gets a Maildir; the password is $password."
must "mkdir homes"
for user in $ann $bob; do
  must "useradd -M -U -d $room/homes/$user -s /bin/sh $user"
  must "echo $user:$password | chpasswd -c SHA512"
  must "install -d -o $user -g $user homes/$user"
  must "setpriv --reuid $user --regid $user --clear-groups maildirmake homes/$user/Maildir"
done
mkdir -p sink
# The rest of the world, for this demo: an SMTP server in a few lines of shell that keeps what it gets.
cat >world.sh <<'SINK'
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
# A web server that starts one CGI program (RFC 3875), for one request.
cat >web.sh <<'WEB'
crlf() { printf '%s\r\n' "$1"; }
read -r -t 30 method target version || exit 0
unset CONTENT_LENGTH CONTENT_TYPE HTTP_HOST HTTP_COOKIE HTTP_ORIGIN HTTP_ACCEPT_LANGUAGE
while IFS= read -r -t 30 field; do
  field=${field%$'\r'} value=${field#*:} value=${value# }
  case ${field,,} in
  '') break ;;
  content-length:*) export CONTENT_LENGTH=$value ;;
  content-type:*) export CONTENT_TYPE=$value ;;
  host:*) export HTTP_HOST=$value ;;
  cookie:*) export HTTP_COOKIE=$value ;;
  origin:*) export HTTP_ORIGIN=$value ;;
  accept-language:*) export HTTP_ACCEPT_LANGUAGE=$value ;;
  esac
done
case $target in
/mail | /mail\?*) ;;
/) crlf 'HTTP/1.1 303 See Other'; crlf 'Location: /mail'; crlf 'Content-Length: 0'; crlf 'Connection: close'; crlf ''; exit ;;
*) crlf 'HTTP/1.1 404 Not Found'; crlf 'Content-Length: 0'; crlf 'Connection: close'; crlf ''; exit ;;
esac
query=${target#/mail} query=${query#\?}
export GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 REQUEST_METHOD=$method SCRIPT_NAME=/mail QUERY_STRING=$query REMOTE_ADDR=$TCPREMOTEIP
qmail-panel | {
  status=200 fields=
  while IFS= read -r field && [ -n "${field%$'\r'}" ]; do
    field=${field%$'\r'}
    case $field in Status:*) status=${field#*: } ;; *) fields+=$field$'\r\n' ;; esac
  done
  crlf "HTTP/1.1 $status "
  printf '%s' "$fields"
  crlf 'Connection: close'
  crlf ''
  exec cat
}
WEB
# serve NAME ARGUMENTS-OF-tcpserver: its port comes back in $port
serve() {
  start "tcpserver -1 -H -R -l $domain -c 50 $2 >$1.port 2>>$1.log"
  until_true 10 "[ -s $1.port ]" || { bad "$1 did not start"; tail -n 5 "$1.log" | show; stop_all; exit 1; }
  port=$(cat "$1.port")
}
# What is started knows nothing of who started it; HATO_ROOM is how the demo finds it again.
clean="env -i PATH=\$PATH HATO_ROOM=\$HATO_ROOM"
tell "Who we are, which mail is for us, and how large a message may be:"
must "echo $domain > home/control/me"
must "printf '%s\n' $domain $pobox > home/control/locals"
must "printf '%s\n' $domain $pobox .$pobox > home/control/rcpthosts"
must "echo 20971520 > home/control/databytes"
tell "Who gets which addresses by hand (users/assign), which only ann and bob need:"
for user in $ann $bob; do
  id=$(id -u $user):$(id -g $user)
  must "echo '=$user:$user:$id:$room/homes/$user:::' >> home/users/assign"
  must "echo '+$user-:$user:$id:$room/homes/$user:-::' >> home/users/assign"
done
must "echo . >> home/users/assign"
must "qmail-newu"
tell "Customers will be accounts. ANYTHING@NAME.$pobox belongs to account NAME, for however many customers:"
must "echo $pobox > home/control/subdomains"
tell "Rules for addresses are dot-files in a directory that only the control panel may write:"
must "echo $room/rules > home/control/dotdir"
must "qmail-dot init"
tell "At RCPT qmail-smtpd asks qmail-rcptd, which sees the homes, whether the mailbox exists and has room:"
must "echo rcptd RCPT > home/control/policy"
must "echo $room/homes > home/control/homes"
tell "qmail-start also starts qmail-rcptd, and qmail-authd, by which the panel checks passwords:"
must "printf '%s\n' qmail-rcptd qmail-authd > home/control/services"
tell "All mail for other domains goes to the demo's own stand-in for the rest of the world:"
serve world "127.0.0.1 0 sh world.sh"
must "echo :127.0.0.1:$port > home/control/smtproutes"

step "Starting the suite"
tell "Queue and deliveries; the log goes to descriptor 0:"
# not start(): descriptor 0 is for the log
printf '   $ %s &\n' "$clean qmail-start ./Maildir/ 0>>send.log >send.out 2>&1"
(eval "exec $clean qmail-start ./Maildir/ 0>>send.log >send.out 2>&1") &
started+=($!)
until_true 15 "[ -S home/gate/s ] && [ -S home/gate/policy/rcptd ] && [ -S home/auth/s ]" || bad "not all services listen"
tell "SMTP, POP3 and the panel's web server, each beside tcpserver (port 0: any free one; relaying for 127.0.0.1 is open):"
serve smtp "127.0.0.1 ${SMTP_PORT:-0} $clean RELAYCLIENT= TCPREMOTEIP=127.0.0.1 TCPLOCALIP=127.0.0.1 PROTO=TCP qmail-smtpd"
smtp=$port
serve pop "127.0.0.1 ${POP_PORT:-0} qmail-popup $domain checkpassword qmail-pop3d Maildir"
pop=$port
panel_user=$(stat -c %U home/panel/sessions)
serve web "-u $(id -u "$panel_user") -g $(id -g "$panel_user") 127.0.0.1 ${PANEL_PORT:-0} bash web.sh"
panel=$port
until_true 10 "ps -eo args= | grep -q '^qmail-clean\|/qmail-clean'" || bad "not all daemons run"
tell "SMTP listens on port $smtp, POP3 on port $pop, the web server on port $panel. Who runs as whom:"
must "ps -eo user:8,pid,args --forest | grep -E 'qmail-|tcpserver' | grep -vE 'grep|demo.sh' | cut -c 1-110"

step "A message comes in by SMTP, for ann"
talk "$smtp" "EHLO laptop.example" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<$ann@$domain>" "DATA" \
  $'From: carol@laptop.example\r\nTo: '"$ann@$domain"$'\r\nSubject: =?ISO-2022-JP?B?GyRCSC8bKEI=?= by carrier pigeon\r\n\r\nHello ann,\r\n..this line begins with a dot.\r\n.' "QUIT"
inbox=homes/$ann/Maildir/new
if until_true 30 "ls $inbox/* >/dev/null 2>&1"; then
  tell "It is in her Maildir:"
  must "ls $inbox"
  must "cat $inbox/*"
  grep -qx '.this line begins with a dot.' "$inbox"/* || bad "the text came through changed"
else
  bad "it did not arrive"
fi

step "ann fetches it by POP3"
talk "$pop" "USER $ann" "PASS $password" "STAT" "RETR 1" "DELE 1" "QUIT"
grep -q '^      S: .*this line begins with a dot' said || bad "POP3 did not show the message"
[ -z "$(ls "$inbox")" ] || bad "the message is still there"

step "A web form of ann's calls sendmail -t -f, and bob gets the message"
as_ann="setpriv --reuid $ann --regid $ann --clear-groups"
must "printf 'To: %s\nSubject: from a script\n\nThe form was filled in.\n' $bob@$domain > letter"
must "$as_ann sendmail -t -f $ann@$domain < letter"
inbox=homes/$bob/Maildir/new
if until_true 30 "ls $inbox/* >/dev/null 2>&1"; then
  tell "bob's Maildir:"
  must "cat $inbox/*"
else
  bad "it did not arrive"
fi

step "And one to the rest of the world, by SMTP"
must "printf 'To: %s\nSubject: from a script\n\nThe form was filled in.\n' dave@far-away.example > letter"
must "$as_ann sendmail -t -f $ann@$domain < letter"
if until_true 30 "ls sink/*.message >/dev/null 2>&1"; then
  tell "far-away.example got:"
  must "cat sink/*.message"
else
  bad "it did not arrive"
fi

step "From users of this machine to customers"
tell "From here on this is a rental server: who has mail is in a table of accounts, not in /etc/passwd. ann and bob are put" \
  "into it, too, with their user ids; a name that nobody has can now be refused while its sender's server is still there."
must "echo 0 > home/control/systemusers"
for user in $ann $bob; do
  must "echo $password | qmail-account add $user --system --password"
done

step "A new customer, abc, by one command"
tell "The account with its password, home, Maildir, quota and directory of rules. It counts at once, nothing is restarted." \
  "Nobody of that name is a user of this machine: his mail just has a user id of its own, 20001."
must "echo $customer_password | qmail-account add abc --uid 20001 --gid 20001 --home $room/homes/abc --quota 10M --create --password"
must "ls -ld homes/abc/Maildir rules/abc"

step "Every address at abc.$pobox is his, and no other subdomain has any"
mark=to-an-address-that-nobody-set-up
talk "$smtp" "HELO laptop.example" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<anything@abc.$pobox>" "RCPT TO:<anything@nosuch.$pobox>" "DATA" \
  "Subject: $mark"$'\r\n\r\nHello abc.\r\n.' "QUIT"
grep -q '^      S: 550 .*sorry, no mailbox here by that name (#5.1.1)$' said || bad "nosuch was not refused"
tell "In abc's Maildir:"
arrived homes/abc/Maildir/new

step "A rule: mail to team@abc.$pobox goes to three people"
tell "Set by the tool, as an operator does. qmail-dot test tells what would become of a message, and delivers nothing:"
must "qmail-dot set --forward $ann@$domain --forward $bob@$domain --forward dave@far-away.example --no-keep abc team"
must "cat rules/abc/.qmail-team"
must "qmail-dot test team@abc.$pobox"
mark=to-the-team
talk "$smtp" "HELO laptop.example" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<team@abc.$pobox>" "DATA" \
  "Subject: $mark"$'\r\n\r\nHello team.\r\n.' "QUIT"
tell "ann, bob and far-away.example have it:"
arrived homes/$ann/Maildir/new homes/$bob/Maildir/new sink

step "Another rule, in the control panel: club@abc.$pobox"
tell "qmail-panel is a CGI program. The demo's web server is a few lines of shell which start it as any other would (web.sh)," \
  "and instead of a browser this script sends what a browser sends. abc logs in:"
browse GET /mail
browse POST /mail do=login "key=$(form_key)" login=abc "password=$customer_password"
[ -n "$location" ] || bad "abc could not log in"
browse GET /mail
tell "He clicks on \"Add an address\", fills in the form and saves it:"
browse POST /mail do=add "key=$(form_key)" ext=club does=deliver "forward=$ann@$domain"$'\n'"$bob@$domain"$'\n'dave@far-away.example
browse GET /mail
grep -qF "Saved: club@abc.$pobox" <<<"$page" || bad "the panel did not take the rule"
tell "It is the same kind of rule, so the tool shows both:"
must "qmail-dot list abc"
mark=to-the-club
talk "$smtp" "HELO laptop.example" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<club@abc.$pobox>" "DATA" \
  "Subject: $mark"$'\r\n\r\nHello club.\r\n.' "QUIT"
tell "ann, bob and far-away.example have it:"
arrived homes/$ann/Maildir/new homes/$bob/Maildir/new sink

step "A .qmail that the customer puts into his home has no effect"
tell "abc uploads dot-files (by FTP, say) which would send his mail to somebody else:"
as_abc="setpriv --reuid 20001 --regid 20001 --clear-groups"
must "$as_abc sh -c 'echo \"&spy@far-away.example\" | tee homes/abc/.qmail > homes/abc/.qmail-default'"
must "$as_abc ls -A homes/abc"
tell "They are not looked at:"
must "qmail-dot test abc@$pobox"
mark=after-the-upload
talk "$smtp" "HELO laptop.example" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<abc@$pobox>" "RCPT TO:<anything@abc.$pobox>" "DATA" \
  "Subject: $mark"$'\r\n\r\nHello abc.\r\n.' "QUIT"
until_true 30 "[ \"\$(grep -ls 'Subject: $mark' homes/abc/Maildir/new/* | wc -l)\" = 2 ]" || bad "they did not both arrive"
until_true 30 "! find home/queue/new home/queue/mess -type f | grep -q ." || bad "the queue is not empty"
tell "Both are in abc's Maildir, the queue is empty, and nothing went to far-away.example:"
arrived homes/abc/Maildir/new
run "grep -r '$mark' sink" && bad "it was forwarded"

step "A full mailbox: the sender's server is told before it sends the message"
tell "To have it full now, the quota is made smaller than what abc has in his mailbox:"
must "qmail-account set abc --quota 500"
must "du -cb homes/abc/Maildir/new/* | tail -n 1"
full='452 sorry, mailbox is full (#4.5.2)'
for hello in "EHLO laptop.example" "HELO laptop.example"; do
  talk "$smtp" "$hello" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<anything@abc.$pobox>" "RCPT TO:<team@abc.$pobox>" "QUIT"
  [ "$(grep -cxF "      S: $full" said)" = 1 ] || bad "wanted exactly once: $full"
done
tell "(team@ only forwards, so it needs no room.) With a larger quota the next message is taken:"
must "qmail-account set abc --quota 10M"
mark=there-is-room-again
talk "$smtp" "HELO laptop.example" "MAIL FROM:<carol@laptop.example>" "RCPT TO:<anything@abc.$pobox>" "DATA" \
  "Subject: $mark"$'\r\n\r\nHello abc.\r\n.' "QUIT"
arrived homes/abc/Maildir/new

step "What the queue's log says"
until_true 20 "! find home/queue/new home/queue/mess -type f | grep -q ." || bad "the queue is not empty"
must "tail -n 20 send.log"
must "cat send.out"
must "qmail-qstat"

if [ "$trouble" = 0 ]; then printf '\n   %sEverything came out as it should.%s\n' "$bold" "$plain"; else printf '\n   %sNot as it should be: %d times.%s\n' "$bold" "$trouble" "$plain"; fi
if [ -n "${KEEP:-}" ]; then
  step "KEEP=1: it stays up. Connect with your own mail program and browser:"
  tell "control panel:  http://127.0.0.1:$panel/mail, name abc, password $customer_password (changing it there would need sudo, see qmail-panel(8))" \
    "incoming mail:  POP3, server 127.0.0.1, port $pop, no encryption, user abc with that password, or $ann or $bob, password $password" \
    "outgoing mail:  SMTP, server 127.0.0.1, port $smtp, no encryption, no password" \
    "addresses:      abc@$pobox and ANYTHING@abc.$pobox; $ann@$domain and $bob@$domain" \
    "from a shell:   curl --crlf --mail-from me@$domain --mail-rcpt anything@abc.$pobox -T FILE smtp://127.0.0.1:$smtp" \
    "log:            tail -f $room/send.log" \
    "end:            Ctrl-C"
  while :; do sleep 3600 & wait $!; done
fi
goodbye
exit
}
