/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries, functions and their constants, pipelines. */
#import "standin/private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const sim_library metal_kernels;

static const sim_library *const at_first[] = {&metal_kernels, NULL};
static const sim_library *const *in_use = at_first;

void standin_use(const sim_library *const *libraries) {
    in_use = libraries;
}

const sim_kernel *standin_kernel(const char *name) {
    const sim_kernel *k = NULL;
    for (const sim_library *const *l = in_use; *l && !k; l++) k = sim_kernel_find(*l, name);
    return k;
}

/* ---- options ---- */

@implementation MTLCompileOptions
- (BOOL)fastMathEnabled {
    return fast_math;
}
- (void)setFastMathEnabled:(BOOL)on {
    fast_math = on;
}
- (MTLLanguageVersion)languageVersion {
    return language;
}
- (void)setLanguageVersion:(MTLLanguageVersion)version {
    language = version;
}
- (MTLMathMode)mathMode {
    return mode;
}
- (void)setMathMode:(MTLMathMode)m {
    mode = m;
}
- (MTLMathFloatingPointFunctions)mathFloatingPointFunctions {
    return functions;
}
- (void)setMathFloatingPointFunctions:(MTLMathFloatingPointFunctions)f {
    functions = f;
}
- (instancetype)init {
    fast_math = YES;
    mode = MTLMathModeFast;
    return self;
}
- (BOOL)respondsToSelector:(SEL)selector {
    const bool is_new = sel_isEqual(selector, @selector(setMathMode:)) ||
                        sel_isEqual(selector, @selector(setMathFloatingPointFunctions:));
    return standin.macos_14 && is_new ? NO : [super respondsToSelector:selector];
}
/* The compiler must not be free to reorder sums. */
- (void)check {
    if (standin.macos_14 ? fast_math : mode != MTLMathModeSafe)
        standin_fail(
            "a library is compiled with fast math: the bits of a result would be the compiler's choice");
}
@end

@implementation MTLFunctionConstantValues
- (void)setConstantValue:(const void *)value type:(MTLDataType)type atIndex:(NSUInteger)index {
    if (type != MTLDataTypeUInt)
        standin_fail("function constant %lu is set as type %lu, it is a uint", index, type);
    if (index >= 32) standin_fail("function constant %lu: the stand-in has 32", index);
    if (set >> index & 1) standin_fail("function constant %lu is set twice", index);
    memcpy(&values[index], value, sizeof *values);
    set |= 1u << index;
}
- (bool)get:(uint32_t)index into:(uint32_t *)value {
    if (index < 32) *value = values[index];
    return index < 32 && set >> index & 1;
}
@end

/* ---- libraries ---- */

/* The next "kernel void NAME" of a text, copied to name; NULL where there is none. */
static const char *next_kernel(const char *text, char *name, size_t size) {
    static const char start[] = "kernel void ";
    size_t n = 0;
    text = strstr(text, start);
    if (!text) return NULL;
    for (text += sizeof start - 1; (isalnum((unsigned char)*text) || *text == '_') && n + 1 < size; text++)
        name[n++] = *text;
    name[n] = '\0';
    return text;
}

static bool is_stamp(const char *name) {
    return strncmp(name, "tn_kernels_", 11) == 0;
}

@implementation StandinLibrary
+ (StandinLibrary *)make:(const char *)text error:(NSError **)error {
    char name[96], complaint[200];
    const char *at = text;
    uint32_t n = 0;
    while ((at = next_kernel(at, name, sizeof name)) != NULL) {
        n++;
        if (is_stamp(name) || standin_kernel(name)) continue;
        snprintf(complaint, sizeof complaint, "program_source: error: kernel %s is not in the simulator",
                 name);
        if (error) *error = [NSError errorIn:"MTLLibraryErrorDomain" code:3 text:complaint];
        return nil;
    }
    if (strstr(text, "#include \"")) standin_fail("source text that includes a file: a Mac has none");
    if (!n) standin_fail("source text without a kernel");
    StandinLibrary *l = [[StandinLibrary alloc] init];
    l->text = memcpy(standin_alloc(strlen(text) + 1), text, strlen(text) + 1);
    return l;
}
- (id<MTLFunction>)newFunctionWithName:(NSString *)title {
    char name[96];
    const char *at = text;
    while ((at = next_kernel(at, name, sizeof name)) != NULL) {
        if (strcmp(name, [title UTF8String]) != 0) continue;
        StandinFunction *f = [[StandinFunction alloc] init];
        f->title = [title retain];
        f->kernel = standin_kernel(name);
        return f;
    }
    return nil;
}
- (id<MTLFunction>)newFunctionWithName:(NSString *)title
                        constantValues:(MTLFunctionConstantValues *)values
                                 error:(NSError **)error {
    StandinFunction *f = (StandinFunction *)[self newFunctionWithName:title];
    char complaint[200];
    uint32_t index;
    if (!values) standin_fail("function %s with nil for its constants", [title UTF8String]);
    snprintf(complaint, sizeof complaint, "function %s was not found in the library", [title UTF8String]);
    for (size_t i = 0; f && sim_kernel_constant(f->kernel, i, &index) == 0; i++) {
        sim_constant *c = &f->constants[f->n_constant++];
        c->index = index;
        if ([values get:index into:&c->value]) continue;
        snprintf(complaint, sizeof complaint, "function %s needs a value for constant %u", [title UTF8String],
                 index);
        [f release];
        f = nil;
    }
    if (!f && error) *error = [NSError errorIn:"MTLLibraryErrorDomain" code:5 text:complaint];
    return f;
}
- (void)dealloc {
    free(text);
    [super dealloc];
}
@end

@implementation StandinFunction
- (NSString *)name {
    return title;
}
- (void)dealloc {
    [title release];
    [super dealloc];
}
@end

@implementation StandinPipeline
- (NSUInteger)maxTotalThreadsPerThreadgroup {
    return max_threads;
}
- (NSUInteger)threadExecutionWidth {
    return width;
}
- (void)dealloc {
    [function release];
    [super dealloc];
}
@end
