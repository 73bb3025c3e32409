#!/bin/bash
# room.sh COMMAND…: runs COMMAND in a room of its own and leaves nothing behind, whatever becomes of it.
#
# The room is a folder below ${TMPDIR:-/tmp} (mode 0755, $HATO_ROOM), and, where the kernel lets root have them, a
# mount and a PID namespace with a private copy of /etc: users made inside are nobody's outside, mounts and processes
# end with the room. Without namespaces the users are made on the machine itself and taken away again by the last
# room; processes are found by their executable or $HATO_ROOM in their environment. A network namespace with nothing but
# its own loopback keeps rooms off each other's ports, and tests off everything else; ROOM_NETWORK=shared does without.
#
# ROOM_GRACE=SECONDS lets COMMAND end by itself after a signal. ROOM_PLAIN=1 does without namespaces, ROOM_KEEP=1 keeps the folder. COMMAND reads nothing from the terminal unless ROOM_STDIN is set. Its exit code is room.sh's.
{ # the whole script is read before it runs: it may be changed meanwhile
set -u
umask 022
[ "$(id -u)" = 0 ] || { echo "room: become root first: mail is delivered as many users" >&2; exit 100; }

# The daemons' users must reach the room: a private $TMPDIR will not do.
for base in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
  base=$(cd "$base" 2>/dev/null && pwd -P) || continue
  case $base in *[!A-Za-z0-9/._-]*) continue ;; esac
  [ ${#base} -le 50 ] || continue
  ok=yes at=$base
  while [ "$at" != / ]; do
    case $(stat -c %a "$at") in *[1357]) ;; *) ok=no ;; esac
    at=$(dirname "$at")
  done
  [ $ok = yes ] && break
  base=
done
[ -n "$base" ] || { echo "room: no folder that everybody can search: set TMPDIR" >&2; exit 1; }
HATO_ROOM=$(mktemp -d "$base/hato.XXXXXX") || exit 1
chmod 755 "$HATO_ROOM"
export HATO_ROOM
unset QMAILQUEUE MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
[ -n "${ROOM_STDIN:-}" ] || exec </dev/null

# Rooms without a namespace share the machine's users: the last one out removes those that rooms made.
exec 7>/run/hato-rooms.lock
flock -s 7

child= ROOM_NAMESPACE=
leave() {
  trap '' HUP INT TERM
  if [ -n "$child" ] && [ -n "${ROOM_GRACE:-}" ]; then
    # COMMAND is unshare's child; a signal from out here reaches it when it has a trap for it.
    inside=$child
    [ -z "$ROOM_NAMESPACE" ] || read -r inside </proc/"$child"/task/"$child"/children
    kill -TERM "$inside" 2>/dev/null
    for ((i = 0; i < ROOM_GRACE * 10; i++)); do kill -0 "$inside" 2>/dev/null && sleep 0.1; done
  fi
  if [ -n "$child" ]; then kill -KILL "$child" 2>/dev/null; wait "$child" 2>/dev/null; fi
  [ -n "$ROOM_NAMESPACE" ] || for try in 1 2 3; do
    left=
    for process in /proc/[0-9]*; do
      pid=${process#/proc/}
      [ "$pid" != $$ ] || continue
      case $(readlink "$process/exe" 2>/dev/null) in
      "$HATO_ROOM"/*) ;;
      *) cat "$process/environ" 2>/dev/null | tr '\0' '\n' | grep -qxF "HATO_ROOM=$HATO_ROOM" || continue ;;
      esac
      # this shell's own pipelines carry the variable, too
      [ "$(awk '{ sub(/.*\) /, ""); print $2 }' "$process/stat" 2>/dev/null)" != $$ ] || continue
      left="$left $pid"
    done
    [ -n "$left" ] || break
    kill -KILL $left 2>/dev/null
    sleep 0.2
  done
  awk -v room="$HATO_ROOM/" 'index($2, room) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r at; do
    umount -l "$at" 2>/dev/null
  done

  if [ -n "${ROOM_KEEP:-}" ]; then echo "room: $HATO_ROOM is kept"; else rm -rf --one-file-system "$HATO_ROOM"; fi
  if flock -n -x 7; then (cd "$source" && sh admin/accounts.sh forget); fi
}
source=$(pwd)
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "${ROOM_PLAIN:-}" ] && unshare --mount --pid --fork --kill-child --mount-proc true 2>/dev/null; then
  export ROOM_NAMESPACE=1
  network=
  if [ "${ROOM_NETWORK:-}" != shared ] && unshare --net ip link set lo up 2>/dev/null; then network=--net; fi
  # a list of its own, too: an installation in here must not make the users of rooms without a namespace permanent
  HATO_SCRATCH=$HATO_ROOM/scratch-accounts unshare $network --mount --pid --fork --kill-child --mount-proc sh -c '
    [ -z "$1" ] || ip link set lo up || exit 1
    shift
    mount --make-rprivate / && cp -a /etc "$HATO_ROOM/etc" && mount --bind "$HATO_ROOM/etc" /etc || exit 1
    exec 7>&- "$@"' room "$network" "$@" <&0 &
else
  export ROOM_NAMESPACE='' HATO_SCRATCH=/run/hato-scratch-accounts
  setsid "$@" <&0 7>&- &
fi
child=$!
wait "$child"
code=$?
child=
exit $code
exit
}
