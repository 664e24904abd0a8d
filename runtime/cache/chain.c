/* SPDX-License-Identifier: Apache-2.0 */
/* A sequence's path through the tree: finding what is there, growing, closing pages, letting go. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cache/kv_internal.h"

enum { KEEP_WINDOWS = 4 }; /* a window is kept at each multiple of so many of its lengths */

/* ---- Windows ---- */

/* The first page of a group that a token at position pos looks at. */
static uint32_t first_needed(const tn_kv *kv, uint32_t group, uint32_t pos) {
    uint32_t w = kv->windows[group];
    return w && pos + 1 > w ? (pos + 1 - w) / kv->page_tokens : 0;
}

/* Whether a sequence that goes on from position `at`, or computes the token before it again, needs page i. */
static bool needed_at(const tn_kv *kv, uint32_t group, uint32_t i, uint32_t at) {
    return at && i >= first_needed(kv, group, at - 1) && i * kv->page_tokens < at;
}

/* Whether page i of a group, which the chain's window leaves behind, is kept. */
static bool worth_keeping(const tn_kv *kv, const tn_chain *c, uint32_t group, uint32_t i) {
    uint64_t every = (uint64_t)KEEP_WINDOWS * kv->windows[group];
    uint64_t next = ((uint64_t)i * kv->page_tokens / every + 1) * every;
    return c->shared && (needed_at(kv, group, i, c->n_prompt) || needed_at(kv, group, i, c->branch) ||
                         (next <= UINT32_MAX && needed_at(kv, group, i, (uint32_t)next)));
}

static void leave_behind(tn_kv *kv, tn_chain *c) {
    for (uint32_t g = 0; g < kv->n_paged; g++) {
        uint32_t first = first_needed(kv, g, c->n_past);
        for (; c->first_held[g] < first; c->first_held[g]++)
            tn_page_let_go(kv, c->nodes[c->first_held[g]], g, worth_keeping(kv, c, g, c->first_held[g]));
    }
}

/* ---- Life ---- */

/* Nobody uses them and nothing is cached below. */
static void free_idle_roots(tn_kv *kv) {
    for (tn_root **at = &kv->roots; *at;) {
        tn_root *r = *at;
        if (r->n_chain || r->node.child) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        free(r);
    }
}

static tn_root *root_of(tn_kv *kv, const tn_chain_config *config) {
    free_idle_roots(kv);
    for (tn_root *r = kv->roots; r; r = r->next)
        if (r->variant == config->variant && r->n_salt == config->n_salt &&
            (r->n_salt == 0 || memcmp(r->salt, config->salt, r->n_salt) == 0))
            return r;
    tn_root *r = calloc(1, sizeof *r + config->n_salt);
    if (!r) return NULL;
    r->variant = config->variant;
    r->n_salt = config->n_salt;
    if (r->n_salt) memcpy(r->salt, config->salt, r->n_salt);
    r->next = kv->roots;
    kv->roots = r;
    return r;
}

int tn_chain_new(tn_kv *kv, const tn_chain_config *config, tn_chain **ret, tn_error *err) {
    uint32_t most = kv->config.pages->max_seq_pages;
    tn_chain *c = calloc(1, sizeof *c);
    tn_root *root = c ? root_of(kv, config) : NULL;
    bool ok = root != NULL;
    if (ok) {
        *c = (tn_chain){.root = root, .n_prompt = config->n_prompt, .shared = !config->isolated};
        root->n_chain++;
        c->nodes = calloc((size_t)most + 1, sizeof(tn_node *));
        ok = c->nodes != NULL;
        for (uint32_t g = 0; ok && g < kv->n_group; g++) {
            c->pages[g] = calloc((size_t)most + 1, sizeof *c->pages[g]);
            ok = c->pages[g] != NULL;
            if (ok) c->pages[g][0] = TN_NO_PAGE;
        }
    }
    if (!ok) {
        if (root)
            tn_chain_free(kv, c);
        else
            free(c);
        return tn_fail(err, TN_ENOMEM, "out of memory for a page table of %u pages", most);
    }
    *ret = c;
    return 0;
}

void tn_chain_free(tn_kv *kv, tn_chain *c) {
    if (!c) return;
    tn_chain_release(kv, c, NULL);
    c->root->n_chain--;
    for (uint32_t g = 0; g < kv->n_group; g++) free(c->pages[g]);
    free(c->nodes);
    free(c);
}

/* ---- Finding ---- */

/* Follows closed nodes from the chain's end and notes them in c->nodes. Returns the page after the last. */
static uint32_t follow(const tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n_ids) {
    uint32_t pt = kv->page_tokens, i = c->n_page;
    const tn_node *at = i ? c->nodes[i - 1] : &c->root->node;
    while ((uint64_t)(i + 1) * pt <= n_ids) {
        tn_node *next = tn_node_find(at, ids + (size_t)i * pt, pt);
        if (!next) break;
        c->nodes[i++] = next;
        at = next;
    }
    return i;
}

