#!/bin/sh
# Installs what the container tests need, from the packages of Debian or Ubuntu; does nothing where that cannot be.
# Arguments: packages that are wanted as well.
set -eu

# runc and not crun, which refuses machines with both versions of cgroups; iptables, which netavark calls.
exec "$(dirname "$0")/install_packages.sh" \
    buildah podman runc netavark aardvark-dns catatonit iptables mmdebstrap "$@"
