#!/bin/bash
# check.sh [KIND]: the tests, in a room (tests/room.sh). The last line is `N passed, N failed`; exit 1 when anything
# failed. Run in the source directory.
#
#   check      (default) everything, in at most CHECK_SECONDS (3300): what does not end in time fails
#   sanitize   unit and program tests with address and undefined-behaviour sanitizers
#   fuzz       every fuzz target for FUZZ_SECONDS (60)
#   crash      the kill -9 suite, CRASH_ROUNDS (50) rounds
#
# ONLY="unit program system ..." runs just these stages of check; SYSTEM="smtp_in pop3" just these system tests.
{ # the whole script is read before it runs: it may be changed meanwhile
set -u
kind=${1:-check}
: "${CHECK_SECONDS:=3300}"
room=${HATO_ROOM:?run me by tests/room.sh}
source=$(pwd)
export HATO_SOURCE=$source HATO_HOME=$room/home HATO_BIN=$room/link LC_ALL=C.UTF-8
jobs=$(nproc 2>/dev/null || echo 2)
[ "$jobs" -le 8 ] || jobs=8
passed=0 failed=0 failures=

count() { passed=$((passed + $1)) failed=$((failed + $2)); }
# one NAME COMMAND...: a test that is one command; what it says is shown when it fails
one() {
  local name=$1 start=$SECONDS
  shift
  if "$@" >"$room/said" 2>&1; then
    count 1 0
    echo "ok      $name ($((SECONDS - start)) s)"
  else
    count 0 1
    failures="$failures, $name"
    echo "FAILED  $name ($((SECONDS - start)) s)"
    tail -n 60 "$room/said" | sed 's/^/        /'
  fi
}
# many NAME SECONDS COMMAND...: a command whose last lines count its tests, as Catch2 or as `N passed, N failed`
many() {
  local name=$1 limit=$2 start=$SECONDS code numbers good bad
  shift 2
  if [ $kind = check ] && [ "$limit" -gt $((CHECK_SECONDS - SECONDS)) ]; then limit=$((CHECK_SECONDS - SECONDS)); fi
  [ "$limit" -gt 0 ] || limit=1
  timeout -k 10 "$limit" "$@" >"$room/said" 2>&1
  code=$?
  numbers=$(tail -n 5 "$room/said" | sed -n \
    -e 's/^All tests passed (.* in \([0-9]*\) test cases*)$/\1 0/p' \
    -e 's/^test cases: *\([0-9]*\) | *\([0-9]*\) passed.*| *\([0-9]*\) failed.*$/\2 \3/p' \
    -e 's/^test cases: *\([0-9]*\) | *\([0-9]*\) failed.*$/0 \2/p' \
    -e 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' | tail -n 1)
  good=${numbers% *} bad=${numbers#* }
  # No count, or a count that the exit code contradicts: it was cut short.
  [ -n "$numbers" ] || { good=0 bad=1; }
  if [ $code != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  [ $code != 124 ] && [ $code != 137 ] || echo "        (ended after $limit s)"
  count "$good" "$bad"
  if [ "$bad" = 0 ]; then
    echo "ok      $name: $good ($((SECONDS - start)) s)"
  else
    failures="$failures, $name"
    echo "FAILED  $name: $good passed, $bad failed, exit $code ($((SECONDS - start)) s)"
    tail -n "${FAILURE_LINES:-150}" "$room/said" | sed 's/^/        /'
  fi
}
finish() {
  [ -z "$failures" ] || echo "failed: ${failures#, }"
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
  exit
}

# Builds of one checkout wait for each other; what is linked for this room lies in the room.
build() {
  cd "$source" && mkdir -p "$build" && (
    flock 9
    exec make -s -j"$jobs" BUILD="$build" BIN="$HATO_BIN" TESTBIN="$room/tests" HOMEDIR="$HATO_HOME" "${variant[@]}" "$@" 9>&-
  ) 9>"$build/.lock"
}
install_here() { build all && build install && make -s instcheck HOMEDIR="$HATO_HOME"; }
linked() { # FOLDER PROGRAM...
  local folder=$1 program
  shift
  for program; do echo "$room/$folder/$program"; done
}
cd_room() { mkdir -p "$room/work" && cd "$room/work"; }
wanted() { case " ${ONLY:-$1} " in *" $1 "*) ;; *) false ;; esac; }

build=build variant=() # below the source; a relative name, so that a compiler cache serves every checkout
address_and_undefined() { # compiler
  variant=("CXX=$1" STRIP= LINK_static=-pie LINK_nss=-pie OPT=-O1 FAST_OPT=-O1 WARN=-w HARDEN=-D_GLIBCXX_ASSERTIONS
    "EXTRA_CXXFLAGS=-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer $2"
    # The sanitizer's own crypt_r() satisfies the linker, and calls one that is then not there.
    "EXTRA_LDFLAGS=-fsanitize=address,undefined -Wl,--no-as-needed -lcrypt -Wl,--as-needed")
  # A sealed program cannot be looked through for leaks at its end.
  export ASAN_OPTIONS=detect_leaks=0:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
}
# What any process finds, also one whose standard error nobody reads, is in this file (tests/sanitizer.cc).
findings=$room/findings
collect_findings() {
  truncate -s 1M "$findings" && chmod 666 "$findings" || return
  $(sed -n 1p conf-cc) -std=c++20 -O1 -fPIE -DFINDINGS="\"$findings\"" -c -o "$room/sanitizer.o" tests/sanitizer.cc || return
  variant=("${variant[@]/#EXTRA_LDFLAGS=/EXTRA_LDFLAGS=$room/sanitizer.o }")
}
no_findings() { ! tail -c +5 "$findings" | tr -d '\0' | sort | uniq -c | grep .; }

fuzz_each() { # seconds for each target
  local engine compiler=${FUZZ_CXX:-} target name new limit=$1
  if [ -z "$compiler" ] && command -v clang++ >/dev/null; then compiler=clang++; fi
  build=build-fuzz
  if [ -n "$compiler" ]; then
    address_and_undefined "${CCACHE:+$CCACHE }$compiler" -fsanitize=fuzzer-no-link
    engine=-fsanitize=fuzzer
  else
    address_and_undefined "$(sed -n 1p conf-cc)" ''
    engine=
  fi
  one "fuzz targets build" build FUZZ_ENGINE="$engine" fuzzers
  case $failures in *"fuzz targets build") return ;; esac
  for target in "$room"/tests/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    new=$room/fuzz/$name
    mkdir -p "$new" "$source/tests/fuzz/corpus/$name" 2>/dev/null
    if [ -n "$engine" ]; then
      one "fuzz $name" timeout -k 5 $((limit + 120)) "$target" -max_total_time="$limit" -rss_limit_mb=1024 -timeout=10 \
        -print_final_stats=1 -artifact_prefix="${FUZZ_FINDINGS:-$room/}finding-$name-" "$new" "$source/tests/fuzz/corpus/$name"
    else
      one "fuzz corpus $name" timeout -k 5 60 "$target" "$source/tests/fuzz/corpus/$name"/*
    fi
  done
}

case $kind in
check)
  one "build" build all test-programs
  one "install" install_here
  if [ "$failed" != 0 ]; then finish; fi
  wanted man && one "manual pages" sh tests/lint-man.sh
  cd_room
  wanted unit && many "tests/unit" 600 "$room/tests/run-unit" -w NoTests
  wanted program && many "tests/program" 1200 "$room/tests/run-program" -w NoTests
  cd "$source" || exit 1
  if wanted system; then
    # the same programs once more: with a seal that tries what it denies, and with symbols for counting instructions
    one "seal probes link" build BIN="$room/probe" PROBE=1 $(linked probe qmail-smtpd qmail-qmtpd qmail-qmqpd qmail-qmqpc qmail-qmtpc qmail-remote qmail-mtastsd qmail-dotd qmail-popup qmail-pop3d qmail-queued qmail-clean qmail-rcptd)
    one "programs with symbols link" build BIN="$room/symbols" STRIP= \
      $(linked symbols qmail-smtpd qmail-queue qmail-local qmail-remote qmail-pop3d qmail-inject sendmail)
    for file in tests/system/test_*.py; do
      [ -f "$file" ] || continue
      name=${file##*/test_} name=${name%.py}
      case " ${SYSTEM:-$name} " in *" $name "*) ;; *) continue ;; esac
      many "tests/system/$name" 900 "${PYTHON:-/usr/bin/python3}" -B "$file"
    done
  fi
  wanted crash && [ -f tests/crash/crash.py ] &&
    many "tests/crash" 1200 env CRASH_ROUNDS="${CRASH_ROUNDS:-5}" "${PYTHON:-/usr/bin/python3}" -B tests/crash/crash.py
  cd "$source" && wanted install && many "tests/install" 600 bash tests/install.sh # last: it takes the room's users away
  wanted fuzz && fuzz_each "${FUZZ_SECONDS:-5}"
  ;;
sanitize)
  build=build-sanitize
  address_and_undefined "${CCACHE:+$CCACHE }$(sed -n 1p conf-cc)" -g1
  collect_findings || exit 1
  one "build with sanitizers" build all test-programs
  one "install" install_here
  if [ "$failed" != 0 ]; then finish; fi
  cd_room
  many "tests/unit" 900 "$room/tests/run-unit" -w NoTests
  many "tests/program" 1800 "$room/tests/run-program" -w NoTests
  one "no findings in any process" no_findings
  ;;
fuzz) fuzz_each "${FUZZ_SECONDS:-60}" ;;
crash)
  one "build" build all
  one "install" install_here
  [ "$failed" != 0 ] ||
    many "tests/crash" $((600 + ${CRASH_ROUNDS:-50} * 120)) env CRASH_ROUNDS="${CRASH_ROUNDS:-50}" "${PYTHON:-/usr/bin/python3}" -B tests/crash/crash.py
  ;;
*) echo "check.sh: no such kind: $kind" >&2; exit 100 ;;
esac
finish
exit
}