/* Whether the first n noted nodes have all pages that a sequence looks at which goes on from position at. */
static bool is_complete(const tn_kv *kv, const tn_chain *c, uint32_t n, uint32_t at) {
    for (uint32_t g = 0; g < kv->n_paged; g++) {
        uint32_t first = first_needed(kv, g, at);
        if (first < c->n_page && first < c->first_held[g]) return false;
        for (uint32_t i = n; i > first && i > c->n_page; i--)
            if (c->nodes[i - 1]->page[g] == TN_NO_PAGE) return false;
    }
    return true;
}

/* Takes hold of the nodes up to n, for a sequence that goes on from position at. */
static void adopt(tn_kv *kv, tn_chain *c, uint32_t n, uint32_t at) {
    uint32_t before = c->n_page;
    for (uint32_t g = 0; g < kv->n_paged; g++)
        for (uint32_t i = before; i < n; i++) {
            c->pages[g][i] = c->nodes[i]->page[g];
            if (i >= first_needed(kv, g, at)) tn_page_hold(kv, c->nodes[i], g);
        }
    for (uint32_t i = before; i < n; i++) tn_node_hold(kv, c->nodes[i]);
    c->n_page = n;
    c->n_past = n * kv->page_tokens;
    for (uint32_t g = 0; g < kv->n_paged; g++) {
        uint32_t first = first_needed(kv, g, at);
        for (; c->first_held[g] < first && c->first_held[g] < before; c->first_held[g]++)
            tn_page_let_go(kv, c->nodes[c->first_held[g]], g, worth_keeping(kv, c, g, c->first_held[g]));
        if (c->first_held[g] < first) c->first_held[g] = first < n ? first : n;
    }
}

/* ---- Growing ---- */

static tn_node *parent_of(const tn_chain *c, uint32_t i) {
    return i ? c->nodes[i - 1] : &c->root->node;
}

/* Others see a node once everything before it is closed. */
static void list_if_known(tn_kv *kv, const tn_chain *c, uint32_t i) {
    if (c->shared && !parent_of(c, i)->open) tn_node_list(kv, c->nodes[i], parent_of(c, i));
}

static void set_ids(const tn_kv *kv, tn_node *n, uint32_t i, const int32_t *ids, uint32_t n_ids) {
    uint32_t first = i * kv->page_tokens, left = n_ids > first ? n_ids - first : 0;
    n->n_ids = (uint16_t)(left < kv->page_tokens ? left : kv->page_tokens);
    memcpy(n->ids, ids + first, n->n_ids * sizeof *n->ids);
}

/* A node with a page of every group; NULL when there is no memory. */
static tn_node *new_node(tn_kv *kv) {
    uint32_t g = 0;
    tn_node *n = tn_kv_take_node(kv);
    while (n && g < kv->n_paged && tn_kv_take_page(kv, g, &n->page[g])) g++;
    if (!n || g == kv->n_paged) return n;
    tn_node_drop(kv, n);
    return NULL;
}

static void append(tn_kv *kv, tn_chain *c, tn_node *n, const int32_t *ids, uint32_t n_ids) {
    uint32_t i = c->n_page++;
    for (uint32_t g = 0; g < kv->n_paged; g++) {
        tn_page_hold(kv, n, g);
        c->pages[g][i] = n->page[g];
    }
    set_ids(kv, n, i, ids, n_ids);
    n->depth = i;
    tn_node_hold(kv, n);
    c->nodes[i] = n;
    list_if_known(kv, c, i);
}

uint32_t tn_chain_grow(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n_ids, uint32_t n) {
    n = tn_state_take(kv, c) ? tn_state_until_copy(kv, c, n) : 0;
    uint32_t pt = kv->page_tokens, end = c->n_past + n;
    for (tn_node *more; c->n_page * pt < end && (more = new_node(kv));) append(kv, c, more, ids, n_ids);
    uint32_t room = c->n_page * pt - c->n_past;
    for (uint32_t i = c->n_past / pt; i < c->n_page; i++) c->nodes[i]->step = kv->step;
    return room < n ? room : n;
}

/* ---- What is in the index ---- */

/* What the index has of a sequence. */
typedef struct find {
    uint32_t n;          /* whole pages, noted in the chain */
    const tn_node *near; /* below them, the node with most of the next ids; or NULL */
    uint32_t common;     /* ids it has in common */
    uint32_t part;       /* of those, what can be copied */
} find;

