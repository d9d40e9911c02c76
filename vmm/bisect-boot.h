/* SPDX-License-Identifier: MIT */
/*
 * What bisect withholds, and what became of boots without it: elements, sets of them, outcomes that
 * are remembered.
 */
#ifndef VMM_BISECT_BOOT_H
#define VMM_BISECT_BOOT_H

#include "vmm/compare-sheet.h"
#include "vmm/compare-work.h"
#include "vmm/config-bisect.h"
#include "vmm/ddmin.h"

enum { BISECT_NAME = 32, BISECT_LIST = 2048 };

/* A feature, or the interface, which is withheld by having another one instead. */
struct bisect_element {
    char name[BISECT_NAME];
    bool accepted; /* by some driver in the first boot */
};

enum bisect_outcome { BISECT_GOOD, BISECT_BAD, BISECT_UNCLEAR };

/* "good" */
extern const char *const bisect_outcome_name[];

struct bisect {
    struct bisect_opts opts;
    struct compare_work work;
    struct bisect_element element[DDMIN_MAX];
    unsigned n;          /* the interface, if it is there, is the last one */
    const char *instead; /* of the interface; NULL: it is not an element */
    struct {
        struct ddmin_set off;
        enum bisect_outcome outcome;
    } * known;
    unsigned n_known, boots;
    uint64_t ns;
    struct err err; /* of what stopped it */
};

/* The features that devices offered, by the figures of a boot: those that drivers accepted first.
 */
void bisect_elements(struct bisect *b, const struct figures *figures);

/* Make the interface an element, to be replaced; NULL: not. */
void bisect_interface_set(struct bisect *b, const char *instead);

/*
 * Boot with these elements withheld, and tell. figures (may be NULL): record it, and put what came
 * of it there. 0 with *outcome, or -errno with b->err filled: it could not start, or was stopped.
 */
int bisect_boot(struct bisect *b, const struct ddmin_set *off, struct figures *figures,
                enum bisect_outcome *outcome);

/* The same, unless the outcome is known. */
int bisect_ask(struct bisect *b, const struct ddmin_set *off, struct figures *figures,
               enum bisect_outcome *outcome);

/* Elements of a set, which are on or withheld, with + between them; then, as options of vmm run. */
const char *bisect_list(const struct bisect *b, const struct ddmin_set *set, bool on,
                        char out[BISECT_LIST]);
const char *bisect_options(const struct bisect *b, const struct ddmin_set *off,
                           char out[BISECT_LIST]);

void bisect_forget(struct bisect *b);

#endif
