/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
int sysctlbyname(const char *, void *, size_t *, void *, size_t);
