#!/bin/sh
# Installs packages of Debian or Ubuntu that only some tests need; does nothing where that cannot be.
# Arguments: the packages.
set -eu

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Some tests need root and these programs: $*" >&2
    exit 0
fi

missing=""
for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# shellcheck disable=SC2086 # the packages are several words
apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null
