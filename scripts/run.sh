#!/usr/bin/env bash
# Sets up and builds what is missing, then becomes `billhook dev`, which says itself where its page is.
set -euo pipefail

script=run
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

"$root/scripts/build.sh" --quick --if-changed
cd "$root"
exec target/quick/billhook dev "$@"
