#!/usr/bin/env bash
# Runs one command with the tools that Billhook is built with, after setting up what is missing for its purpose.
#
#   scripts/with.sh build|test|bench|lint|fmt|watch COMMAND...
set -euo pipefail

script=with
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || die "usage: scripts/with.sh build|test|bench|lint|fmt|watch COMMAND..."
"$root/scripts/setup.sh" "$1"
use_toolchain
shift
BILLHOOK_BIN=${BILLHOOK_BIN:-$root/target/quick/billhook}
CHROMIUM=$(find_chromium)
FIREFOX=$(find_firefox)
export BILLHOOK_BIN CHROMIUM FIREFOX PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
cd "$root"
exec "$@"
