#!/bin/sh
# Makes the suite's groups and users that do not exist yet. Run in the source directory, as root.
# Two installations at once wait for each other here. A user that exists is used as he is.
#
# HATO_SCRATCH=FILE (set by tests/room.sh): what had to be made is noted in FILE, and `accounts.sh forget` removes it
# again. An ordinary installation meanwhile adopts those users: it removes the list.
set -eu
PATH=$PATH:/usr/sbin:/sbin
list=${HATO_SCRATCH:-/run/hato-scratch-accounts}
home=$(sed -n 1p conf-home)
qmail=$(sed -n 1p conf-groups) nofiles=$(sed -n 2p conf-groups)

exec 8</etc
# Any user may hold this lock: it is a courtesy, and nobody waits for ever.
flock -w "${HATO_LOCK_SECONDS:-60}" 8 || echo "accounts: somebody keeps a lock on /etc (fuser -v /etc); going on without it" >&2

exists() { getent "$1" "$2" >/dev/null; }
# Somebody else's useradd may hold the lock of /etc/passwd for a moment.
patiently() {
  tries=0
  until said=$("$@" 2>&1); do
    tries=$((tries + 1))
    [ $tries -lt 20 ] || { echo "$*: $said" >&2; exit 1; }
    sleep 0.3
  done
}
note() { [ -z "${HATO_SCRATCH:-}" ] || echo "$1 $2" >>"$list"; }

if [ "${1:-}" = forget ]; then
  [ -f "$list" ] || exit 0
  grep '^user ' "$list" | while read -r _ name; do ! exists passwd "$name" || patiently userdel "$name"; done
  grep '^group ' "$list" | while read -r _ name; do ! exists group "$name" || patiently groupdel "$name"; done
  rm -f "$list"
  exit 0
fi

for group in "$qmail" "$nofiles"; do
  exists group "$group" && continue
  patiently groupadd -r "$group"
  note group "$group"
done
number=0
head -n 14 conf-users | while read -r user; do
  number=$((number + 1))
  exists passwd "$user" && continue
  case $number in 6 | 7 | 8) group=$qmail ;; *) group=$nofiles ;; esac
  [ $number = 1 ] && where=$home/alias || where=$home
  patiently useradd -r -M -N -g "$group" -d "$where" -s /usr/sbin/nologin "$user"
  note user "$user"
done
if [ -z "${HATO_SCRATCH:-}" ] && [ -f "$list" ]; then rm -f "$list"; fi
