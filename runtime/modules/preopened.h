/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the loader which modules are part of this program.
 *
 * Every program that is linked with $(preopen_flags) says tn_set_preopened_modules() first thing in main():
 * libtool puts the list into the program itself, where a library cannot see it. Built without
 * --with-preopened-modules it does nothing. */
#ifndef TN_MODULES_PREOPENED_H
#define TN_MODULES_PREOPENED_H

#include "config.h"

#ifdef TN_PREOPENED_MODULES
#    include "modules/loader.h"
#    define tn_set_preopened_modules() tn_loader_set_symbols(lt_preloaded_symbols)
#else
#    define tn_set_preopened_modules() ((void)0)
#endif

#endif
