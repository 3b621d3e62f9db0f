#!/usr/bin/env bash
# Runs once, when the image is built: Python, the package, the hidden data. The log says how well
# submissions will be isolated.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
[ -d "$here/source" ] && source_folder="$here/source" || source_folder="$here"
root="$(dirname "$source_folder")"

new_enough() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
installable() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }

if ! command -v bwrap >/dev/null && installable; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends bubblewrap || \
    echo "bubblewrap could not be installed; isolation level B at best"
fi

python=""
for name in python3.13 python3.12 python3.11 python3; do
  if new_enough "$name"; then python="$name"; break; fi
done
if [ -z "$python" ] && installable; then
  for version in 3.12 3.11; do
    if apt-get install -y -qq --no-install-recommends "python$version" "python$version-venv"; then
      new_enough "python$version" && python="python$version" && break
    fi
  done
fi
if [ -z "$python" ]; then
  echo "Python 3.11 or newer was not found; choose a newer base image (Ubuntu 24.04 has 3.12)." >&2
  exit 1
fi

[ -d "$root/venv" ] || "$python" -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
  --extra-index-url https://download.pytorch.org/whl/cpu \
  -c "$source_folder/constraints.txt" "$source_folder"/*.whl

# What a submission could otherwise read: the seed, the hidden data, the results.
mkdir -p "$root/cache" "$root/results"
chmod go= "$source_folder" "$root/cache"
"$root/venv/bin/python" -P -m grader.release.on_gradescope prepare "$root"
