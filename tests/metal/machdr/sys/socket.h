/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
typedef uint32_t socklen_t;
typedef uint8_t sa_family_t;
struct sockaddr { uint8_t sa_len; sa_family_t sa_family; char sa_data[14]; };
struct sockaddr_storage { uint8_t ss_len; sa_family_t ss_family; char pad[126]; };
enum { AF_UNSPEC = 0, AF_UNIX = 1, AF_INET = 2, AF_INET6 = 30, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOMAXCONN = 128, SHUT_RD = 0, SHUT_WR = 1, SHUT_RDWR = 2 };
#define SOL_SOCKET 0xffff
#define SO_REUSEADDR 0x4
#define SO_KEEPALIVE 0x8
#define SO_LINGER 0x80
#define SO_ERROR 0x1007
#define SO_NOSIGPIPE 0x1022
#define MSG_PEEK 0x2
#define MSG_DONTWAIT 0x80
#define MSG_NOSIGNAL 0x80000
struct linger { int l_onoff, l_linger; };
int socket(int, int, int), bind(int, const struct sockaddr *, socklen_t), listen(int, int), accept(int, struct sockaddr *, socklen_t *), connect(int, const struct sockaddr *, socklen_t), shutdown(int, int), setsockopt(int, int, int, const void *, socklen_t), getsockopt(int, int, int, void *, socklen_t *), getsockname(int, struct sockaddr *, socklen_t *), getpeername(int, struct sockaddr *, socklen_t *), socketpair(int, int, int, int *);
ssize_t send(int, const void *, size_t, int), recv(int, void *, size_t, int);
