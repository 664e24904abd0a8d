/* SPDX-License-Identifier: Apache-2.0 */
/* The device and its memory. */
#import "standin/private.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

standin_options standin;
standin_counts standin_counted;

bool standin_due(uint32_t *n) {
    return *n && --*n == 0;
}

/* ---- buffers ---- */

static StandinBuffer *all_buffers;
static struct sigaction before;

/* A host that touches memory which the GPU has. */
static void on_fault(int number, siginfo_t *info, void *context) {
    static const char early[] =
        "standin: the host touches a buffer that a command buffer uses which is not done\n";
    for (StandinBuffer *b = all_buffers; b; b = b->next)
        if (sim_buffer_has(b->memory, info->si_addr)) {
            ssize_t n = write(STDERR_FILENO, early, sizeof early - 1);
            (void)n;
            abort();
        }
    sigaction(number, &before, NULL); /* somebody else's: it happens again */
}

static void watch_faults(void) {
    struct sigaction now, ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, NULL, &now);
    if (now.sa_sigaction == on_fault) return;
    before = now;
    sigaction(SIGSEGV, &ours, NULL);
}

@implementation StandinBuffer
+ (StandinBuffer *)make:(sim_buffer *)memory bytes:(NSUInteger)bytes noCopy:(bool)no_copy {
    if (!memory) return nil;
    StandinBuffer *b = [[self alloc] init];
    b->memory = memory;
    b->bytes = bytes;
    b->no_copy = no_copy;
    b->next = all_buffers;
    all_buffers = b;
    return b;
}
- (NSUInteger)length {
    return bytes;
}
- (NSUInteger)allocatedSize {
    const NSUInteger page = (NSUInteger)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}
- (void *)contents {
    return sim_buffer_data(memory);
}
- (void)protect {
    sim_buffer_protect(memory, n_writer ? SIM_CLOSED : n_reader ? SIM_READ_ONLY : SIM_OPEN);
}
- (void)committed:(bool)writes {
    ++*(writes ? &n_writer : &n_reader);
    [self protect];
}
- (void)finished:(bool)writes {
    --*(writes ? &n_writer : &n_reader);
    [self protect];
}
- (void)dealloc {
    if (n_commands)
        standin_fail(
            "a buffer of %lu bytes is freed while %u command buffers that do not retain it are not done",
            bytes, n_commands);
    StandinBuffer **at = &all_buffers;
    while (*at != self) at = &(*at)->next;
    *at = next;
    sim_buffer_free(memory);
    [super dealloc];
}
@end

/* ---- residency ---- */

@implementation MTLResidencySetDescriptor
- (NSUInteger)initialCapacity {
    return capacity;
}
- (void)setInitialCapacity:(NSUInteger)n {
    capacity = n;
}
@end

static void append_buffer(StandinBuffer ***list, uint32_t *n, uint32_t *max, StandinBuffer *b) {
    if (*n == *max) {
        *max = 2 * *max + 16;
        *list = realloc(*list, *max * sizeof **list);
        if (!*list) standin_fail("out of memory for a residency set");
    }
    (*list)[(*n)++] = b;
}

@implementation StandinResidencySet
- (NSUInteger)allocationCount {
    return n_buffer;
}
- (void)addAllocation:(id<MTLAllocation>)allocation {
    StandinBuffer *b = [(StandinBuffer *)allocation retain];
    for (uint32_t i = 0; i < n_buffer; i++)
        if (buffers[i] == b) standin_fail("a buffer is added to a residency set twice");
    append_buffer(&buffers, &n_buffer, &max_buffer, b);
    dirty = true;
}
- (void)removeAllocation:(id<MTLAllocation>)allocation {
    uint32_t i = 0;
    while (i < n_buffer && buffers[i] != (StandinBuffer *)allocation) i++;
    if (i == n_buffer) standin_fail("a buffer is taken out of a residency set that does not have it");
    append_buffer(&leaving, &n_leaving, &max_leaving, buffers[i]);
    buffers[i] = buffers[--n_buffer];
    dirty = true;
}
- (void)removeAllAllocations {
    while (n_buffer) [self removeAllocation:buffers[n_buffer - 1]];
}
- (void)commit {
    while (n_leaving) [leaving[--n_leaving] release];
    standin_counted.residency_commits++;
    dirty = false;
}
- (bool)isCommitted {
    return !dirty;
}
- (void)requestResidency {
    if (dirty) standin_fail("residency is requested for a set with changes that are not committed");
}
- (void)endResidency {
}
- (void)dealloc {
    if (n_buffer || n_leaving)
        standin_fail("a residency set ends with %u buffers in it", n_buffer + n_leaving);
    free(buffers);
    free(leaving);
    [super dealloc];
}
@end

/* ---- the device ---- */

id<MTLDevice> MTLCreateSystemDefaultDevice(void) {
    watch_faults();
    sim_seed(standin.seed);
    return standin.no_device ? nil : [[StandinDevice alloc] init];
}

