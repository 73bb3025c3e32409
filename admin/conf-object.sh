#!/bin/sh
# Prints the source of the conf object: conf-object.sh HOME. Declared in lib/base/conf.h.
set -eu
home=$1
first() { sed -n 1p "$1"; }
nth() { sed -n "$2p" "$1"; }
case $home in /*) ;; *) echo "conf-home: $home is not an absolute path" >&2; exit 1 ;; esac
case $home in *[!A-Za-z0-9/._-]*) echo "conf-home: $home has characters other than letters, digits and / . _ -" >&2; exit 1 ;; esac
split=$(first conf-split)
echo '#include "lib/base/conf.h"'
echo 'namespace hato::conf {'
echo "extern const char home[] = \"${home%/}\";"
echo "extern const unsigned split = $split;"
echo "extern const char break_chars[] = \"$(first conf-break)\";"
i=1
for name in alias qmaild qmaill root qmailp qmailq qmailr qmails qmailt qmailk qmaila qmailg qmailv qmailc; do
  echo "extern const char user_$name[] = \"$(nth conf-users $i)\";"
  i=$((i + 1))
done
echo "extern const char group_qmail[] = \"$(nth conf-groups 1)\";"
echo "extern const char group_nofiles[] = \"$(nth conf-groups 2)\";"
echo '}'
