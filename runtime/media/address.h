/* SPDX-License-Identifier: Apache-2.0 */
/* Which network addresses a server may be sent to by somebody's URL. */
#ifndef TN_MEDIA_ADDRESS_H
#define TN_MEDIA_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum { TN_ADDRESS_TEXT = 64 };

/* Whether an address belongs to the public internet: IPv4 but for the blocks that IANA's registry of special
 * purposes keeps (RFC 6890: private, loopback, link-local, shared, documentation, multicast, ...), IPv6 of
 * 2000::/3 but for such blocks, and 64:ff9b::/96 (RFC 6052, NAT64) where the IPv4 address inside is public.
 * Other ways to write IPv4 in IPv6 (mapped, compatible, 6to4, Teredo) are not. [any thread] */
bool tn_address_is_public(const struct sockaddr *address);

/* A rule of what else may be reached: an address ("10.0.0.5", "fd00::1") or a block of them ("10.0.0.0/8"),
 * any port; an address with a port ("127.0.0.1:9000", "[::1]:9000"); or a host's name with a port
 * ("images.lan:80"), wherever that name leads. What is wrong with it, or NULL. [any thread] */
const char *tn_address_rule_check(const char *rule);

/* Whether a valid rule permits a connection to address (with its port) for a URL that names host; an IPv6
 * host may have its brackets. [any thread] */
bool tn_address_rule_permits(const char *rule, const char *host, const struct sockaddr *address);

/* "10.0.0.5 port 80". ret: TN_ADDRESS_TEXT bytes. [any thread] */
void tn_address_print(const struct sockaddr *address, char *ret);

#endif
