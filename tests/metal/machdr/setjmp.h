/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
typedef int jmp_buf[48];
int setjmp(jmp_buf);
void longjmp(jmp_buf, int) __attribute__((noreturn));
