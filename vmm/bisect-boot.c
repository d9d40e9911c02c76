// SPDX-License-Identifier: MIT
/*
 * Owns the boots of a bisection: from a set of what is withheld to an outcome. Refuses to know
 * which sets are worth a boot.
 */
#include "vmm/bisect-boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmm/base/bits.h"
#include "vmm/compare-collect.h"
#include "vmm/compare-run.h"

enum { LABEL = 40 };

const char *const bisect_outcome_name[] = {
    [BISECT_GOOD] = "good", [BISECT_BAD] = "bad", [BISECT_UNCLEAR] = "unclear"};

/* ---- elements ---- */

/* Is name one of list, whose names have + or commas between them? */
static bool list_has(const char *list, const char *name)
{
    while (list && *list) {
        const size_t len = strcspn(list, "+,");

        if (strlen(name) == len && strncasecmp(list, name, len) == 0)
            return true;
        list += len + (list[len] != '\0');
    }
    return false;
}

static bool name_wanted(const struct bisect *b, const char *name)
{
    return (!b->opts.among || list_has(b->opts.among, name)) && !list_has(b->opts.off, name);
}

static void element_add(struct bisect *b, const char *name, bool accepted)
{
    struct bisect_element *e;

    for (unsigned i = 0; i < b->n; i++)
        if (strcmp(b->element[i].name, name) == 0)
            return;
    if (!name_wanted(b, name) || b->n == DDMIN_MAX - 1) /* one is the interface's */
        return;
    e = &b->element[b->n++];
    snprintf(e->name, sizeof(e->name), "%.*s", BISECT_NAME - 1, name);
    e->accepted = accepted;
}

static bool is_feature(const struct figure *f)
{
    return strcmp(f->section, "features") == 0 && f->unit == UNIT_WORDS &&
           strcmp(f->name, "version_1") != 0;
}

void bisect_elements(struct bisect *b, const struct figures *figures)
{
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < figures->n; i++) {
            const struct figure *f = &figures->list[i];
            const bool accepted = strcmp(f->text, "accepted") == 0;

            if (is_feature(f) && accepted == !round)
                element_add(b, f->name, accepted);
        }
}

/* Outcomes of boots that withheld this element are no longer true. */
static void forget_with(struct bisect *b, unsigned element)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < b->n_known; i++)
        if (!b->known[i].off.has[element])
            b->known[kept++] = b->known[i];
    b->n_known = kept;
}

void bisect_interface_set(struct bisect *b, const char *instead)
{
    unsigned before;

    if (b->instead)
        forget_with(b, b->n - 1);
    b->n -= b->instead != NULL;
    before = b->n;
    if (instead)
        element_add(b, bisect_interface, true);
    b->instead = b->n > before ? instead : NULL; /* it may not be wanted */
}

static bool is_interface(const struct bisect *b, unsigned i)
{
    return b->instead && i == b->n - 1;
}

/* ---- sets as text ---- */

static void text_add(char out[BISECT_LIST], const char *between, const char *text)
{
    const size_t n = strlen(out);

    snprintf(out + n, BISECT_LIST - n, "%s%s", n ? between : "", text);
}

const char *bisect_list(const struct bisect *b, const struct ddmin_set *set, bool on,
                        char out[BISECT_LIST])
{
    char interface[BISECT_NAME];

    snprintf(interface, sizeof(interface), "%s=%s", bisect_interface,
             on ? bisect_interface_own(&b->opts) : b->instead);
    out[0] = '\0';
    for (unsigned i = 0; i < b->n; i++)
        if (set->has[i])
            text_add(out, "+", is_interface(b, i) ? interface : b->element[i].name);
    return out;
}

/* What is withheld in every boot, and what of off is a feature. */
static const char *off_list(const struct bisect *b, const struct ddmin_set *off,
                            char out[BISECT_LIST])
{
    out[0] = '\0';
    if (b->opts.off)
        text_add(out, "", b->opts.off);
    for (unsigned i = 0; i < b->n; i++)
        if (off->has[i] && !is_interface(b, i))
            text_add(out, "+", b->element[i].name);
    return out;
}

static const char *interface_of(const struct bisect *b, const struct ddmin_set *off)
{
    if (b->instead && off->has[b->n - 1])
        return b->instead;
    return b->opts.interface[0] ? b->opts.interface : NULL;
}

/* Words of vmm run that withhold off: up to six, the last one NULL. list: room for one of them. */
static void words_of(const struct bisect *b, const struct ddmin_set *off, const char *words[6],
                     char list[BISECT_LIST])
{
    const char *interface = interface_of(b, off);
    unsigned n = 0;

    if (interface) {
        words[n++] = "--interface";
        words[n++] = interface;
    } else if (b->opts.modern_only) {
        words[n++] = "--modern-only";
    }
    if (*off_list(b, off, list)) {
        words[n++] = "--virtio-off";
        words[n++] = list;
    }
    words[n] = NULL;
}

