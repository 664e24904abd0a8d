/* SPDX-License-Identifier: Apache-2.0 */
#include "config/listen.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_BYTES = 255 };

static bool is_port(const char *text, uint16_t *ret) {
    size_t n = strlen(text);
    if (n == 0 || n > 5 || strspn(text, "0123456789") != n) return false;
    unsigned long port = strtoul(text, NULL, 10);
    *ret = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* An address, with or without the zone that link-local ones need ("fe80::1%eth0"). */
static bool is_ipv6(const char *host) {
    char address[HOST_BYTES + 1];
    struct in6_addr ignored;
    size_t n = strcspn(host, "%");
    if (host[n] && !host[n + 1]) return false;
    memcpy(address, host, n);
    address[n] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

static const char *name_defect(const char *host) {
    struct in_addr ignored;
    size_t n = strlen(host);
    if (strspn(host, "0123456789.") == n && inet_pton(AF_INET, host, &ignored) != 1)
        return "that is not an IPv4 address";
    if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != n)
        return "a host's name is made of letters, digits, '.' and '-'";
    return NULL;
}

/* What is wrong with the host part, brackets taken off, or NULL. */
static const char *host_defect(const char *host, bool bracketed) {
    if (!*host) return "the host is missing; 0.0.0.0 or [::] is every address of the machine";
    if (bracketed) return is_ipv6(host) ? NULL : "there is no IPv6 address in the brackets";
    if (strchr(host, ':')) return "an IPv6 address stands in brackets";
    return name_defect(host);
}

int tn_listen_parse(const char *text, tn_listen *ret, const char **ret_wrong) {
    char host[HOST_BYTES + 1];
    const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
    bool bracketed = text[0] == '[';
    uint16_t port;
    *ret_wrong = "the port is missing";
    if (!colon || (bracketed && bracket && bracket > colon)) return TN_EINVAL;
    *ret_wrong = "a port is a whole number from 0 to 65535";
    if (!is_port(colon + 1, &port)) return TN_EINVAL;
    *ret_wrong = "the bracket is not closed before the port";
    if (bracketed && bracket != colon - 1) return TN_EINVAL;
    size_t n = (size_t)(colon - text) - (bracketed ? 2 : 0);
    *ret_wrong = "the host is too long";
    if (n > HOST_BYTES) return TN_EINVAL;
    memcpy(host, text + bracketed, n);
    host[n] = '\0';
    *ret_wrong = host_defect(host, bracketed);
    if (*ret_wrong) return TN_EINVAL;
    *ret = (tn_listen){.host = strdup(host), .port = port, .is_ipv6 = bracketed};
    return ret->host ? 0 : TN_ENOMEM;
}

void tn_listen_print(const tn_listen *listen, tn_buf *out) {
    tn_buf_addf(out, listen->is_ipv6 ? "[%s]:%u" : "%s:%u", listen->host ? listen->host : "", listen->port);
}
