/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "device/cpu/kernels.h"

#if defined(__x86_64__) || defined(__i386__)
#    include <cpuid.h>
#    ifdef TN_CPU_AMX
#        include <sys/syscall.h>
#        include <unistd.h>
#    endif

/* __builtin_cpu_supports asks the processor and whether the operating system saves the registers. clang 14
 * does not know f16c there, which needs no registers beyond those of AVX2. */
static bool has_avx2(void) {
    unsigned a, b, c, d;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static bool has_avx512vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

#    ifdef TN_CPU_AMX
/* Linux saves the matrix registers of processes that have asked for it (Documentation/arch/x86/xstate.rst).
 */
static bool has_amx(void) {
    enum {
        BF16_TILE_INT8 = 13 << 22,
        AVX512_BF16 = 1 << 5,
        ARCH_REQ_XCOMP_PERM = 0x1023,
        XFEATURE_XTILEDATA = 18
    };
    unsigned a, b, c, d;
    return has_avx512vnni() && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (d & BF16_TILE_INT8) == BF16_TILE_INT8 && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
           (a & AVX512_BF16) && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#    endif
#endif

const tn_cpu_kernels *const tn_cpu_kernel_sets[] = {
#ifdef TN_CPU_AMX
    &tn_cpu_kernels_amx,
#endif
#ifdef TN_CPU_AVX512
    &tn_cpu_kernels_avx512vnni, &tn_cpu_kernels_avx512,
#endif
#ifdef TN_CPU_AVX2
    &tn_cpu_kernels_avx2,
#endif
    &tn_cpu_kernels_generic,    NULL,
};

bool tn_cpu_kernels_usable(const tn_cpu_kernels *k) {
#ifdef TN_CPU_AMX
    if (k == &tn_cpu_kernels_amx) return has_amx();
#endif
#ifdef TN_CPU_AVX512
    if (k == &tn_cpu_kernels_avx512vnni) return has_avx512vnni();
    if (k == &tn_cpu_kernels_avx512) return has_avx512();
#endif
#ifdef TN_CPU_AVX2
    if (k == &tn_cpu_kernels_avx2) return has_avx2();
#endif
    return k == &tn_cpu_kernels_generic;
}

int tn_cpu_kernels_choose(const tn_cpu_kernels **ret, tn_error *err) {
    const char *wanted = getenv("TENON_CPU");
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++) {
        if (wanted && *wanted && strcmp(wanted, (*k)->name) != 0) continue;
        if (tn_cpu_kernels_usable(*k)) {
            *ret = *k;
            return 0;
        }
        if (wanted && *wanted)
            return tn_fail(err, TN_ENOTSUP, "TENON_CPU=%s: this machine lacks these instructions; unset it",
                           wanted);
    }
    return tn_fail(err, TN_EINVAL,
                   "TENON_CPU=%.32s: not a kernel set of this build; unset it or use generic%s%s%s", wanted,
#ifdef TN_CPU_AVX2
                   ", avx2",
#else
                   "",
#endif
#ifdef TN_CPU_AVX512
                   ", avx512, avx512vnni",
#else
                   "",
#endif
#ifdef TN_CPU_AMX
                   ", amx"
#else
                   ""
#endif
    );
}
