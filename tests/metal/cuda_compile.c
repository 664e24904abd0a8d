/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels compiled by NVIDIA's run-time compiler, which needs no GPU: with the function constants that the
 * checks of single kernels give them, for two architectures. Prints what each takes of a processor.
 *
 * Of each kernel a few sets of constants; TN_CUDA_COMPILE=all: all of them, TN_CUDA_COMPILE=name: all of one
 * kernel. */
#include "unit/unit.h"

#include "device/cuda/compile.h"
#include "device/gpu/check.h"

enum { MAX_SETS = 4096, FEW = 3, SHARED_MAX = 48 << 10, NVRTC_MAJOR = 99 };

/* A kernel with function constants. */
typedef struct set {
    const tn_cuda_entry *entry;
    tn_gpu_constant constants[TN_GPU_MAX_CONSTANTS];
    uint32_t n;
    char variant[80]; /* of the check that gave it */
} set;

static set sets[MAX_SETS];
static uint32_t n_set;
static const char *variant;
static tn_cuda_nvrtc nvrtc;

/* ---- a GPU that only remembers what it is asked for ---- */

static tn_gpu recorder;

static int remember_buffer(tn_gpu *g, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err) {
    (void)g, (void)bytes, (void)err;
    static char buffer;
    *ret = (tn_gpu_buffer *)&buffer;
    return 0;
}
static void forget_buffer(tn_gpu *g, tn_gpu_buffer *b) {
    (void)g, (void)b;
}
static int no_write(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, const void *src, uint64_t n,
                    tn_error *err) {
    (void)g, (void)b, (void)offset, (void)src, (void)n, (void)err;
    return 0;
}
static int read_zeros(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, void *dst, uint64_t n, tn_error *err) {
    (void)g, (void)b, (void)offset, (void)err;
    memset(dst, 0, n);
    return 0;
}
static int no_begin(tn_gpu *g, tn_error *err) {
    (void)g, (void)err;
    return 0;
}
static void no_dispatch(tn_gpu *g, tn_gpu_kernel *k, const tn_gpu_arg *args, uint32_t n_arg,
                        const uint32_t groups[3], uint32_t n_thread) {
    (void)g, (void)k, (void)args, (void)n_arg, (void)groups, (void)n_thread;
}
static void no_barrier(tn_gpu *g) {
    (void)g;
}
static int no_submit(tn_gpu *g, uint64_t *ret, tn_error *err) {
    (void)g, (void)err;
    *ret = 1;
    return 0;
}
static int no_wait(tn_gpu *g, uint64_t ticket, tn_error *err) {
    (void)g, (void)ticket, (void)err;
    return 0;
}
static const tn_gpu_info *info_of(const tn_gpu *g) {
    (void)g;
    static const tn_gpu_info info = {.name = "recorder"};
    return &info;
}

static const tn_cuda_entry *find_entry(const char *name) {
    for (const tn_cuda_entry *e = tn_cuda_entries; e->name; e++)
        if (strcmp(e->name, name) == 0) return e;
    return NULL;
}

static bool is_known(const set *s) {
    for (uint32_t i = 0; i < n_set; i++) {
        const set *o = &sets[i];
        if (o->entry == s->entry && o->n == s->n &&
            memcmp(o->constants, s->constants, s->n * sizeof *s->constants) == 0)
            return true;
    }
    return false;
}

static int remember_kernel(tn_gpu *g, const char *name, const tn_gpu_constant *constants, uint32_t n,
                           tn_gpu_kernel **ret, tn_error *err) {
    (void)g;
    set s = {.entry = find_entry(name)};
    if (!s.entry) return tn_fail(err, TN_EDEVICE, "no kernel %s", name);
    snprintf(s.variant, sizeof s.variant, "%s", variant);
    for (uint32_t index = 0; index < 64; index++)
        for (uint32_t i = 0; i < n; i++)
            if (constants[i].index == index && s.entry->constants >> index & 1)
                s.constants[s.n++] = constants[i];
    if (!is_known(&s)) {
        assert_true(n_set < MAX_SETS);
        sets[n_set++] = s;
    }
    *ret = NULL;
    return 0;
}

static const tn_gpu_api recorder_api = {
    .name = "recorder",
    .info = info_of,
    .buffer_new = remember_buffer,
    .buffer_free = forget_buffer,
    .write = no_write,
    .read = read_zeros,
    .kernel = remember_kernel,
    .begin = no_begin,
    .dispatch = no_dispatch,
    .barrier = no_barrier,
    .submit = no_submit,
    .wait = no_wait,
};

