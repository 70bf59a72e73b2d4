#!/usr/bin/env bash
# Says in one line what is missing and how to get it.
set -u
missing() { echo "nestling: $1 is missing: $2" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
have cargo || missing "Rust" "install it from https://rustup.rs"
have cc || missing "a C compiler" "apt-get install build-essential"
have git || missing "git" "apt-get install git"
[ "${1:-}" = build ] && exit 0
have node || missing "Node.js 20 or newer" "apt-get install nodejs npm, or https://nodejs.org"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || missing "Node.js 20 or newer (found $major)" "https://nodejs.org"
have npm || missing "npm" "apt-get install npm"
have bwrap || missing "bubblewrap, which isolates previews" "apt-get install bubblewrap (or, for your own code: target/debug/nestling demo --isolation none)"
