#!/usr/bin/env bash
# Build images from this commit and push them: build_images.sh REGISTRY TAG NAME...
# Base images come by digest from containers/bases.env; docker or buildah builds, whichever is here.
set -euo pipefail
cd "$(dirname "$0")/../.."
if (( $# < 3 )); then
    echo "usage: build_images.sh REGISTRY TAG NAME..." >&2
    exit 2
fi
registry=$1 tag=$2
shift 2
region=$(cut -d. -f4 <<<"$registry")
builder=$(command -v docker || command -v buildah) || {
    echo "neither docker nor buildah is here: install one" >&2
    exit 1
}
aws ecr get-login-password --region "$region" | "$builder" login --username AWS --password-stdin "$registry"
for name in "$@"; do
    folder=${name//-/_}
    image=$registry/counterfoil-$name:$tag
    base=$(sed -n "s/^$folder=//p" containers/bases.env)
    "$builder" build --file "containers/$folder/Dockerfile" ${base:+--build-arg "BASE_IMAGE=$base"} --tag "$image" .
    "$builder" push "$image"
done
