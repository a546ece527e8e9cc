#!/bin/sh
# In the place of Ray's HAProxy: Ray writes some of its ports for every interface, here they are opened on loopback only.
for file in "$@"; do
  case "$file" in
    *.cfg) sed -i -E 's/^( *bind )(\*)?:/\1127.0.0.1:/' "$file" ;;
  esac
done
exec "$BENCH_HAPROXY" "$@"
