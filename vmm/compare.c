// SPDX-License-Identifier: MIT
/*
 * Owns `vmm compare`: the plan of boots, and what is done with their figures. Refuses to know how a
 * boot is run, read or shown.
 */
#include "vmm/compare.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/compare-run.h"
#include "vmm/compare-table.h"
#include "vmm/compare-work.h"
#include "vmm/config-compare.h"
#include "vmm/config.h"

enum { STATUS_FAILED = 1, STATUS_COLUMN = 2, LABEL = 64 };

enum { OUT_JSON, OUT_HTML, OUTS };

struct compare {
    struct compare_opts opts;
    struct compare_work work;
    struct figures *boot; /* of column * runs + run */
    char command[512];
    char *append;    /* of work */
    FILE *out[OUTS]; /* NULL: not asked for */
    bool lints;      /* the user said so himself */
};

/* ---- set-up ---- */

/* The user's words for the guest and the workload's. */
static int append_make(struct compare *c, const char *append, struct err *err)
{
    if (!c->opts.workload)
        return 0;
    if (asprintf(&c->append, "%s%s%s", append ? append : "", append ? " " : "", c->opts.workload) <
        0) {
        c->append = NULL;
        return err_errno(err, ENOMEM, "--workload");
    }
    return 0;
}

/* What only the options of the machine tell. */
static int machine_look(struct compare *c, struct err *err)
{
    struct config config;
    int ret = compare_work_config(&c->work, "compare", &config, err);

    if (ret == 0)
        ret = append_make(c, config.append, err);
    c->lints = config.lint;
    if (ret == 0 && config_compare_devices(&c->opts, &config))
        fputs("vmm compare: devices of one boot side by side, because their interfaces differ; "
              "--as compares boots\n",
              stderr);
    config_free(&config);
    return ret;
}

static void command_make(struct compare *c, int argc, char **argv)
{
    size_t n = (size_t)snprintf(c->command, sizeof(c->command), "vmm");

    for (int i = 0; i < argc && n < sizeof(c->command); i++)
        n += (size_t)snprintf(c->command + n, sizeof(c->command) - n,
                              strpbrk(argv[i], " \t'\"") ? " \"%s\"" : " %s", argv[i]);
}

static int out_open(FILE **out, const char *path, struct err *err)
{
    if (path)
        *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    return path && !*out ? err_errno(err, errno, "%s", path) : 0;
}

/* Before the boots: nobody waits for them in vain. */
static int outs_open(struct compare *c, struct err *err)
{
    const int ret = out_open(&c->out[OUT_JSON], c->opts.json, err);

    return ret < 0 ? ret : out_open(&c->out[OUT_HTML], c->opts.html, err);
}

static void outs_close(const struct compare *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(c->out); i++)
        if (c->out[i] && c->out[i] != stdout)
            fclose(c->out[i]);
}

/* ---- boots ---- */

static int figures_take(struct compare *c, const struct collect_boot *boot, struct figures *to,
                        struct err *err)
{
    struct trace_file *f = trace_file_open(c->work.trace, err);

    if (!f)
        return -EIO;
    compare_collect(f, boot, to);
    trace_file_close(f);
    return to->failed ? err_errno(err, ENOMEM, "figures of %s", c->work.trace) : 0;
}

/* 0, STATUS_COLUMN (told), or -errno with err filled. */
static int boot_one(struct compare *c, unsigned column, unsigned run, struct err *err)
{
    const char *name = c->opts.by_device ? "all devices" : c->opts.column[column];
    char trace[PATH_MAX + 8], label[LABEL];
    const char *const added[] = {
        "--lint", "--trace", trace, c->opts.by_device ? NULL : "--interface", name, NULL};
    struct boot_order order = {.until = c->opts.until,
                               .limit_ns = c->opts.limit_ns,
                               .errors = c->work.errors,
                               .label = label};
    struct collect_boot boot;
    enum boot_end end;
    char **argv;
    int ret;

    snprintf(trace, sizeof(trace), "%s,exits", c->work.trace);
    argv = compare_work_words(&c->work, added + c->lints, err);
    if (!argv)
        return -ENOMEM;
    order.argv = argv;
    snprintf(label, sizeof(label), "vmm compare: %-12s boot %u of %u:", name, run + 1,
             c->opts.runs);
    compare_work_clear(&c->work);
    ret = compare_boot(&order, &end, &boot, err);
    free(argv);
    if (ret < 0)
        return ret;
    if (end == BOOT_STOPPED)
        return err_set(err, EINTR, "stopped");
    if (end != BOOT_TEXT && end != BOOT_SELF)
        compare_work_errors(&c->work);
    if (end == BOOT_REFUSED)
        return err_set(err, EINVAL, "column %s: the machine could not start", name);
    ret = figures_take(c, &boot, &c->boot[column * c->opts.runs + run], err);
    if (ret == 0 && end != BOOT_TEXT && end != BOOT_SELF) {
        log_msg(LOG_ERROR, "column %s: boot %u %s", name, run + 1, boot_end_text[end]);
        return STATUS_COLUMN;
    }
    return ret;
}

