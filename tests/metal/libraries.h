/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels that are linked in. */
#ifndef TN_TESTS_METAL_LIBRARIES_H
#define TN_TESTS_METAL_LIBRARIES_H

#include "sim/sim.h"

extern const sim_library metal_kernels;  /* of metal/kernels, under their names */
extern const sim_library metal_mutants;  /* each without one of its barriers: "kernel@LINE" */
extern const sim_library metal_faults;   /* of tests/metal/faults.metal */
extern const sim_library metal_language; /* of tests/metal/language.metal */

#endif
