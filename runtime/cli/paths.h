/* SPDX-License-Identifier: Apache-2.0 */
/* Lets a program that was built and not installed find its modules and models.
 *
 * The build leaves a file "tenon-uninstalled" beside the program, with lines NAME=VALUE; `make install` does
 * not install it. TENON_MODULE_PATH and TENON_MODEL_PATH are taken from it unless the environment has them
 * already. Whoever can write beside the program can replace the program, so this trusts nobody new. */
#ifndef TN_CLI_PATHS_H
#define TN_CLI_PATHS_H

/* Called first in main(), before threads. No such file, or no way to find the program: does nothing. */
void tn_paths_setup(void);

#endif
