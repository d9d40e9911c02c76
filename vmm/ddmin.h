/* SPDX-License-Identifier: MIT */
/*
 * The smallest set for which something holds (delta debugging, Zeller and Hildebrandt 2002), where
 * finding out takes long: every question is a boot.
 */
#ifndef VMM_DDMIN_H
#define VMM_DDMIN_H

#include <stdbool.h>

enum { DDMIN_MAX = 128 };

/* Elements by number; those that may matter most come first. */
struct ddmin_set {
    bool has[DDMIN_MAX];
};

/*
 * Does it hold for this set? 1 yes, 0 no or nobody knows, negative: stop asking. The same set may
 * be asked for again; an answer should be remembered.
 */
typedef int ddmin_fn(void *ctx, const struct ddmin_set *set);

/*
 * set, of elements below n: it holds for it, and does not for the empty set. Reduced to a set for
 * which it holds, and for which it no longer does when any single element is taken out; whatever
 * holds() is like. Where more elements never make it stop holding, k remaining elements take about
 * k * log2(n) questions; fewer, if they are in guess (may be NULL), whose elements are thought to
 * be needed. Returns 0, or what holds() stopped with: then set is the smallest one so far.
 */
int ddmin(struct ddmin_set *set, const struct ddmin_set *guess, unsigned n, ddmin_fn *holds,
          void *ctx);

unsigned ddmin_count(const struct ddmin_set *set);

#endif
