#!/bin/sh
# Installs what the tests of containers need from the system's packages, where that is possible without a question.
# Never fails: without it those tests are skipped, and say why. `$1` is a folder for what needs no installation.
set -u

packages='podman runc netavark slirp4netns catatonit uidmap mmdebstrap'
registry=docker-registry

missing=''
for package in $packages; do
  case "$(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null)" in
    *' installed') ;;
    *) missing="$missing $package" ;;
  esac
done
unpacked="$1/usr/bin/$registry"
if test -z "$missing" && { test -x "$unpacked" || command -v "$registry" >/dev/null; }; then
  exit 0
fi

skipped() {
  echo "$1: tests of containers may be skipped."
  echo 'They need podman, runc, slirp4netns, catatonit, mmdebstrap and docker-registry.'
  exit 0
}

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || skipped 'This is not Debian or Ubuntu'
if test "$(id -u)" = 0; then
  as_root='env'
elif sudo -n true 2>/dev/null; then
  as_root='sudo -n env'
else
  skipped 'Packages can be installed by root alone'
fi

echo "Installing$missing $registry"
log="$(mktemp)"
$as_root apt-get -qq update >"$log" 2>&1
known=''
for package in $missing; do  # not every release has all of them
  if apt-cache show "$package" >/dev/null 2>&1; then known="$known $package"; fi
done
# shellcheck disable=SC2086
if test -n "$known" && ! $as_root DEBIAN_FRONTEND=noninteractive \
  apt-get -qq install --yes --no-install-recommends $known </dev/null >>"$log" 2>&1; then
  tail -n 3 "$log"
  rm -f "$log"
  skipped 'They could not be installed'
fi
# Unpacked and not installed: an installed registry would begin to serve on a port that everybody can reach.
if ! command -v "$registry" >/dev/null && ! test -x "$unpacked"; then
  mkdir -p "$1"
  (cd "$1" && apt-get -qq download "$registry" && dpkg -x "$registry"_*.deb . && rm -f "$registry"_*.deb) >>"$log" 2>&1
fi
rm -f "$log"
exit 0
