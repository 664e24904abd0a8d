/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#define TCP_NODELAY 1
