// SPDX-License-Identifier: MIT
/*
 * Owns which records of two traces are the same to a driver, and how differences are told. Refuses
 * to know how sequences are compared (trace-lcs.c).
 */
#include "vmm/trace-diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/trace-lcs.h"
#include "vmm/trace-replay.h"
#include "vmm/trace-show.h"
#include "vmm/trace-text.h"

enum { SOURCES = 1 << 16, MOST = 20000, CONTEXT = 2 };

/* One event: its words, as a number, and where it is in its trace. */
struct event {
    uint32_t word;
    size_t rec;
};

struct events {
    struct event *e;
    size_t n, cap;
};

/* All different lines so far. */
struct words {
    char **text;
    uint32_t *slot; /* hash to number + 1 */
    size_t n, cap;  /* cap of slot: a power of two */
};

/* ---- words ---- */

static uint64_t hash_of(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *s; s++) /* FNV-1a */
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static size_t slot_find(const struct words *w, const char *s)
{
    size_t i = (size_t)hash_of(s) & (w->cap - 1);

    while (w->slot[i] && strcmp(w->text[w->slot[i] - 1], s) != 0)
        i = (i + 1) & (w->cap - 1);
    return i;
}

static bool words_grow(struct words *w)
{
    const size_t cap = w->cap ? 2 * w->cap : 1024;
    char **text = realloc(w->text, cap / 2 * sizeof(*text));

    if (!text)
        return false;
    w->text = text;
    free(w->slot);
    w->slot = calloc(cap, sizeof(w->slot[0]));
    w->cap = w->slot ? cap : 0;
    for (size_t i = 0; w->slot && i < w->n; i++)
        w->slot[slot_find(w, w->text[i])] = (uint32_t)i + 1;
    return w->slot != NULL;
}

/* The number of this line; false: no memory. */
static bool word_of(struct words *w, const char *s, uint32_t *number)
{
    size_t i;

    if (2 * (w->n + 1) > w->cap && !words_grow(w))
        return false;
    i = slot_find(w, s);
    if (!w->slot[i]) {
        w->text[w->n] = strdup(s);
        if (!w->text[w->n])
            return false;
        w->slot[i] = (uint32_t)++w->n;
    }
    *number = w->slot[i] - 1;
    return true;
}

static void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->text[i]);
    free(w->text);
    free(w->slot);
}

/* ---- events ---- */

