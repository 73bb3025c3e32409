#!/bin/sh
# deps.sh build|check: installs the Debian packages that are missing. Run in the source directory.
#
#   build   what building and running hato needs
#   check   what only its tests need. Mail servers exclude one another on a Debian system, and some packages bring a
#           service: those are fetched and unpacked into .peers/, nothing of them is installed, and nothing is setuid.
#           Those that have files of the same names lie in folders of their own, .peers/PACKAGE/.
#
# Removes nothing and starts nothing: while packages are being installed a policy-rc.d holds every service off, and
# the one that was there before comes back. When nothing is missing, no network is needed.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
case $1 in
build)
  packages='g++ make libc6-dev libowfat-dev libbearssl-dev libseccomp-dev libcrypt-dev nlohmann-json3-dev ucspi-tcp|ucspi-tcp-ipv6'
  unpacked=
  ;;
check)
  packages='
    catch2 mandoc clang libclang-rt-dev iproute2 openssl python3 strace valgrind
    swaks curl msmtp php-cli mutt s-nail git-email libmailtools-perl
    libbsd0 libdb5.3 libevent-2.1-7 libicu72 libnsl2 libsasl2-2 libssl3 libnghttp2-14 libpython3.11 libgnutls-dane0
    libidn12 libpcre2-8-0 libnettle8 libxxhash0 libsodium23 libtirpc3 libunwind8
    libberkeleydb-perl libnetaddr-ip-perl libnet-dns-perl libnet-server-perl
    chromium chromium-driver python3-selenium fonts-ipafont-gothic sudo'
  unpacked='
    postfix fetchmail bsd-mailx liblockfile1 ucspi-tcp-ipv6 exim4-daemon-light opensmtpd postgrey
    dovecot-core dovecot-imapd
    nsd libprotobuf-c1 libfstrm0 unbound ldnsutils libldns3
    lighttpd'
  ;;
*) echo "usage: deps.sh build|check" >&2; exit 100 ;;
esac

# one, or any of several: a|b
installed() {
  case $1 in *"|"*) installed "${1%%|*}" || installed "${1#*|}"; return ;; esac
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}
missing() { for p in $packages; do installed "$p" || printf '%s ' "${p%%|*}"; done; }
missing_peers() { for p in $unpacked; do [ -e ".peers/.have-$p" ] || printf '%s ' "$p"; done; }
[ -n "$(missing)$(missing_peers)" ] || exit 0

# One at a time, also from another checkout.
exec 9</usr/lib
flock 9
want=$(missing) peers=$(missing_peers)
[ -n "$want$peers" ] || exit 0
echo "deps: missing: $want$peers"
if [ -n "$want" ] && [ "$(id -u)" != 0 ]; then
  echo "deps: become root, or: apt-get install $want" >&2
  exit 1
fi

policy=/usr/sbin/policy-rc.d
kept=$policy.before-hato
release() { if [ -e "$kept" ]; then mv -f "$kept" "$policy"; else rm -f "$policy"; fi; }
hold_services() {
  # Left behind by a run that was killed: what was there before it is the original.
  if [ ! -e "$kept" ] && [ -e "$policy" ]; then mv "$policy" "$kept"; fi
  trap release EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}
get() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@" </dev/null; }
update() { get update || echo "deps: the package lists could not be brought up to date" >&2; }

folder_of() { case $1 in exim4-* | opensmtpd) echo ".peers/$1" ;; *) echo .peers ;; esac; }

failed=
if [ -n "$want" ]; then
  hold_services
  # shellcheck disable=SC2086
  get install --no-install-recommends --no-remove $want || { update; get install --no-install-recommends --no-remove $want; } ||
    failed="$failed$want"
  release
  trap - EXIT
fi
for p in $peers; do
  fetch=$(mktemp -d)
  if (cd "$fetch" && { get download "$p" || { update; get download "$p"; }; }) && mkdir -p .peers &&
    dpkg-deb -x "$fetch"/"$p"_*.deb "$(folder_of "$p")" &&
    find "$(folder_of "$p")" -type f -perm /6000 -exec chmod ug-s {} +; then
    : >".peers/.have-$p"
  else
    failed="$failed$p "
  fi
  rm -rf "$fetch"
done
if [ -n "$failed" ]; then
  echo "deps: could not get: $failed" >&2
  exit 1
fi
