/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include_next <limits.h>
#define PATH_MAX 1024
#define NAME_MAX 255
#define IOV_MAX 1024
#define SSIZE_MAX LONG_MAX
