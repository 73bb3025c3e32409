#!/bin/sh
# install-sendmail.sh HOME: /usr/sbin/sendmail and /usr/lib/sendmail become links to HOME/bin/sendmail, /usr/bin/mailq
# and /usr/bin/newaliases to those of HOME/bin (below $DESTDIR). What was there is kept beside them as
# NAME.before-hato; a package's own file is better diverted first (dpkg-divert), or the next upgrade of that package
# brings it back.
set -eu
home=${1%/} root=${DESTDIR:-}
[ -n "$root" ] || [ -x "$home/bin/sendmail" ] || { echo "install-sendmail: $home/bin/sendmail is missing: run make install first" >&2; exit 1; }
for link in /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq /usr/bin/newaliases; do
  at=$root$link to=$home/bin/${link##*/}
  mkdir -p "$(dirname "$at")"
  [ "$(readlink "$at" || :)" != "$to" ] || continue
  if [ -e "$at" ] || [ -L "$at" ]; then
    [ -e "$at.before-hato" ] || [ -L "$at.before-hato" ] || mv "$at" "$at.before-hato"
  fi
  ln -sfn "$to" "$at.new.$$"
  mv -f "$at.new.$$" "$at"
  echo "$at -> $to"
done
