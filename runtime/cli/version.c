/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/version.h"

#include "config.h"

#include <jansson.h>
#include <tenon/module.h>

#include "device/cpu/kernels.h"

/* Those of this build, best first; what this machine lacks in brackets. */
static void cpu_kernels(tn_buf *out) {
    tn_buf_adds(out, "cpu kernels:");
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++)
        tn_buf_addf(out, tn_cpu_kernels_usable(*k) ? " %s" : " (%s)", (*k)->name);
    tn_buf_addc(out, '\n');
}

void tn_version_text(tn_buf *out) {
    tn_buf_addf(out, "tenon %s (%s)\n", PACKAGE_VERSION, tn_version_commit);
#ifdef TN_ABI_MAJOR
    tn_buf_addf(out, "module ABI: %d.%d\n", TN_ABI_MAJOR, TN_ABI_MINOR);
#endif
    cpu_kernels(out);
#ifdef TN_PREOPENED_MODULES
    tn_buf_adds(out, "preopened modules: yes\n");
#else
    tn_buf_adds(out, "preopened modules: no\n");
#endif
#ifdef HAVE_LIBEDIT
    tn_buf_adds(out, "line editing: libedit\n");
#else
    tn_buf_adds(out, "line editing: no\n");
#endif
    tn_buf_addf(out, "libraries: jansson %s\n", JANSSON_VERSION);
}
