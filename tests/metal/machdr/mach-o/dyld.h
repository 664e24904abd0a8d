/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <stdint.h>
int _NSGetExecutablePath(char *, uint32_t *);
