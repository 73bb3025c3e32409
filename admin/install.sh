#!/bin/sh
# install.sh HOME BIN: installs what admin/hier says into $DESTDIR/HOME; BIN is the folder of the linked programs.
# Run in the source directory. May be run again at any time, also over a running installation: programs are
# replaced by rename, and nothing below control/, users/, alias/ or queue/ is ever overwritten.
#
# Without DESTDIR: users and groups that are missing are made (accounts.sh), and HOME must be where every user can
# reach it. With DESTDIR nothing outside it is touched; owners are set as far as this machine knows them.
set -eu
umask 022
home=${1%/} bin=$2 root=${DESTDIR:-}
target=$root$home

die() { echo "install: $*" >&2; exit 1; }

# Every user must be able to walk to HOME: the daemons and the customers' deliveries do.
reachable() {
  path=$home
  while [ "$path" != / ]; do
    path=$(dirname "$path")
    [ -d "$path" ] || continue
    case $(stat -L -c %a "$path") in
    *[1357]) ;;
    *) die "$path may not be searched by everybody (mode $(stat -L -c %a "$path")), so the suite's users could not reach $home." \
      "Install below another directory, or: chmod o+x $path" ;;
    esac
  done
}

privileged=no
[ "$(id -u)" != 0 ] || privileged=yes
if [ -z "$root" ]; then
  [ $privileged = yes ] || die "only root can make the owners right; use DESTDIR to make a package."
  reachable
  sh admin/accounts.sh
elif [ $privileged = yes ] && ! sh admin/rows.sh | awk '{ print $3 "\n" $4 }' | sort -u |
  (while read -r name; do getent passwd "$name" >/dev/null || getent group "$name" >/dev/null || exit 1; done); then
  echo "install: this machine does not have the suite's users, so everything in $root stays yours" >&2
  privileged=no
fi

# A queue keeps the number of subdirectories that it was made with.
split=$(sed -n 1p conf-split)
if [ -d "$target/queue/mess" ]; then
  there=$(find "$target/queue/mess" -mindepth 1 -maxdepth 1 -type d | wc -l)
  [ "$there" = 0 ] || [ "$there" = "$split" ] ||
    die "$target/queue was made with $there subdirectories: put $there into conf-split (it has $split), or move the queue with qmail-qmove."
fi

# own PATH OWNER GROUP MODE
own() {
  # A link in a directory that is a daemon's (queue/..., gate) would lead root's chmod elsewhere. HOME is root's: there
  # the operator may have put queue on another disk.
  if [ -h "$1" ] && [ "$(stat -L -c %u "$(dirname "$1")")" != 0 ] && [ $privileged = yes ]; then
    die "$1 is a symbolic link where none may be: find out who made it, and remove it"
  fi
  [ $privileged = no ] || chown -h "$2:$3" "$1"
  chmod "0$4" "$1" # five digits also take setuid and setgid off a directory
}

mkdir -p "$target"
sh admin/rows.sh | while read -r type path owner group mode source; do
  to=$target/$path
  [ "$path" != . ] || to=$target
  case $type in
  d)
    [ -d "$to" ] || mkdir -p "$to"
    own "$to" "$owner" "$group" "$mode"
    ;;
  f)
    [ -e "$to" ] || : >>"$to"
    own "$to" "$owner" "$group" "$mode"
    ;;
  n)
    [ -p "$to" ] || mkfifo "$to" 2>/dev/null || [ -p "$to" ]
    own "$to" "$owner" "$group" "$mode"
    ;;
  l)
    ln -sfn "$source" "$(dirname "$to")/.new.$$.${to##*/}"
    mv -fT "$(dirname "$to")/.new.$$.${to##*/}" "$to"
    [ $privileged = no ] || chown -h "$owner:$group" "$to"
    ;;
  x | t)
    # a mini installation: the queue is another host's (qmail-qmqpc(8)), and stays there
    if [ "$path" = bin/qmail-queue ] && [ -h "$to" ]; then continue; fi
    new=$(dirname "$to")/.new.$$.${to##*/}
    if [ "$type" = x ]; then
      cp "$bin/$source" "$new" || die "$bin/$source is missing: run make first"
    else
      case $path in
      bin/*) sed "s|@HOME@|$home|g" "$source" >"$new" ;;
      *) cp "$source" "$new" ;;
      esac
    fi
    own "$new" "$owner" "$group" "$mode"
    mv -f "$new" "$to"
    ;;
  esac
done
echo "hato is installed in $target"
