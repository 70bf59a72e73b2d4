#!/usr/bin/env bash
# The suites of records, blobs and keys against the stricter emulator of AWS: fakecloud, which is built here once. It is a process of
# its own and no part of anything of ours: its licence is the AGPL.
set -euo pipefail
version=0.51.0
program=${FAKECLOUD:-.tools/bin/fakecloud}
if [ ! -x "$program" ]; then
  echo "builds fakecloud $version, once: some ten minutes on two cores" >&2
  CARGO_PROFILE_DEV_DEBUG=0 cargo install fakecloud --version "$version" --locked --debug --root .tools --target-dir .tools/target
  rm -rf .tools/target
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# By itself it listens for everybody.
"$program" --addr "127.0.0.1:$port" </dev/null >/dev/null 2>&1 &
emulator=$!
trap 'kill "$emulator" 2>/dev/null || true' EXIT
for _ in $(seq 600); do
  kill -0 "$emulator" 2>/dev/null || { echo "nestling: $program ended when it was started" >&2; exit 1; }
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done
NESTLING_EMULATOR=http://127.0.0.1:$port "${CARGO:-cargo}" nextest run --locked --workspace -E 'test(/::(on_the_)?emulator::/)' "$@"
