// SPDX-License-Identifier: MIT
/*
 * Owns figures, and how those of several boots become rows with medians and spreads. Refuses to
 * know what they mean and how they are printed.
 */
#include "vmm/compare-sheet.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

const char *const figure_unit_name[FIGURE_UNITS] = {
    [UNIT_WORDS] = "text", [UNIT_COUNT] = "count", [UNIT_BYTES] = "bytes",
    [UNIT_NS] = "ns",      [UNIT_RATIO] = "ratio",
};

/* ---- figures of one boot ---- */

static struct figure *figure_add(struct figures *f, const struct figure_place *place,
                                 const char *name, enum figure_unit unit)
{
    struct figure *figure;

    if (f->n == f->room) {
        const size_t room = f->room ? 2 * f->room : 64;
        struct figure *list = reallocarray(f->list, room, sizeof(*list));

        if (!list) {
            f->failed = true;
            return NULL;
        }
        f->list = list;
        f->room = room;
    }
    figure = &f->list[f->n++];
    *figure = (struct figure){.rank = place->rank, .unit = unit};
    snprintf(figure->device, sizeof(figure->device), "%s", place->device);
    snprintf(figure->section, sizeof(figure->section), "%s", place->section);
    snprintf(figure->name, sizeof(figure->name), "%s", name);
    return figure;
}

const struct figure *figures_find(const struct figures *f, const char *device, const char *section,
                                  const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct figure *figure = &f->list[i];

        if (strcmp(figure->name, name) == 0 && strcmp(figure->section, section) == 0 &&
            strcmp(figure->device, device) == 0)
            return figure;
    }
    return NULL;
}

void figures_number(struct figures *f, const struct figure_place *place, const char *name,
                    enum figure_unit unit, double number)
{
    struct figure *figure = figure_add(f, place, name, unit);

    if (figure)
        figure->number = number;
}

void figures_text(struct figures *f, const struct figure_place *place, const char *name,
                  const char *fmt, ...)
{
    struct figure *figure = figure_add(f, place, name, UNIT_WORDS);
    va_list args;

    if (!figure)
        return;
    va_start(args, fmt);
    vsnprintf(figure->text, sizeof(figure->text), fmt, args);
    va_end(args);
}

void figures_count(struct figures *f, const struct figure_place *place, const char *name,
                   double more)
{
    const struct figure *old = figures_find(f, place->device, place->section, name);

    if (old)
        f->list[old - f->list].number += more;
    else
        figures_number(f, place, name, UNIT_COUNT, more);
}

void figures_free(struct figures *f)
{
    free(f->list);
    *f = (struct figures){.n = 0};
}

/* ---- rows ---- */

const struct row *sheet_find(const struct sheet *sheet, const char *device, const char *section,
                             const char *name)
{
    for (size_t i = 0; i < sheet->n; i++) {
        const struct row *row = &sheet->row[i];

        if (strcmp(row->name, name) == 0 && strcmp(row->section, section) == 0 &&
            strcmp(row->device, device) == 0)
            return row;
    }
    return NULL;
}

/* Behind the last row of its section, or of the sections that come before it. */
static size_t row_place(const struct sheet *sheet, const struct figure *f)
{
    const size_t none = SIZE_MAX;
    size_t device = none, before = none, same = none;

    for (size_t i = 0; i < sheet->n; i++) {
        const struct row *row = &sheet->row[i];

        if (strcmp(row->device, f->device) != 0)
            continue;
        if (device == none)
            device = i;
        if (row->rank <= f->rank)
            before = i + 1;
        if (strcmp(row->section, f->section) == 0)
            same = i + 1;
    }
    if (same != none)
        return same;
    if (before != none)
        return before;
    if (device != none)
        return device;
    return f->device[0] ? sheet->n : 0; /* the machine comes first */
}

static struct row *row_insert(struct sheet *sheet, const struct figure *f, size_t at)
{
    struct row *list = reallocarray(sheet->row, sheet->n + 1, sizeof(*list));
    struct cell *cell = calloc(sheet->n_columns, sizeof(*cell));

    if (list)
        sheet->row = list;
    if (!list || !cell) {
        free(cell);
        return NULL;
    }
    memmove(&list[at + 1], &list[at], (sheet->n - at) * sizeof(*list));
    sheet->n++;
    list[at] = (struct row){.rank = f->rank, .unit = f->unit, .cell = cell};
    memcpy(list[at].device, f->device, sizeof(f->device));
    memcpy(list[at].section, f->section, sizeof(f->section));
    memcpy(list[at].name, f->name, sizeof(f->name));
    return &list[at];
}

/* A row that other boots do not have stands behind the one that it follows in its own. */
static int rows_make(struct sheet *sheet, const struct figures *boot)
{
    const struct row *last = NULL;

    for (size_t i = 0; i < boot->n; i++) {
        const struct figure *f = &boot->list[i];
        const struct row *row = sheet_find(sheet, f->device, f->section, f->name);

        if (!row) {
            const bool follows = last && strcmp(last->device, f->device) == 0 &&
                                 strcmp(last->section, f->section) == 0;

            row = row_insert(sheet, f,
                             follows ? (size_t)(last - sheet->row) + 1 : row_place(sheet, f));
        }
        if (!row)
            return -ENOMEM;
        last = row;
    }
    return boot->failed ? -ENOMEM : 0;
}

