#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything that only an NVIDIA GPU can tell, in one run: in the source tree, with what tools/gpu/pack.sh packed.
#
#   tools/gpu/h200.sh ARCHIVE.tar.gz [STEP...]
#
# STEPs, each with a limit on its time, all of them when none is named:
#   language    the stand-in for Metal's standard library gives what Metal specifies
#   selftest    every kernel against plain loops, a small model, twice: the second time from the cache
#   models      fixture models against recorded logits and the reference device; in company against alone
#   starter     the starter model answers, as on the processor
#   bench       kernels, then whole steps of the starter model
#   memcheck racecheck synccheck initcheck     the selftest under NVIDIA's compute-sanitizer
# and, when it is named:
#   ncu         what NVIDIA's profiler says about KERNELS (default: linear_rows) in `bench_kernels once`
# KERNELS="a b ...": the sanitizers look at those kernels only. TENON_CUDA_LINES=1: and name lines, once all is compiled
# anew. OUT: where the logs go (default: a new folder).
# The last lines say which steps passed; the exit status is the number of those that did not.
set -u

archive=${1:?usage: h200.sh ARCHIVE.tar.gz [STEP...]}
shift
steps=${*:-language selftest models starter bench memcheck racecheck synccheck initcheck}
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${OUT:-$(mktemp -d)}
pack=$(mktemp -d)
failed=0
summary=

tar -C "$pack" -xzf "$archive" || exit 99
export LD_LIBRARY_PATH="$pack/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export TENON_MODULE_PATH="$pack/modules" TENON_MODULE_CACHE="$pack/modules.json" TENON_MODULE_SCANNER="$pack/bin/tenon"
export TENON_CUDA_CACHE="$pack/cache" TENON_VECTORS="$root/tests/vectors"
export TENON_MODEL_PATH="$root/models" TN_SRCDIR="$root" TN_BUILDDIR="$pack" TMPDIR="$pack"
tenon=$pack/bin/tenon
export tenon out

# step NAME SECONDS COMMAND...: runs it, its output to NAME.log and the end of that to ours.
step() {
    name=$1 limit=$2
    shift 2
    echo "== $name"
    start=$(date +%s)
    timeout "$limit" "$@" > "$out/$name.log" 2>&1
    status=$?
    tail -n "${LINES_SHOWN:-25}" "$out/$name.log"
    verdict=ok
    [ $status -eq 0 ] || { verdict="FAILED ($status)"; failed=$((failed + 1)); }
    summary="$summary$name: $verdict, $(($(date +%s) - start)) s
"
}

skip() {
    summary="$summary$1: SKIPPED, $2
"
}

# One of NVIDIA's tools, where installations have it: find_tool NAME FOLDER.
find_tool() {
    for place in "$(command -v "$1")" "${CUDA_HOME:-/usr/local/cuda}/bin/$1" "${CUDA_HOME:-/usr/local/cuda}/$2/$1" \
        /opt/nvidia/"$2"/*/"$1"; do
        if [ -n "$place" ] && [ -x "$place" ]; then
            echo "$place"
            return
        fi
    done
}

# The sanitizers make programs slow: a kernel at a time where KERNELS names some.
sanitize() {
    tool=$1 sanitizer=$(find_tool compute-sanitizer compute-sanitizer)
    [ -n "$sanitizer" ] || { skip "$tool" 'no compute-sanitizer here'; return; }
    if [ -z "${KERNELS:-}" ]; then
        step "$tool" "${LIMIT:-400}" "$sanitizer" --tool "$tool" --error-exitcode 9 "$tenon" selftest --device cuda
        return
    fi
    for kernel in $KERNELS; do
        step "$tool-$kernel" 120 "$sanitizer" --tool "$tool" --error-exitcode 9 "$tenon" selftest --device cuda --kernel \
            "$kernel"
    done
}

# The same answer as the processor's, or nearly: sums are in another order.
compare_starter='
for device in cpu cuda; do
    "$tenon" run --device "$device" --greedy -n 48 "What is the capital of France?" > "$out/starter-$device.txt" || exit 1
    cat "$out/starter-$device.txt"
done
cmp "$out/starter-cpu.txt" "$out/starter-cuda.txt" || echo "the answers differ: look at both"
"$tenon" bench --device cuda --parallel 1,8,16
'

profile() {
    ncu=$(find_tool ncu nsight-compute)
    [ -n "$ncu" ] || { skip ncu 'no ncu here'; return; }
    for kernel in ${KERNELS:-linear_rows}; do
        LINES_SHOWN=120 step "ncu-$kernel" 300 "$ncu" --clock-control none --kernel-name "regex:$kernel" \
            --section SpeedOfLight --section Occupancy --section WarpStateStats --section LaunchStats \
            --section ComputeWorkloadAnalysis --section MemoryWorkloadAnalysis \
            "$pack/bin/bench_kernels" once
    done
}

# NVRTC where nobody looks for it, as in a Python package.
if [ -z "${TENON_NVRTC:-}" ] && ! ldconfig -p 2>/dev/null | grep -q libnvrtc && [ ! -d "${CUDA_HOME:-/usr/local/cuda}" ]; then
    TENON_NVRTC=$(find / -xdev -name 'libnvrtc.so.1[0-9]' 2>/dev/null | head -n 1)
    export TENON_NVRTC
fi

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || echo 'no nvidia-smi'
for name in $steps; do
    case $name in
    language) step language 60 "$pack/bin/language_cuda" ;;
    selftest)
        LINES_SHOWN=200 step selftest 500 "$tenon" selftest --device cuda
        step selftest-cached 120 "$tenon" selftest --device cuda --seed 7
        ;;
    models)
        step models 240 "$pack/bin/models_cuda"
        step company 240 "$pack/bin/company_cuda"
        step vision 240 "$pack/bin/vision_cuda"
        ;;
    starter) step starter 180 sh -c "$compare_starter" ;;
    bench) LINES_SHOWN=200 step bench 300 "$pack/bin/bench_kernels" ;;
    memcheck | racecheck | synccheck | initcheck) sanitize "$name" ;;
    ncu) profile ;;
    *) skip "$name" 'no such step' ;;
    esac
done

rm -rf "$pack"
printf '\n%s' "$summary"
exit $failed
