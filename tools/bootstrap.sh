#!/bin/sh
# Make the virtual environment $VENV hold what requirements.lock pins, and Kaowu itself.
#
# Needs python3 >= 3.11 and a package index that pip or uv can reach with its own configuration.
# uv does the work: the one on PATH, else one in an environment of its own ($VENV-tools), which
# keeps it out of the way of what it installs.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}"
uv_pin=$(grep -o '^uv==[0-9.]*' tools/uv.lock)

if ! command -v "$PYTHON" >/dev/null 2>&1; then
    echo "$PYTHON was not found. On Debian and Ubuntu: sudo apt-get install -y python3 python3-venv" >&2
    exit 1
fi
"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || {
    echo "Python 3.11 to 3.14 is needed; $PYTHON is $("$PYTHON" -V)." >&2
    echo "Name another one: make PYTHON=python3.12 run" >&2
    exit 1
}

if command -v uv >/dev/null 2>&1; then
    UV=uv
else
    tools=$VENV-tools
    if ! "$tools/bin/uv" --version 2>/dev/null | grep -qF "uv ${uv_pin#uv==}"; then
        PYTHON="$PYTHON" sh tools/system_packages.sh python
        echo "installing $uv_pin into $tools"
        "$PYTHON" -m venv --clear "$tools"
        "$tools/bin/python" -m pip install -q --disable-pip-version-check \
            --require-hashes -r tools/uv.lock
    fi
    UV=$tools/bin/uv
fi

# The interpreter is always the one named above: none is ever downloaded.
UV_PYTHON_DOWNLOADS=never
export UV_PYTHON_DOWNLOADS
[ -x "$VENV/bin/python" ] || "$UV" venv -q --clear --python "$(command -v "$PYTHON")" "$VENV"
echo "installing the packages of requirements.lock into $VENV"
"$UV" pip install -q --python "$VENV/bin/python" --require-hashes -r requirements.lock
# The build tools of our own package are pinned by hash as well.
"$UV" pip install -q --python "$VENV/bin/python" --no-deps -e . --build-constraints tools/build.lock
