#!/usr/bin/env bash
# Installs what the tests need, by the ordinary package clients, and only what is not there yet.
set -euo pipefail
have() { command -v "$1" >/dev/null 2>&1; }
packages=()
have bwrap || packages+=(bubblewrap)
have chromium || packages+=(chromium fonts-liberation)
have git-lfs || packages+=(git-lfs)
have ps || packages+=(procps)
have column || packages+=(bsdextrautils)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "nestling: the tests need ${packages[*]}: run 'sudo apt-get install ${packages[*]}' once" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
for needs in tests/browser tests/github; do
  # npm writes that file last, and a changed lockfile is newer.
  if [ ! "$needs/node_modules/.package-lock.json" -nt "$needs/package-lock.json" ]; then
    npm ci --prefix "$needs" --no-audit --no-fund --ignore-scripts >/dev/null
  fi
done
# GitHub's own description of its API comes in twenty forms, 385 MB; one of 13 MB is read.
find tests/github/node_modules/@octokit/openapi/generated -name '*.json' ! -name api.github.com.json -delete
# An emulator of AWS, in a folder of its own.
emulator=tests/aws/.venv
if [ ! "$emulator/installed" -nt tests/aws/requirements.txt ]; then
  python3 -m venv --clear "$emulator"
  "$emulator/bin/pip" install --quiet --disable-pip-version-check --requirement tests/aws/requirements.txt
  touch "$emulator/installed"
fi
cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest
