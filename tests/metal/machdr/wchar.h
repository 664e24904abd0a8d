/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
typedef int wint_t;
