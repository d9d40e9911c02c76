// SPDX-License-Identifier: MIT
/*
 * Owns `vmm trace show`: which records are wanted, and their columns. Refuses to know the words of
 * a record (trace-text.c).
 */
#include "vmm/trace-show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/trace-text.h"

enum { DEVICES = 16 };

struct show {
    const char *path;
    const char *device[DEVICES];
    unsigned n_devices;
    bool source[1 << 16]; /* wanted, when there are devices */
    bool any_kind, kind[TRACE_POINTS];
    bool any_queue;
    uint64_t queue;
    uint64_t from, to;
    bool json;
};

/* ---- options ---- */

int trace_time(const char *text, uint64_t *ns, struct err *err)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};
    char *end;
    const double v = strtod(text, &end);

    for (unsigned i = 0; i < ARRAY_SIZE(units); i++)
        if (end != text && strcmp(end, units[i].name) == 0 && v >= 0 && v * units[i].ns < 9e18) {
            *ns = (uint64_t)(v * units[i].ns);
            return 0;
        }
    return err_set(err, EINVAL, "'%s' is not a time: 1.5, 1.5s, 20ms, 7us or 900ns", text);
}

static int show_device(void *conf, const char *value, struct err *err)
{
    struct show *s = (struct show *)conf;

    if (s->n_devices == DEVICES)
        return err_set(err, EINVAL, "at most %d devices can be named", DEVICES);
    s->device[s->n_devices++] = value;
    return 0;
}

static int show_queue(void *conf, const char *value, struct err *err)
{
    ((struct show *)conf)->any_queue = false;
    return opts_number(value, 0, TRACE_NO_QUEUE - 1, &((struct show *)conf)->queue, err);
}

static bool kind_take(bool kind[TRACE_POINTS], const char *word, size_t len)
{
    bool known = false;

    for (unsigned i = 0; i < TRACE_POINTS; i++) {
        const char *class = trace_class_name[trace_info[i].class];
        const char *name = trace_info[i].name;

        if ((strlen(name) != len || memcmp(name, word, len) != 0) &&
            (strlen(class) != len || memcmp(class, word, len) != 0))
            continue;
        kind[i] = known = true;
    }
    return known;
}

int trace_kinds(const char *text, bool kind[TRACE_POINTS], struct err *err)
{
    for (const char *word = text;; word++) {
        const size_t len = strcspn(word, ",");

        if (!kind_take(kind, word, len))
            return err_set(err, EINVAL,
                           "'%.*s' is no kind of record: one of pop, push, kick, interrupt, read, "
                           "write, status, ... or register, pci, state, ring, dma, exit",
                           (int)len, word);
        word += len;
        if (!*word)
            return 0;
    }
}

static int show_kind(void *conf, const char *value, struct err *err)
{
    ((struct show *)conf)->any_kind = false;
    return trace_kinds(value, ((struct show *)conf)->kind, err);
}

static int show_from(void *conf, const char *value, struct err *err)
{
    return trace_time(value, &((struct show *)conf)->from, err);
}

static int show_to(void *conf, const char *value, struct err *err)
{
    return trace_time(value, &((struct show *)conf)->to, err);
}

static int show_json(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct show *)conf)->json = true;
    return 0;
}

static int show_file(void *conf, const char *word, struct err *err)
{
    struct show *s = (struct show *)conf;

    if (s->path)
        return err_set(err, EINVAL, "one trace at a time: '%s' is too many", word);
    s->path = word;
    return 0;
}

const struct opt trace_show_opts[] = {
    {"--device", "NAME", "only records of this device (disk0, net0, ...); may be repeated",
     show_device, true},
    {"--queue", "N", "only records of this queue", show_queue, false},
    {"--kind", "WORD[,WORD]",
     "only records of these kinds (pop, push, interrupt, read, status, ...) or groups of kinds "
     "(register, pci, state, ring, interrupt, dma, exit)",
     show_kind, true},
    {"--from", "TIME",
     "only records from then on: 1.5 seconds after the start, or 20ms, 7us, 900ns", show_from,
     false},
    {"--to", "TIME", "only records up to then", show_to, false},
    {"--json", NULL, "one JSON object per line", show_json, false},
    {NULL, NULL, NULL, NULL, false},
};

