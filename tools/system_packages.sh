#!/bin/sh
# Look for the system packages of one purpose, and install those that are missing.
#
#   sh tools/system_packages.sh python|run|test
#
#   python  the venv module of PYTHON (Debian keeps it apart)
#   run     the libraries that PDF needs, and a Chinese font
#   test    the same, and what the tests that look at pages and documents need: Chromium, a library
#           of its driver, poppler and qpdf
#
# What is there is left alone, silently. Missing packages are installed by apt-get where this user
# is root or may use sudo without a password; otherwise one line says what to type, and the rest
# goes on without them (status 0; status 1 where they cannot be done without: python, and any of
# them where CI=true). INSTALL_SYSTEM=0 never installs.
set -eu
purpose=${1:?python, run or test}
: "${PYTHON:=python3}" "${INSTALL_SYSTEM:=1}" "${CI:=}"
PATH=$PATH:/usr/sbin:/sbin # ldconfig, where users have no sbin on their PATH

missing=''
want() { missing="$missing $1"; }

has_library() { # a shared library, by its file name up to .so
    if command -v ldconfig >/dev/null 2>&1; then
        ldconfig -p 2>/dev/null | grep -q "$1\\.so"
    else # macOS: Homebrew's places
        ls /opt/homebrew/lib/"$1"*.dylib /usr/local/lib/"$1"*.dylib >/dev/null 2>&1
    fi
}

look_for_python() {
    "$PYTHON" -c 'import ensurepip' 2>/dev/null ||
        want "python$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
}

look_for_pdf() {
    has_library libpango-1.0 || want libpango-1.0-0
    has_library libpangoft2-1.0 || want libpangoft2-1.0-0
    has_library libharfbuzz-subset || want libharfbuzz-subset0
    if ! command -v fc-list >/dev/null 2>&1; then
        want fontconfig
        want fonts-noto-cjk
    elif [ -z "$(fc-list :lang=zh-cn family)" ]; then
        want fonts-noto-cjk
    fi
}

look_for_viewers() {
    command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || want chromium
    has_library libatomic || want libatomic1 # Playwright's driver is linked against it
    command -v pdftoppm >/dev/null 2>&1 || want poppler-utils
    command -v qpdf >/dev/null 2>&1 || want qpdf
}

case $purpose in
python) look_for_python ;;
run) look_for_pdf ;;
test)
    look_for_pdf
    look_for_viewers
    ;;
*) echo "unknown purpose: $purpose" >&2 && exit 2 ;;
esac

[ -n "$missing" ] || exit 0
install="apt-get install -y --no-install-recommends$missing"

if [ "$INSTALL_SYSTEM" != 0 ] && command -v apt-get >/dev/null 2>&1; then
    as_root=''
    if [ "$(id -u)" = 0 ]; then
        as_root='env'
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root='sudo -n env'
    fi
    if [ -n "$as_root" ]; then
        echo "installing system packages: $install"
        log=$(mktemp)
        # The lists may be old or absent: refresh them first. Unquoted on purpose: words.
        if $as_root apt-get update -q >"$log" 2>&1 &&
            $as_root DEBIAN_FRONTEND=noninteractive $install -q >>"$log" 2>&1; then
            rm -f "$log"
            exit 0
        fi
        tail -n 15 "$log" >&2
        rm -f "$log"
        echo "apt-get could not install them." >&2
    fi
fi

echo "System packages are missing:$missing" >&2
if command -v apt-get >/dev/null 2>&1; then
    echo "    sudo $install" >&2
elif command -v brew >/dev/null 2>&1; then
    echo "    brew install pango poppler qpdf && brew install --cask chromium font-noto-sans-cjk" >&2
else
    echo "    Install what your system calls them (the names above are Debian's)." >&2
fi
if [ "$purpose" = python ] || [ "$CI" = true ]; then exit 1; fi
case $purpose in
run) echo "Going on without them: documents in PDF are not available." >&2 ;;
test) echo "Going on without them: the tests that need them are skipped." >&2 ;;
esac
