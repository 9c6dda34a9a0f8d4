#!/bin/sh
# NAME:  Miniconda3 (TEST STAND-IN)
# VER:   @VERSION@
# PLAT:  linux-64
# A stand-in for tests with the interface of Miniconda's installer. It installs a real upstream conda, put together from
# public package registries. It is not made by Anaconda, Inc. and not meant for real servers.
set -eu
PREFIX="${HOME:-/opt}/miniconda3"
BATCH=0 FORCE=0 UPDATE=0
USAGE="usage: $0 [options]

Installs Miniconda3 @VERSION@ (TEST STAND-IN)

-b           run install in batch mode (without manual intervention)
-f           no error if install prefix already exists
-h           print this help message and exit
-m           disable the creation of menu items / shortcuts
-p PREFIX    install prefix, defaults to $PREFIX, must not contain spaces
-s           skip running pre/post-link/install scripts
-u           update an existing installation
-t           run package tests after installation"
while getopts "bfhimp:kstu" option; do
    case "$option" in
        b) BATCH=1 ;;
        f) FORCE=1 ;;
        p) PREFIX="$OPTARG" ;;
        u) FORCE=1 UPDATE=1 ;;
        h) printf '%s\n' "$USAGE"; exit 2 ;;
        i|k|m|s|t) ;;
        *) printf "ERROR: did not recognize option '%s', please try -h\n" "$option" >&2; exit 1 ;;
    esac
done
if [ "$BATCH" = 0 ]; then
    echo "ERROR: this test stand-in has no interactive mode, run it with -b" >&2
    exit 1
fi
echo "TEST STAND-IN for Miniconda3 @VERSION@: a real conda, not made by Anaconda, for tests only"
case "$PREFIX" in
    *' '*) echo "ERROR: Cannot install into directories with spaces" >&2; exit 1 ;;
esac
if [ "$FORCE" = 0 ] && [ -e "$PREFIX" ]; then
    printf "ERROR: File or directory already exists: '%s'\n" "$PREFIX" >&2
    echo "If you want to update an existing installation, use the -u option." >&2
    exit 1
fi
if [ "$(tail -n +@LINES@ "$0" | sha256sum | cut -d ' ' -f 1)" != "@SHA256@" ]; then
    echo "ERROR: SHA-256 mismatch of the payload in $0: the file is damaged or truncated" >&2
    exit 1
fi
mkdir -p "$PREFIX" || { printf "ERROR: Could not create directory: '%s'\n" "$PREFIX" >&2; exit 1; }
PREFIX=$(cd "$PREFIX" && pwd -P)
printf 'PREFIX=%s\nUnpacking payload ...\n' "$PREFIX"
HISTORY="$PREFIX/conda-meta/history"
if [ "$UPDATE" = 1 ] && [ -e "$HISTORY" ]; then cp -p "$HISTORY" "$HISTORY.before"; fi
tail -n +@LINES@ "$0" | tar -xzf - -C "$PREFIX" --no-same-owner
echo "Installing base environment..."
"$PREFIX/bin/python" -I "$PREFIX/.relocate.py" "$PREFIX"
echo "installation finished."
exit 0
