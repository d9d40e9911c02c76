/* SPDX-License-Identifier: MIT */
/* A sheet for people, as text, page and program's food. */
#ifndef VMM_COMPARE_TABLE_H
#define VMM_COMPARE_TABLE_H

#include <stdio.h>

#include "vmm/base/err.h"
#include "vmm/compare-sheet.h"

/* What stands above it: each may be NULL. */
struct compare_about {
    const char *command; /* the command line */
    const char *end;     /* what ended a boot, for people */
};

void compare_table(const struct sheet *sheet, const struct compare_about *about, FILE *to);
/* A page with charts, which loads nothing. */
void compare_html(const struct sheet *sheet, const struct compare_about *about, FILE *to);
/* 0, or -ENOMEM. */
int compare_json(const struct sheet *sheet, const struct compare_about *about, FILE *to);

#endif
