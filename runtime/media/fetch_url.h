/* SPDX-License-Identifier: Apache-2.0 */
/* tn_fetch's half that goes to the network. Private to media. */
#ifndef TN_MEDIA_FETCH_URL_H
#define TN_MEDIA_FETCH_URL_H

#include "media/fetch.h"

int tn_fetch_url(const tn_fetch_limits *l, const char *url, tn_fetched *ret, tn_error *err);

#endif
