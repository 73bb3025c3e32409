#!/bin/bash
# bench.sh: hato beside Debian's Postfix, and Dovecot for POP3, in one run; prints medians and ratios, never a verdict.
# Run in the source directory by `make bench`, as root.
#
#   BENCH_DIR        the bench's directory (it has `run` and `peers/`; tests/bench/README.md)
#   BENCH_STATE      where to measure, when no loop device is to be had (default /var/tmp/hato-bench)
#   BENCH_MB         size of the ext4 image for the loop device (8192)
#   BENCH_PEERLIST   peers for the mail scenarios (postfix,hato); the first is what ratios refer to
#   BENCH_SCENARIOS  (smtp10,smtp50,smtp10d,smtp50d,inject8,remote20,idle,backlog); pop3 is always run with dovecot,hato
#   BENCH_OUTBOUND   so many messages (20000) to one smtp-sink, in by SMTP at the same time, by the same peers
#   BENCH_ARGS       more for `run bench`, e.g. "-r 5 -n 5000 --backlog 20000"
{ # the whole script is read before it runs: it may be changed meanwhile
set -u
source=$(pwd)
die() { echo "bench: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "become root first"
[ -n "${BENCH_DIR:-}" ] && [ -x "$BENCH_DIR/run" ] || die "BENCH_DIR must name the bench's directory: make bench BENCH_DIR=/…"
bench=$BENCH_DIR
unset BENCH_DIR
PATH=$PATH:/usr/sbin:/sbin
missing=
needed="smtp-source smtp-sink strace gcc tcpserver"
case ,${BENCH_PEERLIST:-postfix}, in *,postfix*) needed="postfix $needed" ;; esac
[ "${BENCH_POP:-yes}" != yes ] || needed="dovecot $needed"
for program in $needed; do
  command -v $program >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || die "not installed:$missing. Debian: apt-get install postfix dovecot-pop3d strace gcc ucspi-tcp (their services need not run)"

state=${BENCH_STATE:-/var/tmp/hato-bench}
mkdir -p "$state"
state=$(cd "$state" && pwd -P)
image= mounted=
finish() {
  cd /
  [ -z "$mounted" ] || umount "$state" 2>/dev/null || umount -l "$state"
  [ -z "$image" ] || rm -f "$image"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
image=$(mktemp /var/tmp/hato-bench.XXXXXX.img)
if fallocate -l "${BENCH_MB:-8192}M" "$image" 2>/dev/null && mkfs.ext4 -q -F "$image" &&
  mount -o loop,nodiscard "$image" "$state" 2>/dev/null; then
  mounted=yes
  losetup --direct-io=on "$(findmnt -n -o SOURCE "$state")" 2>/dev/null || :
  echo "bench: measuring on a fresh ext4 with a journal (loop device)"
else
  rm -f "$image"
  image=
  echo "bench: no loop device to be had: measuring on $state as it is ($(findmnt -n -o FSTYPE -T "$state"))"
fi
chmod 755 "$state"

export HATO_HOME=$state/hato BENCH_STATE=$state BENCH_PEERS=$source/tests/bench/peers
export HATO_VERSION="$(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
make -s -j"$(nproc)" install HOMEDIR="$HATO_HOME" BIN="$state/link" || die "could not build or install"
results=${BENCH_OUT:-$source/build/bench-$(date +%Y%m%d-%H%M%S).jsonl}
"$bench/run" setup >/dev/null || die "could not set the bench up"
list=${BENCH_SCENARIOS:-smtp10,smtp50,smtp10d,smtp50d,inject8,remote20,idle,backlog}
# shellcheck disable=SC2086
"$bench/run" bench -p "${BENCH_PEERLIST:-postfix,hato}" -s "$list" -o "$results" ${BENCH_ARGS:-}
code=$?
# shellcheck disable=SC2086
[ -z "${BENCH_OUTBOUND:-}" ] || "$bench/run" bench -p "${BENCH_PEERLIST:-postfix,hato}" -s remote20 -o "$results" ${BENCH_ARGS:-} -n "$BENCH_OUTBOUND" || code=$?
if [ "${BENCH_POP:-yes}" = yes ]; then
  # shellcheck disable=SC2086
  "$bench/run" bench -p dovecot,hato -s pop3 -o "$results" ${BENCH_ARGS:-} || code=$?
fi
[ -z "${BENCH_DEFERRED:-}" ] || bash "$source/tests/bench/deferred.sh" "$BENCH_DEFERRED" || code=$?
# shellcheck disable=SC2086
[ -z "${BENCH_DEAD:-}" ] || bash "$source/tests/bench/dead-host.sh" $BENCH_DEAD || code=$?
echo "bench: results are in $results; again as a table: $bench/run report $results"
exit $code
exit
}
