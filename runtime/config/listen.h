/* SPDX-License-Identifier: Apache-2.0 */
/* "HOST:PORT" and "[IPV6]:PORT". */
#ifndef TN_CONFIG_LISTEN_H
#define TN_CONFIG_LISTEN_H

#include "base/buf.h"
#include "config/settings.h"

/* *ret->host is the caller's (free). TN_EINVAL with what is wrong in *ret_wrong (static), TN_ENOMEM. [any
 * thread] */
int tn_listen_parse(const char *text, tn_listen *ret, const char **ret_wrong);
/* Appends what tn_listen_parse reads. */
void tn_listen_print(const tn_listen *listen, tn_buf *out);

#endif