static find look_up(const tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n_ids) {
    find f = {.n = follow(kv, c, ids, n_ids)};
    uint32_t at = f.n * kv->page_tokens;
    const tn_node *end = f.n ? c->nodes[f.n - 1] : &c->root->node;
    f.near = at < n_ids ? tn_node_nearest(end, ids + at, n_ids - at, &f.common) : NULL;
    if (!f.near || f.common == 0) return f;
    f.part = f.near->n_valid < f.common ? f.near->n_valid : f.common;
    for (uint32_t g = 0; g < kv->n_paged; g++)
        if (f.near->page[g] == TN_NO_PAGE) f.part = 0;
    if (!is_complete(kv, c, f.n, at + f.part) || !tn_state_is_there(kv, f.near, f.part)) f.part = 0;
    return f;
}

/* The chain goes on from within another node: its first tokens are copied to a page of the chain's own. */
static void copy_part(tn_kv *kv, tn_chain *c, const tn_node *from, tn_node *own, const int32_t *ids,
                      uint32_t n_ids, uint32_t part) {
    for (uint32_t g = 0; g < kv->n_paged; g++)
        kv->config.exec->cls->copy_page(kv->config.exec, g, from->page[g], own->page[g]);
    kv->n_copied += kv->n_paged;
    tn_state_restore(kv, c, from);
    append(kv, c, own, ids, n_ids);
    own->n_valid = (uint16_t)part;
    c->n_past += part;
}

/* Whole pages, as many as can be gone on from. */
static void take_pages(tn_kv *kv, tn_chain *c, uint32_t n) {
    uint32_t pt = kv->page_tokens;
    while (n > c->n_page && !(is_complete(kv, c, n, n * pt) && tn_state_is_there(kv, c->nodes[n - 1], pt)))
        n--;
    if (n == c->n_page) return;
    adopt(kv, c, n, n * pt);
    tn_state_restore(kv, c, c->nodes[n - 1]);
}

/* Whether to wait for the sequence that computes f's next page in this step: it costs a step, which pays when
 * much of the page is shared, or all that is left of n_ids, or all of it, so that the following pages may be,
 * too. */
static bool worth_waiting(const tn_kv *kv, const find *f, uint32_t n_ids) {
    if (!f->near || !f->near->open || f->near->step != kv->step) return false;
    uint32_t left = n_ids - f->n * kv->page_tokens, saved = f->common - f->part;
    return saved >= kv->page_tokens / 2 || (saved && (f->common == kv->page_tokens || f->common == left));
}

uint32_t tn_chain_match(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n_ids, bool *ret_wait) {
    uint32_t before = c->n_past;
    *ret_wait = false;
    if (!c->shared || c->n_past % kv->page_tokens || c->n_past >= n_ids || !tn_state_take(kv, c)) return 0;
    find f = look_up(kv, c, ids, n_ids);
    bool wait = worth_waiting(kv, &f, n_ids);
    tn_node *own = f.part && !wait ? new_node(kv) : NULL;
    if (own) f = look_up(kv, c, ids, n_ids); /* making room may have taken some of it */
    uint32_t known = f.n * kv->page_tokens + (f.near && !f.near->open ? f.common : 0);
    if (own && f.part) {
        adopt(kv, c, f.n, f.n * kv->page_tokens + f.part);
        copy_part(kv, c, f.near, own, ids, n_ids, f.part);
    } else {
        if (own) tn_node_drop(kv, own);
        take_pages(kv, c, f.n);
        *ret_wait =
            wait && (c->n_page == f.n || tn_kv_has_state(kv)); /* states are copied here and there only */
    }
    if (known > c->n_past) c->branch = known; /* here it parts from others: kept when it gets there */
    return c->n_past - before;
}

/* ---- Closing ---- */

/* Somebody else has closed the same page: the chain goes over to it. What the other one lacks it gets. */
static void merge(tn_kv *kv, tn_chain *c, uint32_t i, tn_node *twin) {
    tn_node *own = c->nodes[i];
    tn_node_hold(kv, twin);
    for (uint32_t g = 0; g < kv->n_paged; g++) {
        if (i < c->first_held[g]) continue;
        if (twin->page[g] == TN_NO_PAGE) {
            twin->page[g] = own->page[g];
            twin->users[g] = own->users[g];
            own->page[g] = TN_NO_PAGE;
            own->users[g] = 0;
        } else {
            tn_page_hold(kv, twin, g);
            tn_page_let_go(kv, own, g, false);
        }
        c->pages[g][i] = twin->page[g];
    }
    c->nodes[i] = twin;
    own->n_user = 0;
    tn_node_drop(kv, own);
}

