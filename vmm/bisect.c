// SPDX-License-Identifier: MIT
/*
 * Owns `vmm bisect`: which sets of features are asked about, and what the answers mean together.
 * Refuses to know how a machine is booted.
 */
#include "vmm/bisect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/bisect-boot.h"

static struct ddmin_set all_of(const struct bisect *b)
{
    struct ddmin_set set = {{false}};

    for (unsigned i = 0; i < b->n; i++)
        set.has[i] = true;
    return set;
}

static struct ddmin_set others_of(const struct bisect *b, const struct ddmin_set *of)
{
    struct ddmin_set set = all_of(b);

    for (unsigned i = 0; i < b->n; i++)
        set.has[i] = !of->has[i];
    return set;
}

/* ---- what there is to find ---- */

static int none(const char *why, const struct bisect *b)
{
    printf("no answer: %s (%u boots, %.1f s)\n", why, b->boots, (double)b->ns / 1e9);
    return BISECT_NONE;
}

/* With everything on it is bad, and what it is that is on. 0, a status (told), or -errno. */
static int begin(struct bisect *b)
{
    const struct ddmin_set nothing = {{false}};
    struct figures figures = {NULL, 0, 0, false};
    enum bisect_outcome outcome;
    int ret = bisect_ask(b, &nothing, &figures, &outcome);

    if (ret == 0)
        bisect_elements(b, &figures);
    figures_free(&figures);
    if (ret < 0)
        return ret;
    if (outcome == BISECT_GOOD)
        return none("it is good as it is, with nothing withheld", b);
    if (outcome == BISECT_UNCLEAR)
        return none("with nothing withheld, the console said neither the good nor the bad text", b);
    return 0;
}

/* Is it good with all of that withheld? 1, 0, or -errno. */
static int all_off_is_good(struct bisect *b)
{
    const struct ddmin_set all = all_of(b);
    enum bisect_outcome outcome = BISECT_BAD;
    const int ret = b->n ? bisect_ask(b, &all, NULL, &outcome) : 0;

    return ret < 0 ? ret : outcome == BISECT_GOOD;
}

/* Features alone, if that is enough; else with the first interface that helps. As begin(). */
static int bounds(struct bisect *b)
{
    int ret = all_off_is_good(b);

    for (unsigned i = 0; ret == 0 && i < b->opts.n_as; i++) {
        bisect_interface_set(b, b->opts.as[i]);
        if (b->instead)
            ret = all_off_is_good(b);
    }
    if (ret < 0)
        return ret;
    return ret ? 0 : none("it is not good either with all features withheld that there are", b);
}

/* ---- searching ---- */

static int is_good_without(void *ctx, const struct ddmin_set *set)
{
    enum bisect_outcome outcome;
    const int ret = bisect_ask((struct bisect *)ctx, set, NULL, &outcome);

    return ret < 0 ? ret : outcome == BISECT_GOOD;
}

static int is_bad_with(void *ctx, const struct ddmin_set *set)
{
    struct bisect *b = (struct bisect *)ctx;
    const struct ddmin_set off = others_of(b, set);
    enum bisect_outcome outcome;
    const int ret = bisect_ask(b, &off, NULL, &outcome);

    return ret < 0 ? ret : outcome == BISECT_BAD;
}

/* If it holds for these, there are no others to look at. */
static int narrow(struct bisect *b, struct ddmin_set *set, const struct ddmin_set *few,
                  ddmin_fn *holds)
{
    const bool fewer = ddmin_count(few) && ddmin_count(few) < ddmin_count(set);
    const int ret = fewer ? holds(b, few) : 0;

    if (ret > 0)
        *set = *few;
    return ret < 0 ? ret : 0;
}

/* Guesses first that are likely to be right: the interface alone, if it matters at all, and what
 * drivers accepted. */
static int reduce(struct bisect *b, struct ddmin_set *set, const struct ddmin_set *guess,
                  ddmin_fn *holds)
{
    struct ddmin_set alone = {{false}}, accepted = {{false}};
    int ret = 0;

    for (unsigned i = 0; i < b->n; i++)
        accepted.has[i] = b->element[i].accepted;
    if (b->instead) {
        alone.has[b->n - 1] = true;
        ret = narrow(b, set, &alone, holds);
    }
    if (ret == 0)
        ret = narrow(b, set, &accepted, holds);
    return ret < 0 ? ret : ddmin(set, guess, b->n, holds, b);
}

/* Once more, whatever is remembered. 1: as before, 0: not, or -errno. */
static int again(struct bisect *b, const struct ddmin_set *off, enum bisect_outcome want)
{
    enum bisect_outcome outcome;
    const int ret = bisect_boot(b, off, NULL, &outcome);

    return ret < 0 ? ret : outcome == want;
}

static int verify(struct bisect *b, const struct ddmin_set *cure)
{
    const struct ddmin_set nothing = {{false}};
    const int ret = again(b, cure, BISECT_GOOD);

    return ret > 0 ? again(b, &nothing, BISECT_BAD) : ret;
}

static void answer(const struct bisect *b, const struct ddmin_set *cure,
                   const struct ddmin_set *cause)
{
    const struct ddmin_set rest = others_of(b, cause);
    char text[BISECT_LIST];

    printf("good with:   %s\n", bisect_options(b, cure, text));
    printf("needs:       %s%s\n", bisect_list(b, cause, true, text),
           ddmin_count(cause) > 1 ? " together" : "");
    if (ddmin_count(&rest))
        printf("bad with:    %s\n", bisect_options(b, &rest, text));
    printf("%u boots, %.1f s\n", b->boots, (double)b->ns / 1e9);
}

/* A status, or -errno. */
static int search(struct bisect *b)
{
    struct ddmin_set cure, cause;
    char text[BISECT_LIST];
    int ret = begin(b);

    if (ret == 0)
        ret = bounds(b);
    if (ret != 0)
        return ret;
    cure = cause = all_of(b);
    ret = reduce(b, &cure, NULL, is_good_without);
    if (ret == 0) /* what cures it alone is needed for it */
        ret = reduce(b, &cause, ddmin_count(&cure) == 1 ? &cure : NULL, is_bad_with);
    if (ret < 0)
        printf("so far: good with %s\n", bisect_options(b, &cure, text));
    if (ret == 0)
        ret = verify(b, &cure);
    if (ret < 0)
        return ret;
    answer(b, &cure, &cause);
    if (ret == 0)
        printf("not the same when it was tried again: outcomes vary from boot to boot\n");
    return ret ? BISECT_FOUND : BISECT_VARIES;
}

int bisect_main(int argc, char **argv)
{
    struct bisect *b = calloc(1, sizeof(*b));
    char **words = calloc((size_t)argc + 2, sizeof(*words));
    struct config config;
    int ret = -ENOMEM;

    if (!b || !words) {
        log_msg(LOG_ERROR, "bisect: no memory");
        goto out;
    }
    words[0] = argv[0];
    b->work.run = words + 1;
    ret = config_bisect_parse(&b->opts, argc, argv, b->work.run, &b->work.n_run, &b->err);
    if (ret == 0) {
        ret = compare_work_config(&b->work, "bisect", &config, &b->err);
        config_free(&config);
    }
    if (ret == 0)
        ret = compare_work_make(&b->work, "bisect", &b->err);
    if (ret == 0)
        ret = search(b);
    compare_work_remove(&b->work);
    bisect_forget(b);
    if (ret < 0)
        log_msg(LOG_ERROR, "%s", b->err.text);
out:
    free(words);
    free(b);
    return ret < 0 ? BISECT_FAILED : ret;
}