/* What the checks ask for. The results are wrong, and nobody looks at them. */
static void record_sets(void) {
    recorder.api = &recorder_api;
    for (size_t t = 0; tn_gpu_checks[t]; t++)
        for (const tn_gpu_check *c = tn_gpu_checks[t]; c->kernel; c++)
            for (uint32_t shape = 0; shape < c->n_shape; shape++) {
                tn_error err = {0};
                variant = c->variant;
                c->run(c, &recorder, shape, 1, &err);
            }
}

/* ---- compiling ---- */

/* The number before or after `words` in a text; -1 without them. */
static int number_before(const char *text, const char *words) {
    const char *at = text ? strstr(text, words) : NULL;
    if (!at) return -1;
    while (at > text && at[-1] >= '0' && at[-1] <= '9') at--;
    return atoi(at);
}
static int number_after(const char *text, const char *words) {
    const char *at = text ? strstr(text, words) : NULL;
    return at ? atoi(at + strlen(words)) : -1;
}

static bool is_filling(void) {
    const char *wanted = getenv("TN_CUDA_COMPILE");
    return wanted && strcmp(wanted, "fill") == 0;
}

static void compile_set(const set *s, int arch) {
    const tn_cuda_target target = {.arch = arch, .verbose = !is_filling()};
    tn_cuda_image image;
    tn_error err = {0};
    if (tn_cuda_compile(&nvrtc, &target, s->entry, s->constants, s->n, &image, &err) != 0)
        fail_msg("sm_%d, %s: %s", arch, s->variant, err.text);
    assert_memory_equal(image.data, "\177ELF", 4);
    if (is_filling()) {
        free(image.data);
        return;
    }
    char constants[160] = "";
    for (uint32_t i = 0; i < s->n; i++)
        snprintf(constants + strlen(constants), sizeof constants - strlen(constants), " %u=%u",
                 s->constants[i].index, s->constants[i].value);
    const int shared = number_before(image.log, " bytes smem");
    printf("# sm_%d %-18s %-24s%-32s %3d registers, %5d shared, %4d stack, %3d spilled\n", arch,
           s->entry->name, s->variant, constants, number_after(image.log, "Used "), shared < 0 ? 0 : shared,
           number_before(image.log, " bytes stack frame"), number_before(image.log, " bytes spill stores"));
    if (shared > SHARED_MAX) fail_msg("%s takes %d bytes of threadgroup memory", s->entry->name, shared);
    free(image.data);
    free(image.log);
}

/* The n-th of a kernel's sets: whether it is one of those taken. */
static bool is_taken(const char *kernel, uint32_t n, uint32_t count) {
    const char *wanted = getenv("TN_CUDA_COMPILE");
    if (is_filling() || (wanted && strcmp(wanted, "all") == 0)) return true;
    if (wanted && *wanted) return strcmp(wanted, kernel) == 0;
    return count <= FEW || n * FEW / count != (n + 1) * FEW / count;
}

static uint32_t count_sets(const tn_cuda_entry *e) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_set; i++) n += sets[i].entry == e;
    return n;
}

static void kernels_compile(void **state) {
    (void)state;
    tn_error no_nvrtc = {0};
    if (tn_cuda_nvrtc_open(&nvrtc, NVRTC_MAJOR, &no_nvrtc) != 0) unit_skip("%s", no_nvrtc.text);
    for (const tn_cuda_entry *e = tn_cuda_entries; e->name; e++) {
        const uint32_t count = count_sets(e);
        bool first = true;
        for (uint32_t i = 0, n = 0; i < n_set; i++) {
            if (sets[i].entry != e || !is_taken(e->name, n++, count)) continue;
            compile_set(&sets[i], 90);
            if (first && !is_filling()) compile_set(&sets[i], 80);
            first = false;
        }
    }
    tn_cuda_nvrtc_close(&nvrtc);
}

static void checks_ask_for_every_kernel(void **state) {
    (void)state;
    record_sets();
    for (const tn_cuda_entry *e = tn_cuda_entries; e->name; e++)
        if (count_sets(e) == 0) fail_msg("no check asks for kernel %s", e->name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_ask_for_every_kernel),
        cmocka_unit_test(kernels_compile),
    };
    return unit_main(tests);
}