/* Registers whose values are places in guest memory or numbers of interrupts. */
static bool is_place(const char *name)
{
    static const char *const begins[] = {"queue_desc", "queue_driver", "queue_device",
                                         "queue_address", "vector"};

    if (strstr(name, "_control"))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(begins); i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

static void access_words(const struct trace_file *f, const struct trace_rec *rec,
                         char buf[TRACE_LINE])
{
    const bool reg = trace_info[rec->point].class == TRACE_CLASS_REGISTER;
    char name[TRACE_WORD], via[TRACE_WORD] = "pci", value[TRACE_WORD] = "somewhere";

    trace_value(f, rec, 0, name);
    if (reg)
        trace_interface(f, rec, via);
    if (!is_place(name))
        snprintf(value, sizeof(value), "0x%llx", (unsigned long long)rec->value[2]);
    snprintf(buf, TRACE_LINE, "%s %s %s:%llu %s", trace_info[rec->point].name, via, name,
             (unsigned long long)rec->value[1], value);
}

/* What a driver sees of a record. */
static void event_words(const struct trace_file *f, const struct trace_rec *rec,
                        char buf[TRACE_LINE])
{
    char text[TRACE_LINE];
    const enum trace_class class = trace_info[rec->point].class;

    if (class == TRACE_CLASS_REGISTER || class == TRACE_CLASS_PCI) {
        access_words(f, rec, buf);
        return;
    }
    trace_line(f, rec, text);
    if (rec->point == TRACE_QUEUE) /* without its places */
        snprintf(text, sizeof(text), "size %llu error %llu", (unsigned long long)rec->value[0],
                 (unsigned long long)rec->value[4]);
    if (rec->point == TRACE_POP) /* without its id */
        snprintf(text, sizeof(text), "out %llu in %llu", (unsigned long long)rec->value[1],
                 (unsigned long long)rec->value[2]);
    if (rec->point == TRACE_PUSH)
        snprintf(text, sizeof(text), "written %llu", (unsigned long long)rec->value[1]);
    if (rec->point == TRACE_CONFIG || rec->point == TRACE_QUEUE_OFF || rec->point == TRACE_RESET)
        text[0] = '\0'; /* how much was under way is a matter of time */
    if (rec->queue != TRACE_NO_QUEUE)
        snprintf(buf, TRACE_LINE, "queue %u %s %.400s", rec->queue, trace_info[rec->point].name,
                 text);
    else
        snprintf(buf, TRACE_LINE, "%s %.400s", trace_info[rec->point].name, text);
}

static bool event_add(struct events *list, uint32_t word, size_t rec)
{
    struct event *more;

    if (list->n == list->cap) {
        const size_t cap = list->cap ? 2 * list->cap : 256;

        more = realloc(list->e, cap * sizeof(*more));
        if (!more)
            return false;
        list->e = more;
        list->cap = cap;
    }
    list->e[list->n++] = (struct event){word, rec};
    return true;
}

static bool rec_counts(const struct trace_diff *what, const struct trace_rec *rec)
{
    const bool read = rec->point == TRACE_READ || rec->point == TRACE_PCI_READ;

    return rec->point < TRACE_POINTS && what->kind[rec->point] && (what->reads || !read);
}

static int events_collect(const struct trace_file *f, int source, const struct trace_diff *what,
                          struct words *w, struct events *list)
{
    char text[TRACE_LINE];
    struct trace_rec rec;
    uint32_t word;

    for (size_t i = 0; i < trace_file_count(f); i++) {
        trace_file_get(f, i, &rec);
        if (rec.source != source || !rec_counts(what, &rec))
            continue;
        event_words(f, &rec, text);
        if (!word_of(w, text, &word) || !event_add(list, word, i))
            return -ENOMEM;
    }
    return 0;
}

/* ---- one device ---- */

struct side {
    const struct trace_file *f;
    int source; /* -1: it is not there */
    struct events list;
    uint32_t *word;
    bool *differs;
    size_t at;
};

static int side_fill(struct side *s, const struct trace_file *f, const char *name,
                     const struct trace_diff *what, struct words *w)
{
    int ret = 0;

    s->f = f;
    s->source = trace_file_find(f, name);
    if (s->source > 0)
        ret = events_collect(f, s->source, what, w, &s->list);
    s->word = calloc(s->list.n + 1, sizeof(s->word[0]));
    s->differs = calloc(s->list.n + 1, sizeof(s->differs[0]));
    if (!s->word || !s->differs)
        return -ENOMEM;
    for (size_t i = 0; i < s->list.n; i++)
        s->word[i] = s->list.e[i].word;
    return ret;
}

static void side_free(struct side *s)
{
    free(s->list.e);
    free(s->word);
    free(s->differs);
}

static void line_put(const struct side *s, size_t i, char sign, const struct words *w, FILE *to)
{
    struct trace_rec rec;

    trace_file_get(s->f, s->list.e[i].rec, &rec);
    fprintf(to, "  %c %4llu.%06llu  %s\n", sign, (unsigned long long)(rec.time / 1000000000),
            (unsigned long long)(rec.time % 1000000000 / 1000), w->text[s->list.e[i].word]);
}

/* Events in common up to the next difference: the first and the last few are printed. */
static void common_put(struct side *a, struct side *b, bool first, const struct words *w, FILE *to)
{
    size_t n = 0;
    bool last, gap = false;

    while (a->at + n < a->list.n && b->at + n < b->list.n && !a->differs[a->at + n] &&
           !b->differs[b->at + n])
        n++;
    last = a->at + n == a->list.n && b->at + n == b->list.n;
    for (size_t i = 0; i < n; i++) {
        const bool head = !first && i < CONTEXT, tail = !last && n - i <= CONTEXT;

        if (head || tail)
            line_put(a, a->at + i, ' ', w, to);
        else if (!gap && (gap = true))
            fprintf(to, "    ... %zu the same\n", n - (first ? 0 : CONTEXT) - (last ? 0 : CONTEXT));
    }
    a->at += n;
    b->at += n;
}

static int64_t sides_print(struct side *a, struct side *b, const struct words *w, FILE *to)
{
    int64_t differ = 0;
    bool first = true;

    while (a->at < a->list.n || b->at < b->list.n) {
        common_put(a, b, first, w, to);
        first = false;
        for (; a->at < a->list.n && a->differs[a->at]; a->at++, differ++)
            line_put(a, a->at, '-', w, to);
        for (; b->at < b->list.n && b->differs[b->at]; b->at++, differ++)
            line_put(b, b->at, '+', w, to);
    }
    return differ;
}

static int64_t marks(const struct side *s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s->list.n; i++)
        n += s->differs[i];
    return n;
}

