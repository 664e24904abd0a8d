/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input and output of the program as bytes, with every failure seen. */
#ifndef TN_CLI_OUTPUT_H
#define TN_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>
#include <tenon/status.h>

#include "base/buf.h"

/* Called first in main: a closed pipe becomes a write error instead of a death, and descriptors 0 to 2 are
 * open, so that no file of ours can land on them. */
void tn_output_setup(void);

/* Flushes stdout. TN_EIO when anything written since the start did not arrive (full disk, closed pipe); a
 * command that streams calls this after each piece and stops on failure. [control thread] */
int tn_output_flush(tn_error *err);

/* Flushes and closes stdout: the last word on whether all was written. TN_EIO. */
int tn_output_finish(tn_error *err);

/* Reads all of in, byte for byte, at most buf's maximum; what names the stream in messages. TN_ELIMIT,
 * TN_EIO, TN_ENOMEM. */
int tn_input_all(FILE *in, const char *what, tn_buf *buf, tn_error *err);

/* Reads one line without its "\n" into buf (emptied first). *ret_more is false at the end of the input. Same
 * errors. */
int tn_input_line(FILE *in, const char *what, tn_buf *buf, bool *ret_more, tn_error *err);

#endif
