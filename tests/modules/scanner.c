/* SPDX-License-Identifier: Apache-2.0 */
/* The child of a scan, for tests of the runtime that are not the program itself (TENON_MODULE_SCANNER). */
#include <string.h>

#include "modules/scan.h"

int main(int argc, char **argv) {
    return argc == 3 && strcmp(argv[1], "--scan-module") == 0 ? tn_scan_main(argv[2]) : 2;
}
