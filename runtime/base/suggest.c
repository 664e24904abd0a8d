/* SPDX-License-Identifier: Apache-2.0 */
#include "base/suggest.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 32 };

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours that turn a into b (Damerau-Levenshtein,
 * restricted). Both at most WORD_MAX letters. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b) {
    size_t d[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= n_a; i++) d[i][0] = i;
    for (size_t j = 0; j <= n_b; j++) d[0][j] = j;
    for (size_t i = 1; i <= n_a; i++)
        for (size_t j = 1; j <= n_b; j++) {
            size_t best = min_size(d[i - 1][j], d[i][j - 1]) + 1;
            best = min_size(best, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = min_size(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    return d[n_a][n_b];
}

const char *tn_did_you_mean(const char *word, const char *const *candidates) {
    const char *best = NULL;
    size_t best_distance = SIZE_MAX, n_word = strlen(word);
    if (n_word > WORD_MAX) return NULL;
    for (; *candidates; candidates++) {
        size_t n = strlen(*candidates);
        if (n > WORD_MAX) continue;
        if (n_word >= 2 && strncmp(*candidates, word, n_word) == 0) return *candidates;
        size_t allowed = n < 6 ? 1 : n / 3, d = distance(word, n_word, *candidates, n);
        if (d > allowed || d >= best_distance) continue;
        best = *candidates;
        best_distance = d;
    }
    return best;
}
