#!/usr/bin/env bash
# Makes .venv with the pinned packages, and software OpenGL where nothing on this machine can render.
# Does nothing when that was done for these very files.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.ready
key=$(cat pyproject.toml constraints.txt scripts/setup.sh | sha256sum)
ready() { [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; }
ready && exit 0

say() { echo "setup: $*" >&2; }
fail() { say "$@"; exit 1; }

# Two calls at once: the second waits for the first, and then has nothing to do.
exec 9<scripts/setup.sh
if command -v flock >/dev/null; then flock 9; fi
ready && exit 0

if [ ! -x .venv/bin/python ]; then
  found=
  for python in ${PYTHON:-} python3.11 python3.12 python3; do
    if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
      found=$python
      break
    fi
  done
  [ -n "$found" ] || fail "Python 3.11 or 3.12 is needed, and neither is on the PATH; PYTHON=/path/to/python names one"
  "$found" -m venv .venv || { rm -rf .venv; fail "no virtual environment from $found; on Debian: apt-get install python3-venv"; }
fi

say "installing the pinned packages into .venv; this takes some minutes, once"
.venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]' \
  || fail "pip could not install the packages; what it says is above"

renders() { timeout 120 .venv/bin/python -m deploy.render_probe >/dev/null 2>&1; }
if ! renders; then
  packages="libegl1 libgl1 libgl1-mesa-dri"
  advice="no working OpenGL to render with; install Mesa's software renderer, on Debian: apt-get install $packages"
  root=
  if [ "$(id -u)" -ne 0 ]; then root="sudo -n"; fi
  command -v apt-get >/dev/null && $root true 2>/dev/null || fail "$advice"
  say "installing software OpenGL: $packages"
  { $root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } \
    >/dev/null || fail "$advice"
  renders || fail "OpenGL still does not render; .venv/bin/s3k doctor says more"
fi

echo "$key" >"$stamp"
say "ready"
