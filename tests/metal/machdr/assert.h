/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
_Noreturn void __assert_rtn(const char *, const char *, int, const char *);
#ifdef NDEBUG
#    define assert(x) ((void)0)
#else
#    define assert(x) ((x) ? (void)0 : __assert_rtn(__func__, __FILE__, __LINE__, #x))
#endif
#define static_assert _Static_assert
