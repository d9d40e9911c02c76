/* SPDX-License-Identifier: MIT */
/* One boot of `vmm run` as a child process, watched on its console. */
#ifndef VMM_COMPARE_RUN_H
#define VMM_COMPARE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/compare-collect.h"

enum boot_end {
    BOOT_TEXT,    /* the console said it */
    BOOT_OTHER,   /* ... or the other one */
    BOOT_SELF,    /* the guest ended by itself, without a text to wait for */
    BOOT_SILENT,  /* ... before the text came */
    BOOT_LIMIT,   /* it took too long */
    BOOT_CRASHED, /* status 2, or a signal */
    BOOT_REFUSED, /* status 1: set-up */
    BOOT_STOPPED, /* the user had enough */
    BOOT_ENDS
};

/* "reached the text" */
extern const char *const boot_end_text[BOOT_ENDS];

struct boot_order {
    char *const *argv; /* argv[0] is "vmm", ends with NULL */
    const char *until; /* NULL: the guest's end */
    const char *other; /* ends the boot, too; NULL: none */
    uint64_t limit_ns;
    const char *errors; /* file that takes its standard error */
    const char *label;  /* for the progress line */
    bool silent;        /* no line when it is over */
};

/*
 * Runs until it is over; then the child has ended and its trace is closed. Shows progress on
 * standard error. 0 with *end and *boot filled, or -errno with err filled. Main thread.
 */
int compare_boot(const struct boot_order *order, enum boot_end *end, struct collect_boot *boot,
                 struct err *err);

#endif
