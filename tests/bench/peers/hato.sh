# hato, installed at HATO_HOME; tcpserver from ucspi-tcp. The control files, users/ and the queue there are the bench's:
# give it an installation of its own, on the file system to be measured (`make bench` does).
# HATO_LOG: what qmail-start logs to (default: multilog where it is installed, otherwise a file).
. "$BENCH_COMMON"
H=${HATO_HOME:-/var/qmail}
case $1 in
info)
	[ -x "$H/bin/qmail-send" ] && [ -x "$H/bin/qmail-queued" ] && command -v tcpserver >/dev/null || exit 0
	echo "caps=smtp sendmail remote pop3"
	echo "sendmail=$H/bin/sendmail"
	echo "version=${HATO_VERSION:-unknown}"
	;;
start)
	rm -f "$H"/control/*
	for f in me locals rcpthosts; do echo "$BENCH_DOMAIN" >"$H/control/$f"; done
	echo 20971520 >"$H/control/databytes"
	[ -z "$BENCH_ROUTE" ] || echo ":$BENCH_ROUTE" >"$H/control/smtproutes"
	echo "$BENCH_RCONC" >"$H/control/concurrencyremote"
	[ -z "${HATO_LCONC:-}" ] || echo "$HATO_LCONC" >"$H/control/concurrencylocal"
	for u in $BENCH_USERS; do
		getent passwd "$u" | awk -F: '{ printf "=%s:%s:%s:%s:%s:::\n+%s-:%s:%s:%s:%s:-::\n", $1, $1, $3, $4, $6, $1, $1, $3, $4, $6 }'
	done >"$H/users/assign"
	echo . >>"$H/users/assign"
	"$H/bin/qmail-newu"
	if command -v multilog >/dev/null; then
		mkdir -p "$BENCH_DIR/log"
		chown qmaill "$BENCH_DIR/log"
		background "$BENCH_DIR/send.log" env - PATH="$H/bin:$PATH" qmail-start ./Maildir/ multilog t n10 s10000000 "$BENCH_DIR/log"
	else
		# descriptor 0 is the log
		setsid env - PATH="$H/bin:$PATH" qmail-start ./Maildir/ 0>>"$BENCH_DIR/send.log" >>"$BENCH_DIR/send.out" 2>&1 &
		echo "$! $(_born $!)" >>"$BENCH_DIR/pids"
	fi
	background "$BENCH_DIR/smtpd.log" env - PATH="$H/bin:$PATH" RELAYCLIENT= \
		tcpserver -H -R -l "$BENCH_DOMAIN" -c "$BENCH_CONNS" -b 512 127.0.0.1 "$BENCH_SMTP_PORT" qmail-smtpd
	background "$BENCH_DIR/pop3d.log" env - PATH="$H/bin:$PATH" BENCH_POP_PASS="$BENCH_POP_PASS" \
		tcpserver -D -H -R -l "$BENCH_DOMAIN" -c 100 -b 512 127.0.0.1 "$BENCH_POP3_PORT" \
		qmail-popup "$BENCH_DOMAIN" "$BENCH_TOOLS/checkpw" qmail-pop3d Maildir
	i=0
	while [ ! -S "$H/gate/s" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
	;;
stop) stop_background ;;
clean)
	for d in new mess state bad; do find "$H/queue/$d" -type f -exec rm -f {} +; done
	;;
# not yet tried: what lies in new/ while all deliveries fail
todo) find "$H/queue/new" -type f | wc -l ;;
queued) find "$H/queue/new" "$H/queue/mess" -type f | wc -l ;;
esac
