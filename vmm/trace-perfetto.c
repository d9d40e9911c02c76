// SPDX-License-Identifier: MIT
/*
 * Owns the events of Chrome's trace format and which record becomes which. Refuses to read files
 * (trace-read.h) and to name registers (trace-text.h).
 */
#include "vmm/trace-perfetto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/trace-text.h"

/* Numbers of processes: the processors, then devices by their source. */
enum { PID_CPUS = 1, PID_DEVICE = 2, TID_REGISTERS = 1, TID_QUEUE = 2, OPEN_FIRST = 1024 };

/* Numbers that are not 0. */
struct set {
    uint64_t *key; /* 0: free */
    size_t n, cap; /* cap: a power of two */
};

struct out {
    const struct trace_file *f;
    FILE *to;
    bool any;
    int error;
    struct set open;          /* requests that the device has: source, queue and id */
    struct set named;         /* tracks that have a name */
    uint32_t opened[1 << 16]; /* how many are open, by source */
};

/* ---- the set ---- */

static uint64_t key_of(const struct trace_rec *rec)
{
    return UINT64_C(1) << 63 | (uint64_t)rec->source << 32 | (uint64_t)rec->queue << 16 |
           (uint16_t)rec->value[0];
}

static size_t slot_of(const struct set *s, uint64_t key)
{
    size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (s->cap - 1);

    while (s->key[i] && s->key[i] != key)
        i = (i + 1) & (s->cap - 1);
    return i;
}

static bool set_grow(struct set *s)
{
    struct set more = {.cap = s->cap ? 2 * s->cap : OPEN_FIRST, .n = s->n};

    more.key = calloc(more.cap, sizeof(more.key[0]));
    if (!more.key)
        return false;
    for (size_t i = 0; i < s->cap; i++)
        if (s->key[i])
            more.key[slot_of(&more, s->key[i])] = s->key[i];
    free(s->key);
    *s = more;
    return true;
}

/* false: it is in already, or no memory */
static bool set_add(struct set *s, uint64_t key)
{
    size_t i;

    if (2 * (s->n + 1) > s->cap && !set_grow(s))
        return false;
    i = slot_of(s, key);
    if (s->key[i])
        return false;
    s->key[i] = key;
    s->n++;
    return true;
}

/* Those behind it in its row may have to move up. */
static bool set_del(struct set *s, uint64_t key)
{
    size_t i = s->cap ? slot_of(s, key) : 0;

    if (!s->cap || !s->key[i])
        return false;
    s->key[i] = 0;
    s->n--;
    for (i = (i + 1) & (s->cap - 1); s->key[i]; i = (i + 1) & (s->cap - 1)) {
        const uint64_t moved = s->key[i];

        s->key[i] = 0;
        s->key[slot_of(s, moved)] = moved;
    }
    return true;
}

/* ---- events ---- */

/* Takes e over. */
static void put(struct out *o, json_t *e)
{
    if (!e) {
        o->error = -ENOMEM;
        return;
    }
    fputs(o->any ? ",\n" : "\n", o->to);
    o->any = true;
    if (json_dumpf(e, o->to, JSON_COMPACT) < 0)
        o->error = -EIO;
    json_decref(e);
}

/* Microseconds, as the format has them. */
static double micros(uint64_t ns)
{
    return (double)ns / 1000;
}

static int pid_of(unsigned source)
{
    return (int)source + PID_DEVICE;
}

static int tid_of(uint16_t queue)
{
    return queue == TRACE_NO_QUEUE ? TID_REGISTERS : queue + TID_QUEUE;
}

static void name_put(struct out *o, const char *what, int pid, int tid, const char *name)
{
    put(o, json_pack("{s:s,s:s,s:i,s:i,s:{s:s}}", "ph", "M", "name", what, "pid", pid, "tid", tid,
                     "args", "name", name));
}

