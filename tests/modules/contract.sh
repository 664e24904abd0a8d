#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the build promises of in-tree modules: each exports one symbol, its entry, needs no library of ours, and of our
# headers has seen only those in abi/.
src=${TN_SRCDIR:-.}
build=${TN_BUILDDIR:-.}
nm=${TN_NM:-nm}
top_srcdir=$(sed -n 's/^top_srcdir = //p' "$build/Makefile") # as the compiler's file names begin
n=0
failed=0

# NAME COMPLAINTS
result() {
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        failed=1
    fi
}

skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# FILE NAME: complaints unless the one symbol is the constant NAME_LTX_tn_module_entry
exports() {
    symbols=$($nm -D --defined-only "$1") || echo "$nm failed"
    expected=$(echo "$2" | sed 's/[^A-Za-z0-9]/_/g')_LTX_tn_module_entry
    [ "$(printf '%s\n' "$symbols" | awk '{print $3}')" = "$expected" ] || printf '%s\n' "$symbols"
    printf '%s\n' "$symbols" | awk '$2 !~ /^[DRdr]$/ {print $3 " is not data"}'
}

# The files that the compiler read for the module in a folder, ours only, from the top of the tree.
files_read() {
    cat "$build/$1"/.deps/*.Plo 2>/dev/null | tr ' \\' '\n\n' | sed -n 's/:$//; /\.[ch]$/p' |
        sed "s|^$top_srcdir/||; s|^\./||" | grep -v '^/' | sort -u
}

for folder in "$src"/plugins/*/; do
    name=$(basename "$folder")
    [ -f "$folder/local.mk" ] || continue
    file=$build/plugins/$name/.libs/$name.so
    if [ -f "$file" ]; then
        result "$name exports its entry and nothing else" "$(exports "$file" "$name")"
    else
        skip "$name exports its entry and nothing else" 'it is part of the program in this build'
    fi
    result "$name writes no include of ours but abi's and its own" \
        "$(grep -nE '^ *# *include *"' "$folder"*.[ch] | grep -E '"[^"]*/')"
    seen=$(files_read "plugins/$name")
    if [ -n "$seen" ]; then
        result "$name was compiled from abi/ and its own folder" \
            "$(printf '%s\n' "$seen" | grep -vE "^abi/tenon/|^plugins/$name/")"
    else
        skip "$name was compiled from abi/ and its own folder" 'the build tracked no dependencies'
    fi
done
echo "1..$n"
exit $failed