static int64_t device_diff(const struct trace_file *a, const struct trace_file *b, const char *name,
                           const struct trace_diff *what, FILE *to)
{
    struct words w = {.n = 0};
    struct side x = {.at = 0}, y = {.at = 0};
    int64_t ret = side_fill(&x, a, name, what, &w);

    if (ret == 0)
        ret = side_fill(&y, b, name, what, &w);
    if (ret == 0 && !trace_lcs(x.word, x.list.n, y.word, y.list.n, x.differs, y.differs, MOST))
        ret = -ENOMEM;
    if (ret == 0) {
        ret = marks(&x) + marks(&y);
        if (x.list.n || y.list.n)
            fprintf(to, "%s: %zu and %zu events, %lld differ%s\n", name, x.list.n, y.list.n,
                    (long long)ret,
                    x.source < 0   ? "; only in the second"
                    : y.source < 0 ? "; only in the first"
                                   : "");
        if (ret)
            sides_print(&x, &y, &w, to);
    }
    side_free(&x);
    side_free(&y);
    words_free(&w);
    return ret;
}

/* ---- all of them ---- */

/* Those of a, then those that only b has. Returns differences, or -errno. */
static int64_t sources_diff(const struct trace_file *a, const struct trace_file *b, bool second,
                            const struct trace_diff *what, FILE *to)
{
    const struct trace_file *f = second ? b : a, *other = second ? a : b;
    int64_t sum = 0;
    char buf[32];

    for (unsigned i = 1; i < SOURCES && sum >= 0; i++) {
        const char *name = trace_file_source(f, i, buf);
        int64_t n;

        if (name == buf || trace_file_find(f, name) != (int)i)
            continue;
        if ((second && trace_file_find(other, name) >= 0) ||
            (what->device && strcmp(what->device, name) != 0))
            continue;
        n = device_diff(a, b, name, what, to);
        sum = n < 0 ? n : sum + n;
    }
    return sum;
}

int64_t trace_diff_print(const struct trace_file *a, const struct trace_file *b,
                         const struct trace_diff *what, FILE *to)
{
    const int64_t both = sources_diff(a, b, false, what, to);
    const int64_t more = both < 0 ? 0 : sources_diff(a, b, true, what, to);

    return more < 0 ? more : both + more;
}

/* ---- the command ---- */

struct diff {
    const char *path[2];
    unsigned n;
    bool kinds;
    struct trace_diff what;
};

static int diff_device(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct diff *)conf)->what.device = value;
    return 0;
}

static int diff_kind(void *conf, const char *value, struct err *err)
{
    struct diff *d = (struct diff *)conf;

    d->kinds = d->what.reads = true;
    return trace_kinds(value, d->what.kind, err);
}

static int diff_reads(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct diff *)conf)->what.reads = true;
    return 0;
}

static int diff_file(void *conf, const char *word, struct err *err)
{
    struct diff *d = (struct diff *)conf;

    if (d->n == ARRAY_SIZE(d->path))
        return err_set(err, EINVAL, "two traces are compared: '%s' is too many", word);
    d->path[d->n++] = word;
    return 0;
}

const struct opt trace_diff_opts[] = {
    {"--device", "NAME", "only this device (disk0, net0, ...)", diff_device, false},
    {"--kind", "WORD[,WORD]",
     "compare these kinds of records, as in show, instead of writes to registers and states",
     diff_kind, true},
    {"--reads", NULL, "compare reads of registers, too", diff_reads, false},
    {NULL, NULL, NULL, NULL, false},
};

static int64_t diff_run(struct diff *d, struct err *err)
{
    struct trace_file *a, *b = NULL;
    int64_t ret = -EINVAL;

    if (d->n != ARRAY_SIZE(d->path))
        return err_set(err, EINVAL, "usage: vmm trace diff A B [OPTIONS]");
    if (!d->kinds)
        trace_kinds("write,pci-write,state", d->what.kind, NULL);
    a = trace_file_open(d->path[0], err);
    if (a)
        b = trace_file_open(d->path[1], err);
    if (b && d->what.device && trace_file_find(a, d->what.device) < 0 &&
        trace_file_find(b, d->what.device) < 0)
        err_set(err, ENOENT, "neither trace has a device '%s'", d->what.device);
    else if (b)
        ret = trace_diff_print(a, b, &d->what, stdout);
    if (ret == -ENOMEM)
        err_errno(err, ENOMEM, "comparing");
    trace_file_close(a);
    trace_file_close(b);
    return ret;
}

int trace_diff(int argc, char **argv)
{
    struct diff d = {.n = 0};
    struct err err = {""};
    int64_t ret = opts_parse(trace_diff_opts, argc, argv, &d, diff_file, &err);

    if (ret == 0)
        ret = diff_run(&d, &err);
    if (ret < 0) {
        log_msg(LOG_ERROR, "%s", err.text);
        return 1;
    }
    return ret ? TRACE_DIFFERS : 0;
}
