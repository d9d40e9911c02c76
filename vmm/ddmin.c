// SPDX-License-Identifier: MIT
/*
 * Owns delta debugging: in which order sets are asked for. Refuses to know what is in them.
 *
 * Two ways, one behind the other. The first looks for the elements one by one, by halving: few
 * questions, but it may end with nothing where an element more can spoil what held. The second is
 * ddmin itself, which reduces what the first one found, or else all.
 */
#include "vmm/ddmin.h"

#include <string.h>

/* A set as the list of its elements. */
struct list {
    unsigned n, item[DDMIN_MAX];
};

struct search {
    ddmin_fn *holds;
    void *ctx;
};

static struct list list_of(const struct ddmin_set *set, unsigned n)
{
    struct list l = {.n = 0};

    for (unsigned i = 0; i < n && i < DDMIN_MAX; i++)
        if (set->has[i])
            l.item[l.n++] = i;
    return l;
}

static struct ddmin_set set_of(const struct list *l)
{
    struct ddmin_set set = {{false}};

    for (unsigned i = 0; i < l->n; i++)
        set.has[l->item[i]] = true;
    return set;
}

unsigned ddmin_count(const struct ddmin_set *set)
{
    return list_of(set, DDMIN_MAX).n;
}

static int ask(const struct search *s, const struct list *l)
{
    const struct ddmin_set set = set_of(l);

    return l->n ? s->holds(s->ctx, &set) : 0;
}

/* ---- by halving ---- */

/* Of known and the first `first` of rest. */
static int ask_first(const struct search *s, const struct list *known, const struct list *rest,
                     unsigned first)
{
    struct list l = *known;

    for (unsigned i = 0; i < first; i++)
        l.item[l.n++] = rest->item[i];
    return ask(s, &l);
}

/*
 * It holds for known and all of rest, not for known alone: how many of rest, from the first on, are
 * needed? Into *needed; right only if more elements do not spoil it.
 */
static int prefix_find(const struct search *s, const struct list *known, const struct list *rest,
                       unsigned *needed)
{
    unsigned no = 0, yes = rest->n;

    while (yes - no > 1) {
        const unsigned middle = no + (yes - no) / 2;
        const int ret = ask_first(s, known, rest, middle);

        if (ret < 0)
            return ret;
        *(ret ? &yes : &no) = middle;
    }
    *needed = yes;
    return 0;
}

/* Move what is in set from one list to the other. */
static void list_move(struct list *from, struct list *to, const struct ddmin_set *set)
{
    const struct list all = *from;

    from->n = 0;
    for (unsigned i = 0; i < all.n; i++) {
        struct list *l = set->has[all.item[i]] ? to : from;

        l->item[l->n++] = all.item[i];
    }
}

/* The last element of the shortest prefix that suffices belongs to the answer; then the same again
 * with what stands before it. 1: l is reduced to what was found, 0: it is as it was. */
static int by_halving(const struct search *s, struct list *l, const struct ddmin_set *guess)
{
    struct list known = {.n = 0}, rest = *l;

    int ret;

    if (guess)
        list_move(&rest, &known, guess);
    while ((ret = ask(s, &known)) == 0 && rest.n) {
        unsigned needed;

        ret = prefix_find(s, &known, &rest, &needed);
        if (ret < 0)
            return ret;
        known.item[known.n++] = rest.item[needed - 1];
        rest.n = needed - 1;
    }
    if (ret > 0)
        *l = known;
    return ret;
}

/* ---- ddmin ---- */

/* Part number i of parts, or all but that part. */
static struct list part_of(const struct list *l, unsigned parts, unsigned i, bool all_but)
{
    const unsigned from = l->n * i / parts, to = l->n * (i + 1) / parts;
    struct list part = {.n = 0};

    for (unsigned k = 0; k < l->n; k++)
        if ((k >= from && k < to) != all_but)
            part.item[part.n++] = l->item[k];
    return part;
}

/* The first part, or all but a part, that suffices: 1, and l is that; else 0, or negative. */
static int reduce(const struct search *s, struct list *l, unsigned parts, bool all_but)
{
    for (unsigned i = 0; i < parts; i++) {
        const struct list part = part_of(l, parts, i, all_but);
        const int ret = ask(s, &part);

        if (ret)
            *l = ret > 0 ? part : *l;
        if (ret)
            return ret;
    }
    return 0;
}

static int by_parts(const struct search *s, struct list *l)
{
    unsigned parts = 2;

    while (l->n > 1) {
        int ret = reduce(s, l, parts, false);

        if (ret > 0) {
            parts = 2;
            continue;
        }
        if (ret == 0 && parts > 2) /* two halves: each is all but the other */
            ret = reduce(s, l, parts, true);
        if (ret < 0)
            return ret;
        if (ret == 0 && parts == l->n)
            return 0;
        if (ret > 0)
            parts = parts > 3 ? parts - 1 : 2;
        else
            parts = 2 * parts < l->n ? 2 * parts : l->n;
    }
    return 0;
}

int ddmin(struct ddmin_set *set, const struct ddmin_set *guess, unsigned n, ddmin_fn *holds,
          void *ctx)
{
    const struct search s = {holds, ctx};
    struct list l = list_of(set, n);
    int ret = by_halving(&s, &l, guess);

    if (ret >= 0)
        ret = by_parts(&s, &l);
    *set = set_of(&l);
    return ret;
}
