#!/bin/sh
# Every program of admin/hier has a manual page, every page is clean mdoc, and no page names another that is not there.
set -u
bad=0
for program in $(awk '$1 == "p" || $1 == "s" { print $2 }' admin/hier); do
  folder=$(awk -v p="$program" '($1 == "p" || $1 == "s") && $2 == p { print $3 }' admin/hier)
  [ -f "$folder/$program.cc" ] || [ -f "$folder/$program.sh" ] || { echo "$program: has no source"; bad=1; continue; }
  ls man/"$program".[1-8] >/dev/null 2>&1 || { echo "$program: has no manual page"; bad=1; }
done
for link in $(awk '$1 == "l" { print $2 }' admin/hier); do
  ls man/"$link".[1-8] >/dev/null 2>&1 || { echo "$link: has no manual page"; bad=1; }
done
for page in man/*.[1-8]; do
  [ -f "$page" ] || continue
  # Debian's mandoc asks for OpenBSD's names of authors and operating systems; those are not warnings about the text.
  mandoc -T lint -W warning "$page" || bad=1
  for seen in $(sed -n 's/^\.Xr \([^ ]*\) \([1-8]\).*/\1.\2/p' "$page" | sort -u); do
    [ -f "man/$seen" ] || man -w "${seen##*.}" "${seen%.*}" >/dev/null 2>&1 ||
      case $seen in
      # pages of other packages, which need not be installed
      tcpserver.1 | tcprules.1 | tcprulescheck.1 | multilog.8 | setlock.8 | supervise.8 | tai64nlocal.8 | tai64n.8) ;;
      qmail-*.* | dot-qmail.5 | maildir.5 | mbox.5 | addresses.5 | envelopes.5 | qmail.7) echo "$page: names $seen, which is not there"; bad=1 ;;
      esac
  done
done
exit $bad
