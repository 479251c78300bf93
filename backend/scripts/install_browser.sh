#!/bin/sh
# Installs what the browser tests need: Chromium, and letters for Japanese.
set -eu

exec "$(dirname "$0")/install_packages.sh" chromium fonts-noto-cjk
