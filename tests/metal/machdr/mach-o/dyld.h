/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
int _NSGetExecutablePath(char *, uint32_t *);
