/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels by name: libraries, function constants, pipelines. */
#include "metal/metal_gpu.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

const char *tn_metal_words(NSError *e) {
    const char *text = [[e localizedDescription] UTF8String];
    return text ? text : "no reason given";
}

static NSString *string_of(const char *text) {
    return [NSString stringWithUTF8String:text];
}

/* ---- libraries ---- */

static bool has_stamp(id<MTLLibrary> library, const char *stamp) {
    id<MTLFunction> function = [library newFunctionWithName:string_of(stamp)];
    [function release];
    return function != nil;
}

/* The library in a file, or nil and a warning. A reference is the caller's. */
static id<MTLLibrary> load(id<MTLDevice> device, const char *file, const char *stamp) {
    NSError *error = nil;
    id<MTLLibrary> library = [device newLibraryWithURL:[NSURL fileURLWithPath:string_of(file)] error:&error];
    if (!library) {
        tn_log(TN_LOG_WARN, "metal", "%s: %s; compiling the kernels instead", file, tn_metal_words(error));
        return nil;
    }
    if (has_stamp(library, stamp)) return library;
    tn_log(TN_LOG_WARN, "metal",
           "%s: made of other kernels than this program's (no %s in it); compiling them instead", file,
           stamp);
    [library release];
    return nil;
}

int tn_metal_pipelines_init(tn_metal_pipelines *p, id<MTLDevice> device, const tn_metal_kernels *kernels,
                            const char *library, tn_error *err) {
    *p = (tn_metal_pipelines){.kernels = kernels};
    while (kernels->sources[p->n_source].file) p->n_source++;
    p->libraries = calloc((size_t)p->n_source + 1, sizeof *p->libraries);
    if (!p->libraries) return tn_fail(err, TN_ENOMEM, "out of memory for %u Metal libraries", p->n_source);
    if (library) p->prebuilt = load(device, library, kernels->stamp);
    return 0;
}

void tn_metal_pipelines_fini(tn_metal_pipelines *p) {
    while (p->made) {
        tn_gpu_kernel *k = p->made;
        p->made = k->next;
        [k->state release];
        free(k);
    }
    for (uint32_t i = 0; p->libraries && i < p->n_source; i++) [p->libraries[i] release];
    free(p->libraries);
    [p->prebuilt release];
}

/* The order of a sum is written down in the kernels, so the compiler may not choose one; functions that must
 * be exact say precise:: there, so the others may be fast. Contraction is switched off in the sources
 * (metal/source.sh). */
static MTLCompileOptions *new_options(void) {
    MTLCompileOptions *options = [[MTLCompileOptions alloc] init];
    [options setLanguageVersion:MTLLanguageVersion3_0];
#if __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000
    if ([options respondsToSelector:@selector(setMathMode:)]) {
        [options setMathMode:MTLMathModeSafe];
        [options setMathFloatingPointFunctions:MTLMathFloatingPointFunctionsFast];
        return options;
    }
#endif
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
    [options setFastMathEnabled:NO];
#pragma clang diagnostic pop
    return options;
}

