/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <netinet/in.h>
int inet_pton(int, const char *, void *);
const char *inet_ntop(int, const void *, char *, socklen_t);
in_addr_t inet_addr(const char *);
