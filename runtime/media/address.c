/* SPDX-License-Identifier: Apache-2.0 */
#include "media/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- The public internet ---- */

typedef struct block4 {
    uint32_t address; /* in the host's order */
    int bits;
} block4;

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const block4 special4[] = {
    {V4(0, 0, 0, 0), 8},      {V4(10, 0, 0, 0), 8},     {V4(100, 64, 0, 0), 10}, {V4(127, 0, 0, 0), 8},
    {V4(169, 254, 0, 0), 16}, {V4(172, 16, 0, 0), 12},  {V4(192, 0, 0, 0), 24},  {V4(192, 0, 2, 0), 24},
    {V4(192, 88, 99, 0), 24}, {V4(192, 168, 0, 0), 16}, {V4(198, 18, 0, 0), 15}, {V4(198, 51, 100, 0), 24},
    {V4(203, 0, 113, 0), 24}, {V4(224, 0, 0, 0), 4},    {V4(240, 0, 0, 0), 4},
};

static bool is_public4(uint32_t address) {
    for (size_t i = 0; i < sizeof special4 / sizeof *special4; i++)
        if ((address ^ special4[i].address) >> (32 - special4[i].bits) == 0) return false;
    return true;
}

static uint32_t word(const uint8_t *bytes) {
    return V4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

/* The first bits of both are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits) {
    if (memcmp(a, b, bits / 8) != 0) return false;
    return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

typedef struct block6 {
    uint8_t address[16];
    unsigned bits;
} block6;

static bool is_public6(const uint8_t *a) {
    static const block6 global = {{0x20}, 3}, nat64 = {{0, 0x64, 0xff, 0x9b}, 96};
    static const block6 special[] = {
        {{0x20, 0x01}, 23},             /* protocols, Teredo among them */
        {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
        {{0x20, 0x02}, 16},             /* 6to4 */
        {{0x3f, 0xff}, 20},             /* documentation */
    };
    if (same_bits(a, nat64.address, nat64.bits)) return is_public4(word(a + 12));
    if (!same_bits(a, global.address, global.bits)) return false;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (same_bits(a, special[i].address, special[i].bits)) return false;
    return true;
}

/* The bytes of an address, *ret_n of them; NULL for other families. */
static const uint8_t *bytes_of(const struct sockaddr *address, size_t *ret_n, uint16_t *ret_port) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        *ret_n = 4;
        *ret_port = ntohs(in->sin_port);
        return (const uint8_t *)&in->sin_addr;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        *ret_n = 16;
        *ret_port = ntohs(in->sin6_port);
        return (const uint8_t *)&in->sin6_addr;
    }
    return NULL;
}

bool tn_address_is_public(const struct sockaddr *address) {
    size_t n;
    uint16_t port;
    const uint8_t *bytes = bytes_of(address, &n, &port);
    if (!bytes) return false;
    return n == 4 ? is_public4(word(bytes)) : is_public6(bytes);
}

void tn_address_print(const struct sockaddr *address, char *ret) {
    size_t n;
    uint16_t port = 0;
    char text[INET6_ADDRSTRLEN];
    const uint8_t *bytes = bytes_of(address, &n, &port);
    if (!bytes || !inet_ntop(address->sa_family, bytes, text, sizeof text))
        strcpy(text, "an address of no IP");
    snprintf(ret, TN_ADDRESS_TEXT, "%s port %u", text, port);
}

/* ---- Rules ---- */

typedef struct rule {
    char host[256]; /* a name in small letters, or "" for an address */
    uint8_t bytes[16];
    size_t n; /* of bytes: 4, 16, or 0 for a name */
    unsigned bits;
    uint32_t port; /* 0: any */
} rule;

static bool read_number(const char *text, uint32_t max, uint32_t *ret) {
    size_t n = strlen(text);
    if (n == 0 || n > 5 || strspn(text, "0123456789") != n) return false;
    *ret = (uint32_t)strtoul(text, NULL, 10);
    return *ret <= max;
}

static bool read_address(const char *text, rule *r) {
    if (inet_pton(AF_INET, text, r->bytes) == 1) r->n = 4;
    if (!r->n && inet_pton(AF_INET6, text, r->bytes) == 1) r->n = 16;
    r->bits = 8 * (unsigned)r->n;
    return r->n > 0;
}

/* Bits after the block's own would mean nothing. */
static bool has_bits_after(const rule *r) {
    for (unsigned i = r->bits; i < 8 * r->n; i++)
        if (r->bytes[i / 8] & 0x80 >> i % 8) return true;
    return false;
}

static const char *read_block(const char *address, const char *length, rule *r) {
    if (!read_address(address, r)) return "there is no IP address before the '/'";
    if (!read_number(length, r->bits, &r->bits) || r->bits == 0)
        return "after the '/' stands how many bits of the address count: 1 to 32, for IPv6 to 128";
    return has_bits_after(r) ? "the address has bits after those that count" : NULL;
}

static const char *read_host(const char *host, rule *r) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (read_address(host, r)) return NULL;
    if (strspn(host, "0123456789.") == strlen(host))
        return "there is no host, or no IPv4 address, before the port";
    if (strspn(host, letters) != strlen(host))
        return "a host is an IP address, an IPv6 one in brackets, or a name";
    snprintf(r->host, sizeof r->host, "%s", host);
    return NULL;
}

/* "[v6]:port". */
static const char *read_brackets(char *text, rule *r) {
    char *end = strchr(text, ']');
    if (!end || end[1] != ':') return "an address in brackets is followed by ':' and a port";
    *end = '\0';
    if (!read_address(text + 1, r) || r->n != 16) return "there is no IPv6 address in the brackets";
    return read_number(end + 2, UINT16_MAX, &r->port) && r->port ? NULL : "a port is from 1 to 65535";
}

static const char *read_rule(const char *text, rule *r) {
    char copy[256];
    *r = (rule){0};
    if (strlen(text) >= sizeof copy) return "it is too long";
    strcpy(copy, text);
    char *slash = strchr(copy, '/'), *colon = strchr(copy, ':');
    if (slash) {
        *slash = '\0';
        return read_block(copy, slash + 1, r);
    }
    if (copy[0] == '[') return read_brackets(copy, r);
    if (read_address(copy, r)) return NULL;
    if (!colon) return "a name needs a port: \"name:port\"";
    *colon = '\0';
    if (!read_number(colon + 1, UINT16_MAX, &r->port) || !r->port) return "a port is from 1 to 65535";
    return read_host(copy, r);
}

const char *tn_address_rule_check(const char *text) {
    rule r;
    return read_rule(text, &r);
}

bool tn_address_rule_permits(const char *text, const char *host, const struct sockaddr *address) {
    rule r;
    size_t n;
    uint16_t port;
    const uint8_t *bytes = bytes_of(address, &n, &port);
    if (!bytes || read_rule(text, &r)) return false;
    if (r.port && r.port != port) return false;
    if (!r.n) return strcasecmp(r.host, host) == 0;
    return r.n == n && same_bits(r.bytes, bytes, r.bits);
}
