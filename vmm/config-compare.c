// SPDX-License-Identifier: MIT
/*
 * Owns the options of `vmm compare`. Refuses to know what a machine is.
 */
#include "vmm/config-compare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "virtio/interfaces.h"
#include "vmm/base/bits.h"
#include "vmm/config-split.h"
#include "vmm/config.h"
#include "vmm/trace-show.h"

#define LIMIT_DEFAULT_NS (UINT64_C(600) * 1000000000)

static int column_add(struct compare_opts *o, const char *word, size_t len, struct err *err)
{
    char *to;

    if (!len || len > COMPARE_WORD)
        return err_set(err, EINVAL, "'%.*s' cannot be a column", (int)len, word);
    if (o->n_columns == COMPARE_COLUMNS)
        return err_set(err, EINVAL, "at most %d columns", COMPARE_COLUMNS);
    to = o->column[o->n_columns];
    memcpy(to, word, len);
    to[len] = '\0';
    for (unsigned i = 0; i < o->n_columns; i++)
        if (strcmp(o->column[i], to) == 0)
            return err_set(err, EINVAL, "'%s' is named twice", to);
    o->n_columns++;
    return 0;
}

static int columns_set(struct compare_opts *o, const char *list, struct err *err)
{
    int ret = 0;

    o->n_columns = 0;
    for (const char *word = list; ret == 0; word++) {
        const size_t len = strcspn(word, ",");

        ret = column_add(o, word, len, err);
        word += len;
        if (!*word)
            break;
    }
    return ret;
}

static int opt_as(void *conf, const char *value, struct err *err)
{
    struct compare_opts *o = (struct compare_opts *)conf;
    int ret;

    if (o->by_device)
        return err_set(err, EINVAL, "columns are interfaces or devices, not both");
    o->as_given = true;
    ret = columns_set(o, value, err);
    for (unsigned i = 0; ret == 0 && i < o->n_columns; i++)
        ret = interfaces_known(o->column[i], err);
    return ret;
}

static int opt_devices(void *conf, const char *value, struct err *err)
{
    struct compare_opts *o = (struct compare_opts *)conf;

    if (o->as_given)
        return err_set(err, EINVAL, "columns are interfaces or devices, not both");
    o->by_device = true;
    return columns_set(o, value, err);
}

static int opt_until(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct compare_opts *)conf)->until = value;
    return 0;
}

static int opt_workload(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct compare_opts *)conf)->workload = value;
    return 0;
}

static int opt_runs(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    const int ret = opts_number(value, 1, COMPARE_RUNS, &n, err);

    if (ret == 0)
        ((struct compare_opts *)conf)->runs = (unsigned)n;
    return ret;
}

static int opt_limit(void *conf, const char *value, struct err *err)
{
    return trace_time(value, &((struct compare_opts *)conf)->limit_ns, err);
}

static int opt_json(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct compare_opts *)conf)->json = value;
    return 0;
}

static int opt_html(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct compare_opts *)conf)->html = value;
    return 0;
}

const struct opt config_compare_opts[] = {
    {"--as", "WORD[,WORD]...",
     "one boot and column for each interface; legacy,transitional,modern is the default", opt_as,
     false},
    {"--devices", "NAME,NAME[,NAME]...",
     "one boot, and a column for each of these devices of it (disk0,disk1), which have different "
     "words behind interface=; the default where two disks or two networks have such",
     opt_devices, false},
    {"--until", "TEXT",
     "a boot is over when the console says this; without it, when the guest ends by itself",
     opt_until, false},
    {"--workload", "WORD",
     "add this to the guest's command line, behind --append: what it is to do, if it knows such a "
     "word; the boot is over as without it",
     opt_workload, false},
    {"--runs", "N",
     "boot each column N times: medians, and differences that are noise are marked with ~",
     opt_runs, false},
    {"--limit", "TIME", "end a boot that takes longer; 600s is the default", opt_limit, false},
    {"--json", "FILE", "write everything as JSON; - writes it instead of the table", opt_json,
     false},
    {"--html", "FILE", "write a page with charts that needs nothing else", opt_html, false},
    {NULL, NULL, NULL, NULL, false},
};

/* ---- devices of one boot ---- */

/* Of a device that comes in numbers: the words of all. */
struct kind {
    const char *name; /* "disk": "disk0" and so on */
    const struct config_virtio *first;
    size_t stride;
    unsigned n;
};

static const char *kind_word(const struct kind *kind, unsigned i)
{
    const struct config_virtio *one =
        (const struct config_virtio *)((const char *)kind->first + i * kind->stride);

    return one->interface[0] ? one->interface : "transitional";
}

static bool kind_differs(const struct kind *kind)
{
    for (unsigned i = 1; i < kind->n; i++)
        if (strcmp(kind_word(kind, 0), kind_word(kind, i)) != 0)
            return true;
    return false;
}

bool config_compare_devices(struct compare_opts *o, const struct config *config)
{
    const struct kind kinds[] = {{"disk", config->n_disks ? &config->disk->virtio : NULL,
                                  sizeof(*config->disk), config->n_disks},
                                 {"net", config->n_nets ? &config->net->virtio : NULL,
                                  sizeof(*config->net), config->n_nets}};

    if (o->as_given || o->by_device)
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
        if (!kind_differs(&kinds[k]))
            continue;
        if (!o->by_device)
            o->n_columns = 0; /* they were interfaces */
        o->by_device = true;
        for (unsigned i = 0; i < kinds[k].n && o->n_columns < COMPARE_COLUMNS; i++)
            snprintf(o->column[o->n_columns++], COMPARE_WORD, "%s%u", kinds[k].name, i);
    }
    return o->by_device;
}

/* The columns are the machine's settings here, and the trace is compare's own. */
static const struct config_refused refused[] = {
    {"--trace", "compare records traces itself"},
    {"--interface", "give --as WORD,WORD instead"},
    {"--modern-only", "give --as modern instead"},
    {"--control", "these machines have no control sockets"},
    {NULL, NULL},
};

int config_compare_parse(struct compare_opts *opts, int argc, char **argv, char **run, int *n_run,
                         struct err *err)
{
    int ret;

    *opts = (struct compare_opts){.runs = 1, .limit_ns = LIMIT_DEFAULT_NS};
    ret = config_split(config_compare_opts, refused, opts, argc, argv, run, n_run, err);
    if (ret == 0 && !opts->n_columns)
        ret = columns_set(opts, interfaces_all, err);
    return ret;
}
