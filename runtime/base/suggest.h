/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of a list of names to a mistyped word. */
#ifndef TN_BASE_SUGGEST_H
#define TN_BASE_SUGGEST_H

/* The candidate nearest to word when it is near enough to be a slip of the finger (a third of its letters, at
 * least one; swapped neighbours count once), or that word begins; else NULL. candidates ends with NULL; the
 * first of equals wins. */
const char *tn_did_you_mean(const char *word, const char *const *candidates);

#endif
