/* SPDX-License-Identifier: Apache-2.0 */
/* States of recurrent layers. They cannot be cut as pages can: a sequence goes on from a copy that was made
 * at its very position, or computes again from an earlier one. Copies are made at the last page border within
 * a prompt, where sequences part, and at regular distances; steps are cut so that they end there. What a
 * sequence leaves stays. */
#include <assert.h>

#include "cache/kv_internal.h"

enum { COPY_EVERY = 512 }; /* tokens */

static uint32_t *own_page(const tn_kv *kv, const tn_chain *c) {
    return &c->pages[kv->n_paged][0];
}

bool tn_state_take(tn_kv *kv, tn_chain *c) {
    uint32_t g = kv->n_paged;
    if (!tn_kv_has_state(kv) || *own_page(kv, c) != TN_NO_PAGE) return true;
    if (!tn_kv_take_page(kv, g, own_page(kv, c))) return false;
    kv->n_used[g]++;
    return true;
}

bool tn_state_is_there(const tn_kv *kv, const tn_node *node, uint32_t n) {
    if (!tn_kv_has_state(kv)) return true;
    return !node->open && node->n_valid == n && node->page[kv->n_paged] != TN_NO_PAGE;
}

void tn_state_restore(tn_kv *kv, tn_chain *c, const tn_node *node) {
    uint32_t g = kv->n_paged;
    if (!tn_kv_has_state(kv)) return;
    kv->config.exec->cls->copy_page(kv->config.exec, g, node->page[g], *own_page(kv, c));
    kv->n_copied++;
}

static bool is_due(const tn_kv *kv, const tn_chain *c, uint32_t pos) {
    uint32_t pt = kv->page_tokens, every = COPY_EVERY / pt * pt;
    bool at_prompt = c->n_prompt && pos == (c->n_prompt - 1) / pt * pt,
         at_branch = pos == c->branch / pt * pt;
    return pos && pos % pt == 0 && (at_prompt || at_branch || (every && pos % every == 0));
}

uint32_t tn_state_until_copy(const tn_kv *kv, const tn_chain *c, uint32_t n) {
    uint32_t pt = kv->page_tokens;
    if (!tn_kv_has_state(kv) || !c->shared) return n;
    for (uint32_t pos = (c->n_past / pt + 1) * pt; pos < c->n_past + n; pos += pt)
        if (is_due(kv, c, pos)) return pos - c->n_past;
    return n;
}

void tn_state_copy_if_due(tn_kv *kv, tn_chain *c) {
    uint32_t g = kv->n_paged, page;
    if (!tn_kv_has_state(kv) || !c->shared || !is_due(kv, c, c->n_past)) return;
    tn_node *n = c->nodes[c->n_past / kv->page_tokens - 1];
    if (n->page[g] != TN_NO_PAGE || !tn_kv_take_page(kv, g, &page)) return;
    n->page[g] = page;
    n->keep |= (uint8_t)(1u << g);
    kv->n_cached[g]++;
    kv->config.exec->cls->copy_page(kv->config.exec, g, *own_page(kv, c), page);
    kv->n_copied++;
}

void tn_state_leave(tn_kv *kv, tn_chain *c, tn_node *node) {
    uint32_t g = kv->n_paged;
    if (!tn_kv_has_state(kv) || *own_page(kv, c) == TN_NO_PAGE) return;
    if (node && node->listed && !node->open && node->page[g] == TN_NO_PAGE) {
        node->page[g] = *own_page(kv, c);
        node->keep |= (uint8_t)(1u << g);
        kv->n_cached[g]++;
    } else {
        tn_page_pool_give(&kv->pools[g], *own_page(kv, c));
    }
    *own_page(kv, c) = TN_NO_PAGE;
    kv->n_used[g]--;
}
