#!/usr/bin/env bash
# Measures every bound of docs/benchmarks.md on this machine and prints its tables; each ratio is of pairs within this
# run. With arguments only those benches, e.g. `scripts/bench.sh gateway live`.
set -euo pipefail
cd "$(dirname "$0")/.."
missing() { echo "nestling: $1 is missing: $2" >&2; exit 1; }
command -v nginx >/dev/null || missing nginx "apt-get install nginx-light"
command -v wrk >/dev/null || missing wrk "apt-get install wrk"
scripts/needs.sh run
[ -d tests/github/node_modules ] || npm ci --prefix tests/github --no-audit --no-fund
benches=("$@")
[ ${#benches[@]} -gt 0 ] || benches=(start runs gateway scale live webhooks machines uploads)
cargo bench --locked --no-run
echo "$(date -u +%F), \`make bench\` at $(git describe --always --dirty), $(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)), $(free -g | awk '/^Mem/ { print $2 }') GiB, Linux $(uname -r); load before it $(cut -d' ' -f1 /proc/loadavg)."
for bench in "${benches[@]}"; do
  cargo bench --locked --quiet --bench "$bench"
done
