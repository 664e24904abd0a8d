/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels by name, and the checks that a dispatch passes before its threads run. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime.h"

static char error_text[600];

namespace sim {

int fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(error_text, sizeof error_text, format, list);
    va_end(list);
    return -1;
}

// Values passed by copy, kept where kernels may read them as long as the dispatch runs.
struct inline_bytes {
    alignas(16) uint8_t bytes[SIM_MAX_BINDINGS][SIM_MAX_INLINE_BYTES];
};

static int bind_buffer(const sim_kernel &k, const parameter &p, const sim_binding &b, void **ret) {
    if (!b.buffer) return fail("kernel %s: buffer(%u) is a pointer and wants a buffer", k.name, b.index);
    const size_t align = p.align > 4 ? p.align : 4;
    if (b.offset % align != 0 || b.offset >= sim_buffer_bytes(b.buffer))
        return fail("kernel %s: buffer(%u): offset %zu in a buffer of %zu bytes, a multiple of %zu is needed",
                    k.name, b.index, b.offset, sim_buffer_bytes(b.buffer), align);
    if (p.writes && !b.buffer->memory.map)
        return fail("kernel %s: buffer(%u) is written and was given the caller's memory, read only", k.name,
                    b.index);
    *ret = b.buffer->memory.data + b.offset;
    return 0;
}

static int bind_bytes(const sim_kernel &k, const parameter &p, const sim_binding &b, void *copy, void **ret) {
    if (!b.bytes || b.n_bytes != p.bytes || b.n_bytes > SIM_MAX_INLINE_BYTES)
        return fail("kernel %s: buffer(%u) is a reference to %zu bytes and was given %zu (limit %d)", k.name,
                    b.index, p.bytes, b.bytes ? b.n_bytes : 0, SIM_MAX_INLINE_BYTES);
    *ret = memcpy(copy, b.bytes, b.n_bytes);
    return 0;
}

static const parameter *find_parameter(const sim_kernel &k, uint32_t index) {
    for (size_t i = 0; i < k.n_parameter; i++)
        if (k.parameters[i].index == index) return &k.parameters[i];
    return nullptr;
}

// Fills args from the bindings: each parameter exactly once, nothing else.
static int bind(const sim_kernel &k, const sim_binding *bindings, size_t n, inline_bytes *copies,
                arguments *args) {
    *args = arguments();
    for (size_t i = 0; i < n; i++) {
        const sim_binding &b = bindings[i];
        const parameter *p = find_parameter(k, b.index);
        if (!p) return fail("kernel %s has no buffer(%u)", k.name, b.index);
        if (args->at[b.index]) return fail("kernel %s: buffer(%u) is bound twice", k.name, b.index);
        const int rc = p->kind == parameter_pointer
                           ? bind_buffer(k, *p, b, &args->at[b.index])
                           : bind_bytes(k, *p, b, copies->bytes[b.index], &args->at[b.index]);
        if (rc != 0) return rc;
    }
    for (size_t i = 0; i < k.n_parameter; i++)
        if (!args->at[k.parameters[i].index])
            return fail("kernel %s: buffer(%u) is not bound", k.name, k.parameters[i].index);
    return 0;
}

static const constant *find_constant(const sim_kernel &k, uint32_t index) {
    for (size_t i = 0; i < k.n_constant; i++)
        if (k.constants[i].index == index) return &k.constants[i];
    return nullptr;
}

// Sets the function constants; those that nobody gives get a value that is no size and no type.
static int set_constants(const sim_kernel &k, const sim_constant *given, size_t n) {
    for (size_t i = 0; i < k.n_constant; i++) *k.constants[i].value = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        const constant *c = find_constant(k, given[i].index);
        if (!c) return fail("kernel %s has no function_constant(%u)", k.name, given[i].index);
        for (size_t j = 0; j < i; j++)
            if (given[j].index == given[i].index)
                return fail("kernel %s: function_constant(%u), %s, is given twice", k.name, c->index,
                            c->name);
        *c->value = given[i].value;
    }
    for (size_t i = 0; i < k.n_constant; i++) {
        const constant &c = k.constants[i];
        bool found = !c.used;
        for (size_t j = 0; j < n; j++) found = found || given[j].index == c.index;
        if (!found)
            return fail("kernel %s: function_constant(%u), %s, is not given", k.name, c.index, c.name);
    }
    return 0;
}

static int check_buffers(const sim_kernel &k, const sim_binding *bindings, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bindings[i].buffer && !guarded_intact(bindings[i].buffer->memory))
            return fail("kernel %s: buffer(%u), of %zu bytes, was written beyond its ends", k.name,
                        bindings[i].index, sim_buffer_bytes(bindings[i].buffer));
    return 0;
}

} // namespace sim

extern "C" {

const char *sim_error(void) {
    return error_text;
}
const char *sim_kernel_name(const sim_kernel *k) {
    return k->name;
}

int sim_kernel_parameter(const sim_kernel *k, size_t i, sim_parameter *ret) {
    if (i >= k->n_parameter) return -1;
    const sim::parameter &p = k->parameters[i];
    *ret = {p.index, p.kind == sim::parameter_pointer, p.writes, p.bytes, p.align};
    return 0;
}

int sim_kernel_constant(const sim_kernel *k, size_t i, uint32_t *ret_index) {
    for (size_t j = 0; j < k->n_constant; j++) {
        if (!k->constants[j].used || i-- > 0) continue;
        *ret_index = k->constants[j].index;
        return 0;
    }
    return -1;
}

const sim_kernel *sim_kernel_at(const sim_library *l, size_t i) {
    return i < l->n_kernel ? l->kernels + i : nullptr;
}

const sim_kernel *sim_kernel_find(const sim_library *l, const char *name) {
    for (size_t i = 0; i < l->n_kernel; i++)
        if (strcmp(l->kernels[i].name, name) == 0) return l->kernels + i;
    return nullptr;
}

int sim_dispatch(const sim_kernel *kernel, const sim_constant *constants, size_t n_constant,
                 const sim_binding *bindings, size_t n_binding, const uint32_t groups[3], uint32_t n_thread) {
    static sim::inline_bytes copies;
    sim::arguments args;
    if (n_thread < 1 || n_thread > SIM_MAX_GROUP_THREADS)
        return sim::fail("kernel %s: %u threads a group, 1 to %d are allowed", kernel->name, n_thread,
                         SIM_MAX_GROUP_THREADS);
    if (sim::set_constants(*kernel, constants, n_constant) != 0) return -1;
    if (sim::bind(*kernel, bindings, n_binding, &copies, &args) != 0) return -1;
    if (groups[0] == 0 || groups[1] == 0 || groups[2] == 0) return 0;
    const sim::grid g = {{groups[0], groups[1], groups[2]}, n_thread};
    if (sim::run_grid(kernel, args, g) != 0) return -1;
    return sim::check_buffers(*kernel, bindings, n_binding);
}

} // extern "C"
