#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A module built outside the tree, with a compiler and what pkg-config says, as doc/modules.md shows.
src=${TN_SRCDIR:-.}
build=${TN_BUILDDIR:-.}
cc=${TN_CC:-cc}
n=0
failed=0
PKG_CONFIG_PATH=$build/data
export PKG_CONFIG_PATH
unset TENON_MODULE_SCANNER
TENON_MODULE_CACHE=off
export TENON_MODULE_CACHE

result() { # NAME COMPLAINTS
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        failed=1
    fi
}

skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# NAME COMPILER...: builds and inspects; silent when all is well
build_and_inspect() {
    out=$work/$1
    shift
    mkdir "$out"
    "$@" -DTN_MODULE_NAME=org_example_stranger $(pkg-config --cflags tenon) -Wall -Wextra -Werror -pedantic \
        -fPIC -shared -fvisibility=hidden -Wl,-z,defs -o "$out/org.example.stranger.so" 2>&1 || return
    facts=$(TENON_MODULE_PATH=$out "$(pkg-config --variable=tenon tenon)" modules inspect org.example.stranger 2>&1)
    case $facts in
    *'version    2.0'*'licence    LGPL-3.0-only'*"file       $out/"*'mood = calm  (enum: calm, lively)'*) ;;
    *) printf 'inspect said: %s\n' "$facts" ;;
    esac
}

works() { echo 'int x;' | "$@" -fsyntax-only - 2>/dev/null; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
if ! command -v pkg-config >/dev/null; then
    skip 'a module in C' 'there is no pkg-config'
    skip 'a module in C++' 'there is no pkg-config'
else
    result 'a module in C' "$(build_and_inspect c $cc -std=c11 "$src/tests/modules/stranger.c")"
    for cxx in ${CXX:-} c++ g++ clang++; do works $cxx -x c++ && found=$cxx && break; done
    if [ -n "${found:-}" ]; then
        result 'a module in C++' "$(build_and_inspect cxx $found -std=c++11 -x c++ "$src/tests/modules/stranger.c")"
    else
        skip 'a module in C++' 'there is no C++ compiler'
    fi
    result 'pkg-config knows the ABI' "$(
        [ "$(pkg-config --variable=abi tenon)" = "$("$build/tenon" --version | sed -n 's/^module ABI: //p')" ] ||
            echo "pkg-config says $(pkg-config --variable=abi tenon)")"
fi
echo "1..$n"
exit $failed
