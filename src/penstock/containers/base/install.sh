#!/bin/sh
# Makes the environment that the worker runs in. Runs once, as root, while the image is built.
set -eu

wheels=/opt/penstock-wheels
target=/opt/penstock

python=''
find_python() {
  for name in python3 python3.13 python3.12 python3.11 python3.10 python3.9; do
    if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
      python=$name
      return
    fi
  done
}

find_python
if test -z "$python" && command -v apt-get >/dev/null; then
  echo 'Installing Python from the distribution'
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends python3 python3-venv >/dev/null
  apt-get clean
  rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
  find_python
fi
if test -z "$python"; then
  echo 'The image has no Python 3.9 or newer with venv and ensurepip: install one in an image of your own first' >&2
  exit 1
fi

"$python" -m venv "$target"
install() { "$target/bin/pip" install --quiet --no-cache-dir --find-links "$wheels" "$@" penstock-worker; }
if ! install --no-index 2>/dev/null; then
  echo 'The wheels do not fit this Python; asking the package index'
  install
fi
rm -rf "$wheels"

if ! grep -q '^[^:]*:[^:]*:1001:' /etc/passwd; then
  echo 'dockeruser:x:1001:1001::/home/dockeruser:/bin/sh' >>/etc/passwd
  echo 'dockeruser:x:1001:' >>/etc/group
fi
mkdir -p /var/azureml-app/azureml-models /home/dockeruser
# So that `pip install` works in images made from this one, which are built as this user.
chown -R 1001:1001 "$target" /var/azureml-app /home/dockeruser