/* All that the compiler said, which an error has no room for. */
static void log_lines(const char *file, const char *text) {
    while (*text) {
        const size_t n = strcspn(text, "\n");
        if (n) tn_log(TN_LOG_WARN, "metal", "%s: %.*s", file, (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static int compile(id<MTLDevice> device, const tn_metal_source *source, id<MTLLibrary> *ret, tn_error *err) {
    NSError *error = nil;
    MTLCompileOptions *options = new_options();
    *ret = [device newLibraryWithSource:string_of(source->text) options:options error:&error];
    [options release];
    if (*ret) return 0; /* an error may hold warnings all the same */
    log_lines(source->file, tn_metal_words(error));
    return tn_fail(err, TN_EDEVICE, "%s does not compile: %s", source->file, tn_metal_words(error));
}

/* Whether text has "kernel void NAME(". */
static bool has_kernel(const char *text, const char *name) {
    static const char start[] = "kernel void ";
    const size_t n = strlen(name);
    while ((text = strstr(text, start)) != NULL) {
        text += sizeof start - 1;
        if (strncmp(text, name, n) == 0 && text[n] == '(') return true;
    }
    return false;
}

static int library_of(tn_metal_pipelines *p, id<MTLDevice> device, const char *name, id<MTLLibrary> *ret,
                      tn_error *err) {
    *ret = p->prebuilt;
    if (*ret) return 0;
    for (uint32_t i = 0; i < p->n_source; i++) {
        if (!has_kernel(p->kernels->sources[i].text, name)) continue;
        int rc = p->libraries[i] ? 0 : compile(device, &p->kernels->sources[i], &p->libraries[i], err);
        *ret = p->libraries[i];
        return rc;
    }
    return tn_fail(err, TN_EDEVICE, "there is no Metal kernel %s", name);
}

/* ---- pipelines ---- */

/* A reference is the caller's. */
static id<MTLFunction> new_function(id<MTLLibrary> library, const tn_gpu_kernel *k, NSError **error) {
    MTLFunctionConstantValues *values = [[MTLFunctionConstantValues alloc] init];
    for (uint32_t i = 0; i < k->n_constant; i++)
        [values setConstantValue:&k->constants[i].value type:MTLDataTypeUInt atIndex:k->constants[i].index];
    id<MTLFunction> function = [library newFunctionWithName:string_of(k->name)
                                             constantValues:values
                                                      error:error];
    [values release];
    return function;
}

static int check_width(tn_gpu_kernel *k, tn_error *err) {
    const NSUInteger width = [k->state threadExecutionWidth];
    k->max_threads = (uint32_t)[k->state maxTotalThreadsPerThreadgroup];
    if (width == TN_SIMD_WIDTH) return 0;
    return tn_fail(err, TN_ENOTSUP, "kernel %s: this GPU runs it in simdgroups of %lu threads, %d are needed",
                   k->name, (unsigned long)width, TN_SIMD_WIDTH);
}

static int make(tn_metal_pipelines *p, id<MTLDevice> device, tn_gpu_kernel *k, tn_error *err) {
    NSError *error = nil;
    id<MTLLibrary> library;
    int rc = library_of(p, device, k->name, &library, err);
    if (rc) return rc;
    id<MTLFunction> function = new_function(library, k, &error);
    if (!function)
        return tn_fail(err, TN_EDEVICE, "kernel %s with its %u constants: %s", k->name, k->n_constant,
                       tn_metal_words(error));
    k->state = [device newComputePipelineStateWithFunction:function error:&error];
    [function release];
    if (!k->state)
        return tn_fail(err, TN_EDEVICE, "kernel %s: no pipeline: %s", k->name, tn_metal_words(error));
    rc = check_width(k, err);
    if (rc) [k->state release];
    return rc;
}

static bool is(const tn_gpu_kernel *k, const char *name, const tn_gpu_constant *constants,
               uint32_t n_constant) {
    if (k->n_constant != n_constant || strcmp(k->name, name) != 0) return false;
    for (uint32_t i = 0; i < n_constant; i++)
        if (k->constants[i].index != constants[i].index || k->constants[i].value != constants[i].value)
            return false;
    return true;
}

int tn_metal_pipeline(tn_metal_pipelines *p, id<MTLDevice> device, const char *name,
                      const tn_gpu_constant *constants, uint32_t n_constant, tn_gpu_kernel **ret,
                      tn_error *err) {
    for (tn_gpu_kernel *k = p->made; k; k = k->next)
        if (is(k, name, constants, n_constant)) {
            *ret = k;
            return 0;
        }
    if (n_constant > TN_GPU_MAX_CONSTANTS)
        return tn_fail(err, TN_EDEVICE, "kernel %s: %u function constants, %d at most", name, n_constant,
                       TN_GPU_MAX_CONSTANTS);
    tn_gpu_kernel *k = calloc(1, sizeof *k + strlen(name) + 1);
    if (!k) return tn_fail(err, TN_ENOMEM, "out of memory for kernel %s", name);
    strcpy(k->name, name);
    k->n_constant = n_constant;
    if (n_constant) memcpy(k->constants, constants, n_constant * sizeof *constants);
    int rc = make(p, device, k, err);
    if (rc) {
        free(k);
        return rc;
    }
    k->next = p->made;
    p->made = k;
    *ret = k;
    return 0;
}
