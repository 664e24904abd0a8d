/* SPDX-License-Identifier: Apache-2.0 */
/* A whole program on a device of this machine: near the reference device, and the same bits in any company.
 */
#ifndef TN_DEVICE_SELFCHECK_H
#define TN_DEVICE_SELFCHECK_H

#include "device/device.h"

/* Runs a small random model (device/tiny_model.h) on d: three sequences of prompt and generated tokens, each
 * alone and whole, then together in pieces on other pages. *ret_worst: the largest difference of a logit from
 * the reference device's; their size is up to 4. TN_EDEVICE: bits differ in company, or the device failed. As
 * tn_device_class.lower. */
int tn_device_selfcheck(tn_device *d, double *ret_worst, tn_error *err);

#endif
