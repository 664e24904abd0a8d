#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every C file looks as clang-format 14 with our .clang-format makes it. Another version formats differently, so it is not
# asked. With --fix it is made so ("make format"). What is compiled for a GPU is formatted by hand, and only its lines are
# measured. What the build makes has no look: some of it is in tarballs.
src=${TN_SRCDIR:-.}
sources() {
    find abi runtime plugins tests metal tools \( -name '*.c' -o -name '*.h' -o -name '*.m' \) ! -path '*/vectors/*' \
        ! -path 'metal/kernels/*' ! -path metal/args.h ! -path runtime/device/cuda/texts.c ! -path metal/source.c \
        ! -path tests/metal/host-source.c ! -path tests/metal/cuda-language.c | sort
}
kernels() {
    find runtime metal tests tools \( -name '*.metal' -o -name '*.cuh' -o -path 'metal/kernels/*.h' -o -path metal/args.h \) | sort
}

cd "$src" || exit 1
for tool in clang-format-14 clang-format; do
    version=$("$tool" --version 2>/dev/null) || continue
    case $version in *'version 14.'*) found=$tool; break ;; esac
done
if [ "${1:-}" = --fix ]; then
    [ -n "${found:-}" ] || { echo "clang-format 14 is not installed" >&2; exit 1; }
    sources | xargs "$found" --style=file -i
    exit
fi

echo 1..2
status=0
if [ -z "${found:-}" ]; then
    echo "ok 1 - sources are formatted # SKIP clang-format 14 is not installed"
else
    # A file at a time, so that the message names those that differ.
    bad=$(sources | while read -r file; do
            "$found" --style=file "$file" | cmp -s - "$file" || echo "$file"
        done)
    if [ -z "$bad" ]; then
        echo "ok 1 - sources are formatted"
    else
        echo "not ok 1 - sources are formatted"
        echo "$bad" | sed 's/^/# /; s/$/: run clang-format -i on it/'
        status=1
    fi
fi

long=$(kernels | while read -r file; do
        awk -v name="$file" 'length > 120 { print name ":" FNR ": " length " columns, at most 120" }' "$file"
    done)
if [ -z "$long" ]; then
    echo "ok 2 - lines of kernels have 120 columns"
else
    echo "not ok 2 - lines of kernels have 120 columns"
    echo "$long" | sed 's/^/# /'
    status=1
fi
exit $status
