#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The kernels of the CPU device for arm64, cross-compiled and run by an emulator: tests/unit/cpu_kernels.c, over
# cmocka.h beside this file, on processors that have all of the sets' instructions, some, and none. What a processor
# lacks is an illegal instruction there. Layers of 8-bit integers must have the bits that this machine's sets give.
#
#   TN_SRCDIR, TN_BUILDDIR   the source and the build tree
#   ARM_CC                   a compiler (aarch64-linux-gnu-gcc); ARM_QEMU   an emulator (qemu-aarch64-static)
set -u
LC_ALL=C
export LC_ALL
src=${TN_SRCDIR:-$(dirname "$0")/../..}
cc=${ARM_CC:-aarch64-linux-gnu-gcc}
qemu=${ARM_QEMU:-qemu-aarch64-static}
native=${TN_BUILDDIR:-$src/build}/tests/unit/cpu_kernels

skip() { echo "1..0 # SKIP the kernels for arm64: $*"; exit 0; }

case $(uname -m) in arm64 | aarch64) skip "this machine runs them itself" ;; esac
command -v "$cc" > /dev/null || skip "there is no $cc (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)"
command -v "$qemu" > /dev/null || skip "there is no $qemu (Debian: qemu-user-static)"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
echo 'int main(void) { return 0; }' > "$work/x.c"
"$cc" -static "$work/x.c" -o "$work/x" 2> "$work/log" || skip "$cc cannot link: $(head -n 1 "$work/log")"
"$qemu" "$work/x" || skip "$qemu does not run a program"

printf '#define TN_CPU_DOTPROD 1\n#define TN_CPU_I8MM 1\n' > "$work/config.h"

# compile NAME FILE FLAGS...
compile() {
    name=$1; file=$2; shift 2
    "$cc" -std=c11 -O2 -Wall -Wextra -Wno-unused-parameter -Werror -ffp-contract=off -fno-math-errno \
        -ffunction-sections -D_GNU_SOURCE -I"$work" -Iabi -Iruntime -I. -Itests -Itests/arm \
        "$@" -c "$file" -o "$work/$name.o" >> "$work/log" 2>&1 || failed="$failed $file($name)"
}

# The flags of the sets are those of m4/tn-compiler.m4. Sections that nothing wants take what they want along.
cd "$src" || exit 1
failed=
: > "$work/log"
for file in runtime/device/cpu/kernels/*.c; do
    name=$(basename "$file" .c)
    compile "neon_$name" "$file"
    compile "dotprod_$name" "$file" -DTN_CPU_SET=dotprod -march=armv8.2-a+dotprod
    compile "i8mm_$name" "$file" -DTN_CPU_SET=i8mm -march=armv8.2-a+dotprod+i8mm
done
for file in runtime/device/cpu/select.c runtime/device/cpu/panels.c runtime/device/kv_type.c runtime/weights/dequant*.c \
    runtime/weights/tensor.c runtime/weights/scaled.c runtime/base/status.c runtime/program/record.c \
    tests/unit/cpu_model.c tests/unit/cpu_kernels.c; do
    compile "$(basename "$file" .c)" "$file"
done
[ -n "$failed" ] ||
    "$cc" -static -Wl,--gc-sections "$work"/*.o -lm -o "$work/kernels" >> "$work/log" 2>&1 || failed=linking

echo 1..6
if [ -n "$failed" ]; then
    sed 's/^/# /' "$work/log" | head -n 60
    echo "not ok 1 - not compiled for arm64: $failed"
    exit 1
fi
echo "ok 1 - the kernels compile for arm64"

number=1
status=0
arm=
# result WORDS...: a line for what the last command was about
result() {
    ok=$?
    number=$((number + 1))
    [ $ok = 0 ] || { status=1; sed 's/^/# /' "$work/out"; printf 'not '; }
    echo "ok $number - $*"
}
# emulate PROCESSOR TESTS: those whose names begin so
emulate() { TN_UNIT_EVERY=7 SHIM_ONLY=$2 "$qemu" -cpu "$1" "$work/kernels" > "$work/out" 2>&1; }
# bits FILE: of layers of integers
bits() { sed -n 's/^.*bits with fused multiply-add: //p' "$1"; }

# sets: those that the test had
sets() { sed -n 's/^# set //p' "$work/out" | tr '\n' ' '; }

# Attention has no instruction that the other sets do not share, and takes longest.
emulate cortex-a53 "" && [ "$(sets)" = 'neon ' ]
result "neon on a processor with nothing more"
emulate cortex-a76 int8 && arm=$(bits "$work/out") && [ "$(sets)" = 'dotprod neon ' ]
result "layers of integers with dotprod"
emulate max int8 && [ "$(bits "$work/out")" = "$arm" ] && [ "$(sets)" = 'i8mm dotprod neon ' ]
result "layers of integers with i8mm, the same bits"
emulate max decoders && emulate max linear && emulate max elementwise && emulate max norms && emulate max hostile
result "all else but attention, on all sets"
if [ ! -x "$native" ]; then
    echo "ok 6 - the bits of this machine's sets # SKIP there is no $native"
elif "$native" > "$work/out" 2>&1 && grep -q 'bits with fused .*: 0000000000000000' "$work/out"; then
    echo "ok 6 - the bits of this machine's sets # SKIP none of them has a fused multiply-add"
else
    [ -n "$arm" ] && [ "$(bits "$work/out")" = "$arm" ]
    result "the bits of this machine's sets are those"
fi
exit $status
