#!/usr/bin/env bash
# Prints the tables of docs/benchmarks.md, measured on this machine, each ratio within one run.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo bench --locked "$@"
