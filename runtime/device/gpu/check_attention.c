/* SPDX-License-Identifier: Apache-2.0 */
#include "device/gpu/check.h"

const tn_gpu_check tn_gpu_checks_attention[] = {{.kernel = NULL}};
