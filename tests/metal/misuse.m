/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes that a host may make with Metal, one a function: the stand-in notices each. */
#import <Metal/Metal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_test.h"

enum { N = 32 };

/* Everything for a dispatch of `fill`. */
typedef struct rig {
    NSAutoreleasePool *pool;
    id<MTLDevice> device;
    id<MTLCommandQueue> queue;
    id<MTLLibrary> library;
    id<MTLComputePipelineState> fill, twice;
    id<MTLBuffer> y;
    id<MTLCommandBuffer> commands;
    id<MTLComputeCommandEncoder> encoder;
} rig;

static id<MTLLibrary> library_of(id<MTLDevice> device, int source) {
    MTLCompileOptions *options = [[MTLCompileOptions alloc] init];
    [options setMathMode:MTLMathModeSafe];
    id<MTLLibrary> library =
        [device newLibraryWithSource:[NSString stringWithUTF8String:host_sources.sources[source].text]
                             options:options
                               error:NULL];
    [options release];
    return library;
}

static id<MTLComputePipelineState> pipeline_of(id<MTLDevice> device, id<MTLLibrary> library, NSString *name) {
    return [device newComputePipelineStateWithFunction:[library newFunctionWithName:name] error:NULL];
}

static rig begin(void) {
    rig r = {.pool = [[NSAutoreleasePool alloc] init], .device = MTLCreateSystemDefaultDevice()};
    r.queue = [r.device newCommandQueue];
    r.library = library_of(r.device, 0);
    r.fill = pipeline_of(r.device, r.library, @"fill");
    r.twice = pipeline_of(r.device, r.library, @"twice");
    r.y = [r.device newBufferWithLength:N * sizeof(float) options:MTLResourceStorageModeShared];
    r.commands = [[r.queue commandBufferWithUnretainedReferences] retain];
    r.encoder = [[r.commands computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent] retain];
    return r;
}

static void bind(rig *r, id<MTLComputePipelineState> p, float f) {
    const tn_element_args a = {.cols = N, .f = f};
    [r->encoder setComputePipelineState:p];
    [r->encoder setBuffer:r->y offset:0 atIndex:0];
    [r->encoder setBytes:&a length:sizeof a atIndex:1];
}

static void dispatch(rig *r) {
    [r->encoder dispatchThreadgroups:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(N, 1, 1)];
}

static void commit(rig *r) {
    [r->encoder endEncoding];
    [r->commands commit];
}

/* A committed dispatch that fills y. */
static rig committed(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    dispatch(&r);
    commit(&r);
    return r;
}

/* ---- objects ---- */

static void over_release(void) {
    rig r = begin();
    [r.y release];
    [r.y release];
}

static void retained_when_dead(void) {
    rig r = begin();
    [r.y release];
    [r.y retain];
}

static void no_pool(void) {
    [[[NSObject alloc] init] autorelease];
}

static void wrong_pool(void) {
    NSAutoreleasePool *outer = [[NSAutoreleasePool alloc] init], *inner = [[NSAutoreleasePool alloc] init];
    [outer drain];
    [inner drain];
}

/* ---- the order of things ---- */

static void encoder_not_ended(void) {
    rig r = begin();
    [r.encoder release];
    [r.pool drain];
}

