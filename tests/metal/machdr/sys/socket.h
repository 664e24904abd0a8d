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
#define SCM_RIGHTS 1
struct linger { int l_onoff, l_linger; };
struct iovec { void *iov_base; size_t iov_len; };
struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; int msg_iovlen; void *msg_control; socklen_t msg_controllen; int msg_flags; };
struct cmsghdr { socklen_t cmsg_len; int cmsg_level, cmsg_type; };
#define CMSG_ALIGN_(n) (((size_t)(n) + 3) & ~(size_t)3)
#define CMSG_DATA(c) ((unsigned char *)(c) + CMSG_ALIGN_(sizeof(struct cmsghdr)))
#define CMSG_SPACE(n) (CMSG_ALIGN_(sizeof(struct cmsghdr)) + CMSG_ALIGN_(n))
#define CMSG_LEN(n) (CMSG_ALIGN_(sizeof(struct cmsghdr)) + (n))
#define CMSG_FIRSTHDR(m) ((m)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(m)->msg_control : (struct cmsghdr *)0)
#define CMSG_NXTHDR(m, c) ((unsigned char *)(c) + CMSG_ALIGN_((c)->cmsg_len) + CMSG_ALIGN_(sizeof(struct cmsghdr)) > (unsigned char *)(m)->msg_control + (m)->msg_controllen ? (struct cmsghdr *)0 : (struct cmsghdr *)(void *)((unsigned char *)(c) + CMSG_ALIGN_((c)->cmsg_len)))
int socket(int, int, int), bind(int, const struct sockaddr *, socklen_t), listen(int, int), accept(int, struct sockaddr *, socklen_t *), connect(int, const struct sockaddr *, socklen_t), shutdown(int, int), setsockopt(int, int, int, const void *, socklen_t), getsockopt(int, int, int, void *, socklen_t *), getsockname(int, struct sockaddr *, socklen_t *), getpeername(int, struct sockaddr *, socklen_t *), socketpair(int, int, int, int *);
ssize_t send(int, const void *, size_t, int), recv(int, void *, size_t, int);
ssize_t sendmsg(int, const struct msghdr *, int), recvmsg(int, struct msghdr *, int);
