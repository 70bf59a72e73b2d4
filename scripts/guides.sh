#!/usr/bin/env bash
# Each command of the deployment guides, against models and emulators. AWS's own client is installed first, in a folder of its own.
set -euo pipefail
client=tests/guides/.venv
if [ ! "$client/installed" -nt tests/guides/requirements.txt ]; then
  python3 -m venv --clear "$client"
  "$client/bin/pip" install --quiet --disable-pip-version-check --requirement tests/guides/requirements.txt
  touch "$client/installed"
fi
exec scripts/guides/run.py "$@"
