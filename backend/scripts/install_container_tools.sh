#!/bin/sh
# Installs what the container tests need, from the packages of Debian or Ubuntu; does nothing where that cannot be.
# Arguments: packages that are wanted as well.
set -eu

# runc and not crun, which refuses machines with both versions of cgroups; iptables, which netavark calls.
packages="buildah podman runc netavark aardvark-dns catatonit iptables mmdebstrap $*"

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The container tests need root and these programs: $packages" >&2
    exit 0
fi

missing=""
for package in $packages; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# shellcheck disable=SC2086 # the packages are several words
apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null
