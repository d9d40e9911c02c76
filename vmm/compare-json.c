// SPDX-License-Identifier: MIT
/*
 * Owns a sheet as JSON. Refuses to know what its rows mean.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/compare-table.h"

static json_t *cell_json(const struct row *row, const struct cell *cell)
{
    if (!cell->n)
        return json_null();
    if (row->unit == UNIT_WORDS)
        return json_pack("{s:s,s:b,s:i}", "text", cell->text, "varies", cell->varies, "boots",
                         (int)cell->n);
    return json_pack("{s:f,s:f,s:f,s:i,s:b}", "median", cell->median, "min", cell->min, "max",
                     cell->max, "boots", (int)cell->n, "noise", cell->noise);
}

static json_t *row_json(const struct sheet *sheet, const struct row *row)
{
    json_t *cells = json_array();

    for (unsigned c = 0; c < sheet->n_columns; c++)
        json_array_append_new(cells, cell_json(row, &row->cell[c]));
    return json_pack("{s:s,s:s,s:s,s:s,s:o}", "device", row->device, "section", row->section,
                     "name", row->name, "unit", figure_unit_name[row->unit], "cells", cells);
}

/* JSON is UTF-8; command lines are bytes. NULL: no text, or no memory. */
static json_t *text_json(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    json_t *value = copy ? json_string(copy) : NULL;

    if (copy && !value) { /* not UTF-8: what is not ASCII is not told */
        for (char *c = copy; *c; c++)
            *c = (signed char)*c < 0 ? '?' : *c;
        value = json_string(copy);
    }
    free(copy);
    return value;
}

int compare_json(const struct sheet *sheet, const struct compare_about *about, FILE *to)
{
    json_t *columns = json_array(), *rows = json_array(), *all;
    int ret;

    for (unsigned c = 0; c < sheet->n_columns; c++)
        json_array_append_new(columns, json_string(sheet->column[c]));
    for (size_t r = 0; r < sheet->n; r++)
        json_array_append_new(rows, row_json(sheet, &sheet->row[r]));
    all = json_pack("{s:o*,s:o*,s:i,s:o,s:o}", "command", text_json(about->command), "until",
                    text_json(about->end), "runs", (int)sheet->runs, "columns", columns, "rows",
                    rows);
    ret = all ? json_dumpf(all, to, JSON_INDENT(1)) : -1;
    fputc('\n', to);
    json_decref(all);
    return ret < 0 ? -ENOMEM : 0;
}
