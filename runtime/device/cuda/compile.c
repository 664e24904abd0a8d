/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cuda/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "device/cuda/cache.h"

enum { MAX_HEADERS = 16, MAX_CONSTANTS_TEXT = 1024 };

/* What one run of the compiler is given. */
typedef struct job {
    const tn_cuda_nvrtc *nvrtc;
    const tn_cuda_target *target;
    const tn_cuda_entry *entry;
    const char *options[10];
    int n_option;
    char arch[48], kernel[96], constants[MAX_CONSTANTS_TEXT];
    const char *headers[MAX_HEADERS], *header_names[MAX_HEADERS];
    int n_header;
} job;

int tn_cuda_target_find(const tn_cuda_nvrtc *n, int gpu_arch, tn_cuda_target *ret, tn_error *err) {
    int count = 0, archs[256];
    if (n->n_arch(&count) != 0 || count < 1 || count > (int)(sizeof archs / sizeof *archs) ||
        n->archs(archs) != 0)
        return tn_fail(err, TN_ENOTSUP, "NVRTC %d.%d does not say for which GPUs it compiles", n->major,
                       n->minor);
    int best = 0;
    for (int i = 0; i < count; i++)
        if (archs[i] <= gpu_arch && archs[i] > best) best = archs[i];
    if (best == 0)
        return tn_fail(err, TN_ENOTSUP, "NVRTC %d.%d compiles for no GPU as old as sm_%d; an older one does",
                       n->major, n->minor, gpu_arch);
    /* A cubin runs on later GPUs of the same major architecture only. */
    *ret = (tn_cuda_target){.arch = best, .is_ptx = best / 10 != gpu_arch / 10};
    return 0;
}

/* ---- options ---- */

static int add_constants(job *j, const tn_gpu_constant *constants, uint32_t n, tn_error *err) {
    size_t len = (size_t)snprintf(j->constants, sizeof j->constants, "-DTN_CONSTANTS=");
    for (uint32_t i = 0; i < n && len < sizeof j->constants; i++)
        len += (size_t)snprintf(j->constants + len, sizeof j->constants - len, "TN_CONSTANT(%u,%uu)",
                                (unsigned)constants[i].index, (unsigned)constants[i].value);
    return len < sizeof j->constants ? 0
                                     : tn_fail(err, TN_EBUG, "kernel %s: %u function constants are too many",
                                               j->entry->name, (unsigned)n);
}

/* -fmad=false: products and sums stay apart unless a kernel says fma, so that a sum has one result whatever
 * it is specialised for. */
static int fill_options(job *j, const tn_gpu_constant *constants, uint32_t n, tn_error *err) {
    snprintf(j->arch, sizeof j->arch, "--gpu-architecture=%s_%d", j->target->is_ptx ? "compute" : "sm",
             j->target->arch);
    snprintf(j->kernel, sizeof j->kernel, "-DTN_KERNEL_%s", j->entry->name);
    j->options[j->n_option++] = j->arch;
    j->options[j->n_option++] = "--std=c++17";
    j->options[j->n_option++] = "-default-device";
    j->options[j->n_option++] = "--fmad=false";
    j->options[j->n_option++] = "-w";
    j->options[j->n_option++] = j->kernel;
    j->options[j->n_option++] = j->constants;
    const char *lines = getenv("TENON_CUDA_LINES"); /* for profilers and compute-sanitizer */
    if (lines && *lines) j->options[j->n_option++] = "--generate-line-info";
    if (j->target->verbose) j->options[j->n_option++] = "--ptxas-options=-v";
    return add_constants(j, constants, n, err);
}

static int fill_headers(job *j, tn_error *err) {
    for (const tn_cuda_text *t = tn_cuda_headers; t->name; t++) {
        if (j->n_header == MAX_HEADERS)
            return tn_fail(err, TN_EBUG, "more than %d headers of kernels", (int)MAX_HEADERS);
        j->headers[j->n_header] = t->text;
        j->header_names[j->n_header++] = t->name;
    }
    return 0;
}

static void key_add(tn_sha256 *h, const char *text) {
    tn_sha256_add(h, text, strlen(text) + 1);
}