const char *bisect_options(const struct bisect *b, const struct ddmin_set *off,
                           char out[BISECT_LIST])
{
    char list[BISECT_LIST];
    const char *words[6];

    out[0] = '\0';
    words_of(b, off, words, list);
    for (unsigned i = 0; words[i]; i++)
        text_add(out, " ", words[i]);
    return out;
}

/* ---- boots ---- */

static void step_tell(const struct bisect *b, const struct ddmin_set *off, uint64_t ns,
                      enum bisect_outcome outcome, enum boot_end end)
{
    const bool said = end == BOOT_TEXT || end == BOOT_OTHER;
    const unsigned features = b->n - (b->instead != NULL);
    const bool changed = b->instead && off->has[b->n - 1];
    const unsigned n = ddmin_count(off) - changed;
    struct ddmin_set named = *off;
    char list[BISECT_LIST];

    printf("%3u  %-7s %6.1f s  ", b->boots, bisect_outcome_name[outcome], (double)ns / 1e9);
    for (unsigned i = 0; i < b->n; i++)
        named.has[i] = i < features && off->has[i] == (2 * n <= features);
    printf("%s%s",
           !n                  ? "nothing withheld"
           : n == features     ? "all withheld"
           : 2 * n <= features ? "withheld: "
                               : "all withheld but ",
           bisect_list(b, &named, false, list));
    if (changed)
        printf("; %s=%s", bisect_interface, b->instead);
    printf(said ? "\n" : " (%s)\n", boot_end_text[end]);
    fflush(stdout);
}

static int figures_take(struct bisect *b, const struct collect_boot *boot, struct figures *to)
{
    struct trace_file *f = trace_file_open(b->work.trace, &b->err);

    if (!f)
        return -EIO;
    compare_collect(f, boot, to);
    trace_file_close(f);
    return to->failed ? err_errno(&b->err, ENOMEM, "features of the first boot") : 0;
}

static enum bisect_outcome outcome_of(const struct bisect *b, enum boot_end end)
{
    if (end == BOOT_TEXT)
        return BISECT_GOOD;
    return end == BOOT_OTHER || !b->opts.bad ? BISECT_BAD : BISECT_UNCLEAR;
}

int bisect_boot(struct bisect *b, const struct ddmin_set *off, struct figures *figures,
                enum bisect_outcome *outcome)
{
    const char *added[9] = {NULL};
    char list[BISECT_LIST], label[LABEL];
    struct boot_order order = {.until = b->opts.good,
                               .other = b->opts.bad,
                               .limit_ns = b->opts.limit_ns,
                               .errors = b->work.errors,
                               .label = label,
                               .silent = true};
    struct collect_boot boot;
    enum boot_end end;
    char **argv;
    int ret;

    words_of(b, off, added + (figures ? 2 : 0), list);
    if (figures) {
        added[0] = "--trace";
        added[1] = b->work.trace;
    }
    argv = compare_work_words(&b->work, added, &b->err);
    if (!argv)
        return -ENOMEM;
    order.argv = argv;
    snprintf(label, sizeof(label), "vmm bisect: boot %u:", ++b->boots);
    compare_work_clear(&b->work);
    ret = compare_boot(&order, &end, &boot, &b->err);
    free(argv);
    if (ret < 0)
        return ret;
    b->ns += boot.end;
    if (end == BOOT_STOPPED)
        return err_set(&b->err, EINTR, "stopped");
    if (end == BOOT_REFUSED) {
        compare_work_errors(&b->work);
        return err_set(&b->err, EINVAL, "boot %u: the machine could not start", b->boots);
    }
    *outcome = outcome_of(b, end);
    step_tell(b, off, boot.end, *outcome, end);
    return figures ? figures_take(b, &boot, figures) : 0;
}

static int remember(struct bisect *b, const struct ddmin_set *off, enum bisect_outcome outcome)
{
    void *more = realloc(b->known, (b->n_known + 1) * sizeof(*b->known));

    if (!more)
        return err_errno(&b->err, ENOMEM, "outcomes");
    b->known = more;
    b->known[b->n_known].off = *off;
    b->known[b->n_known++].outcome = outcome;
    return 0;
}

int bisect_ask(struct bisect *b, const struct ddmin_set *off, struct figures *figures,
               enum bisect_outcome *outcome)
{
    int ret;

    for (unsigned i = 0; i < b->n_known; i++)
        if (memcmp(&b->known[i].off, off, sizeof(*off)) == 0) {
            *outcome = b->known[i].outcome;
            return 0;
        }
    ret = bisect_boot(b, off, figures, outcome);
    return ret < 0 ? ret : remember(b, off, *outcome);
}

void bisect_forget(struct bisect *b)
{
    free(b->known);
    b->known = NULL;
    b->n_known = 0;
}
