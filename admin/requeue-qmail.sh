#!/bin/sh
# requeue-qmail.sh HOME QUEUE: takes what is left in QUEUE, the queue of a qmail, netqmail or notqmail that does not run
# any more, and queues it again by HOME/bin/qmail-queue (or $QMAILQUEUE). The format is the one that qmail's INTERNALS
# describes. Run as root; HOME/control says which domains are virtual, as it did when QUEUE was in use.
#
# Each message goes to the recipients that it has not been delivered to, and its age starts anew. What the sender should
# have been told of other recipients is sent to him. A message that is queued is moved to QUEUE/requeued, so this may be
# run again; one that cannot be is named and left where it is. Exit code: 0 nothing is left, 1 something is, 100 usage.
set -u
umask 077
export LC_ALL=C
[ $# = 2 ] && [ -d "$2/mess" ] && [ -d "$2/info" ] || { echo "usage: requeue-qmail.sh HOME QUEUE" >&2; exit 100; }
home=${1%/} queue=${QMAILQUEUE:-${1%/}/bin/qmail-queue}
[ -x "$queue" ] || { echo "requeue-qmail: $queue: no such program" >&2; exit 100; }
cd "$2" && mkdir -p requeued || exit 1
if [ -p lock/trigger ] && command -v fuser >/dev/null && fuser -s lock/trigger; then
  echo "requeue-qmail: somebody still uses $2: stop the old qmail-send" >&2
  exit 100
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
left=0
leave() { echo "requeue-qmail: $id: $*: left in $mess" >&2; left=1; }
control() { sed -e 's/[[:space:]]*$//' -e '/^#/d' -e '/^$/d' "$home/control/$1" 2>/dev/null; }

{ control locals || control me; } | sed 's/^/local /' >"$work/domains"
[ -e "$home/control/locals" ] || control me | sed -n '1s/^/local /p' >"$work/domains"
control virtualdomains | sed 's/^/virtual /' >>"$work/domains"

# local/ has recipients of virtual domains with their prefix in front, which they get once more: it is taken away.
without_prefix() {
  awk '
    FNR == NR && /^local / { local[tolower(substr($0, 7))] = 1; next }
    FNR == NR { line = substr($0, 9); at = index(line, ":"); prefix[tolower(substr(line, 1, at - 1))] = substr(line, at + 1); next }
    function strip(user, key) {
      if (!(key in prefix) || prefix[key] == "" || index(user, prefix[key] "-") != 1) return user
      return substr(user, length(prefix[key]) + 2)
    }
    {
      at = 0
      for (i = length($0); i > 0 && !at; --i) if (substr($0, i, 1) == "@") at = i
      user = substr($0, 2, at - 2); domain = tolower(substr($0, at + 1)); plain = user
      if (at && !(domain in local)) {
        for (key in prefix) if (key == tolower(strip(user, key)) "@" domain) plain = strip(user, key)
        rest = domain
        while (plain == user) {
          plain = strip(user, rest)
          if (rest == "" || (rest in prefix)) break
          next_dot = index(substr(rest, 2), ".")
          rest = next_dot ? substr(rest, next_dot + 1) : ""
        }
      }
      print "T" plain substr($0, at ? at : length($0) + 1)
    }' "$work/domains" -
}
lines() { cat "$@" 2>/dev/null | tr '\0' '\n'; }
put() { # MESSAGE: to whom $work/envelope says
  printf '\n' >>"$work/envelope" # the empty recipient that ends it
  tr '\n' '\0' <"$work/envelope" >"$work/nul" && "$queue" <"$1" 1<"$work/nul"
}

# The sender is told what became of others. Nobody waits for the report about a report about a report.
report() {
  sender=$(sed -n '1s/^F//p' "$work/whole" | sed 's/-@\[\]$//')
  case $sender in
  '#@[]') return 0 ;;
  '') from='#@[]' to=$(control doublebounceto | sed 1q)@$(control doublebouncehost | sed 1q)
    case $to in @*) to=postmaster$to ;; esac
    case $to in *@) to=$to$(control me | sed 1q) ;; esac ;;
  *) from='' to=$sender ;;
  esac
  {
    printf 'From: MAILER-DAEMON@%s\nTo: <%s>\nSubject: failure notice\n\n' "$(control me | sed 1q)" "$to"
    printf 'Your message could not be delivered to these addresses:\n\n'
    cat "$1"
    printf -- '--- Below this line are the fields of the message.\n\n'
    sed '/^$/q' "$mess"
  } >"$work/report"
  printf 'F%s\nT%s\n' "$from" "$to" >"$work/envelope"
  put "$work/report"
}

for mess in mess/*/*; do
  [ -f "$mess" ] || continue
  id=${mess##*/} at=${mess#mess/}
  todo=
  for file in "todo/$id" "todo/$at"; do [ ! -f "$file" ] || todo=$file; done
  # todo holds until it is gone, whatever else has been made from it
  if [ -n "$todo" ]; then
    set -- "$todo"
  elif [ -f "info/$at" ]; then
    set -- "info/$at" "local/$at" "remote/$at"
  else
    leave "was never queued whole" && continue
  fi
  if [ "$(cat "$@" 2>/dev/null | tr -dc '\n' | wc -c)" != 0 ]; then leave "an address with a line end in it" && continue; fi
  lines "$1" | grep '^F' >"$work/whole"
  cp "$work/whole" "$work/envelope"
  if [ -n "$todo" ]; then
    lines "$todo" | grep '^T' >>"$work/envelope"
  else
    lines "local/$at" | grep '^T' | without_prefix >>"$work/envelope"
    lines "remote/$at" | grep '^T' >>"$work/envelope"
  fi
  if [ "$(grep -c '^F' "$work/envelope")" != 1 ]; then leave "has no sender" && continue; fi
  if [ "$(sed 1d "$work/envelope" | wc -l)" != 0 ]; then
    put "$mess" || { leave "qmail-queue refused it (exit code $?)" && continue; }
  fi
  bounce=
  for file in "bounce/$id" "bounce/$at"; do [ ! -s "$file" ] || bounce=$file; done
  if [ -n "$bounce" ]; then
    report "$bounce" || echo "requeue-qmail: $id: could not tell its sender what is in $bounce" >&2
  fi
  mv "$mess" "requeued/$id" || left=1
done
[ "$left" = 0 ]
