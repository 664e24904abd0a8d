/* SPDX-License-Identifier: Apache-2.0 */
/* One tensor of a source on its way into a file: rows are read, put into the file's order, encoded by all
 * threads and written, a few megabytes at a time. */
#ifndef TN_CONVERT_ENCODE_H
#define TN_CONVERT_ENCODE_H

#include "base/new_file.h"
#include "base/team.h"
#include "convert/source.h"

/* Writes t as e->type at e->offset. step is called between pieces (not 0: stop, TN_ECANCELED) with the bytes
 * of e that are done. TN_EFORMAT (an element that is no finite number: named), TN_ELIMIT (one that e->type
 * cannot hold), TN_EIO, TN_ENOMEM. [control thread] */
typedef int tn_encode_step(void *ctx, uint64_t bytes);
int tn_encode_tensor(const tn_source_tensor *t, const tn_gguf_entry *e, tn_team *team, tn_new_file *out,
                     tn_encode_step *step, void *ctx, tn_error *err);

/* Whether type is a kind of quantisation: not one value an element. */
bool tn_encode_is_quantized(tn_type type);

#endif
