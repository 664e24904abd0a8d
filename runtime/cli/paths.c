/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/paths.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __APPLE__
#    include <mach-o/dyld.h>
#endif

#define MARKER "tenon-uninstalled"

/* The program's own file, links resolved. */
static bool program_path(char *ret, size_t size) {
#ifdef __APPLE__
    char raw[PATH_MAX];
    uint32_t n = sizeof raw;
    return size >= PATH_MAX && _NSGetExecutablePath(raw, &n) == 0 && realpath(raw, ret);
#else
    ssize_t n = readlink("/proc/self/exe", ret, size - 1);
    if (n <= 0) return false;
    ret[n] = '\0';
    return true;
#endif
}

static void set_if_known(char *line) {
    static const char *const names[] = {"TENON_MODULE_PATH", "TENON_MODEL_PATH"};
    char *value = strchr(line, '=');
    if (!value) return;
    *value++ = '\0';
    value[strcspn(value, "\n")] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(line, names[i]) == 0) setenv(line, value, 0);
}

void tn_paths_setup(void) {
    char path[PATH_MAX + sizeof MARKER], line[2 * PATH_MAX];
    if (!program_path(path, PATH_MAX)) return;
    char *slash = strrchr(path, '/');
    if (!slash) return;
    memcpy(slash + 1, MARKER, sizeof MARKER);
    FILE *file = fopen(path, "re");
    if (!file) return;
    while (fgets(line, sizeof line, file)) set_if_known(line);
    fclose(file);
}
