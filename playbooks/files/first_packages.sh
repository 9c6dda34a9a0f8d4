# shellcheck shell=sh
# python3 for Ansible's modules, sudo for the administrators. Runs on the host as root, before either is there.
set -eu
if command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -qy --no-install-recommends python3 sudo
elif command -v dnf >/dev/null; then
  dnf install -qy python3 sudo
else
  echo 'bootstrap: found neither apt-get nor dnf; expected one of them; install python3 and sudo by hand' >&2
  exit 1
fi
