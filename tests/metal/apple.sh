#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the runtime and the modules, the Metal device included, for macOS on Apple's processors, and looks at what it
# would be linked with: every undefined name must be in apple-symbols.txt. System headers are the small ones in machdr,
# so a header that a file forgets, or a function that macOS does not have, is an error here.
#
#   TN_OBJC   a clang; TN_SRCDIR   the source tree
set -u
LC_ALL=C
export LC_ALL
src=${TN_SRCDIR:-$(dirname "$0")/../..}
clang=${TN_OBJC:-clang}
target=arm64-apple-macos14

skip() { echo "1..0 # SKIP compiling for macOS: $*"; exit 0; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

echo 'int x;' > "$work/x.c"
"$clang" -target $target -c "$work/x.c" -o "$work/x.o" 2> /dev/null || skip "$clang does not know $target"
nm=
for name in llvm-nm llvm-nm-19 llvm-nm-18 llvm-nm-17 llvm-nm-16 llvm-nm-15 llvm-nm-14; do
    if "$name" "$work/x.o" > /dev/null 2>&1; then nm=$name; break; fi
done
[ -n "$nm" ] || skip "llvm-nm is needed (Debian: llvm)"

# Headers of the libraries that the runtime and the modules need, and of nothing else of this system.
mkdir "$work/libraries" "$work/objects"
needed='jansson.h pcre2.h utf8proc.h microhttpd.h ltdl.h confuse.h curl sodium jpeglib.h png.h webp gif_lib.h libavformat
sndfile.h soxr.h'
for header in $needed jansson_config.h libltdl histedit.h jconfig.h jmorecfg.h jerror.h pngconf.h pnglibconf.h \
    libavcodec libavutil libswscale; do
    for folder in /usr/include /usr/include/*-linux-gnu*; do
        [ -e "$folder/$header" ] && ln -sf "$folder/$header" "$work/libraries/$header" && break
    done
done
for header in $needed; do
    [ -e "$work/libraries/$header" ] || skip "there is no $header where it was looked for"
done
{
    printf '#define %s "tenon"\n' PACKAGE PACKAGE_NAME PACKAGE_TARNAME PACKAGE_STRING
    printf '#define %s ""\n' PACKAGE_BUGREPORT PACKAGE_URL
    printf '#define PACKAGE_VERSION "0"\n#define HAVE_METAL 1\n#define HAVE_SOXR 1\n'
    printf '#define TN_CPU_DOTPROD 1\n#define TN_CPU_I8MM 1\n'
    [ ! -e "$work/libraries/histedit.h" ] || printf '#define HAVE_LIBEDIT 1\n'
} > "$work/config.h"

# compile NAME FILE FLAGS...
compile() {
    name=$1; file=$2; shift 2
    "$clang" -target $target -nostdlibinc -std=c11 -Wall -Wextra -Wno-unused-parameter -Wno-unknown-warning-option \
        -Werror=implicit-function-declaration -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=format \
        -Werror=objc-method-access -Werror=undef-prefix \
        -I"$work" -I"$src/abi" -I"$src/runtime" -I"$src" -isystem "$src/tests/metal/standin" \
        -isystem "$src/tests/metal/machdr" -isystem "$work/libraries" -D_GNU_SOURCE \
        -DTN_MODEL_DIR='"m"' -DTN_MODULE_DIR='"m"' -DTN_CONFIG_DIR='"m"' -DTN_METALLIB='"m"' \
        "$@" -c "$file" -o "$work/objects/$name.o" >> "$work/log" 2>&1
}

cd "$src" || exit 1
n=0
failed=
# The CUDA device is for Linux.
for file in $(find runtime metal plugins -name '*.[cm]' ! -path '*/cuda/*' | sort); do
    n=$((n + 1))
    compile "$(echo "$file" | tr / _)" "$file" || failed="$failed $file"
done
# The flags of the sets are those of m4/tn-compiler.m4.
for file in runtime/device/cpu/kernels/*.c; do
    for set in dotprod:dotprod i8mm:dotprod+i8mm; do
        n=$((n + 1))
        compile "${set%:*}_$(basename "$file")" "$file" -DTN_CPU_SET="${set%:*}" -march=armv8.2-a+"${set#*:}" ||
            failed="$failed $file (${set%:*})"
    done
done
sh metal/source.sh . metal/kernels/*.metal > "$work/source.c" && compile source "$work/source.c" || failed="$failed metal/source.sh"

echo 1..3
if [ -z "$failed" ]; then
    echo "ok 1 - $n files compile for $target"
else
    sed 's/^/# /' "$work/log" | head -n 60
    echo "not ok 1 - files do not compile for $target:$failed"
fi

# An SDK that does not know macOS 15 yet.
: > "$work/log"
old=
mkdir "$work/old"
for file in metal/*.m; do
    compile "../old/$(basename "$file")" "$file" -D__MAC_OS_X_VERSION_MAX_ALLOWED=140000 || old="$old $file"
done
if [ -z "$old" ]; then
    echo "ok 2 - the Metal device compiles with the SDK of macOS 14"
else
    sed 's/^/# /' "$work/log" | head -n 60
    echo "not ok 2 - files do not compile with the SDK of macOS 14:$old"
fi

"$nm" -u "$work"/objects/*.o | awk '$NF ~ /^_/ { print $NF }' | sort -u > "$work/undefined"
"$nm" -U "$work"/objects/*.o | awk '$NF ~ /^_/ { print $NF }' | sort -u > "$work/defined"
comm -23 "$work/undefined" "$work/defined" > "$work/needed"
# A line of the list is a name, or the beginning of one and a star.
awk 'NR == FNR { if ($0 ~ /^#/ || $0 == "") next
                 if (sub(/\*$/, "")) begins[++n] = $0; else known[$0] = 1; next }
     $0 in known { next }
     { for (i = 1; i <= n; i++) if (index($0, begins[i]) == 1) next; print }' \
    tests/metal/apple-symbols.txt "$work/needed" > "$work/unknown"
if [ -s "$work/needed" ] && [ ! -s "$work/unknown" ]; then
    echo "ok 3 - $(wc -l < "$work/needed" | tr -d ' ') names are wanted of macOS and of libraries, all of them known"
else
    sed 's/^/# /' "$work/unknown"
    echo "not ok 3 - undefined names that are not in tests/metal/apple-symbols.txt"
fi
[ -z "$failed$old" ] && [ -s "$work/needed" ] && [ ! -s "$work/unknown" ]
