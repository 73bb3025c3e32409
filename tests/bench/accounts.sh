#!/bin/bash
# accounts.sh [NUMBER...]: how long an edit of the table of accounts and a login take with so many accounts (default
# 1000 100000). Run in the source directory, as root, in a room (tests/room.sh).
#
# One line for each NUMBER: the files' bytes, seconds for the import, for an edit (median of 21: a quota; a password,
# which costs one hashing by crypt besides), and a show (a process that looks one account up: two reads of the file).
set -eu
home=${HATO_ROOM:?run me by tests/room.sh}/home link=$HATO_ROOM/link
make -s ${CCACHE:+CCACHE="$CCACHE"} HOMEDIR="$home" BIN="$link" "$link/qmail-account"
mkdir -p "$home/bin" "$home/control" "$home/users"
sh admin/accounts.sh
account=$link/qmail-account

now() { date +%s%N; }
# median COMMAND...: milliseconds, of 21 runs
median() {
  for ((i = 0; i < 21; i++)); do
    local start
    start=$(now)
    "$@" >"$HATO_ROOM/said" <"$HATO_ROOM/input" || { cat "$HATO_ROOM/said" >&2; exit 1; }
    echo $((($(now) - start) / 10000))
  done | sort -n | sed -n 11p | awk '{ printf "%.2f", $1 / 100 }'
}

echo "correct horse" >"$HATO_ROOM/input"
for number in "${@:-1000 100000}"; do for n in $number; do
  rm -f "$home"/users/*
  awk -v n="$n" 'BEGIN { for (i = 0; i < n; i++) printf "{\"login\":\"customer%06d\",\"uid\":5000,\"gid\":5000,\"home\":\"/var/mail/hosting/customer%06d\",\"quota_bytes\":1073741824,\"domains\":[\"customer%06d.example\"],\"hash\":\"$y$j9T$hatohatohatohatohato0.$hatohatohatohatohatohatohatohatohatohatoha1\"}\n", i, i, i }' >"$HATO_ROOM/lines"
  start=$(now)
  "$account" import <"$HATO_ROOM/lines"
  import=$((($(now) - start) / 1000000))
  one=customer000500
  quota() { "$account" set $one --quota $((RANDOM + 1)); }
  echo "$n accounts: $(stat -c %s "$home/users/accounts.cdb") + $(stat -c %s "$home/users/secrets.cdb") bytes," \
    "import $import ms, set $(median quota) ms, passwd $(median "$account" passwd $one) ms, show $(median "$account" show $one) ms"
done; done