/* ---- cells ---- */

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void cell_text_take(struct cell *cell, const struct figure *f)
{
    if (!cell->n)
        memcpy(cell->text, f->text, sizeof(cell->text));
    else if (strcmp(cell->text, f->text) != 0)
        cell->varies = true;
}

static void cell_fill(const struct row *row, struct cell *cell, const struct figures *boot,
                      unsigned runs, double *value)
{
    for (unsigned i = 0; i < runs; i++) {
        const struct figure *f = figures_find(&boot[i], row->device, row->section, row->name);

        if (!f)
            continue;
        cell_text_take(cell, f);
        value[cell->n++] = f->number;
    }
    if (!cell->n)
        return;
    qsort(value, cell->n, sizeof(*value), by_number);
    cell->min = value[0];
    cell->max = value[cell->n - 1];
    cell->median = (value[(cell->n - 1) / 2] + value[cell->n / 2]) / 2;
}

/*
 * Two sets of a few boots lie apart by chance often enough: 1 in 3 for two boots each, 1 in 10 for
 * three, 1 in 35 for four. So the fewer there are, the farther apart they have to be, in spreads.
 */
static double apart_at_least(const struct cell *a, const struct cell *b)
{
    static const double spreads[] = {0, 0, 3, 1};
    const unsigned n = a->n < b->n ? a->n : b->n;

    return n < ARRAY_SIZE(spreads) ? spreads[n] * fmax(a->max - a->min, b->max - b->min) : 0;
}

static bool cell_is_noise(const struct row *row, const struct cell *cell)
{
    const struct cell *first = &row->cell[0];
    const double apart = fmax(cell->min - first->max, first->min - cell->max);

    if (row->unit == UNIT_WORDS || cell == first || cell->n < 2 || first->n < 2)
        return false;
    return cell->median != first->median && (apart <= 0 || apart < apart_at_least(first, cell));
}

int sheet_make(struct sheet *sheet, const struct figures *boot, const char *const *columns,
               unsigned n_columns, unsigned runs)
{
    double *value = calloc(runs, sizeof(*value));
    int ret = value ? 0 : -ENOMEM;

    *sheet = (struct sheet){.n_columns = n_columns, .runs = runs};
    for (unsigned i = 0; i < n_columns; i++)
        sheet->column[i] = columns[i];
    for (unsigned i = 0; ret == 0 && i < n_columns * runs; i++)
        ret = rows_make(sheet, &boot[i]);
    for (size_t r = 0; ret == 0 && r < sheet->n; r++)
        for (unsigned c = 0; c < n_columns; c++) {
            struct cell *cell = &sheet->row[r].cell[c];

            cell_fill(&sheet->row[r], cell, &boot[c * runs], runs, value);
            cell->noise = cell_is_noise(&sheet->row[r], cell);
        }
    free(value);
    return ret;
}

void sheet_free(struct sheet *sheet)
{
    for (size_t i = 0; i < sheet->n; i++)
        free(sheet->row[i].cell);
    free(sheet->row);
    *sheet = (struct sheet){.n = 0};
}

/* ---- for people ---- */

struct scale {
    double from, by;
    const char *word;
};

static const struct scale scale_ns[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e3, 1e3, "us"}};
static const struct scale scale_bytes[] = {{10 * 1024.0 * 1024 * 1024, 1024.0 * 1024 * 1024, "GiB"},
                                           {10 * 1024.0 * 1024, 1024.0 * 1024, "MiB"},
                                           {10 * 1024.0, 1024.0, "KiB"}};

static void scaled_text(const struct scale *scale, unsigned n, const char *word, double v,
                        char buf[FIGURE_TEXT])
{
    for (unsigned i = 0; i < n; i++)
        if (v >= scale[i].from) {
            v /= scale[i].by;
            snprintf(buf, FIGURE_TEXT, "%.*f %s", v < 10 ? 2 : (v < 100 ? 1 : 0), v, scale[i].word);
            return;
        }
    snprintf(buf, FIGURE_TEXT, "%.0f %s", v, word);
}

/* Those that are whole in a larger unit stay exact in it: 4 KiB, but 4104 B. */
static void bytes_text(double v, char buf[FIGURE_TEXT])
{
    for (unsigned i = 0; i < ARRAY_SIZE(scale_bytes); i++) {
        const double in = v / scale_bytes[i].by;

        if (in < 1 || in != floor(in))
            continue;
        snprintf(buf, FIGURE_TEXT, "%.0f %s", in, scale_bytes[i].word);
        return;
    }
    scaled_text(scale_bytes, ARRAY_SIZE(scale_bytes), "B", v, buf);
}

const char *number_text(enum figure_unit unit, double v, char buf[FIGURE_TEXT])
{
    if (unit == UNIT_NS)
        scaled_text(scale_ns, ARRAY_SIZE(scale_ns), "ns", v, buf);
    else if (unit == UNIT_BYTES)
        bytes_text(v, buf);
    else if (unit == UNIT_RATIO)
        snprintf(buf, FIGURE_TEXT, "%.2f", v);
    else
        snprintf(buf, FIGURE_TEXT, "%.*f", v == floor(v) ? 0 : 1, v);
    return buf;
}

const char *cell_text(const struct row *row, const struct cell *cell, char buf[FIGURE_TEXT])
{
    if (!cell->n)
        return "-";
    if (row->unit != UNIT_WORDS)
        return number_text(row->unit, cell->median, buf);
    snprintf(buf, FIGURE_TEXT, "%.*s%s", FIGURE_TEXT - 16, cell->text,
             cell->varies ? " (varies)" : "");
    return buf;
}
