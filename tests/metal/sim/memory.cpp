/* SPDX-License-Identifier: Apache-2.0 */
/* Device memory: every buffer and every threadgroup variable ends at a page that may not be touched. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "runtime.h"

namespace sim {

namespace {
const size_t guard_bytes =
    1 << 20; // far enough that a wrong stride does not jump over it; costs address space only
const uint8_t fill = 0xff;

size_t rounded(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}
} // namespace

bool guarded_new(guarded *g, size_t bytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    if (bytes == 0 || bytes > SIZE_MAX / 2) return false;
    const size_t open = rounded(bytes, page);
    void *map =
        mmap(nullptr, open + 2 * guard_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return false;
    g->map = static_cast<uint8_t *>(map);
    g->map_bytes = open + 2 * guard_bytes;
    if (mprotect(g->map + guard_bytes, open, PROT_READ | PROT_WRITE) != 0) {
        guarded_free(g);
        return false;
    }
    memset(g->map + guard_bytes, fill, open);
    g->bytes = bytes;
    g->data = g->map + guard_bytes + open - rounded(bytes, 16);
    return true;
}

void guarded_free(guarded *g) {
    if (g->map) munmap(g->map, g->map_bytes);
    *g = guarded();
}

void guarded_shrink(guarded *g, size_t bytes) {
    g->data = g->map + g->map_bytes - guard_bytes - rounded(bytes, 16);
    g->bytes = bytes;
    memset(g->data, fill, rounded(bytes, 16));
}

bool guarded_intact(const guarded &g) {
    if (!g.map) return true;
    for (const uint8_t *p = g.map + guard_bytes; p < g.data; p++)
        if (*p != fill) return false;
    for (const uint8_t *p = g.data + g.bytes; p < g.map + g.map_bytes - guard_bytes; p++)
        if (*p != fill) return false;
    return true;
}

} // namespace sim

extern "C" {

sim_buffer *sim_buffer_new(size_t bytes) {
    sim_buffer *b = new (std::nothrow) sim_buffer();
    if (b && !sim::guarded_new(&b->memory, bytes)) {
        delete b;
        b = nullptr;
    }
    if (!b) sim::fail("no memory for a buffer of %zu bytes", bytes);
    return b;
}

sim_buffer *sim_buffer_borrow(const void *bytes, size_t n) {
    sim_buffer *b = new (std::nothrow) sim_buffer();
    if (b)
        b->memory = {nullptr, 0, static_cast<uint8_t *>(const_cast<void *>(bytes)), n};
    else
        sim::fail("no memory for a buffer of %zu bytes", n);
    return b;
}

void *sim_buffer_data(sim_buffer *b) {
    return b->memory.data;
}

void sim_buffer_protect(sim_buffer *b, sim_access access) {
    const int flags[] = {PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE};
    if (b->memory.map)
        mprotect(b->memory.map + sim::guard_bytes, b->memory.map_bytes - 2 * sim::guard_bytes, flags[access]);
}

int sim_buffer_has(const sim_buffer *b, const void *address) {
    const uint8_t *at = static_cast<const uint8_t *>(address);
    return b->memory.map && at >= b->memory.map + sim::guard_bytes &&
           at < b->memory.map + b->memory.map_bytes - sim::guard_bytes;
}

void sim_buffer_free(sim_buffer *b) {
    if (!b) return;
    sim::guarded_free(&b->memory);
    delete b;
}

size_t sim_buffer_bytes(const sim_buffer *b) {
    return b->memory.bytes;
}

static int check_extent(const sim_buffer *b, size_t offset, size_t n) {
    if (offset <= b->memory.bytes && n <= b->memory.bytes - offset) return 0;
    return sim::fail("bytes %zu to %zu do not fit a buffer of %zu", offset, offset + n, b->memory.bytes);
}

int sim_buffer_write(sim_buffer *b, size_t offset, const void *src, size_t n) {
    if (check_extent(b, offset, n) != 0) return -1;
    if (n) memcpy(b->memory.data + offset, src, n);
    return 0;
}

int sim_buffer_read(const sim_buffer *b, size_t offset, void *dst, size_t n) {
    if (check_extent(b, offset, n) != 0) return -1;
    if (n) memcpy(dst, b->memory.data + offset, n);
    return 0;
}

} // extern "C"
