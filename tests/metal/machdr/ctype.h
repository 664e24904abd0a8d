/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
int isalnum(int), isalpha(int), isascii(int), isdigit(int), isspace(int), isupper(int), islower(int), isxdigit(int), isprint(int), ispunct(int), iscntrl(int), tolower(int), toupper(int);
