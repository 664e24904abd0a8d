/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/cpu/kernels.h"

#if defined(__x86_64__) || defined(__i386__)
#    include <cpuid.h>
#    ifdef TN_CPU_AMX
#        include <sys/syscall.h>
#        include <unistd.h>
#    endif

/* The build may lack some sets. */
#    define MAYBE_UNUSED __attribute__((unused))

/* __builtin_cpu_supports asks the processor and whether the operating system saves the registers. clang 14
 * does not know f16c and avxvnni there, which need no registers beyond those of AVX2. */
MAYBE_UNUSED static bool has_avx2(void) {
    unsigned a, b, c, d;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
MAYBE_UNUSED static bool has_avx2vnni(void) {
    enum { AVX_VNNI = 1 << 4 }; /* of leaf 7.1's EAX */
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & AVX_VNNI);
}
MAYBE_UNUSED static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
MAYBE_UNUSED static bool has_avx512vnni(void) {
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

#ifdef TN_CPU_DOTPROD
#    if defined(__APPLE__)
#        include <sys/sysctl.h>
#    elif defined(__linux__)
#        include <sys/auxv.h>
#    endif

/* Whether arm64's operating system says that the instructions are there; one not known here never does. */
static bool has_arm(bool i8mm) {
#    if defined(__APPLE__)
    int yes = 0;
    size_t size = sizeof yes;
    const char *name = i8mm ? "hw.optional.arm.FEAT_I8MM" : "hw.optional.arm.FEAT_DotProd";
    return sysctlbyname(name, &yes, &size, NULL, 0) == 0 && yes;
#    elif defined(__linux__)
    /* ASIMDDP and I8MM, by number: older headers lack their names. */
    return i8mm ? getauxval(AT_HWCAP2) >> 13 & 1 : getauxval(AT_HWCAP) >> 20 & 1;
#    else
    return false;
#    endif
}
#endif

#ifdef __aarch64__
#    define BASE (&tn_cpu_kernels_neon)
#else
#    define BASE (&tn_cpu_kernels_generic)
#endif

/* Best first. Of one kind of processor at most: the build leaves the others out. */
const tn_cpu_kernels *const tn_cpu_kernel_sets[] = {
#ifdef TN_CPU_AMX
    &tn_cpu_kernels_amx,
#endif
#ifdef TN_CPU_AVX512
    &tn_cpu_kernels_avx512vnni,
    &tn_cpu_kernels_avx512,
#endif
#ifdef TN_CPU_AVX2VNNI
    &tn_cpu_kernels_avx2vnni,
#endif
#ifdef TN_CPU_AVX2
    &tn_cpu_kernels_avx2,
#endif
#ifdef TN_CPU_I8MM
    &tn_cpu_kernels_i8mm,
#endif
#ifdef TN_CPU_DOTPROD
    &tn_cpu_kernels_dotprod,
#endif
    BASE,
    NULL,
};

bool tn_cpu_kernels_usable(const tn_cpu_kernels *k) {
#ifdef TN_CPU_AMX
    if (k == &tn_cpu_kernels_amx) return has_amx();
#endif
#ifdef TN_CPU_AVX512
    if (k == &tn_cpu_kernels_avx512vnni) return has_avx512vnni();
    if (k == &tn_cpu_kernels_avx512) return has_avx512();
#endif
#ifdef TN_CPU_AVX2VNNI
    if (k == &tn_cpu_kernels_avx2vnni) return has_avx2vnni();
#endif
#ifdef TN_CPU_AVX2
    if (k == &tn_cpu_kernels_avx2) return has_avx2();
#endif
#ifdef TN_CPU_I8MM
    if (k == &tn_cpu_kernels_i8mm) return has_arm(false) && has_arm(true);
#endif
#ifdef TN_CPU_DOTPROD
    if (k == &tn_cpu_kernels_dotprod) return has_arm(false);
#endif
    return k == BASE;
}

/* Names for a message, with commas between them. */
static const char *list_sets(char *text, size_t size) {
    size_t n = 0;
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k && n + 32 < size; k++)
        n += (size_t)snprintf(text + n, size - n, "%s%.24s", n ? ", " : "", (*k)->name);
    return text;
}

int tn_cpu_kernels_choose(const tn_cpu_kernels **ret, tn_error *err) {
    const char *wanted = getenv("TENON_CPU");
    char names[256];
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
                   "TENON_CPU=%.32s: not a kernel set of this build; unset it or use one of %s", wanted,
                   list_sets(names, sizeof names));
}
