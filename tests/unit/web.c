/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/web.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#    define MSG_NOSIGNAL 0
#endif

typedef struct connection {
    web *server;
    int fd;
} connection;

static bool send_all(int fd, const char *bytes, size_t n) {
    while (n) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool say(int fd, const char *text) {
    return send_all(fd, text, strlen(text));
}

static void send_bytes(int fd, long n, bool chunked) {
    char head[256], body[1000];
    memset(body, 'x', sizeof body);
    if (chunked)
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %ld\r\n\r\n", n);
    bool open = say(fd, head);
    for (long left = n; open && left > 0; left -= (long)sizeof body) {
        size_t piece = left < (long)sizeof body ? (size_t)left : sizeof body;
        snprintf(head, sizeof head, "%zx\r\n", piece);
        if (chunked) open = say(fd, head);
        open = open && send_all(fd, body, piece);
        if (open && chunked) open = say(fd, "\r\n");
    }
    if (open && chunked) say(fd, "0\r\n\r\n");
}

static void repeat(int fd, const char *head, const char *piece, unsigned pause_us) {
    for (bool open = say(fd, head); open; open = say(fd, piece))
        if (pause_us) usleep(pause_us);
}

/* The rest of text after prefix; NULL where it begins otherwise. */
static const char *after(const char *text, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static void redirect(int fd, const char *to) {
    char text[4096];
    snprintf(text, sizeof text, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved", to);
    say(fd, text);
}

static void again(int fd, long n) {
    char path[64];
    snprintf(path, sizeof path, "/again/%ld", n - 1);
    if (n > 0)
        redirect(fd, path);
    else
        send_bytes(fd, 3, false);
}

static void answer(int fd, const char *path) {
    const char *rest;
    char text[4096];
    if ((rest = after(path, "/bytes/"))) send_bytes(fd, atol(rest), false);
    if ((rest = after(path, "/chunked/"))) send_bytes(fd, atol(rest), true);
    if ((rest = after(path, "/again/"))) again(fd, atol(rest));
    if ((rest = after(path, "/to/"))) redirect(fd, rest);
    if (after(path, "/relative")) redirect(fd, "bytes/4");
    if ((rest = after(path, "/lie/"))) {
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n0123456789", rest);
        say(fd, text);
    }
    if ((rest = after(path, "/status/"))) {
        snprintf(text, sizeof text, "HTTP/1.1 %s Something\r\nContent-Length: 4\r\n\r\nbody", rest);
        say(fd, text);
    }
    if (after(path, "/gzip"))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\npacked");
    if (after(path, "/endless")) repeat(fd, "HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0);
    if (after(path, "/slow")) repeat(fd, "HTTP/1.1 200 OK\r\n\r\n", "x", 50000);
    if (after(path, "/headers"))
        repeat(fd, "HTTP/1.1 200 OK\r\n", "X-Header: 0123456789012345678901234567890\r\n", 0);
    if (after(path, "/silent")) recv(fd, text, sizeof text, 0); /* until the other side is tired of it */
}

static void *serve_connection(void *arg) {
    connection c = *(connection *)arg;
    char text[4096], path[3000] = "";
    size_t n = 0;
    free(arg);
    for (ssize_t got = 1; got > 0 && n < sizeof text - 1; n += (size_t)got) {
        text[n] = 0;
        if (strstr(text, "\r\n\r\n")) break;
        got = recv(c.fd, text + n, sizeof text - 1 - n, 0);
        if (got < 0) got = 0;
    }
    text[n] = 0;
    if (sscanf(text, "GET %2999s", path) == 1) {
        pthread_mutex_lock(&c.server->lock);
        memcpy(c.server->request, text, n + 1);
        pthread_mutex_unlock(&c.server->lock);
        c.server->n_requests++;
        answer(c.fd, path);
    }
    close(c.fd);
    return NULL;
}

static void *accept_loop(void *arg) {
    web *s = arg;
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
        pthread_t thread;
        connection *c = malloc(sizeof *c);
        s->n_connections++;
        if (!c) abort();
        *c = (connection){s, fd};
        if (pthread_create(&thread, NULL, serve_connection, c) != 0) abort();
        pthread_detach(thread);
    }
    return NULL;
}

web *web_start(int family) {
    web *s = calloc(1, sizeof *s);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t n = family == AF_INET ? sizeof v4 : sizeof v6;
    pthread_t thread;
    if (!s) abort();
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&s->lock, NULL);
    s->fd = socket(family, SOCK_STREAM, 0);
    if (s->fd < 0 || bind(s->fd, address, n) != 0 || listen(s->fd, 64) != 0 ||
        getsockname(s->fd, address, &n) != 0) {
        free(s);
        return NULL;
    }
    s->port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    if (pthread_create(&thread, NULL, accept_loop, s) != 0) abort();
    pthread_detach(thread);
    return s;
}
