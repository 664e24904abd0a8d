/* SPDX-License-Identifier: Apache-2.0 */
/* Queues, command buffers, encoders: what is recorded, and when it runs. */
#import "standin/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(const StandinPipeline *p) {
    return sim_kernel_name(p->function->kernel);
}

/* ---- encoders ---- */

static void forget(standin_command *c) {
    for (int i = 0; i < SIM_MAX_BINDINGS; i++) free(c->bytes[i]);
    *c = (standin_command){0};
}

static const char *check_parameter(const standin_command *c, const sim_parameter *p) {
    const size_t align = p->align > 4 ? p->align : 4;
    if (!c->buffers[p->index] && !c->bytes[p->index]) return "is not bound since the last dispatch";
    if (p->is_pointer && !c->buffers[p->index]) return "is a pointer and was given bytes";
    if (!p->is_pointer && c->buffers[p->index]) return "is a reference and was given a buffer";
    if (!p->is_pointer && c->n_bytes[p->index] != p->bytes) return "is of another size than the bytes given";
    if (p->is_pointer && c->offsets[p->index] % align) return "has an offset that is not aligned";
    if (p->writes && c->buffers[p->index]->no_copy) return "is written and was given the host's memory";
    return NULL;
}

/* Each of the kernel's arguments, and no other. */
static void check_arguments(standin_command *c) {
    const sim_kernel *kernel = c->pipeline->function->kernel;
    bool known[SIM_MAX_BINDINGS] = {false};
    sim_parameter p;
    for (size_t i = 0; sim_kernel_parameter(kernel, i, &p) == 0; i++) {
        const char *complaint = check_parameter(c, &p);
        if (complaint) standin_fail("kernel %s: buffer(%u) %s", name_of(c->pipeline), p.index, complaint);
        known[p.index] = true;
        c->writes[p.index] = p.writes;
    }
    for (uint32_t i = 0; i < SIM_MAX_BINDINGS; i++)
        if (!known[i] && (c->buffers[i] || c->bytes[i]))
            standin_fail("kernel %s has no buffer(%u)", name_of(c->pipeline), i);
}

@implementation StandinEncoder
- (void)check {
    if (ended) standin_fail("an encoder is used after endEncoding");
}
- (void)setComputePipelineState:(id<MTLComputePipelineState>)state {
    [self check];
    if (!state) standin_fail("a pipeline that is nil");
    if (pipeline == (StandinPipeline *)state)
        standin_fail("the pipeline of %s is set again", name_of(pipeline));
    pipeline = (StandinPipeline *)state;
    standin_counted.pipeline_changes++;
}
- (void)bind:(NSUInteger)index {
    [self check];
    if (index >= SIM_MAX_BINDINGS)
        standin_fail("argument index %lu, %d is the last", index, SIM_MAX_BINDINGS - 1);
    if (next.buffers[index] || next.bytes[index]) standin_fail("buffer(%lu) is bound twice", index);
}
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index {
    StandinBuffer *b = (StandinBuffer *)buffer;
    [self bind:index];
    if (!b) standin_fail("buffer(%lu) is nil", index);
    if (offset >= b->bytes)
        standin_fail("buffer(%lu): offset %lu in a buffer of %lu bytes", index, offset, b->bytes);
    next.buffers[index] = b;
    next.offsets[index] = offset;
}
- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index {
    [self bind:index];
    if (!length || length > SIM_MAX_INLINE_BYTES)
        standin_fail("buffer(%lu): %lu bytes by value, 1 to %d are possible", index, length,
                     SIM_MAX_INLINE_BYTES);
    next.bytes[index] = memcpy(standin_alloc(length), bytes, length);
    next.n_bytes[index] = (uint32_t)length;
}
- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)threads {
    const NSUInteger n = threads.width * threads.height * threads.depth;
    [self check];
    if (!pipeline) standin_fail("a dispatch without a pipeline");
    if (!groups.width || !groups.height || !groups.depth) standin_fail("a dispatch of no threadgroup");
    if (!n || n > pipeline->max_threads)
        standin_fail("kernel %s: %lu threads a threadgroup, %lu at most", name_of(pipeline), n,
                     pipeline->max_threads);
    if (threads.height != 1 || threads.depth != 1) standin_fail("threadgroups that are not rows of threads");
    next.pipeline = pipeline;
    next.groups[0] = (uint32_t)groups.width;
    next.groups[1] = (uint32_t)groups.height;
    next.groups[2] = (uint32_t)groups.depth;
    next.n_thread = (uint32_t)n;
    check_arguments(&next);
    [target record:&next];
    if (serial) [target append];
    next = (standin_command){0};
    standin_counted.dispatches++;
}
- (void)memoryBarrierWithScope:(MTLBarrierScope)scope {
    [self check];
    if (scope != MTLBarrierScopeBuffers) standin_fail("a barrier of scope %lu, not of buffers", scope);
    [target append];
}
- (void)endEncoding {
    [self check];
    ended = true;
    [target append]; /* encoders come one after the other */
    target->encoder = nil;
    forget(&next);
}
- (void)dealloc {
    if (!ended) standin_fail("an encoder is freed before endEncoding");
    [target release];
    [super dealloc];
}
@end

/* ---- command buffers ---- */

