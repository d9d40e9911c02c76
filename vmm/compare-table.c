// SPDX-License-Identifier: MIT
/*
 * Owns the look of a sheet as text. Refuses to know what its rows mean.
 */
#include "vmm/compare-table.h"

#include <string.h>

#include "vmm/base/bits.h"

enum { INDENT = 4, GAP = 2, COLUMN_MIN = 12, NAME_WIDTH = 38, LINE = 90 };

struct widths {
    int name, column[8];
};

static void widen(int *width, size_t len)
{
    if (*width < (int)len)
        *width = (int)len;
}

static struct widths widths_of(const struct sheet *sheet)
{
    struct widths w = {.name = 0};
    char buf[FIGURE_TEXT];

    for (unsigned c = 0; c < sheet->n_columns; c++) {
        w.column[c] = COLUMN_MIN;
        widen(&w.column[c], strlen(sheet->column[c]));
    }
    for (size_t r = 0; r < sheet->n; r++) {
        const struct row *row = &sheet->row[r];

        if (strlen(row->name) <= NAME_WIDTH)
            widen(&w.name, INDENT + strlen(row->name));
        for (unsigned c = 0; c < sheet->n_columns; c++)
            widen(&w.column[c], strlen(cell_text(row, &row->cell[c], buf)) + row->cell[c].noise);
    }
    return w;
}

/* Bytes of text that go into one line, blanks at its end too. */
static int line_bytes(const char *text)
{
    size_t len = strlen(text);

    if (len <= LINE)
        return (int)len;
    for (len = LINE; len > 1 && text[len - 1] != ' ';)
        len--;
    return len > 1 ? (int)len : LINE;
}

/* One that is too long for its column has lines of its own above the cells. */
static void name_print(const struct widths *w, const char *name, FILE *to)
{
    if (strlen(name) <= NAME_WIDTH) {
        fprintf(to, "%*s%-*s", INDENT, "", w->name - INDENT, name);
        return;
    }
    for (; *name; name += line_bytes(name))
        fprintf(to, "%*s%.*s\n", INDENT, "", line_bytes(name), name);
    fprintf(to, "%*s", w->name, "");
}

static void row_print(const struct sheet *sheet, const struct widths *w, const struct row *row,
                      FILE *to)
{
    char buf[FIGURE_TEXT];

    name_print(w, row->name, to);
    for (unsigned c = 0; c < sheet->n_columns; c++) {
        const struct cell *cell = &row->cell[c];

        fprintf(to, "%*s%s%s",
                GAP + w->column[c] - cell->noise - (int)strlen(cell_text(row, cell, buf)), "",
                cell->noise ? "~" : "", cell_text(row, cell, buf));
    }
    fputc('\n', to);
}

static void head_print(const struct sheet *sheet, const struct widths *w,
                       const struct compare_about *about, FILE *to)
{
    if (about->command)
        fprintf(to, "%s\n", about->command);
    if (about->end)
        fprintf(to, "each boot until %s; times from the start of the process\n", about->end);
    if (sheet->runs > 1)
        fprintf(to, "medians of %u boots; ~: differs from the first column by noise only\n",
                sheet->runs);
    fprintf(to, "\n%*s", w->name, "");
    for (unsigned c = 0; c < sheet->n_columns; c++)
        fprintf(to, "%*s%*s", GAP, "", w->column[c], sheet->column[c]);
    fputc('\n', to);
}

void compare_table(const struct sheet *sheet, const struct compare_about *about, FILE *to)
{
    const struct widths w = widths_of(sheet);

    head_print(sheet, &w, about, to);
    for (size_t r = 0; r < sheet->n; r++) {
        const struct row *row = &sheet->row[r], *last = r ? row - 1 : NULL;
        const bool device = !last || strcmp(last->device, row->device) != 0;

        if (device)
            fprintf(to, "%s%s\n", r ? "\n" : "", row->device[0] ? row->device : "machine");
        if (device || strcmp(last->section, row->section) != 0)
            fprintf(to, "  %s\n", row->section);
        row_print(sheet, &w, row, to);
    }
}
