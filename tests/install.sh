#!/bin/bash
# install.sh: what `make install` and `make instcheck` promise, tried in a room (tests/room.sh). Source directory.
{ # the whole script is read before it runs: it may be changed meanwhile
set -u
room=${HATO_ROOM:?run me by tests/room.sh}/install
mkdir -p "$room" && cd "${HATO_SOURCE:-.}" || exit 1
passed=0 failed=0
fact() { # TEXT COMMAND...
  local text=$1
  shift
  if "$@" >"$room/said" 2>&1; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $text"
    tail -n 20 "$room/said"
  fi
}
not() { ! "$@"; }
says() { local text=$1; shift; "$@" >"$room/said" 2>&1; grep -qF -- "$text" "$room/said" || { cat "$room/said"; false; }; }
# the programs were linked for another home: good enough for what is looked at here
install_in() { DESTDIR=${2:-} sh admin/install.sh "$1" "$HATO_BIN"; }
check_in() { sh admin/instcheck.sh "$1"; }

here=$room/a
fact "installs" install_in "$here"
fact "is as it should be" check_in "$here"
users() { cat /etc/passwd /etc/group | cksum; }
snapshot() { (cd "$1" && find . -printf '%p %y %U %G %m %s\n' | sort; find control users alias -type f -exec cksum {} +) 2>/dev/null | cksum; }

echo mail.example.org >"$here/control/me"
echo custom >"$here/alias/.qmail-postmaster"
before=$(snapshot "$here") known=$(users)
fact "a second installation" install_in "$here"
fact "changes nothing, and no control file" test "$before" = "$(snapshot "$here")"
fact "makes no user twice" test "$known" = "$(users)"

chmod 4755 "$here/bin"
fact "instcheck sees setuid" says setuid check_in "$here"
chmod 00755 "$here/bin"
chmod 777 "$here/control"
fact "instcheck sees what others may write" says "may be written" check_in "$here"
chmod 755 "$here/control"
chown qmaild "$here/control/me"
fact "instcheck sees a wrong owner" says "belongs to qmaild" check_in "$here"
chown root "$here/control/me"
ln -sfn forward "$here/bin/mailq"
fact "instcheck sees a link that leads elsewhere" says "bin/mailq: should be a link" check_in "$here"
rmdir "$here/queue/bad"
fact "instcheck sees what is missing" says "queue/bad: missing" check_in "$here"
: >"$here/bin/stranger"
fact "instcheck sees what is extra" says "bin/stranger: is not a part" check_in "$here"
rm "$here/bin/stranger"
fact "installing mends" install_in "$here"
fact "all of it" check_in "$here"

ln -sfn qmail-qmqpc "$here/bin/qmail-queue"
fact "a mini installation is one for instcheck" check_in "$here"
fact "installing over it" install_in "$here"
fact "leaves its link" test "$(readlink "$here/bin/qmail-queue")" = qmail-qmqpc
rm "$here/bin/qmail-queue"
fact "and without it the queue is here again" install_in "$here"
fact "as it should be" check_in "$here"

locked_etc() { flock -n /etc env HATO_LOCK_SECONDS=1 sh admin/accounts.sh; }
fact "a user's lock on /etc does not hold the installer up" says "going on without it" locked_etc

: >"$room/secret" && chmod 600 "$room/secret"
rm "$here/queue/lock/alive" && ln -s "$room/secret" "$here/queue/lock/alive"
fact "a link that qmailq may have put is refused" says "is a symbolic link where none may be" install_in "$here"
fact "and not followed" test "$(stat -c %a "$room/secret")" = 600
rm "$here/queue/lock/alive"
fact "without it all is well" install_in "$here"

mkdir -m 700 "$room/private"
fact "a private folder is refused with a sentence" says "may not be searched by everybody" install_in "$room/private/home"
fact "and nothing is made there" test ! -e "$room/private/home"
fact "DESTDIR may be private" install_in /opt/hato "$room/private"
fact "and has everything" test -d "$room/private/opt/hato/queue/lock"
fact "and nothing lies outside" test ! -e /opt/hato

# DESTDIR on a machine without the users: none is made
without_users() {
  cp /etc/passwd "$room/passwd" && cp /etc/group "$room/group" &&
    unshare --mount sh -c 'grep -v qmail "$1/passwd" >"$1/p" && mount --bind "$1/p" /etc/passwd &&
      DESTDIR="$1/package" sh admin/install.sh /var/qmail "$HATO_BIN" && ! grep qmaild /etc/passwd' sh "$room"
}
if unshare --mount true 2>/dev/null; then
  fact "DESTDIR makes no user" without_users
  fact "and installs" test -d "$room/package/var/qmail/queue/new"
fi

wrong_split() { mkdir "$here/queue/mess/9999" && ! install_in "$here" && rmdir "$here/queue/mess/9999"; }
fact "a queue of another conf-split is refused" wrong_split

at_once() { # two installations into two new homes, on a machine without the suite's users
  local user pids=
  for user in $(head -n 14 conf-users | grep -v '^root$'); do userdel "$user" || return 1; done
  groupdel qmail && groupdel nofiles || return 1
  for n in 1 2 3; do install_in "$room/twin$n" & pids="$pids $!"; done
  for pid in $pids; do wait "$pid" || return 1; done
  for n in 1 2 3; do check_in "$room/twin$n" || return 1; done
}
# only where /etc is the room's own
if [ -n "${ROOM_NAMESPACE:-}" ]; then fact "three installations at once" at_once; fi

scratch_accounts() {
  local user
  for user in $(head -n 14 conf-users | grep -v '^root$'); do userdel "$user" || return 1; done
  HATO_SCRATCH=$room/list sh admin/accounts.sh && id qmaild && HATO_SCRATCH=$room/list sh admin/accounts.sh forget &&
    not id qmaild && [ ! -e "$room/list" ]
}
if [ -n "${ROOM_NAMESPACE:-}" ]; then
  fact "users made for a scratch prefix go again" scratch_accounts
  sh admin/accounts.sh
fi

# A queue as qmail's INTERNALS describes it.
mkdir -p "$room/old/control" "$room/queued" "$room/old/queue"/{mess,info,local,remote}/7 "$room/old/queue"/{todo,bounce,lock}
(
  cd "$room/old" && printf 'here.example\n' >control/me
  printf 'virtual.example:joe\n.sub.example:joe-sub\nann@virtual.example:ann\nhere.example:not\n' >control/virtualdomains
  cd queue
  for id in 30 53 76 99 122; do printf 'Subject: %s\n\nbody\n' $id >mess/7/$id; done
  # 30: done for one, local and remote; 53: to be sorted yet, and what had begun; 76: only its bounce is left;
  # 99: acknowledged to nobody; 122: delivered to all
  printf 'Ffrom@far.example\0' | tee info/7/30 info/7/76 >info/7/122
  printf 'Tjoe-sales@Virtual.example\0Tann-ann@virtual.example\0Tjoe-sub-x-y@a.b.sub.example\0Tnot-x@here.example\0Dgone@here.example\0' >local/7/30
  printf 'Tjoe-far@far.example\0Ddone@far.example\0' >remote/7/30
  printf 'u7\0p8\0F\0Tjoe-a@virtual.example\0Tb@far.example\0' >todo/53
  printf 'Tjoe-joe-a@virtual.example\0' >local/7/53
  printf '<gone@far.example>:\nno such user\n\n' >bounce/76
  printf 'Ddone@far.example\0' | tee remote/7/76 >remote/7/122
)
cat >"$room/queue-program" <<'END'
#!/bin/sh
cd "${0%/*}/queued" && n=$(ls | wc -l) && cat >"$n.message" && tr '\0' '|' <&1 >"$n.envelope"
END
chmod 755 "$room/queue-program"
requeue() { QMAILQUEUE=$room/queue-program sh admin/requeue-qmail.sh "$room/old" "$room/old/queue"; }
fact "what a qmail left is queued again, but for what it never took" says "99: was never queued whole" requeue
said_of() { local file; for file in "$room/queued"/*.envelope; do cat "$file" && echo; done | sort; }
fact "to those that it has not reached" test "$(said_of)" = "$(sort <<'END'
Ffrom@far.example|Tsales@Virtual.example|Tann@virtual.example|Tx-y@a.b.sub.example|Tnot-x@here.example|Tjoe-far@far.example||
F|Tjoe-a@virtual.example|Tb@far.example||
F|Tfrom@far.example||
END
)"
fact "the sender is told what was to be told" grep -q "no such user" "$room"/queued/*.message
fact "byte for byte" cmp "$room/old/queue/requeued/53" "$room/queued/2.message"
fact "it moves what it queued" test "$(cd "$room/old/queue" && echo mess/7/* requeued/*)" = "mess/7/99 requeued/122 requeued/30 requeued/53 requeued/76"
fact "once" test "$(requeue 2>/dev/null; ls "$room/queued" | wc -l)" = 6

fact "units for systemd" make -s install-systemd DESTDIR="$room/units" UNITS=/u HOMEDIR="$here" MAKEFLAGS=
fact "one for each there is" test "$(ls admin/systemd)" = "$(ls "$room/units/u")"
fact "home is put into them" not grep -r @HOME@ "$room/units"
units_run_what_is_there() {
  local path paths
  paths=$(grep -rhoE "$here/bin/[a-z0-9-]+" "$room/units" | sort -u) && for path in $paths; do [ -x "$path" ] || { echo "$path"; return 1; }; done
}
fact "they run programs that are installed" units_run_what_is_there
services_of_sockets() { # each socket that accepts has its session's service
  local socket
  for socket in $(grep -l Accept=yes "$room"/units/u/*.socket); do [ -f "${socket%.socket}@.service" ] || { echo "$socket"; return 1; }; done
}
fact "a socket that accepts has a service for the session" services_of_sockets
if command -v systemd-analyze >/dev/null; then # a key that it does not know is no error to it
  fact "systemd understands them" not grep . <(MANPATH=$here/man systemd-analyze verify "$room"/units/u/* 2>&1)
fi

fact "sendmail's links" says "usr/lib/sendmail ->" env DESTDIR="$room/root" sh admin/install-sendmail.sh "$here"
fact "are made on request" test "$(readlink "$room/root/usr/sbin/sendmail")" = "$here/bin/sendmail"
fact "mailq's, too" test "$(readlink "$room/root/usr/bin/mailq")" = "$here/bin/mailq"
fact "newaliases', too" test "$(readlink "$room/root/usr/bin/newaliases")" = "$here/bin/newaliases"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
exit
}
