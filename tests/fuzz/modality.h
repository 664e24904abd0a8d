/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of modality modules share. */
#ifndef TN_TESTS_FUZZ_MODALITY_H
#define TN_TESTS_FUZZ_MODALITY_H

#include <stdbool.h>
#include <tenon/modality.h>

#include "base/buf.h"

/* The module's factory. */
const tn_modality *fuzz_modality(const tn_module *entry);

/* Inspects the bytes; when they can be read, decodes a few frames, the first and the last among them. Aborts
 * when a rule of tenon/modality.h is broken. */
void fuzz_media(const tn_modality *m, const uint8_t *data, size_t size);

/* Appends file number i of those in tests/fuzz/corpus and tests/vectors/media whose names end in one of the
 * words of `endings` ("png gif"); false past the last. */
bool fuzz_media_seed(const char *endings, unsigned i, tn_buf *ret);

#endif