/* ---- which ---- */

static int devices_find(struct show *s, const struct trace_file *f, struct err *err)
{
    for (unsigned i = 0; i < s->n_devices; i++) {
        const int source = trace_file_find(f, s->device[i]);

        if (source < 0)
            return err_set(err, ENOENT, "no device '%s' in trace %s", s->device[i], s->path);
        s->source[source] = true;
    }
    return 0;
}

static bool rec_wanted(const struct show *s, const struct trace_rec *rec)
{
    if (rec->time < s->from || rec->time > s->to)
        return false;
    if (s->n_devices && !s->source[rec->source])
        return false;
    if (!s->any_queue && rec->queue != s->queue)
        return false;
    return s->any_kind || (rec->point < TRACE_POINTS && s->kind[rec->point]);
}

/* ---- how ---- */

static void rec_line(const struct trace_file *f, const struct trace_rec *rec, FILE *to)
{
    char kind[TRACE_WORD], source[32], thread[32], line[TRACE_LINE], queue[8] = "";

    trace_line(f, rec, line);
    if (rec->queue != TRACE_NO_QUEUE)
        snprintf(queue, sizeof(queue), "%u", rec->queue);
    fprintf(to, "%4llu.%09llu  %-8s %-9s %3s  %-10s  %s\n",
            (unsigned long long)(rec->time / 1000000000),
            (unsigned long long)(rec->time % 1000000000), trace_file_thread(f, rec->thread, thread),
            trace_file_source(f, rec->source, source), queue, trace_kind(rec, kind), line);
}

static void rec_json(const struct trace_file *f, const struct trace_rec *rec, FILE *to)
{
    json_t *o = trace_json(f, rec);

    if (o && json_dumpf(o, to, JSON_COMPACT) == 0)
        fputc('\n', to);
    json_decref(o);
}

/* What a reader must know who wonders why something is missing. */
static void file_notes(const struct trace_file *f, const char *path)
{
    if (trace_file_lost(f))
        log_msg(LOG_WARN, "trace %s: %llu records were lost while it was recorded", path,
                (unsigned long long)trace_file_lost(f));
    if (trace_file_rest(f))
        log_msg(LOG_WARN, "trace %s: its last %zu bytes are not a whole record", path,
                trace_file_rest(f));
    else if (!trace_file_ended(f))
        log_msg(LOG_WARN, "trace %s was not closed: vmm still runs, or was killed", path);
}

static int show_all(struct show *s, FILE *to, struct err *err)
{
    struct trace_file *f = trace_file_open(s->path, err);
    struct trace_rec rec;
    int ret;

    if (!f)
        return -EINVAL;
    ret = devices_find(s, f, err);
    if (ret == 0 && !s->json)
        fprintf(to, "%14s  %-8s %-9s %3s  %s\n", "seconds", "thread", "device", "q", "what");
    for (size_t i = 0; ret == 0 && i < trace_file_count(f) && !ferror(to); i++) {
        trace_file_get(f, i, &rec);
        if (rec_wanted(s, &rec))
            (s->json ? rec_json : rec_line)(f, &rec, to);
    }
    if (ret == 0)
        file_notes(f, s->path);
    trace_file_close(f);
    if (ret == 0 && (fflush(to) || ferror(to)) && errno != EPIPE)
        ret = err_errno(err, errno, "standard output");
    return ret;
}

int trace_show(int argc, char **argv)
{
    struct show *s = calloc(1, sizeof(*s));
    struct err err = {""};
    int ret = -ENOMEM;

    if (s) {
        s->any_kind = s->any_queue = true;
        s->to = UINT64_MAX;
        ret = opts_parse(trace_show_opts, argc, argv, s, show_file, &err);
        if (ret == 0 && !s->path)
            ret = err_set(&err, EINVAL, "which trace? vmm trace show FILE");
        if (ret == 0)
            ret = show_all(s, stdout, &err);
    }
    free(s);
    if (ret < 0)
        log_msg(LOG_ERROR, "%s", err.text);
    return ret < 0;
}
