#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every C file looks as clang-format 14 with our .clang-format makes it. Another version formats differently, so it is not
# asked. With --fix it is made so ("make format").
src=${TN_SRCDIR:-.}
sources() { find abi runtime plugins tests metal tools \( -name '*.c' -o -name '*.h' -o -name '*.m' \) ! -path '*/vectors/*' | sort; }

[ "${1:-}" = --fix ] || echo 1..1
for tool in clang-format-14 clang-format; do
    version=$("$tool" --version 2>/dev/null) || continue
    case $version in *'version 14.'*) found=$tool; break ;; esac
done
if [ -z "${found:-}" ]; then
    echo "ok 1 - sources are formatted # SKIP clang-format 14 is not installed"
    exit 0
fi
cd "$src" || exit 1
if [ "${1:-}" = --fix ]; then
    sources | xargs "$found" --style=file -i
    exit
fi
# A file at a time, so that the message names those that differ.
bad=$(sources | while read -r file; do
        "$found" --style=file "$file" | cmp -s - "$file" || echo "$file"
    done)
if [ -n "$bad" ]; then
    echo "not ok 1 - sources are formatted"
    echo "$bad" | sed 's/^/# /; s/$/: run clang-format -i on it/'
    exit 1
fi
echo "ok 1 - sources are formatted"
