/* SPDX-License-Identifier: Apache-2.0 */
/* The children that the program starts from itself, for tests of the runtime that are another program
 * (TENON_MODULE_SCANNER): a scan, and the helper that decodes. */
#include <string.h>

#include "media/helper.h"
#include "modules/loader.h"
#include "modules/scan.h"

int main(int argc, char **argv) {
    tn_loader_set_preopened();
    if (argc == 3 && strcmp(argv[1], "--scan-module") == 0) return tn_scan_main(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--media-helper") == 0) return tn_media_helper_main(argv[2]);
    return 2;
}
