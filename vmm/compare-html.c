// SPDX-License-Identifier: MIT
/*
 * Owns a sheet as a page that needs nothing else: charts on top, all figures below. Refuses to
 * compute figures.
 */
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/compare-table.h"

enum {
    LABEL_W = 170,
    BAR_W = 250,
    VALUE_W = 90,
    BAR_H = 13,
    BAR_GAP = 2,
    GROUP_GAP = 9,
    TOP = 4,
    COLOURS = 8
};

/* Apart for all kinds of colour vision (Okabe and Ito). */
static const char *const colour[COLOURS] = {"#d55e00", "#0072b2", "#009e73", "#cc79a7",
                                            "#e69f00", "#56b4e9", "#8c6d1f", "#555555"};

/* One chart for each of these: bars of the rows of a section that have this unit. */
struct chart {
    const char *section, *title;
    enum figure_unit unit;
    bool of_device;
    const char *but; /* a row left out, NULL: none */
};

static const struct chart charts[] = {
    {"time", "time from the start of the process", UNIT_NS, false, NULL},
    {"exits to vmm", "exits of the processors to vmm", UNIT_COUNT, false, NULL},
    {"exits, as KVM counts", "exits of the processors, as KVM counts", UNIT_COUNT, false, NULL},
    {"driver", "driver's steps after the first touch", UNIT_NS, true, "first touch"},
    {"accesses", "register accesses by interface", UNIT_COUNT, true, NULL},
    {"rings", "memory of rings", UNIT_BYTES, true, NULL},
    {"requests", "cost of a request", UNIT_RATIO, true, NULL},
    {"requests", "latency of a request, from taken to given back", UNIT_NS, true, NULL},
};

