#!/usr/bin/env bash
# Build images from this commit and ask each entry point for its help: try_images.sh NAME...
# With docker or buildah, whichever works here; without either it says so and skips (exit 0).
set -euo pipefail
cd "$(dirname "$0")/.."
if (( $# == 0 )); then
    echo "usage: try_images.sh NAME..." >&2
    exit 2
fi
for name in "$@"; do
    [[ -f containers/${name//-/_}/Dockerfile ]] || {
        echo "there is no image $name: containers/${name//-/_}/Dockerfile is not there" >&2
        exit 2
    }
done
if docker=$(command -v docker) && "$docker" info > /dev/null 2>&1; then
    for name in "$@"; do
        "$docker" build --file "containers/${name//-/_}/Dockerfile" --tag "counterfoil-$name:try" .
        "$docker" run --rm "counterfoil-$name:try" --help
        "$docker" image inspect --format "counterfoil-$name: {{.Size}} bytes" "counterfoil-$name:try"
    done
elif buildah=$(command -v buildah); then
    for name in "$@"; do
        "$buildah" build --isolation chroot --file "containers/${name//-/_}/Dockerfile" --tag "counterfoil-$name:try" .
        container=$("$buildah" from "counterfoil-$name:try")
        "$buildah" run --isolation chroot "$container" -- python /opt/counterfoil/main.py --help
    done
else
    [[ -n $docker ]] && why="docker reaches no engine" || why="there is no docker"
    echo "skipped: $why, and there is no buildah"
fi