/* Columns take turns, so that a host that becomes slower does not hit one of them only. */
static int boots(struct compare *c, struct err *err)
{
    const unsigned columns = c->opts.by_device ? 1 : c->opts.n_columns;
    int worst = 0;

    for (unsigned run = 0; run < c->opts.runs; run++)
        for (unsigned column = 0; column < columns; column++) {
            const int ret = boot_one(c, column, run, err);

            if (ret < 0)
                return ret;
            worst = ret > worst ? ret : worst;
        }
    return worst;
}

/* ---- result ---- */

/* One boot's figures of one device, as those of a column of its own. */
static void device_take(const struct figures *from, const char *name, struct figures *to)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct figure *f = &from->list[i];
        const struct figure_place at = {"device", f->section, f->rank};

        if (strcmp(f->device, name) != 0)
            continue;
        if (f->unit == UNIT_WORDS)
            figures_text(to, &at, f->name, "%s", f->text);
        else
            figures_number(to, &at, f->name, f->unit, f->number);
    }
}

/* The figures of all devices become columns; all boots are in the first one. */
static int devices_split(struct compare *c, struct err *err)
{
    const unsigned runs = c->opts.runs;
    struct figures *split = calloc(c->opts.n_columns * runs, sizeof(*split));

    if (!split)
        return err_errno(err, ENOMEM, "figures");
    for (unsigned i = 0; i < c->opts.n_columns; i++)
        for (unsigned run = 0; run < runs; run++) {
            device_take(&c->boot[run], c->opts.column[i], &split[i * runs + run]);
            if (!split[i * runs + run].n)
                err_set(err, ENODEV, "the machine has no device '%s'", c->opts.column[i]);
        }
    for (unsigned run = 0; run < runs; run++)
        figures_free(&c->boot[run]);
    memcpy(c->boot, split, c->opts.n_columns * runs * sizeof(*split));
    free(split);
    return err->text[0] ? -ENODEV : 0;
}

/* What goes into files, and JSON on standard output instead of the table. */
static int show(const struct compare *c, const struct sheet *sheet,
                const struct compare_about *about, struct err *err)
{
    int ret = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(c->out); i++) {
        FILE *to = c->out[i];

        if (!to)
            continue;
        if (i == OUT_HTML)
            compare_html(sheet, about, to);
        else
            ret = compare_json(sheet, about, to);
        if (ret < 0 || fflush(to) || ferror(to))
            return err_errno(err, errno ? errno : EIO, "%s",
                             i == OUT_HTML ? c->opts.html : c->opts.json);
    }
    if (c->out[OUT_JSON] != stdout && c->out[OUT_HTML] != stdout)
        compare_table(sheet, about, stdout);
    return fflush(stdout) ? err_errno(err, errno, "standard output") : 0;
}

static int result(struct compare *c, struct err *err)
{
    const char *columns[COMPARE_COLUMNS];
    char end[80];
    const struct compare_about about = {c->command, end};
    struct sheet sheet;
    int ret = c->opts.by_device ? devices_split(c, err) : 0;

    if (ret < 0)
        return ret;
    snprintf(end, sizeof(end), c->opts.until ? "the console said '%.50s'" : "the guest ended",
             c->opts.until);
    for (unsigned i = 0; i < c->opts.n_columns; i++)
        columns[i] = c->opts.column[i];
    if (sheet_make(&sheet, c->boot, columns, c->opts.n_columns, c->opts.runs) < 0)
        ret = err_errno(err, ENOMEM, "the table");
    else
        ret = show(c, &sheet, &about, err);
    sheet_free(&sheet);
    return ret;
}

int compare_main(int argc, char **argv)
{
    struct compare *c = calloc(1, sizeof(*c));
    char **words = calloc((size_t)argc + 2, sizeof(*words));
    struct err err = {""};
    int ret = c && words ? 0 : err_errno(&err, ENOMEM, "compare"), status = 0;

    if (ret < 0)
        goto out;
    words[0] = argv[0];
    c->work.run = words + 1;
    ret = config_compare_parse(&c->opts, argc, argv, c->work.run, &c->work.n_run, &err);
    if (ret == 0)
        ret = machine_look(c, &err);
    if (ret < 0)
        goto out;
    c->work.append = c->append;
    c->work.to_end = !c->opts.until;
    command_make(c, argc, argv);
    c->boot = calloc((size_t)c->opts.n_columns * c->opts.runs, sizeof(*c->boot));
    ret =
        c->boot ? compare_work_make(&c->work, "compare", &err) : err_errno(&err, ENOMEM, "figures");
    if (ret == 0)
        ret = outs_open(c, &err);
    if (ret == 0)
        ret = status = boots(c, &err);
    if (ret >= 0)
        ret = result(c, &err);
    for (unsigned i = 0; c->boot && i < c->opts.n_columns * c->opts.runs; i++)
        figures_free(&c->boot[i]);
    free(c->boot);
    outs_close(c);
    compare_work_remove(&c->work);
out:
    if (ret < 0)
        log_msg(LOG_ERROR, "%s", err.text);
    if (c)
        free(c->append);
    free(c);
    free(words);
    return ret < 0 ? STATUS_FAILED : status;
}
