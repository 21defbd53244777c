#!/usr/bin/env bash
# Installs what training needs into .venv: bash scripts/setup.sh
# With what tests, lint and type checks need: bash scripts/setup.sh dev
# Safe to repeat; takes a second when nothing has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extra=${1:-}
if [[ $# -gt 1 || ($extra != "" && $extra != dev) ]]; then
    echo "setup: '$*' is not an option; valid: dev, or nothing" >&2
    exit 2
fi

say() { echo "setup: $*"; }
warn() { echo "setup: $*" >&2; }
fail() { warn "$*"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer found (tried ${PYTHON:-python3, python3.13, python3.12, python3.11}); install one, or name it: PYTHON=/path/to/python bash scripts/setup.sh"
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# Debian packages that are missing: EGL and Mesa draw the video without a screen, python3-venv makes .venv.
missing_packages() {
    local package
    for package in libegl1 libgl1-mesa-dri; do
        installed "$package" || echo "$package"
    done
    "$1" -c 'import ensurepip' 2>/dev/null || echo python3-venv
}

apt() {
    local options=(-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=60)
    "$@" apt-get "${options[@]}" update && "$@" env DEBIAN_FRONTEND=noninteractive \
        apt-get "${options[@]}" install -y --no-install-recommends "${packages[@]}" >/dev/null
}

install_packages() {
    local as=()
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; } || return 1
        as=(sudo)
    fi
    say "installing ${packages[*]}"
    apt "${as[@]}"
}

python=$(find_python)

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    mapfile -t packages < <(missing_packages "$python")
    if [[ ${#packages[@]} -gt 0 ]] && ! install_packages; then
        warn "could not install ${packages[*]}; the video at the end will be skipped until you run: sudo apt-get install ${packages[*]}"
    fi
elif [[ $(uname) == Linux ]]; then
    warn "no apt-get here; if the video at the end is skipped, install EGL and Mesa's software renderer"
fi

wanted=$( (pwd; cat pyproject.toml constraints.txt) | cksum)
up_to_date() { [[ -f $1 && $(cat "$1") == "$wanted" ]] && .venv/bin/python -c '' 2>/dev/null; }
if up_to_date .venv/installed-dev || { [[ $extra == "" ]] && up_to_date .venv/installed; }; then
    say "everything is installed"
    exit 0
fi

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv || fail "could not make .venv; install python3-venv and run this again"
fi
new_enough .venv/bin/python || fail ".venv has a Python older than 3.11; delete the folder .venv and run this again"

say "installing Python packages into .venv (about 500 MB to download the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".${extra:+[$extra]}" ||
    fail "the packages could not be installed; is the network reachable?"
echo "$wanted" >".venv/installed${extra:+-$extra}"
say "done"