static void encoder_after_end(void) {
    rig r = begin();
    [r.encoder endEncoding];
    [r.encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
}

static void second_encoder(void) {
    rig r = begin();
    [r.commands computeCommandEncoder];
}

static void commit_before_end(void) {
    rig r = begin();
    [r.commands commit];
}

static void commit_twice(void) {
    rig r = committed();
    [r.commands commit];
}

static void encode_after_commit(void) {
    rig r = committed();
    [r.commands computeCommandEncoder];
}

static void wait_before_commit(void) {
    rig r = begin();
    [r.encoder endEncoding];
    [r.commands waitUntilCompleted];
}

static void no_pipeline(void) {
    rig r = begin();
    dispatch(&r);
}

/* ---- arguments ---- */

static void argument_too_many(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    [r.encoder setBuffer:r.y offset:0 atIndex:2];
    dispatch(&r);
}

static void argument_missing(void) {
    rig r = begin();
    [r.encoder setComputePipelineState:r.fill];
    [r.encoder setBuffer:r.y offset:0 atIndex:0];
    dispatch(&r);
}

static void argument_of_the_last_dispatch(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    dispatch(&r);
    [r.encoder setBuffer:r.y offset:0 atIndex:0];
    dispatch(&r);
}

static void argument_twice(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    [r.encoder setBuffer:r.y offset:0 atIndex:0];
}

static void index_too_high(void) {
    rig r = begin();
    [r.encoder setBuffer:r.y offset:0 atIndex:31];
}

static void bytes_for_a_pointer(void) {
    rig r = begin();
    const tn_element_args a = {.cols = N};
    [r.encoder setComputePipelineState:r.fill];
    [r.encoder setBytes:&a length:sizeof a atIndex:0];
    [r.encoder setBytes:&a length:sizeof a atIndex:1];
    dispatch(&r);
}

static void too_many_bytes(void) {
    static const char bytes[4097];
    rig r = begin();
    [r.encoder setBytes:bytes length:sizeof bytes atIndex:1];
}

static void wrong_number_of_bytes(void) {
    rig r = begin();
    const float f = 1;
    [r.encoder setComputePipelineState:r.fill];
    [r.encoder setBuffer:r.y offset:0 atIndex:0];
    [r.encoder setBytes:&f length:sizeof f atIndex:1];
    dispatch(&r);
}

static void offset_beyond_the_end(void) {
    rig r = begin();
    [r.encoder setBuffer:r.y offset:N * sizeof(float) atIndex:0];
}

/* sum4 loads vectors of 16 bytes. */
static void offset_not_aligned(void) {
    rig r = begin();
    MTLFunctionConstantValues *values = [[MTLFunctionConstantValues alloc] init];
    const uint32_t one = 1;
    const tn_element_args a = {.cols = 1};
    [values setConstantValue:&one type:MTLDataTypeUInt atIndex:TN_FC_GROUP];
    id<MTLFunction> f = [library_of(r.device, 1) newFunctionWithName:@"sum4"
                                                      constantValues:values
                                                               error:NULL];
    [r.encoder setComputePipelineState:[r.device newComputePipelineStateWithFunction:f error:NULL]];
    [r.encoder setBuffer:r.y offset:4 atIndex:0];
    [r.encoder setBuffer:r.y offset:0 atIndex:1];
    [r.encoder setBytes:&a length:sizeof a atIndex:2];
    dispatch(&r);
}

static void too_many_threads(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    [r.encoder dispatchThreadgroups:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(1025, 1, 1)];
}

static void no_threadgroup(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    [r.encoder dispatchThreadgroups:MTLSizeMake(1, 0, 1) threadsPerThreadgroup:MTLSizeMake(N, 1, 1)];
}

/* Found when the kernel runs: room is for 16 of the 32 numbers. */
static void write_beyond_the_end(void) {
    rig r = begin();
    const tn_element_args a = {.cols = N};
    [r.encoder setComputePipelineState:r.fill];
    [r.encoder setBuffer:r.y offset:N / 2 * sizeof(float) atIndex:0];
    [r.encoder setBytes:&a length:sizeof a atIndex:1];
    dispatch(&r);
    commit(&r);
    [r.commands waitUntilCompleted];
}

/* ---- libraries ---- */

static void constant_of_another_type(void) {
    MTLFunctionConstantValues *values = [[MTLFunctionConstantValues alloc] init];
    const int one = 1;
    [values setConstantValue:&one type:MTLDataTypeInt atIndex:0];
}

static void fast_math(void) {
    rig r = begin();
    MTLCompileOptions *options = [[MTLCompileOptions alloc] init];
    [r.device newLibraryWithSource:[NSString stringWithUTF8String:host_sources.sources[0].text]
                           options:options
                             error:NULL];
}

static void include_left_over(void) {
    rig r = begin();
    MTLCompileOptions *options = [[MTLCompileOptions alloc] init];
    [options setMathMode:MTLMathModeSafe];
    [r.device newLibraryWithSource:@"#include \"metal/args.h\"\nkernel void fill("
                           options:options
                             error:NULL];
}

/* ---- memory ---- */

static void private_memory(void) {
    rig r = begin();
    [r.device newBufferWithLength:16 options:MTLResourceStorageModePrivate];
}

static void no_bytes(void) {
    rig r = begin();
    [r.device newBufferWithLength:0 options:MTLResourceStorageModeShared];
}

static void wrapped_not_aligned(void) {
    rig r = begin();
    char *p = aligned_alloc(65536, 131072);
    [r.device newBufferWithBytesNoCopy:p + 16
                                length:65536
                               options:MTLResourceStorageModeShared
                           deallocator:nil];
}

static void wrapped_odd_length(void) {
    rig r = begin();
    char *p = aligned_alloc(65536, 131072);
    [r.device newBufferWithBytesNoCopy:p length:1000 options:MTLResourceStorageModeShared deallocator:nil];
}

static void wrapped_and_written(void) {
    rig r = begin();
    char *p = aligned_alloc(65536, 65536);
    r.y = [r.device newBufferWithBytesNoCopy:p
                                      length:65536
                                     options:MTLResourceStorageModeShared
                                 deallocator:nil];
    bind(&r, r.fill, 1);
    dispatch(&r);
}

static void freed_while_in_use(void) {
    rig r = committed();
    [r.y release];
}

static void freed_before_commit(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    dispatch(&r);
    [r.y release];
}

static void read_before_the_end(void) {
    rig r = committed();
    printf("%g\n", *(volatile float *)[r.y contents]);
}

static void written_before_the_end(void) {
    rig r = committed();
    *(volatile float *)[r.y contents] = 1;
}

static void residency_not_committed(void) {
    rig r = begin();
    MTLResidencySetDescriptor *descriptor = [[MTLResidencySetDescriptor alloc] init];
    id<MTLResidencySet> set = [r.device newResidencySetWithDescriptor:descriptor error:NULL];
    [r.queue addResidencySet:set];
    [set addAllocation:r.y];
    commit(&r);
}

/* ---- barriers ---- */

static void written_by_two(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    dispatch(&r);
    const tn_element_args a = {.cols = N, .f = 2};
    [r.encoder setBuffer:r.y offset:0 atIndex:0];
    [r.encoder setBytes:&a length:sizeof a atIndex:1];
    dispatch(&r);
    commit(&r);
    [r.commands waitUntilCompleted];
}

static void read_and_written(void) {
    rig r = begin();
    bind(&r, r.fill, 1);
    dispatch(&r);
    bind(&r, r.twice, 1);
    dispatch(&r);
    commit(&r);
    [r.commands waitUntilCompleted];
}

#define MISUSE(f, expected)                                                                                  \
    { #f, expected, f }
const misuse misuses[] = {
    MISUSE(over_release, "StandinBuffer is released too often"),
    MISUSE(retained_when_dead, "StandinBuffer is retained after its end"),
    MISUSE(no_pool, "there is no pool"),
    MISUSE(wrong_pool, "not the innermost"),
    MISUSE(encoder_not_ended, "encoder is freed before endEncoding"),
    MISUSE(encoder_after_end, "used after endEncoding"),
    MISUSE(second_encoder, "before the last one's endEncoding"),
    MISUSE(commit_before_end, "committed before endEncoding"),
    MISUSE(commit_twice, "committed twice"),
    MISUSE(encode_after_commit, "used after commit"),
    MISUSE(wait_before_commit, "before commit"),
    MISUSE(no_pipeline, "without a pipeline"),
    MISUSE(argument_too_many, "kernel fill has no buffer(2)"),
    MISUSE(argument_missing, "kernel fill: buffer(1) is not bound"),
    MISUSE(argument_of_the_last_dispatch, "kernel fill: buffer(1) is not bound"),
    MISUSE(argument_twice, "buffer(0) is bound twice"),
    MISUSE(index_too_high, "argument index 31"),
    MISUSE(bytes_for_a_pointer, "is a pointer and was given bytes"),
    MISUSE(too_many_bytes, "4097 bytes by value"),
    MISUSE(wrong_number_of_bytes, "of another size"),
    MISUSE(offset_beyond_the_end, "offset 128 in a buffer of 128"),
    MISUSE(offset_not_aligned, "offset that is not aligned"),
    MISUSE(too_many_threads, "1025 threads"),
    MISUSE(no_threadgroup, "no threadgroup"),
    MISUSE(write_beyond_the_end, "kernel fill"),
    MISUSE(constant_of_another_type, "it is a uint"),
    MISUSE(fast_math, "fast math"),
    MISUSE(include_left_over, "includes a file"),
    MISUSE(private_memory, "only shared ones"),
    MISUSE(no_bytes, "a buffer of 0 bytes"),
    MISUSE(wrapped_not_aligned, "both must be multiples"),
    MISUSE(wrapped_odd_length, "both must be multiples"),
    MISUSE(wrapped_and_written, "was given the host's memory"),
    MISUSE(freed_while_in_use, "is freed while 1 command buffer"),
    MISUSE(freed_before_commit, "is freed while 1 command buffer"),
    MISUSE(read_before_the_end, "the host touches a buffer"),
    MISUSE(written_before_the_end, "the host touches a buffer"),
    MISUSE(residency_not_committed, "the residency set is not"),
    MISUSE(written_by_two, "dispatch 0 (fill) and dispatch 1 (fill)"),
    MISUSE(read_and_written, "dispatch 0 (fill) and dispatch 1 (twice)"),
    {0},
};