/* One end of a span; args is taken over. */
static void span_put(struct out *o, const char *ph, uint64_t key, uint64_t ns, json_t *args)
{
    const unsigned source = (key >> 32) & 0xffff, queue = (key >> 16) & 0xffff;
    char name[TRACE_WORD], id[TRACE_WORD];

    snprintf(name, sizeof(name), "queue %u", queue);
    snprintf(id, sizeof(id), "%u.%u.%u", source, queue, (unsigned)(key & 0xffff));
    put(o, json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:f,s:o}", "ph", ph, "cat", "request", "name", name,
                     "id", id, "pid", pid_of(source), "tid", tid_of((uint16_t)queue), "ts",
                     micros(ns), "args", args));
}

static void span_end(struct out *o, uint64_t key, uint64_t ns, json_t *args)
{
    o->opened[(key >> 32) & 0xffff]--;
    span_put(o, "e", key, ns, args);
}

static void pop_put(struct out *o, const struct trace_rec *rec)
{
    const uint64_t key = key_of(rec);

    if (set_del(&o->open, key)) /* its end was lost */
        span_end(o, key, rec->time, json_pack("{s:b}", "lost", 1));
    if (!set_add(&o->open, key))
        return;
    o->opened[rec->source]++;
    span_put(o, "b", key, rec->time,
             json_pack("{s:I,s:I,s:I}", "id", (json_int_t)rec->value[0], "out",
                       (json_int_t)rec->value[1], "in", (json_int_t)rec->value[2]));
}

static void push_put(struct out *o, const struct trace_rec *rec)
{
    if (set_del(&o->open, key_of(rec)))
        span_end(o, key_of(rec), rec->time,
                 json_pack("{s:I}", "written", (json_int_t)rec->value[1]));
}

/* A reset, of all queues or one: what was not used never will be. */
static void reset_put(struct out *o, const struct trace_rec *rec)
{
    const bool all = rec->queue == TRACE_NO_QUEUE;
    const uint64_t mask = all ? UINT64_C(0xffff) << 32 : UINT64_C(0xffffffff) << 16;
    const uint64_t want = (uint64_t)rec->source << 32 | (all ? 0 : (uint64_t)rec->queue << 16);

    for (size_t i = 0; o->opened[rec->source] && i < o->open.cap; i++)
        while (o->open.key[i] && (o->open.key[i] & mask) == want) {
            const uint64_t key = o->open.key[i];

            set_del(&o->open, key);
            span_end(o, key, rec->time, json_pack("{s:b}", "reset", 1));
        }
}

static int cpu_tid(const struct out *o, const struct trace_rec *rec)
{
    return (int)(trace_file_cpu(o->f, rec->thread) & 0xffff) + 1;
}

static void exit_put(struct out *o, const struct trace_rec *rec)
{
    const uint64_t start = rec->time > rec->value[2] ? rec->time - rec->value[2] : 0;
    char name[TRACE_WORD], address[TRACE_WORD];

    trace_value(o->f, rec, 0, name);
    trace_value(o->f, rec, 1, address);
    put(o, json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:f,s:{s:s}}", "ph", "X", "cat", "exit", "name",
                     name, "pid", PID_CPUS, "tid", cpu_tid(o, rec), "ts", micros(start), "dur",
                     micros(rec->time - start), "args", "address", address));
}

/* What an instant is called: "write device_status", "DRIVER_OK", "interrupt". */
static void instant_name(const struct out *o, const struct trace_rec *rec, char buf[TRACE_LINE])
{
    char kind[TRACE_WORD], word[TRACE_WORD];

    snprintf(buf, TRACE_LINE, "%s", trace_kind(rec, kind));
    if (rec->point >= TRACE_POINTS)
        return;
    if (trace_info[rec->point].class != TRACE_CLASS_REGISTER &&
        trace_info[rec->point].class != TRACE_CLASS_PCI && rec->point != TRACE_STATUS)
        return;
    trace_value(o->f, rec, rec->point == TRACE_STATUS ? 1 : 0, word);
    snprintf(buf, TRACE_LINE, "%s %s", trace_kind(rec, kind), word);
}

