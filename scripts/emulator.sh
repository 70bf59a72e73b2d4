#!/usr/bin/env bash
# One emulator of AWS for all tests of a run: nextest starts this before the first that needs it. Where it is not installed the
# tests say so themselves.
set -euo pipefail
# Whoever runs the tests has one already (scripts/test-emulators.sh).
[ -z "${NESTLING_EMULATOR-}" ] || exit 0
program=${MINISTACK:-tests/aws/.venv/bin/ministack}
[ -x "$program" ] || exit 0
run=$PPID
for _ in 1 2 3; do
  # Between this and the start another process may take the port: then it ends at once, and another is tried.
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # By itself it listens for everybody.
  BIND_HOST=127.0.0.1 GATEWAY_PORT=$port "$program" </dev/null >/dev/null 2>&1 &
  emulator=$!
  # It takes half a second to start, and more when others use the machine, too.
  for _ in $(seq 600); do
    kill -0 "$emulator" 2>/dev/null || break
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      # It ends with the run, however that ends.
      (tail --pid="$run" --follow /dev/null; kill "$emulator") </dev/null >/dev/null 2>&1 &
      echo "NESTLING_EMULATOR=http://127.0.0.1:$port" >>"$NEXTEST_ENV"
      exit 0
    fi
    sleep 0.1
  done
  kill "$emulator" 2>/dev/null || true
done
echo "nestling: $program did not listen within a minute" >&2
exit 1
