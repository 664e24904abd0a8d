/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the test vectors, read without any decoder of ours or of a library, so that what comes after
 * decoding is tested by itself: PNG (RFC 2083) with 8 bits of red, green and blue, not interlaced. Include
 * after unit.h. */
#ifndef TN_TESTS_PNG_H
#define TN_TESTS_PNG_H

/* Reads path, which is under unit_vectors(). Returns [height][width][3], to be freed. Anything else fails the
 * test. */
uint8_t *unit_png(const char *path, uint32_t *ret_width, uint32_t *ret_height);

#endif
