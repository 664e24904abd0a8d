/* SPDX-License-Identifier: Apache-2.0 */
/* Runs what was recorded. Dispatches between two barriers may run in any order: they do. Where two of them
 * use one buffer and one of the two may write it, they run in one order and in the opposite one, so that each
 * pair comes both ways round, and the bytes must be the same. */
#import "standin/private.h"

#include <stdlib.h>
#include <string.h>

uint32_t standin_random(uint32_t n) {
    static uint64_t state;
    state = state * 6364136223846793005u + 1442695040888963407u + standin.seed;
    return (uint32_t)(state >> 33) % n;
}

static const char *name_of(const standin_command *c) {
    return sim_kernel_name(c->pipeline->function->kernel);
}

static void dispatch(const standin_command *c) {
    sim_binding bindings[SIM_MAX_BINDINGS];
    size_t n = 0;
    for (uint32_t i = 0; i < SIM_MAX_BINDINGS; i++) {
        if (c->buffers[i])
            bindings[n++] =
                (sim_binding){.index = i, .buffer = c->buffers[i]->memory, .offset = c->offsets[i]};
        else if (c->bytes[i])
            bindings[n++] = (sim_binding){.index = i, .bytes = c->bytes[i], .n_bytes = c->n_bytes[i]};
    }
    const StandinFunction *f = c->pipeline->function;
    if (sim_dispatch(f->kernel, f->constants, f->n_constant, bindings, n, c->groups, c->n_thread) != 0)
        standin_fail("%s", sim_error());
}

static void dispatch_all(const standin_command *commands, const uint32_t *order, uint32_t n, bool backwards) {
    for (uint32_t i = 0; i < n; i++) dispatch(&commands[order[backwards ? n - 1 - i : i]]);
}

/* ---- both orders ---- */

typedef struct shared {
    StandinBuffer *buffer; /* written by `a`, used by `b` */
    uint32_t a, b;
    uint8_t *before, *after;
} shared;

static bool uses(const standin_command *c, const StandinBuffer *buffer, bool only_writing) {
    for (int i = 0; i < SIM_MAX_BINDINGS; i++)
        if (c->buffers[i] == buffer && (!only_writing || c->writes[i])) return true;
    return false;
}

/* Whether `buffer`, which dispatch a writes, is used by another one. */
static bool find_other(const standin_command *commands, uint32_t n, uint32_t a, StandinBuffer *buffer,
                       uint32_t *ret) {
    for (uint32_t b = 0; b < n; b++)
        if (b != a && uses(&commands[b], buffer, false)) {
            *ret = b;
            return true;
        }
    return false;
}

/* Buffers that one dispatch writes and another one uses, into list, each once. */
static uint32_t find_shared(const standin_command *commands, uint32_t n, shared *list) {
    uint32_t n_shared = 0, b;
    for (uint32_t a = 0; a < n; a++)
        for (int i = 0; i < SIM_MAX_BINDINGS; i++) {
            StandinBuffer *buffer = commands[a].writes[i] ? commands[a].buffers[i] : nil;
            bool known = false;
            for (uint32_t j = 0; j < n_shared; j++) known |= list[j].buffer == buffer;
            if (buffer && !known && find_other(commands, n, a, buffer, &b))
                list[n_shared++] = (shared){.buffer = buffer, .a = a, .b = b};
        }
    return n_shared;
}

/* All buffers that somebody writes: what the second run must find as the first did. */
static uint32_t find_written(const standin_command *commands, uint32_t n, shared *list, uint32_t n_shared) {
    uint32_t n_written = n_shared;
    for (uint32_t a = 0; a < n; a++)
        for (int i = 0; i < SIM_MAX_BINDINGS; i++) {
            StandinBuffer *buffer = commands[a].writes[i] ? commands[a].buffers[i] : nil;
            bool known = false;
            for (uint32_t j = 0; j < n_written; j++) known |= list[j].buffer == buffer;
            if (buffer && !known) list[n_written++] = (shared){.buffer = buffer, .a = a, .b = a};
        }
    return n_written;
}

static uint8_t *copy_of(StandinBuffer *b) {
    return memcpy(standin_alloc(b->bytes), [b contents], b -> bytes);
}

static void compare(const standin_command *commands, const shared *s) {
    const uint8_t *now = [s->buffer contents];
    for (NSUInteger i = 0; i < s->buffer->bytes; i++)
        if (now[i] != s->after[i])
            standin_fail(
                "no barrier between dispatch %u (%s) and dispatch %u (%s) of an interval, and their order "
                "matters: byte %lu of a buffer of %lu that both use and one writes",
                s->a, name_of(&commands[s->a]), s->b, name_of(&commands[s->b]), i, s->buffer->bytes);
}

static void run_both_ways(const standin_command *commands, const uint32_t *order, uint32_t n, shared *list,
                          uint32_t n_list) {
    for (uint32_t i = 0; i < n_list; i++) list[i].before = copy_of(list[i].buffer);
    dispatch_all(commands, order, n, true);
    for (uint32_t i = 0; i < n_list; i++) {
        list[i].after = copy_of(list[i].buffer);
        memcpy([list[i].buffer contents], list[i].before, list[i].buffer->bytes);
    }
    dispatch_all(commands, order, n, false);
    for (uint32_t i = 0; i < n_list; i++) {
        compare(commands, &list[i]);
        free(list[i].before);
        free(list[i].after);
    }
    standin_counted.orders++;
}

/* ---- intervals ---- */

static void shuffle(uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n; standin.seed && i > 1; i--) {
        const uint32_t j = standin_random(i), kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

static void run_interval(const standin_command *commands, uint32_t n) {
    if (!n) return;
    uint32_t *order = standin_alloc(n * sizeof *order);
    shared *list = standin_alloc((size_t)n * SIM_MAX_BINDINGS * sizeof *list);
    shuffle(order, n);
    const uint32_t n_shared = n > 1 ? find_shared(commands, n, list) : 0;
    if (n_shared)
        run_both_ways(commands, order, n, list, find_written(commands, n, list, n_shared));
    else
        dispatch_all(commands, order, n, false);
    free(list);
    free(order);
}

void standin_run(const standin_command *commands, uint32_t n) {
    uint32_t first = 0;
    for (uint32_t i = 0; i <= n; i++)
        if (i == n || !commands[i].pipeline) {
            run_interval(commands + first, i - first);
            first = i + 1;
        }
}
