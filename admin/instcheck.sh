#!/bin/sh
# instcheck.sh HOME: compares the installation in HOME with what admin/hier says. One line for each difference;
# exit 1 when there was one. Run in the source directory, as root.
set -eu
home=${1%/}
[ -d "$home" ] || { echo "instcheck: $home does not exist"; exit 1; }
rows=$(mktemp "${TMPDIR:-/tmp}/hato-instcheck.XXXXXX")
trap 'rm -f "$rows"' EXIT
sh admin/rows.sh >"$rows"
owner=$(sed -n 4p conf-users)

differences() {
  while read -r type path user group mode target; do
    at=$home/$path
    [ "$path" != . ] || at=$home
    if [ "$path" = bin/qmail-queue ] && [ "$(readlink "$at")" = qmail-qmqpc ]; then continue; fi # a mini installation
    case $type in
    d) [ -d "$at" ] && [ ! -L "$at" ] || { echo "$at: missing, or not a directory"; continue; } ;;
    l)
      [ "$(readlink "$at" || :)" = "$target" ] || echo "$at: should be a link to $target"
      continue
      ;;
    n) [ -p "$at" ] || { echo "$at: missing, or not a FIFO"; continue; } ;;
    *) [ -f "$at" ] && [ ! -L "$at" ] || { echo "$at: missing, or not a file"; continue; } ;;
    esac
    real=$(stat -c '%U:%G %04a' "$at")
    [ "$real" = "$user:$group $mode" ] || echo "$at: is $real, should be $user:$group $mode"
  done <"$rows"

  # Programs and pages that nobody knows; subdirectories of the queue that nobody reads.
  find "$home/bin" "$home/man" "$home/queue" "$home/queue/lock" "$home/queue/mess" "$home/queue/state" \
    -mindepth 1 -maxdepth 1 2>/dev/null | sort -u | while read -r at; do
    grep -q "^[dflnxt] ${at#"$home"/} " "$rows" || echo "$at: is not a part of hato"
  done
  find "$home/man" -mindepth 2 2>/dev/null | while read -r at; do
    grep -q "^t ${at#"$home"/} " "$rows" || echo "$at: is not a part of hato"
  done

  find "$home" -xdev \( -type f -o -type d \) -perm /6000 -printf '%p: is setuid or setgid (%m)\n'
  # What group or others may write: only the trigger and the services' sockets.
  find "$home" -xdev ! -type l -perm /022 ! -path "$home/queue/lock/trigger" ! \( -type s \( -path "$home/gate/*" -o -path "$home/auth/s" -o -path "$home/panel/s" \) \) \
    -printf '%p: may be written by its group or by everybody (%m)\n'
  # Programs, pages and configuration belong to the operator.
  find "$home/bin" "$home/man" "$home/control" "$home/users" ! -type l ! -user "$owner" ! -path "$home/users/secrets.cdb" -printf "%p: belongs to %u, should belong to $owner\n" 2>/dev/null
  # No daemon may replace another's directory: what lies in home itself is the table's.
  find "$home" -mindepth 1 -maxdepth 1 -type d | while read -r at; do
    grep -q "^d ${at#"$home"/} " "$rows" || echo "$at: is not a part of hato"
  done
}

found=$(differences)
if [ -n "$found" ]; then
  echo "$found"
  echo "instcheck: $(echo "$found" | wc -l) differences in $home"
  exit 1
fi
echo "instcheck: $home is as it should be"
