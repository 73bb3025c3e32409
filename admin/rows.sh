#!/bin/sh
# Prints what an installation consists of, one row a line, from admin/hier, conf-users, conf-groups, conf-split and
# man/: the names are the real ones, SPLIT is unrolled. Run in the source directory.
#
#   d PATH OWNER GROUP MODE           a directory below home
#   f PATH OWNER GROUP MODE           a file made empty when it is missing
#   n PATH OWNER GROUP MODE           a FIFO made when it is missing
#   x PATH OWNER GROUP MODE NAME      a program, NAME in the folder that the programs were linked into
#   t PATH OWNER GROUP MODE SOURCE    a text: a script, in which @HOME@ stands for home, or a man page
#   l PATH OWNER GROUP MODE TARGET    a symbolic link
set -eu
owner=$(sed -n 4p conf-users)
awk '
  FILENAME == "conf-users"  { if (FNR <= 14) user[qmail_user[FNR]] = $1; next }
  FILENAME == "conf-groups" { if (FNR == 1) group["qmail"] = $1; if (FNR == 2) group["nofiles"] = $1; next }
  FILENAME == "conf-split"  { if (FNR == 1) split_count = $1; next }
  /^#/ || NF == 0 { next }
  function u(name) { return name in user ? user[name] : name }
  function g(name) { return name in group ? group[name] : name }
  $1 ~ /^[dfn]$/ {
    if ($2 !~ /SPLIT/) { print $1, $2, u($3), g($4), $5; next }
    for (n = 0; n < split_count; n++) { path = $2; sub(/SPLIT/, n, path); print $1, path, u($3), g($4), $5 }
  }
  $1 == "p" && !system("test -f " $3 "/" $2 ".cc") { print "x bin/" $2, u("root"), "root", $5, $2 }
  $1 == "l" { print "l bin/" $2, u("root"), "root", "0777", $3 }
  $1 == "s" && !system("test -f " $3 "/" $2 ".sh") { print "t bin/" $2, u("root"), "root", $5, $3 "/" $2 ".sh" }
  BEGIN {
    split("alias qmaild qmaill root qmailp qmailq qmailr qmails qmailt qmailk qmaila qmailg qmailv qmailc", qmail_user, " ")
  }' conf-users conf-groups conf-split admin/hier
for page in man/*.[1-8]; do
  [ -f "$page" ] || continue
  echo "t man/man${page##*.}/${page#man/} $owner root 0644 $page"
done
