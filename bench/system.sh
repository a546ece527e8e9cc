#!/bin/sh
# Installs wrk, the load generator of the closed loops, where that is possible without a question. Never fails: without
# it the benchmark loads with a generator of its own, which reaches about half the rate.
set -u

command -v wrk >/dev/null && exit 0
if ! command -v apt-get >/dev/null; then
  echo 'wrk is not installed, and this is not Debian or Ubuntu: the generator in Python is used.'
  exit 0
fi
if test "$(id -u)" = 0; then
  as_root='env'
elif sudo -n true 2>/dev/null; then
  as_root='sudo -n env'
else
  echo 'wrk is not installed, and packages can be installed by root alone: the generator in Python is used.'
  exit 0
fi

echo 'Installing wrk'
log="$(mktemp)"
$as_root apt-get -qq update >"$log" 2>&1
if ! $as_root DEBIAN_FRONTEND=noninteractive \
  apt-get -qq install --yes --no-install-recommends wrk </dev/null >>"$log" 2>&1; then
  tail -n 3 "$log"
  echo 'wrk could not be installed: the generator in Python is used.'
fi
rm -f "$log"
exit 0
