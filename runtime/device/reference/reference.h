/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle: every operation in plain C, one thread, F32 values, sums in double in ascending order. Slow and
 * obvious; every other device is compared with it. */
#ifndef TN_DEVICE_REFERENCE_H
#define TN_DEVICE_REFERENCE_H

#include "device/device.h"

extern const tn_device_class tn_device_reference;

#endif