static void instant_put(struct out *o, const struct trace_rec *rec)
{
    const bool known = rec->point < TRACE_POINTS;
    char name[TRACE_LINE], text[TRACE_LINE];

    instant_name(o, rec, name);
    trace_line(o->f, rec, text);
    put(o, json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:f,s:{s:s}}", "ph", "i", "s", "t", "cat",
                     known ? trace_class_name[trace_info[rec->point].class] : "other", "name", name,
                     "pid", pid_of(rec->source), "tid", tid_of(rec->queue), "ts", micros(rec->time),
                     "args", "what", text));
}

static void rec_put(struct out *o, const struct trace_rec *rec)
{
    switch (rec->point) {
    case TRACE_POP:
        pop_put(o, rec);
        break;
    case TRACE_PUSH:
        push_put(o, rec);
        break;
    case TRACE_EXIT:
        exit_put(o, rec);
        break;
    case TRACE_EXTENT:
    case TRACE_DATA:
    case TRACE_SPAN:
    case TRACE_EVENT:
        break; /* parts of a request, of use to a replay only */
    case TRACE_RESET_DONE:
    case TRACE_QUEUE_OFF:
        reset_put(o, rec);
        instant_put(o, rec);
        break;
    default:
        instant_put(o, rec);
        break;
    }
}

/* ---- names of tracks ---- */

static void cpu_name(struct out *o, const struct trace_rec *rec)
{
    char name[32];

    if (set_add(&o->named, UINT64_C(1) << 63 | UINT64_C(1) << 62 | rec->thread))
        name_put(o, "thread_name", PID_CPUS, cpu_tid(o, rec),
                 trace_file_thread(o->f, rec->thread, name));
}

static void device_name(struct out *o, const struct trace_rec *rec)
{
    const uint64_t device = UINT64_C(1) << 63 | (uint64_t)rec->source << 32;
    char name[TRACE_WORD];

    if (set_add(&o->named, device))
        name_put(o, "process_name", pid_of(rec->source), 0,
                 trace_file_source(o->f, rec->source, name));
    if (!set_add(&o->named, device | (uint64_t)rec->queue << 16 | 1))
        return;
    snprintf(name, sizeof(name), "queue %u", rec->queue);
    name_put(o, "thread_name", pid_of(rec->source), tid_of(rec->queue),
             rec->queue == TRACE_NO_QUEUE ? "registers" : name);
}

static void tracks_name(struct out *o)
{
    struct trace_rec rec;

    name_put(o, "process_name", PID_CPUS, 0, "processors");
    for (size_t i = 0; i < trace_file_count(o->f); i++) {
        trace_file_get(o->f, i, &rec);
        if (rec.point == TRACE_EXIT)
            cpu_name(o, &rec);
        else
            device_name(o, &rec);
    }
}

int trace_perfetto_write(const struct trace_file *f, FILE *to)
{
    struct out *o = calloc(1, sizeof(*o));
    struct trace_rec rec;
    int ret;

    if (!o)
        return -ENOMEM;
    o->f = f;
    o->to = to;
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", to);
    tracks_name(o);
    for (size_t i = 0; i < trace_file_count(f) && !o->error && !ferror(to); i++) {
        trace_file_get(f, i, &rec);
        rec_put(o, &rec);
    }
    fputs("\n]}\n", to);
    ret = o->error ? o->error : ferror(to) ? -EIO : 0;
    free(o->open.key);
    free(o->named.key);
    free(o);
    return ret;
}

int trace_perfetto(int argc, char **argv)
{
    struct err err = {""};
    struct trace_file *f;
    FILE *to;
    int ret;

    if (argc != 3) {
        log_msg(LOG_ERROR, "usage: vmm trace perfetto FILE OUT");
        return 1;
    }
    f = trace_file_open(argv[1], &err);
    if (!f) {
        log_msg(LOG_ERROR, "%s", err.text);
        return 1;
    }
    to = strcmp(argv[2], "-") == 0 ? stdout : fopen(argv[2], "we");
    ret = to ? trace_perfetto_write(f, to) : -errno;
    if (to && (to == stdout ? fflush(to) : fclose(to)) && !ret)
        ret = -errno;
    if (ret < 0)
        log_msg(LOG_ERROR, "%s: %s", argv[2], strerror(-ret));
    trace_file_close(f);
    return ret < 0;
}
