#!/usr/bin/env bash
# Build the wheel of a tag into dist/, if the tag is the version that pyproject.toml says: build_wheel.sh v1.2.3
set -euo pipefail
cd "$(dirname "$0")/../.."
if (( $# != 1 )); then
    echo "usage: build_wheel.sh v1.2.3" >&2
    exit 2
fi
version=$(python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
if [[ "$1" != "v$version" ]]; then
    echo "tag $1 is not v$version, the version in pyproject.toml: correct one of them" >&2
    exit 2
fi
python -m pip wheel --no-deps --wheel-dir dist .
