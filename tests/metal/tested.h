/* SPDX-License-Identifier: Apache-2.0 */
/* The device that a test of whole models runs on: one program has the simulator linked in as it is
 * (tested_sim.c), another the Metal host over it (tested_metal.c). */
#ifndef TN_TESTS_METAL_TESTED_H
#define TN_TESTS_METAL_TESTED_H

#include "device/device.h"

const tn_device_class *tested_device(void);
/* Everything of the device is closed: fails the test when something is left. */
void tested_device_end(void);

#endif