static void check_options(MTLResourceOptions options) {
    if (options != MTLResourceStorageModeShared)
        standin_fail("a buffer with options %#lx: only shared ones have contents", (unsigned long)options);
}

@implementation StandinDevice
- (NSString *)name {
    return [NSString stringWithUTF8String:"a stand-in for Metal"];
}
- (BOOL)hasUnifiedMemory {
    return YES;
}
- (uint64_t)recommendedMaxWorkingSetSize {
    return (uint64_t)16 << 30;
}
- (NSUInteger)maxBufferLength {
    return standin.max_buffer ? standin.max_buffer : (NSUInteger)16 << 30;
}
- (BOOL)supportsFamily:(MTLGPUFamily)family {
    return family <= MTLGPUFamilyApple7 && !standin.old_gpu;
}
- (BOOL)respondsToSelector:(SEL)selector {
    if (standin.macos_14 && sel_isEqual(selector, @selector(newResidencySetWithDescriptor:error:))) return NO;
    return [super respondsToSelector:selector];
}
- (id<MTLCommandQueue>)newCommandQueue {
    return standin.no_queue ? nil : [[StandinQueue alloc] init];
}
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options {
    check_options(options);
    if (!length || length > [self maxBufferLength])
        standin_fail("a buffer of %lu bytes: 1 to %lu are possible", length, [self maxBufferLength]);
    if (standin_due(&standin.fail_buffer)) return nil;
    return [StandinBuffer make:sim_buffer_new(length) bytes:length noCopy:false];
}
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pointer
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(void *)deallocator {
    const NSUInteger page = (NSUInteger)sysconf(_SC_PAGESIZE);
    check_options(options);
    if (deallocator) standin_fail("a buffer without copy has a deallocator");
    if ((uintptr_t)pointer % page || length % page || !length)
        standin_fail("a buffer without copy of %lu bytes at %p: both must be multiples of %lu", length,
                     pointer, page);
    if (length > [self maxBufferLength])
        standin_fail("a buffer of %lu bytes: 1 to %lu are possible", length, [self maxBufferLength]);
    if (standin_due(&standin.fail_buffer)) return nil;
    return [StandinBuffer make:sim_buffer_borrow(pointer, length) bytes:length noCopy:true];
}
- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source
                               options:(MTLCompileOptions *)options
                                 error:(NSError **)error {
    standin_counted.compilations++;
    [options check];
    if (standin.compile_error) {
        if (error)
            *error = [NSError errorIn:"MTLLibraryErrorDomain"
                                 code:3
                                 text:"program_source:1:1: error: as ordered\n1 error generated.\n"];
        return nil;
    }
    id<MTLLibrary> library = [StandinLibrary make:[source UTF8String] error:error];
    if (library && standin.warnings && error)
        *error = [NSError errorIn:"MTLLibraryErrorDomain"
                             code:4
                             text:"program_source:1:1: warning: as ordered"];
    return library;
}
- (id<MTLLibrary>)newLibraryWithURL:(NSURL *)url error:(NSError **)error {
    const size_t n_magic = sizeof STANDIN_LIBRARY_MAGIC - 1;
    FILE *file = fopen([[url path] UTF8String], "rb");
    char *text = standin_alloc(1 << 22);
    const size_t n = file ? fread(text, 1, (1 << 22) - 1, file) : 0;
    if (file) fclose(file);
    id<MTLLibrary> library = nil;
    if (n >= n_magic && memcmp(text, STANDIN_LIBRARY_MAGIC, n_magic) == 0)
        library = [StandinLibrary make:text + n_magic error:error];
    else if (error)
        *error = [NSError errorIn:"MTLLibraryErrorDomain" code:1 text:"Invalid library file"];
    free(text);
    return library;
}
- (id<MTLComputePipelineState>)newComputePipelineStateWithFunction:(id<MTLFunction>)function
                                                             error:(NSError **)error {
    if (!function) standin_fail("a pipeline is made of no function");
    if (standin.no_pipeline) {
        if (error)
            *error = [NSError errorIn:"MTLLibraryErrorDomain"
                                 code:3
                                 text:"Compute function exceeds, as ordered"];
        return nil;
    }
    standin_counted.pipelines++;
    StandinPipeline *p = [[StandinPipeline alloc] init];
    p->function = [(StandinFunction *)function retain];
    p->width = standin.execution_width ? standin.execution_width : SIM_SIMD_WIDTH;
    p->max_threads = standin.max_threads ? standin.max_threads : SIM_MAX_GROUP_THREADS;
    return p;
}
- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor *)descriptor
                                               error:(NSError **)error {
    if (!descriptor) standin_fail("a residency set without a descriptor");
    if (standin.no_residency_set) {
        if (error)
            *error = [NSError errorIn:"MTLDeviceErrorDomain" code:1 text:"no residency set, as ordered"];
        return nil;
    }
    return [[StandinResidencySet alloc] init];
}
@end
