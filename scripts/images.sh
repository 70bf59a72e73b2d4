#!/usr/bin/env bash
# Builds the images of server and runner with what this computer has: Docker, Podman or Buildah.
# Usage: images.sh TAG [arguments of the build]. The same commit, bases and packages give the same image.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$1
shift
# Files carry the time of the commit, not of the build.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
have() { command -v "$1" >/dev/null 2>&1; }
for target in server runner; do
  image="nestling-$target:$tag"
  common=(--file deploy/images/Dockerfile --target "$target" --tag "$image" "$@" .)
  if have docker; then
    docker buildx build --output type=docker,rewrite-timestamp=true "${common[@]}"
  elif have podman; then
    podman build --timestamp "$SOURCE_DATE_EPOCH" "${common[@]}"
  elif have buildah; then
    buildah build --timestamp "$SOURCE_DATE_EPOCH" "${common[@]}"
  else
    echo "nestling: nothing here builds images: install Docker, Podman or Buildah (apt-get install buildah)" >&2
    exit 1
  fi
  echo "built $image"
done