@implementation StandinCommandBuffer
- (standin_command *)append {
    if (n_command == max_command) {
        max_command = 2 * max_command + 64;
        commands = realloc(commands, max_command * sizeof *commands);
        if (!commands) standin_fail("out of memory for commands");
    }
    commands[n_command] = (standin_command){0};
    return &commands[n_command++];
}
- (void)uses:(StandinBuffer *)b writes:(bool)writes {
    uint32_t i = 0;
    while (i < n_used && used[i] != b) i++;
    if (i == n_used) {
        if (n_used == max_used) {
            max_used = 2 * max_used + 64;
            used = realloc(used, max_used * sizeof *used);
            written = realloc(written, max_used * sizeof *written);
            if (!used || !written) standin_fail("out of memory for commands");
        }
        used[n_used] = retains ? [b retain] : b;
        written[n_used++] = false;
        if (!retains) b->n_commands++;
    }
    written[i] |= writes;
}
/* Takes over what *c holds. */
- (void)record:(const standin_command *)c {
    *[self append] = *c;
    if (retains) [c->pipeline retain];
    for (int i = 0; i < SIM_MAX_BINDINGS; i++)
        if (c->buffers[i]) [self uses:c->buffers[i] writes:c->writes[i]];
}
- (void)check {
    if (state != MTLCommandBufferStatusNotEnqueued) standin_fail("a command buffer is used after commit");
}
- (id<MTLComputeCommandEncoder>)computeCommandEncoder {
    return [self computeCommandEncoderWithDispatchType:MTLDispatchTypeSerial];
}
- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type {
    [self check];
    if (encoder) standin_fail("an encoder is begun before the last one's endEncoding");
    if (standin_due(&standin.fail_encoder)) return nil;
    StandinEncoder *e = [[StandinEncoder alloc] init];
    e->target = [self retain];
    e->serial = type == MTLDispatchTypeSerial;
    encoder = e;
    return [e autorelease];
}
- (void)commit {
    if (state != MTLCommandBufferStatusNotEnqueued) standin_fail("a command buffer is committed twice");
    if (encoder) standin_fail("a command buffer is committed before endEncoding");
    if (queue->residency && ![queue->residency isCommitted])
        standin_fail("a command buffer is committed and the residency set is not");
    [queue runUntil:nil];
    state = MTLCommandBufferStatusCommitted;
    for (uint32_t i = 0; i < n_used; i++) [used[i] committed:written[i]];
    [queue add:self];
    standin_counted.command_buffers++;
}
- (void)waitUntilCompleted {
    if (state < MTLCommandBufferStatusCommitted)
        standin_fail("somebody waits for a command buffer before commit");
    if (state == MTLCommandBufferStatusCommitted) [queue runUntil:self];
}
- (MTLCommandBufferStatus)status {
    return state;
}
- (NSError *)error {
    return failure;
}
/* What it holds of others. */
- (void)letGo {
    for (uint32_t i = 0; i < n_command; i++) {
        if (retains) [commands[i].pipeline release];
        forget(&commands[i]);
    }
    for (uint32_t i = 0; i < n_used; i++) {
        if (retains)
            [used[i] release];
        else
            used[i]->n_commands--;
    }
    n_command = n_used = 0;
}
- (void)run {
    for (uint32_t i = 0; i < n_used; i++) [used[i] finished:written[i]];
    if (standin_due(&standin.fail_run)) {
        failure = [[NSError errorIn:"MTLCommandBufferErrorDomain" code:standin.fail_code
                               text:"as ordered"] retain];
        state = MTLCommandBufferStatusError;
    } else {
        standin_run(commands, n_command);
        state = MTLCommandBufferStatusCompleted;
    }
    [self letGo];
}
- (void)dealloc {
    if (encoder) standin_fail("a command buffer ends before its encoder");
    [self letGo];
    free(commands);
    free(used);
    free(written);
    [failure release];
    [queue release];
    [super dealloc];
}
@end

/* ---- queues ---- */

@implementation StandinQueue
- (id<MTLCommandBuffer>)make:(bool)retains {
    if (standin_due(&standin.fail_command_buffer)) return nil;
    StandinCommandBuffer *c = [[StandinCommandBuffer alloc] init];
    c->queue = [self retain];
    c->retains = retains;
    return [c autorelease];
}
- (id<MTLCommandBuffer>)commandBuffer {
    return [self make:true];
}
- (id<MTLCommandBuffer>)commandBufferWithUnretainedReferences {
    return [self make:false];
}
- (void)addResidencySet:(id<MTLResidencySet>)set {
    if (residency) standin_fail("a second residency set");
    residency = [(StandinResidencySet *)set retain];
}
- (void)removeResidencySet:(id<MTLResidencySet>)set {
    if (residency != (StandinResidencySet *)set)
        standin_fail("a residency set is taken out of a queue without it");
    [residency release];
    residency = nil;
}
- (void)add:(StandinCommandBuffer *)c {
    if (n_waiting == max_waiting) {
        max_waiting = 2 * max_waiting + 16;
        waiting = realloc(waiting, max_waiting * sizeof *waiting);
        if (!waiting) standin_fail("out of memory for command buffers");
    }
    waiting[n_waiting++] = [c retain];
}
- (void)runUntil:(StandinCommandBuffer *)last {
    uint32_t n = 0;
    bool done = false;
    while (n < n_waiting && !done) {
        StandinCommandBuffer *c = waiting[n++];
        done = c == last;
        [c run];
        [c release];
    }
    n_waiting -= n;
    if (n) memmove(waiting, waiting + n, n_waiting * sizeof *waiting);
}
- (void)dealloc {
    if (residency) standin_fail("a queue ends with a residency set");
    free(waiting);
    [super dealloc];
}
@end
