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
programs='tenon tests/metal/language_cuda tests/metal/models_cuda tests/metal/company_cuda tests/metal/vision_cuda tools/gpu/bench_kernels'
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
# Families alone: nothing there opens a picture, and the libraries of those that do are large.
find "$build/plugins" -path '*/.libs/*.so' | grep -vE '/(vision|video|audio)\.so$' | while read -r module; do
    strip -o "$folder/modules/$(basename "$module")" "$module"
done
# "name => path (address)"; the C library is that machine's own.
for file in "$folder"/bin/* "$folder"/modules/*; do ldd "$file" || :; done |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv|libmvec|ld-linux-x86-64)\.so' | while read -r library; do
    cp -L "$library" "$folder/lib/"
done

# What the checks ask for; then programs that ask for kernels, over a driver without a GPU (tests/metal/fake_cuda.c): what
# they compute is nothing, what they compile stays.
fill_cache() {
    export TENON_LIBCUDA="$build/tests/metal/.libs/fake_cuda.so" FAKE_CUDA_GIB=8 TENON_CUDA_CACHE="$folder/cache"
    export TENON_MODULE_PATH="$folder/modules" TENON_MODULE_SCANNER="$build/tenon" TENON_MODULE_CACHE=off
    export TN_SRCDIR="$root" TENON_MODEL_PATH="$root/models" TENON_VECTORS="$root/tests/vectors"
    TN_CUDA_COMPILE=fill "$build/tests/metal/cuda_compile" || return
    timeout 300 "$build/tenon" selftest --device cuda --kernel program || :
    timeout 300 "$build/tenon" run --device cuda -n 2 Hello || :
    for program in language_cuda models_cuda company_cuda vision_cuda; do timeout 300 "$build/tests/metal/$program" || :; done
    timeout 300 "$build/tools/gpu/bench_kernels" || :
}

mkdir "$folder/cache"
if [ -z "${NO_CACHE:-}" ]; then
    make -C "$build" tests/metal/cuda_compile tests/metal/fake_cuda.la >> "$build/gpu-pack.log" 2>&1
    fill_cache > "$build/gpu-pack-cache.log" 2>&1 || :
    echo "compiled kernels: $(find "$folder/cache" -type f | wc -l)"
fi
tar -C "$folder" -czf "$archive" bin lib modules cache
ls -l "$archive"
