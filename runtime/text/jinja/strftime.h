/* SPDX-License-Identifier: Apache-2.0 */
/* datetime.now().strftime(format), with the time of the render's options. */
#ifndef TN_TEXT_JINJA_STRFTIME_H
#define TN_TEXT_JINJA_STRFTIME_H

#include "text/jinja/run.h"

/* An error when the options' time is not ISO 8601. */
int tn_jstrftime(tn_jrun *r, tn_jval format, tn_jval *ret);

#endif
