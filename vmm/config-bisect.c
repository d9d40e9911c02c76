// SPDX-License-Identifier: MIT
/*
 * Owns the options of `vmm bisect`. Refuses to know how anything is found.
 */
#include "vmm/config-bisect.h"

#include <errno.h>
#include <string.h>

#include "virtio/interfaces.h"
#include "vmm/config-split.h"
#include "vmm/trace-show.h"
#include "vmm/withhold.h"

#define LIMIT_DEFAULT_NS (UINT64_C(600) * 1000000000)

const char bisect_interface[] = "interface";

static struct bisect_opts *opts_of(void *conf)
{
    return (struct bisect_opts *)conf;
}

static int opt_good(void *conf, const char *value, struct err *err)
{
    (void)err;
    opts_of(conf)->good = value;
    return 0;
}

static int opt_bad(void *conf, const char *value, struct err *err)
{
    (void)err;
    opts_of(conf)->bad = value;
    return 0;
}

static int opt_limit(void *conf, const char *value, struct err *err)
{
    return trace_time(value, &opts_of(conf)->limit_ns, err);
}

static int interface_set(char out[BISECT_WORD + 1], const char *word, size_t len, struct err *err)
{
    if (!len || len > BISECT_WORD)
        return err_set(err, EINVAL, "'%.*s' is not an interface", (int)len, word);
    memcpy(out, word, len);
    out[len] = '\0';
    return interfaces_known(out, err);
}

static int as_set(struct bisect_opts *o, const char *list, struct err *err)
{
    int ret = 0;

    for (const char *word = list; ret == 0; word++) {
        const size_t len = strcspn(word, ",");

        if (o->n_as == BISECT_INTERFACES)
            return err_set(err, EINVAL, "there are not so many interfaces");
        ret = interface_set(o->as[o->n_as++], word, len, err);
        word += len;
        if (!*word)
            break;
    }
    return ret;
}

static int opt_as(void *conf, const char *value, struct err *err)
{
    return as_set(opts_of(conf), value, err);
}

static int opt_interface(void *conf, const char *value, struct err *err)
{
    return interface_set(opts_of(conf)->interface, value, strlen(value), err);
}

static int opt_modern_only(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    opts_of(conf)->modern_only = true;
    return 0;
}

static int opt_off(void *conf, const char *value, struct err *err)
{
    opts_of(conf)->off = value;
    return withhold_check(value, err);
}

static bool is_interface(const char *name, size_t len)
{
    return len == strlen(bisect_interface) && memcmp(name, bisect_interface, len) == 0;
}

static int opt_among(void *conf, const char *value, struct err *err)
{
    int ret = 0;

    opts_of(conf)->among = value;
    for (const char *name = value; ret == 0; name++) {
        const size_t len = strcspn(name, "+,");
        char one[64];

        if (len >= sizeof(one))
            return err_set(err, EINVAL, "'%s' is too long a name", name);
        memcpy(one, name, len);
        one[len] = '\0';
        ret = is_interface(name, len) ? 0 : withhold_check(one, err);
        name += len;
        if (!*name)
            break;
    }
    return ret;
}

const struct opt config_bisect_opts[] = {
    {"--good", "TEXT", "what the console says when all is well", opt_good, false},
    {"--bad", "TEXT",
     "what it says when it is not; without it, a boot is bad that ends, or has taken --limit, "
     "before the good text",
     opt_bad, false},
    {"--limit", "TIME", "end a boot that takes longer; 600s is the default", opt_limit, false},
    {"--as", "WORD[,WORD]...",
     "the interfaces to try instead of the machine's own (--interface, or transitional), if it is "
     "not features alone; all others are the default",
     opt_as, false},
    {"--among", "FEATURE[+FEATURE]...",
     "look at these features only, and at the interface if 'interface' is among them", opt_among,
     false},
    {"--virtio-off", "FEATURE[+FEATURE]...", "withhold these features in all boots", opt_off,
     false},
    {"--interface", "legacy|transitional|modern", "the machine's own interface, as for vmm run",
     opt_interface, false},
    {"--modern-only", NULL, "the same as for vmm run", opt_modern_only, false},
    {NULL, NULL, NULL, NULL, false},
};

/* Commands of this kind do these themselves. */
static const struct config_refused refused[] = {
    {"--trace", "bisect records the first boot itself"},
    {"--control", "these machines have no control sockets"},
    {NULL, NULL},
};

const char *bisect_interface_own(const struct bisect_opts *o)
{
    if (o->modern_only || (!o->interface[0] && interfaces_known("transitional", NULL) < 0))
        return "modern";
    return o->interface[0] ? o->interface : "transitional";
}

/* All but the machine's own, those that differ most first. */
static int as_default(struct bisect_opts *o, struct err *err)
{
    const char *own = bisect_interface_own(o);
    unsigned n = 0;
    int ret = as_set(o, interfaces_all, err);

    for (unsigned i = 0; i < o->n_as; i++)
        if (strcmp(o->as[i], own) != 0 && n++ != i)
            memcpy(o->as[n - 1], o->as[i], sizeof(o->as[0]));
    o->n_as = n;
    return ret;
}

int config_bisect_parse(struct bisect_opts *opts, int argc, char **argv, char **run, int *n_run,
                        struct err *err)
{
    int ret;

    *opts = (struct bisect_opts){.limit_ns = LIMIT_DEFAULT_NS};
    ret = config_split(config_bisect_opts, refused, opts, argc, argv, run, n_run, err);
    if (ret == 0 && !opts->good)
        ret = err_set(err, EINVAL, "--good TEXT is missing: what the console says if all is well");
    if (ret == 0 && opts->modern_only && opts->interface[0])
        ret = err_set(err, EINVAL, "--interface and --modern-only exclude each other");
    return ret == 0 && !opts->n_as ? as_default(opts, err) : ret;
}
