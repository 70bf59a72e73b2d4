#!/usr/bin/env bash
# A folder in memory for what all tests of a run write: nextest starts this before the first. Most of it is copied, read once and
# removed, and a disk has nothing of that but work. Where there is too little memory the usual folder serves as well.
set -euo pipefail
run=$PPID
memory=/dev/shm
# All tests at once need at most 3 GiB; the rest is for what they run.
needed=$((12 * 1024 * 1024))
free() { df --output=avail "$1" 2>/dev/null | tail -n 1; }
available() { awk '/^MemAvailable:/ { print $2 }' /proc/meminfo; }
[ -w "$memory" ] && [ "$(free "$memory")" -ge "$needed" ] && [ "$(available)" -ge "$needed" ] || exit 0
folder=$(mktemp -d "$memory/nestling-tests.XXXXXX")
# Programs of an app run from it.
if ! { printf '#!/bin/sh\n' >"$folder/runs" && chmod +x "$folder/runs" && "$folder/runs"; } 2>/dev/null; then
  rm -r "$folder"
  exit 0
fi
rm "$folder/runs"
# It goes with the run, however that ends.
(tail --pid="$run" --follow /dev/null; rm -rf "$folder") </dev/null >/dev/null 2>&1 &
echo "TMPDIR=$folder" >>"$NEXTEST_ENV"
