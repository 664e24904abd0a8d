#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, twice in a row, as C11 and as C++, without a warning, and includes nothing but the
# standard's headers and its own kind.
abi=${TN_SRCDIR:-.}/abi
cc=${TN_CC:-cc}
cxx=${CXX:-}
warnings='-pedantic -Wall -Wextra -Wshadow -Werror'
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

# HEADER COMPILER...; silent when all is well
compile() {
    header=$1
    shift
    printf '#include <tenon/%s>\n#include <tenon/%s>\nextern int tn_not_empty;\n' "$header" "$header" |
        "$@" $warnings -I"$abi" -fsyntax-only - 2>&1 || echo "exit status $?"
}

# The first C++ compiler that works.
find_cxx() {
    for tool in "$cxx" c++ g++ clang++; do
        [ -n "$tool" ] && echo 'int x;' | $tool -x c++ -fsyntax-only - 2>/dev/null && echo "$tool" && return
    done
}

standard='assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg
    stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype'
allowed=$(echo $standard | sed 's/ /|/g')
cxx=$(find_cxx)
for path in "$abi"/tenon/*.h; do
    header=${path##*/}
    result "$header is C11" "$(compile "$header" $cc -x c -std=c11)"
    for std in c++11 c++17 c++20; do
        if [ -n "$cxx" ]; then
            result "$header is $std" "$(compile "$header" $cxx -x c++ -std=$std)"
        else
            skip "$header is $std" 'there is no C++ compiler'
        fi
    done
    result "$header includes the standard's headers and Tenon's public ones only" \
        "$(grep -n '^ *# *include' "$path" | grep -vE "<($allowed)\.h>|<tenon/[a-z-]+\.h>")"
done
echo "1..$n"
exit $failed
