#!/usr/bin/env bash
# Build images from this commit and push them: build_images.sh REGISTRY TAG NAME...
# Base images come by digest from containers/bases.env, SageMaker's Spark from AWS's own registry, as its Dockerfile says;
# docker or buildah builds, whichever is here.
set -euo pipefail
cd "$(dirname "$0")/../.."
if (( $# < 3 )); then
    echo "usage: build_images.sh REGISTRY TAG NAME..." >&2
    exit 2
fi
registry=$1 tag=$2
shift 2
builder=$(command -v docker || command -v buildah) || {
    echo "neither docker nor buildah is here: install one" >&2
    exit 1
}

log_in() { # An ECR registry's name says its region; a login opens every registry there that the caller may read.
    aws ecr get-login-password --region "$(cut -d. -f4 <<<"$1")" | "$builder" login --username AWS --password-stdin "$1"
}

log_in "$registry"
for name in "$@"; do
    folder=${name//-/_}
    image=$registry/counterfoil-$name:$tag
    base=$(sed -n "s/^$folder=//p" containers/bases.env)
    from=${base:-$(sed -n 's/^ARG BASE_IMAGE=//p' "containers/$folder/Dockerfile")}
    [[ ${from%%/*} != *.dkr.ecr.* ]] || log_in "${from%%/*}"
    "$builder" build --file "containers/$folder/Dockerfile" ${base:+--build-arg "BASE_IMAGE=$base"} --tag "$image" .
    "$builder" push "$image"
done