static void close_node(tn_kv *kv, tn_chain *c, uint32_t i, const int32_t *ids) {
    tn_node *n = c->nodes[i];
    n->open = false;
    if (!c->shared) return;
    if (n->listed) tn_node_unlist(kv, n);
    set_ids(kv, n, i, ids, (i + 1) * kv->page_tokens);
    tn_node *twin = tn_node_find(parent_of(c, i), n->ids, n->n_ids);
    if (twin)
        merge(kv, c, i, twin);
    else
        tn_node_list(kv, n, parent_of(c, i));
    if (i + 1 < c->n_page) list_if_known(kv, c, i + 1);
}

void tn_chain_advance(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n) {
    uint32_t pt = kv->page_tokens, first = c->n_past / pt;
    c->n_past += n;
    for (uint32_t i = first; i * pt < c->n_past; i++) {
        uint32_t valid = c->n_past - i * pt;
        c->nodes[i]->n_valid = (uint16_t)(valid < pt ? valid : pt);
        if (valid >= pt && c->nodes[i]->open) close_node(kv, c, i, ids);
    }
    tn_state_copy_if_due(kv, c);
    leave_behind(kv, c);
}

/* ---- Letting go ---- */

/* The open node at the chain's end: what is valid of it stays, unless another node has it already. */
static void close_end(tn_kv *kv, tn_chain *c, const int32_t *ids) {
    uint32_t i = c->n_page - 1, common;
    tn_node *n = c->nodes[i], *parent = parent_of(c, i);
    bool stays = c->shared && n->n_valid && ids;
    if (n->listed) tn_node_unlist(kv, n);
    if (stays) {
        set_ids(kv, n, i, ids, i * kv->page_tokens + n->n_valid);
        const tn_node *near = tn_node_nearest(parent, n->ids, n->n_ids, &common);
        stays = !(near && !near->open && common == n->n_ids);
    }
    n->open = !stays;
    if (stays) tn_node_list(kv, n, parent);
}

static void pop(tn_kv *kv, tn_chain *c) {
    uint32_t i = --c->n_page;
    tn_node *n = c->nodes[i];
    for (uint32_t g = 0; g < kv->n_paged; g++)
        if (i >= c->first_held[g]) tn_page_let_go(kv, n, g, n->listed && !n->open);
    if (n->listed && !n->open) {
        tn_node_let_go(kv, n);
    } else {
        n->n_user = 0;
        tn_node_drop(kv, n);
    }
    for (uint32_t g = 0; g < kv->n_paged; g++)
        if (c->first_held[g] > i) c->first_held[g] = i;
}

void tn_chain_release(tn_kv *kv, tn_chain *c, const int32_t *ids) {
    while (c->n_page) {
        tn_node *last = c->nodes[c->n_page - 1];
        if (last->open) close_end(kv, c, ids);
        if ((c->n_page - 1) * kv->page_tokens + last->n_valid == c->n_past) tn_state_leave(kv, c, last);
        pop(kv, c);
    }
    tn_state_leave(kv, c, NULL);
    c->n_past = 0;
}

/* The last whole page at or before `end` whose state is there. */
static uint32_t last_with_state(const tn_kv *kv, const tn_chain *c, uint32_t end) {
    uint32_t n = end / kv->page_tokens;
    while (n && !tn_state_is_there(kv, c->nodes[n - 1], kv->page_tokens)) n--;
    return n;
}

bool tn_chain_rewind(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n) {
    uint32_t pt = kv->page_tokens, end = c->n_past - n;
    if (tn_kv_has_state(kv)) end = last_with_state(kv, c, end) * pt;
    uint32_t keep = end / pt;
    for (uint32_t g = 0; g < kv->n_paged; g++)
        if (first_needed(kv, g, keep * pt) < c->first_held[g]) return false;
    while (c->n_page > keep + (end % pt != 0)) {
        if (c->nodes[c->n_page - 1]->open) close_end(kv, c, ids);
        pop(kv, c);
    }
    c->n_past = end;
    if (end % pt == 0) {
        if (end) tn_state_restore(kv, c, c->nodes[keep - 1]);
        return true;
    }
    tn_node *last = c->nodes[keep];
    if (last->open || !c->shared) {
        bool listed = last->listed;
        if (listed) tn_node_unlist(kv, last);
        last->open = true;
        last->n_valid = (uint16_t)(end % pt);
        set_ids(kv, last, keep, ids, end); /* what comes next is not known any more */
        if (listed) tn_node_list(kv, last, parent_of(c, keep));
        return true;
    }
    /* Others may read a closed page: the chain goes on in a copy of it. */
    tn_node *own = new_node(kv);
    tn_node_hold(kv, last);
    for (uint32_t g = 0; g < kv->n_paged; g++) tn_page_hold(kv, last, g);
    pop(kv, c);
    c->n_past = keep * pt;
    if (own) copy_part(kv, c, last, own, ids, end, end % pt);
    for (uint32_t g = 0; g < kv->n_paged; g++) tn_page_let_go(kv, last, g, true);
    tn_node_let_go(kv, last);
    return true;
}