static void job_key(const job *j, uint8_t ret[TN_SHA256_BYTES]) {
    tn_sha256 h;
    char version[32];
    tn_sha256_init(&h);
    snprintf(version, sizeof version, "nvrtc %d.%d", j->nvrtc->major, j->nvrtc->minor);
    key_add(&h, version);
    for (int i = 0; i < j->n_option; i++) key_add(&h, j->options[i]);
    for (int i = 0; i < j->n_header; i++) {
        key_add(&h, j->header_names[i]);
        key_add(&h, j->headers[i]);
    }
    key_add(&h, j->entry->file->name);
    key_add(&h, j->entry->file->text);
    tn_sha256_end(&h, ret);
}

/* ---- compiling ---- */

/* The compiler's words, NULL when there are none. The caller's. */
static char *program_log(const tn_cuda_nvrtc *n, tn_nvrtc_program p) {
    size_t size = 0;
    if (n->log_size(p, &size) != 0 || size < 2) return NULL;
    char *text = calloc(size + 1, 1);
    if (text && n->log(p, text) == 0) return text;
    free(text);
    return NULL;
}

static int report(const job *j, tn_nvrtc_program p, tn_nvrtc_result code, tn_error *err) {
    char *log = program_log(j->nvrtc, p);
    if (log) tn_log(TN_LOG_DEBUG, "cuda", "kernel %s: %s", j->entry->name, log);
    tn_fail(err, TN_EDEVICE, "kernel %s (%s, %s) does not compile: %s%s%s", j->entry->name, j->constants + 2,
            j->arch + 2, j->nvrtc->error_string(code), log ? ": " : "", log ? log : "");
    free(log);
    return TN_EDEVICE;
}

static int fetch(const job *j, tn_nvrtc_program p, tn_cuda_image *ret, tn_error *err) {
    const tn_cuda_nvrtc *n = j->nvrtc;
    const bool is_ptx = j->target->is_ptx;
    tn_nvrtc_result code = (is_ptx ? n->ptx_size : n->cubin_size)(p, &ret->size);
    if (code || ret->size == 0) return report(j, p, code, err);
    ret->data = malloc(ret->size);
    if (!ret->data) return tn_fail(err, TN_ENOMEM, "out of memory for kernel %s", j->entry->name);
    code = (is_ptx ? n->ptx : n->cubin)(p, ret->data);
    return code ? report(j, p, code, err) : 0;
}

static int compile(const job *j, tn_cuda_image *ret, tn_error *err) {
    const tn_cuda_nvrtc *n = j->nvrtc;
    const tn_cuda_text *file = j->entry->file;
    tn_nvrtc_program p = NULL;
    tn_nvrtc_result code = n->create(&p, file->text, file->name, j->n_header, j->headers, j->header_names);
    if (code)
        return tn_fail(err, TN_EDEVICE, "kernel %s: the compiler does not start: %s", j->entry->name,
                       n->error_string(code));
    code = n->compile(p, j->n_option, j->options);
    int rc = code ? report(j, p, code, err) : fetch(j, p, ret, err);
    if (!rc && j->target->verbose) ret->log = program_log(n, p);
    n->destroy(&p);
    if (rc) {
        free(ret->data);
        *ret = (tn_cuda_image){0};
    }
    return rc;
}

int tn_cuda_compile(const tn_cuda_nvrtc *n, const tn_cuda_target *target, const tn_cuda_entry *e,
                    const tn_gpu_constant *constants, uint32_t n_constant, tn_cuda_image *ret,
                    tn_error *err) {
    job j = {.nvrtc = n, .target = target, .entry = e};
    uint8_t key[TN_SHA256_BYTES];
    *ret = (tn_cuda_image){0};
    int rc = fill_options(&j, constants, n_constant, err);
    if (!rc) rc = fill_headers(&j, err);
    if (rc) return rc;
    if (target->verbose) return compile(&j, ret, err);
    job_key(&j, key);
    if (tn_cuda_cache_get(key, ret)) return 0;
    rc = compile(&j, ret, err);
    if (!rc) tn_cuda_cache_put(key, ret);
    return rc;
}