static void text_print(const char *text, FILE *to)
{
    static const struct {
        char ch;
        const char *name;
    } names[] = {{'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'"', "&quot;"}};

    for (; *text; text++) {
        const char *name = NULL;

        for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
            if (names[i].ch == *text)
                name = names[i].name;
        if (name)
            fputs(name, to);
        else
            fputc(*text, to);
    }
}

/* ---- charts ---- */

static bool row_in(const struct chart *chart, const char *device, const struct row *row)
{
    return row->unit == chart->unit && strcmp(row->device, device) == 0 &&
           strcmp(row->section, chart->section) == 0 &&
           !(chart->but && strcmp(chart->but, row->name) == 0);
}

static double row_most(const struct sheet *sheet, const struct row *row)
{
    double most = 0;

    for (unsigned c = 0; c < sheet->n_columns; c++)
        if (row->cell[c].n && row->cell[c].median > most)
            most = row->cell[c].median;
    return most;
}

static void spread_print(const struct cell *cell, double most, double y, FILE *to)
{
    const double mid = y + BAR_H / 2.0;

    const double from = LABEL_W + BAR_W * (cell->min / most);
    const double end = LABEL_W + BAR_W * (cell->max < most ? cell->max / most : 1);

    if (cell->n > 1)
        fprintf(to, "<path d='M%.1f %.1fH%.1f' stroke='#222' stroke-width='1.5'/>\n", from, mid,
                end);
}

static void bar_print(const struct sheet *sheet, const struct row *row, unsigned c, double most,
                      unsigned y, FILE *to)
{
    const struct cell *cell = &row->cell[c];
    const double w = cell->n ? BAR_W * (cell->median / most) : 0;
    char buf[FIGURE_TEXT];

    fprintf(to, "<rect x='%d' y='%u' width='%.1f' height='%d' fill='%s'><title>", LABEL_W, y,
            w > 0 && w < 1 ? 1 : w, BAR_H, colour[c % COLOURS]);
    text_print(sheet->column[c], to);
    fputs("</title></rect>\n", to);
    spread_print(cell, most, y, to);
    fprintf(to, "<text x='%.1f' y='%u' class='v'>%s%s</text>\n", LABEL_W + w + 5, y + BAR_H - 2,
            cell->noise ? "~" : "", cell_text(row, cell, buf));
}

static void chart_rows(const struct sheet *sheet, const struct chart *chart, const char *device,
                       double most, FILE *to)
{
    unsigned y = TOP;

    for (size_t r = 0; r < sheet->n; r++) {
        const struct row *row = &sheet->row[r];

        if (!row_in(chart, device, row) || row_most(sheet, row) <= 0)
            continue;
        fprintf(to, "<text x='%d' y='%u' class='l'>", LABEL_W - 8,
                y + sheet->n_columns * (BAR_H + BAR_GAP) / 2 + 3);
        text_print(row->name, to);
        fputs("</text>\n", to);
        for (unsigned c = 0; c < sheet->n_columns; c++, y += BAR_H + BAR_GAP)
            bar_print(sheet, row, c, most, y, to);
        y += GROUP_GAP;
    }
}

static void chart_print(const struct sheet *sheet, const struct chart *chart, const char *device,
                        FILE *to)
{
    unsigned rows = 0;
    double most = 0;

    for (size_t r = 0; r < sheet->n; r++)
        if (row_in(chart, device, &sheet->row[r])) {
            const double here = row_most(sheet, &sheet->row[r]);

            rows += here > 0;
            most = here > most ? here : most;
        }
    if (!rows)
        return;
    fputs("<figure><figcaption>", to);
    text_print(device, to);
    fprintf(to,
            "%s%s</figcaption>\n<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%u'>\n",
            device[0] ? ": " : "", chart->title, LABEL_W + BAR_W + VALUE_W,
            TOP + rows * (sheet->n_columns * (BAR_H + BAR_GAP) + GROUP_GAP));
    chart_rows(sheet, chart, device, most, to);
    fputs("</svg></figure>\n", to);
}

static bool device_first(const struct sheet *sheet, size_t r)
{
    return r == 0 || strcmp(sheet->row[r].device, sheet->row[r - 1].device) != 0;
}

static void charts_print(const struct sheet *sheet, FILE *to)
{
    for (size_t r = 0; r < sheet->n; r++)
        for (unsigned i = 0; device_first(sheet, r) && i < ARRAY_SIZE(charts); i++)
            if (charts[i].of_device == (sheet->row[r].device[0] != '\0'))
                chart_print(sheet, &charts[i], sheet->row[r].device, to);
}

/* ---- all figures ---- */

/* As far as anybody can tell. */
static bool cell_same(const struct row *row, const struct cell *cell)
{
    char a[FIGURE_TEXT], b[FIGURE_TEXT];

    return cell->noise || strcmp(cell_text(row, &row->cell[0], a), cell_text(row, cell, b)) == 0;
}

static bool row_same(const struct sheet *sheet, const struct row *row)
{
    for (unsigned c = 1; c < sheet->n_columns; c++)
        if (!cell_same(row, &row->cell[c]))
            return false;
    return sheet->n_columns > 1;
}

static void row_print(const struct sheet *sheet, const struct row *row, FILE *to)
{
    char buf[FIGURE_TEXT], low[FIGURE_TEXT], high[FIGURE_TEXT];

    fprintf(to, "<tr%s><td>", row_same(sheet, row) ? " class='same'" : "");
    text_print(row->name, to);
    fputs("</td>", to);
    for (unsigned c = 0; c < sheet->n_columns; c++) {
        const struct cell *cell = &row->cell[c];

        fprintf(to, "<td class='n%s%s'", cell->noise ? " noise" : "",
                cell_same(row, cell) ? "" : " other");
        if (cell->n > 1 && row->unit != UNIT_WORDS)
            fprintf(to, " title='%s to %s'", number_text(row->unit, cell->min, low),
                    number_text(row->unit, cell->max, high));
        fputs(cell->noise ? ">~" : ">", to);
        text_print(cell_text(row, cell, buf), to);
        fputs("</td>", to);
    }
    fputs("</tr>\n", to);
}

static void figures_print(const struct sheet *sheet, FILE *to)
{
    if (sheet->n_columns > 1)
        fputs(
            "<input type='checkbox' id='only'><label for='only'> only what differs from the first "
            "column</label>\n",
            to);
    fputs("<table><thead><tr><th></th>", to);
    for (unsigned c = 0; c < sheet->n_columns; c++) {
        fputs("<th class='n'>", to);
        text_print(sheet->column[c], to);
        fputs("</th>", to);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
    for (size_t r = 0; r < sheet->n; r++) {
        const struct row *row = &sheet->row[r];
        const bool device = device_first(sheet, r);

        if (device || strcmp(row->section, row[-1].section) != 0) {
            fprintf(to, "<tr class='%s'><th colspan='%u'>", device ? "d" : "s",
                    sheet->n_columns + 1);
            text_print(row->device[0] ? row->device : "machine", to);
            fputs(" &middot; ", to);
            text_print(row->section, to);
            fputs("</th></tr>\n", to);
        }
        row_print(sheet, row, to);
    }
    fputs("</tbody></table>\n", to);
}

/* ---- the page ---- */

static const char style[] =
    "body{font:14px/1.45 system-ui,sans-serif;color:#222;background:#fff;margin:2em auto;"
    "max-width:1120px;padding:0 1em}"
    "h1{font-size:1.5em;margin:0 0 .3em}h2{font-size:1.2em;margin:1.6em 0 .5em}"
    "code{background:#f3f3f3;padding:.15em .4em;overflow-wrap:anywhere}"
    ".key{display:inline-block;width:.9em;height:.9em;margin:0 .4em 0 1.2em;vertical-align:-1px}"
    ".charts{display:flex;flex-wrap:wrap;gap:1.2em;align-items:flex-start}"
    "figure{margin:0;padding:.8em;border:1px solid #ddd;border-radius:6px}"
    "figcaption{font-weight:600;margin-bottom:.5em}"
    "svg text{font:12px system-ui,sans-serif;fill:#222}svg .l{text-anchor:end}"
    "svg .v{font-size:11px;fill:#555}"
    "table{border-collapse:collapse}td,th{padding:.15em .9em;text-align:left}"
    "td{border-top:1px solid #eee}.n{text-align:right;font-variant-numeric:tabular-nums}"
    "tr.d th{padding-top:1.6em}tr.s th{padding-top:.8em}"
    "thead th{position:sticky;top:0;background:#fff;border-bottom:2px solid #222}"
    ".noise{color:#888}.other{font-weight:600}#only:checked~table tr.same{display:none}";

static void head_print(const struct sheet *sheet, const struct compare_about *about, FILE *to)
{
    fprintf(to,
            "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>vmm compare"
            "</title>\n<style>%s</style></head><body>\n<h1>vmm compare</h1>\n",
            style);
    if (about->command) {
        fputs("<p><code>", to);
        text_print(about->command, to);
        fputs("</code></p>\n", to);
    }
    if (about->end) {
        fputs("<p>Each boot until ", to);
        text_print(about->end, to);
        fputs(".", to);
    }
    if (sheet->runs > 1)
        fprintf(to,
                " Medians of %u boots, lines in bars span the lowest to the highest; ~ differs "
                "from the first column by noise only.",
                sheet->runs);
    fputs("</p>\n<p>", to);
    for (unsigned c = 0; c < sheet->n_columns; c++) {
        fprintf(to, "<span class='key' style='background:%s'></span>", colour[c % COLOURS]);
        text_print(sheet->column[c], to);
    }
    fputs("</p>\n", to);
}

void compare_html(const struct sheet *sheet, const struct compare_about *about, FILE *to)
{
    head_print(sheet, about, to);
    fputs("<div class='charts'>\n", to);
    charts_print(sheet, to);
    fputs("</div>\n<h2>All figures</h2>\n", to);
    figures_print(sheet, to);
    fprintf(to, "<p>vmm %s</p>\n</body></html>\n", VMM_VERSION);
}
