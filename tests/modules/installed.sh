#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make installcheck: the installed program with the modules as they were installed, then with copies that have no .la.
# installed.sh PROGRAM MODULEDIR (none in a build with preopened modules)
set -e
src=${TN_SRCDIR:-.}
TENON=$1
export TENON
unset TENON_MODULE_SCANNER TENON_MODULE_PATH
TENON_MODULE_CACHE=off
export TENON_MODULE_CACHE
# Installed below a staging folder, the program does not know where its modules are.
[ -z "$DESTDIR" ] || { TENON_MODULE_PATH=$2; export TENON_MODULE_PATH; }
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

modalities=
! grep -q 'define HAVE_VISION 1' "${TN_BUILDDIR:-.}/config.h" || modalities=vision
! grep -q 'define HAVE_VIDEO 1' "${TN_BUILDDIR:-.}/config.h" || modalities="$modalities video"
for id in llama qwen3 gemma phi3 qwen3_5 $modalities; do
    "$TENON" modules inspect "$id" > "$work/facts"
    grep -q -e "^file  *$2/$id.so$" -e '(part of the program)' "$work/facts" || {
        echo "module $id is not the installed one:" >&2
        cat "$work/facts" >&2
        exit 1
    }
done
[ "$python" = : ] && exit 0
"$python" "$src/tests/modules/command.py"
[ -d "$2" ] || exit 0
mkdir "$work/modules"
cp "$2"/*.so "$work/modules"
TENON_MODULE_PATH=$work/modules "$python" "$src/tests/modules/command.py"
