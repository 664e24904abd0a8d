/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/image.h"

#include "base/file.h"

#ifdef __ELF__
#    include <elf.h>
#    include <string.h>

#    include "base/checked.h"

/* The end of n pieces of `each` bytes at `offset`, which may be a lie too large for 64 bits. */
static uint64_t end_of(uint64_t offset, uint64_t n, uint64_t each) {
    uint64_t bytes, end;
    return tn_mul_u64(n, each, &bytes) && tn_add_u64(offset, bytes, &end) ? end : UINT64_MAX;
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Where the last thing that the headers speak of ends; a table past the end of the file is not read. */
static uint64_t promised_end(const tn_map *map, const Elf64_Ehdr *h) {
    uint64_t end =
        later(end_of(h->e_phoff, h->e_phnum, h->e_phentsize), end_of(h->e_shoff, h->e_shnum, h->e_shentsize));
    if (end > map->size || h->e_phentsize < sizeof(Elf64_Phdr)) return end;
    for (uint64_t i = 0; i < h->e_phnum; i++) {
        Elf64_Phdr p;
        memcpy(&p, map->data + h->e_phoff + i * h->e_phentsize, sizeof p);
        end = later(end, end_of(p.p_offset, 1, p.p_filesz));
    }
    return end;
}

static int check(const tn_map *map, const char *path, tn_error *err) {
    Elf64_Ehdr h;
    if (map->size < sizeof h) return 0;
    memcpy(&h, map->data, sizeof h);
    if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64) return 0;
    uint64_t end = promised_end(map, &h);
    if (end <= map->size) return 0;
    return tn_fail(err, TN_EIO, "%s: cut off: it has %llu bytes of %llu; copy or build it again", path,
                   (unsigned long long)map->size, (unsigned long long)end);
}
#else
static int check(const tn_map *map, const char *path, tn_error *err) {
    return 0;
}
#endif

int tn_image_check(const char *path, tn_error *err) {
    tn_map map;
    int rc = tn_map_open(&map, path, err);
    if (rc) return rc == TN_ENOENT ? tn_fail(err, TN_EIO, "%s: cannot be opened: no such file", path) : rc;
    rc = check(&map, path, err);
    tn_map_close(&map);
    return rc;
}
