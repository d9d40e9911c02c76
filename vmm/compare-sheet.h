/* SPDX-License-Identifier: MIT */
/*
 * Figures of single boots, and the sheet that puts those of several side by side: rows are figures,
 * columns are what is compared. Knows nothing of what the figures mean.
 */
#ifndef VMM_COMPARE_SHEET_H
#define VMM_COMPARE_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIGURE_DEVICE = 32, FIGURE_SECTION = 32, FIGURE_NAME = 200, FIGURE_TEXT = 128 };

enum figure_unit { UNIT_WORDS, UNIT_COUNT, UNIT_BYTES, UNIT_NS, UNIT_RATIO, FIGURE_UNITS };

/* "text", "count", "bytes", "ns", "ratio" */
extern const char *const figure_unit_name[FIGURE_UNITS];

/* One figure of one boot. device "": the whole machine. rank: order of sections. */
struct figure {
    char device[FIGURE_DEVICE], section[FIGURE_SECTION], name[FIGURE_NAME];
    unsigned rank;
    enum figure_unit unit;
    double number;
    char text[FIGURE_TEXT]; /* UNIT_WORDS */
};

struct figures {
    struct figure *list;
    size_t n, room;
    bool failed; /* no memory: some are missing */
};

/* A place for new figures: what add() uses until it is set to another. */
struct figure_place {
    const char *device, *section;
    unsigned rank;
};

void figures_number(struct figures *f, const struct figure_place *place, const char *name,
                    enum figure_unit unit, double number);
void figures_text(struct figures *f, const struct figure_place *place, const char *name,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Add to the number of that name, which begins with 0. */
void figures_count(struct figures *f, const struct figure_place *place, const char *name,
                   double more);
/* NULL: there is none. */
const struct figure *figures_find(const struct figures *f, const char *device, const char *section,
                                  const char *name);
void figures_free(struct figures *f);

struct cell {
    unsigned n; /* boots that have it */
    double median, min, max;
    char text[FIGURE_TEXT]; /* of the first boot */
    bool varies;            /* the text is another one in another boot */
    bool noise;             /* differs from the first column by no more than boots of one do */
};

struct row {
    char device[FIGURE_DEVICE], section[FIGURE_SECTION], name[FIGURE_NAME];
    unsigned rank;
    enum figure_unit unit;
    struct cell *cell; /* one for each column */
};

struct sheet {
    unsigned n_columns, runs;
    const char *column[8]; /* names; owned by the caller */
    struct row *row;
    size_t n;
};

/*
 * boot: n_columns * runs of them, those of one column together. Rows stand in the order of the
 * first column that has them. 0 or -ENOMEM. sheet_free() either way.
 */
int sheet_make(struct sheet *sheet, const struct figures *boot, const char *const *columns,
               unsigned n_columns, unsigned runs);
void sheet_free(struct sheet *sheet);

const struct row *sheet_find(const struct sheet *sheet, const char *device, const char *section,
                             const char *name);

/* A cell for people: "1.25 ms", "4.0 KiB", "12"; "-": it has none. Without the mark of noise. */
const char *cell_text(const struct row *row, const struct cell *cell, char buf[FIGURE_TEXT]);
/* A number in its unit, for people. */
const char *number_text(enum figure_unit unit, double v, char buf[FIGURE_TEXT]);

#endif
