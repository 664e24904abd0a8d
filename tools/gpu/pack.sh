#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Packs what a machine with an NVIDIA GPU and nothing else runs: the program, tests of models and benchmarks of kernels, with
# the libraries that they need, but for the C library's own.
#
#   tools/gpu/pack.sh [BUILD [ARCHIVE.tar.gz]]     BUILD: build; ARCHIVE: BUILD/gpu-pack.tar.gz
#
# There, in the source tree: tools/gpu/h200.sh ARCHIVE.tar.gz
#
# Where NVIDIA's run-time compiler is, the kernels that will be asked for are compiled here already (minutes): they are used
# there when its version is the same. NO_CACHE=1: they are not.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-build}" && pwd)
archive=${2:-$build/gpu-pack.tar.gz}
programs='tenon tests/metal/language_cuda tests/metal/models_cuda tests/metal/company_cuda tools/gpu/bench_kernels'
jobs=${JOBS:-2}

make -C "$build" -j "$jobs" > "$build/gpu-pack.log" 2>&1 || { tail -n 20 "$build/gpu-pack.log" >&2; exit 1; }
# shellcheck disable=SC2086 # a list of words
make -C "$build" -j "$jobs" $programs >> "$build/gpu-pack.log" 2>&1 || { tail -n 20 "$build/gpu-pack.log" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/lib" "$folder/modules"

# Which file libtool made: a program linked with nothing shared is itself, else a script beside .libs.
elf_of() {
    if [ -f "$(dirname "$1")/.libs/$(basename "$1")" ]; then
        echo "$(dirname "$1")/.libs/$(basename "$1")"
    else
        echo "$1"
    fi
}

for program in $programs; do
    strip -o "$folder/bin/$(basename "$program")" "$(elf_of "$build/$program")"
done
find "$build/plugins" -path '*/.libs/*.so' | while read -r module; do
    strip -o "$folder/modules/$(basename "$module")" "$module"
done
# "name => path (address)"; the C library is that machine's own.
for file in "$folder"/bin/* "$folder"/modules/*; do ldd "$file" || :; done |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv|libmvec|ld-linux-x86-64)\.so' | while read -r library; do
    cp -L "$library" "$folder/lib/"
done

# Programs that ask for kernels, over a driver without a GPU (tests/metal/fake_cuda.c): what they compute is nothing, what
# they compile stays.
fill_cache() {
    make -C "$build" tests/metal/fake_cuda.la >> "$build/gpu-pack.log" 2>&1
    export TENON_LIBCUDA="$build/tests/metal/.libs/fake_cuda.so" FAKE_CUDA_GIB=8 TENON_CUDA_CACHE="$folder/cache"
    export TN_SRCDIR="$root" TENON_MODEL_PATH="$root/models" TENON_MODULE_PATH="$folder/modules" TENON_MODULE_CACHE=off
    {
        grep -ho 'kernel void [a-z_0-9]*' "$root"/metal/kernels/*.metal | sed 's/.* //'
        echo program
    } | xargs -P "$jobs" -I '{}' timeout 1000 "$build/tenon" selftest --device cuda --kernel '{}' || :
    "$build/tenon" run --device cuda -n 2 Hello || :
    for program in language_cuda models_cuda company_cuda; do timeout 300 "$build/tests/metal/$program" || :; done
    timeout 300 "$build/tools/gpu/bench_kernels" || :
}

mkdir "$folder/cache"
if [ -z "${NO_CACHE:-}" ]; then
    fill_cache > "$build/gpu-pack-cache.log" 2>&1
    echo "compiled kernels: $(find "$folder/cache" -type f | wc -l)"
fi
tar -C "$folder" -czf "$archive" bin lib modules cache
ls -l "$archive"
