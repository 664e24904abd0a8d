/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the stand-in. Instance variables are read across classes where Metal has no message.
 */
#ifndef STANDIN_PRIVATE_H
#define STANDIN_PRIVATE_H

#import <Metal/Metal.h>

#include "standin/standin.h"

extern BOOL sel_isEqual(SEL a, SEL b); /* gcc's runtime: equal ones may have several addresses */

/* Ends the program. */
_Noreturn void standin_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts n down; true when it has just come to 0. */
bool standin_due(uint32_t *n);
/* Below n, from standin.seed. */
uint32_t standin_random(uint32_t n);
/* The kernel of that name in the libraries in use, or NULL. */
const sim_kernel *standin_kernel(const char *name);
/* malloc that does not fail. */
void *standin_alloc(size_t bytes);

@interface NSAutoreleasePool (Standin)
+ (void)keep:(id)object;
@end

@interface NSError (Standin)
+ (NSError *)errorIn:(const char *)domain code:(NSInteger)code text:(const char *)text;
@end

@interface MTLFunctionConstantValues (Standin)
- (bool)get:(uint32_t)index into:(uint32_t *)value;
@end

@interface MTLCompileOptions (Standin)
- (void)check;
@end

@interface StandinDevice : NSObject <MTLDevice>
@end

@interface StandinBuffer : NSObject <MTLBuffer> {
  @public
    sim_buffer *memory;
    NSUInteger bytes;
    bool no_copy;
    uint32_t n_commands;         /* command buffers that are not done and do not retain it */
    uint32_t n_reader, n_writer; /* committed command buffers */
    StandinBuffer *next;         /* of all */
}
+ (StandinBuffer *)make:(sim_buffer *)memory bytes:(NSUInteger)bytes noCopy:(bool)no_copy;
- (void)committed:(bool)writes;
- (void)finished:(bool)writes;
@end

@interface StandinLibrary : NSObject <MTLLibrary> {
  @public
    char *text;
}
/* nil and *error where the text is not that of known kernels. */
+ (StandinLibrary *)make:(const char *)text error:(NSError **)error;
@end

@interface StandinFunction : NSObject <MTLFunction> {
  @public
    NSString *title;
    const sim_kernel *kernel;
    sim_constant constants[32];
    uint32_t n_constant;
}
@end

@interface StandinPipeline : NSObject <MTLComputePipelineState> {
  @public
    StandinFunction *function;
    NSUInteger max_threads, width;
}
@end

@interface StandinResidencySet : NSObject <MTLResidencySet> {
    StandinBuffer **buffers, **leaving; /* retained */
    uint32_t n_buffer, n_leaving, max_buffer, max_leaving;
    bool dirty;
}
- (bool)isCommitted;
@end

@class StandinCommandBuffer;

@interface StandinQueue : NSObject <MTLCommandQueue> {
  @public
    StandinCommandBuffer **waiting; /* committed and not run, in order; retained */
    uint32_t n_waiting, max_waiting;
    StandinResidencySet *residency;
}
- (void)add:(StandinCommandBuffer *)c;
/* Runs command buffers up to and with last; nil: all. */
- (void)runUntil:(StandinCommandBuffer *)last;
@end

/* One dispatch, or a barrier (pipeline nil). */
typedef struct standin_command {
    StandinPipeline *pipeline;
    StandinBuffer *buffers[SIM_MAX_BINDINGS]; /* nil: bytes, or nothing */
    size_t offsets[SIM_MAX_BINDINGS];
    void *bytes[SIM_MAX_BINDINGS]; /* copies; NULL: a buffer, or nothing */
    uint32_t n_bytes[SIM_MAX_BINDINGS];
    bool writes[SIM_MAX_BINDINGS];
    uint32_t groups[3], n_thread;
} standin_command;

/* Runs commands, the intervals between barriers each in an order of its own. */
void standin_run(const standin_command *commands, uint32_t n);

@interface StandinCommandBuffer : NSObject <MTLCommandBuffer> {
  @public
    StandinQueue *queue; /* retained */
    bool retains;
    MTLCommandBufferStatus state;
    NSError *failure;
    id encoder; /* the open one, not retained */
    standin_command *commands;
    uint32_t n_command, max_command;
    StandinBuffer **used; /* each once */
    bool *written;        /* [n_used] */
    uint32_t n_used, max_used;
}
/* A barrier. */
- (standin_command *)append;
- (void)record:(const standin_command *)c;
- (void)run;
@end

@interface StandinEncoder : NSObject <MTLComputeCommandEncoder> {
  @public
    StandinCommandBuffer *target; /* retained */
    bool serial, ended;
    StandinPipeline *pipeline;
    standin_command next; /* what was bound for the next dispatch */
}
@end

#endif
