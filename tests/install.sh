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

fact "sendmail's links" says "usr/lib/sendmail ->" env DESTDIR="$room/root" sh admin/install-sendmail.sh "$here"
fact "are made on request" test "$(readlink "$room/root/usr/sbin/sendmail")" = "$here/bin/sendmail"
fact "mailq's, too" test "$(readlink "$room/root/usr/bin/mailq")" = "$here/bin/mailq"
fact "newaliases', too" test "$(readlink "$room/root/usr/bin/newaliases")" = "$here/bin/newaliases"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
exit
}
