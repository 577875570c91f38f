#!/usr/bin/env bash
# What a change must pass before it is proposed, as far as nothing has to be built or run for it. `make test` begins with the
# same.
set -euo pipefail

script=lint
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/parts.sh
. "$(dirname "$0")/parts.sh"
# shellcheck source=scripts/checks.sh
. "$(dirname "$0")/checks.sh"

"$root/scripts/setup.sh" lint
use_toolchain
cd "$root"
status=0
run_checks || status=1
print_summary
exit "$status"
