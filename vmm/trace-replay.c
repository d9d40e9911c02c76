// SPDX-License-Identifier: MIT
/*
 * Owns the replay as a whole: its devices, its report, the command. Refuses to know how the machine
 * is made (trace-replay-machine.c) and what is done with a record (trace-replay-state.c, -queue.c).
 */
#include "vmm/trace-replay.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/trace-replay-internal.h"
#include "vmm/trace-text.h"

enum {
    SOURCES = 1 << 16,
    DIFFERENCES = 40, /* that are printed */
    BALLOON_STATS = 2,
};

void replay_differs(struct replay *r, const char *fmt, ...)
{
    char kind[TRACE_WORD], source[32], text[300], queue[16] = "";
    va_list ap;

    if (r->counts->differences++ >= r->most)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (r->rec->queue != TRACE_NO_QUEUE)
        snprintf(queue, sizeof(queue), " queue %u", r->rec->queue);
    fprintf(r->to, "%4llu.%09llu  %s%s %s: %s\n", (unsigned long long)(r->rec->time / 1000000000),
            (unsigned long long)(r->rec->time % 1000000000),
            trace_file_source(r->f, r->rec->source, source), queue, trace_kind(r->rec, kind), text);
}

static struct line *line_at(const struct place *p, uint16_t queue)
{
    return p->vpci && queue < p->vpci->dev->n_queues ? &p->line[queue] : NULL;
}

static void replay_record(struct replay *r, const struct trace_rec *rec)
{
    struct place *p = &r->place[rec->source];
    struct line *l = line_at(p, rec->queue);

    r->rec = rec;
    if (l)
        replay_queue(r, p, l);
    else
        replay_state(r, p);
}

/* ---- making and freeing ---- */

/* Queues whose buffers the host fills when it has something. */
static bool fills_itself(const struct vdev *dev, unsigned queue)
{
    switch (dev->type->id) {
    case VIRTIO_ID_NET:
        return queue % 2 == 0 && queue + 1 < dev->n_queues;
    case VIRTIO_ID_CONSOLE:
        return queue % 2 == 0;
    case VIRTIO_ID_BALLOON:
        return queue == BALLOON_STATS; /* statistics: asked for from outside */
    default:
        return false;
    }
}

static int place_fill(struct replay *r, struct part *part, struct err *err)
{
    const int source = trace_file_find(r->f, part->name);
    const struct vdev *dev = part->vpci->dev;
    struct place *p = source > 0 ? &r->place[source] : NULL;

    if (!p)
        return 0; /* the recording does not have it */
    p->part = part;
    p->vpci = part->vpci;
    p->func = &part->vpci->func;
    p->line = calloc(dev->n_queues ? dev->n_queues : 1, sizeof(p->line[0]));
    if (!p->line)
        return err_errno(err, ENOMEM, "%s", part->name);
    for (unsigned i = 0; i < dev->n_queues; i++) {
        p->line[i].by_host = fills_itself(dev, i);
        p->line[i].tables = r->scratch;
        r->scratch += (uint64_t)dev->vq[i].max * REPLAY_PIECES * VIRTQ_DESC_BYTES;
    }
    return 0;
}

/* Is the device that was made the one that was recorded? */
static void device_compare(struct replay *r, const struct part *part)
{
    const struct vdev *dev = part->vpci->dev;
    const struct regs *config = dev->type->config;
    const uint64_t offered = (uint64_t)dev->offered.word[1] << 32 | dev->offered.word[0];
    struct trace_rec rec;

    if (!replay_device(r->f, part->name, &rec))
        return;
    r->rec = &rec;
    if (rec.value[0] != dev->type->id || rec.value[1] != part->vpci->func.devfn ||
        rec.value[2] != dev->n_queues)
        replay_differs(r, "it was device %llu with %llu queues at 0x%llx, here %u with %u at 0x%x",
                       (unsigned long long)rec.value[0], (unsigned long long)rec.value[2],
                       (unsigned long long)rec.value[1], dev->type->id, dev->n_queues,
                       part->vpci->func.devfn);
    if (rec.value[3] != offered)
        replay_differs(r, "it offered 0x%llx, here 0x%llx", (unsigned long long)rec.value[3],
                       (unsigned long long)offered);
    for (unsigned i = 0; config && i < rec.n_bytes && i < config->size; i++) {
        uint8_t byte;

        regs_read(config, part->vpci->dev, &regs_little, i, &byte, 1);
        if (byte != rec.bytes[i])
            replay_differs(r, "byte %u of its configuration was 0x%x, here 0x%x", i, rec.bytes[i],
                           byte);
    }
    r->rec = NULL;
}

static int places_make(struct replay *r, struct err *err)
{
    const struct parts *parts = &r->m->parts;
    const int host = trace_file_find(r->f, "host-bridge");
    int ret = 0;

    r->scratch = r->m->scratch;
    if (host > 0)
        r->place[host].func = pci_func_at(r->m->root, 0);
    for (unsigned i = 0; ret == 0 && i < parts->n; i++)
        if (parts->part[i]->vpci) {
            ret = place_fill(r, parts->part[i], err);
            device_compare(r, parts->part[i]);
        }
    return ret;
}

static void places_free(struct replay *r)
{
    for (unsigned i = 0; r->place && i < SOURCES; i++) {
        struct place *p = &r->place[i];

        for (unsigned q = 0; p->line && q < p->vpci->dev->n_queues; q++) {
            replay_line_clear(&p->line[q]);
            free(p->line[q].building.piece);
            free(p->line[q].batch);
            free(p->line[q].written);
        }
        free(p->line);
    }
    free(r->place);
}

int trace_replay_run(const struct trace_file *f, FILE *to, uint64_t most,
                     struct replay_counts *counts, struct err *err)
{
    struct replay r = {.f = f, .to = to, .most = most, .counts = counts};
    struct trace_rec rec;
    int ret = -ENOMEM;

    *counts = (struct replay_counts){.accesses = 0};
    r.place = calloc(SOURCES, sizeof(r.place[0]));
    r.m = r.place ? replay_machine_new(f, err) : NULL;
    if (r.m)
        ret = places_make(&r, err);
    for (size_t i = 0; ret == 0 && i < trace_file_count(f); i++) {
        trace_file_get(f, i, &rec);
        if (rec.point < TRACE_POINTS)
            replay_record(&r, &rec);
    }
    if (r.m)
        parts_reset(&r.m->parts, clock_ns() + REPLAY_RESET_NS);
    places_free(&r);
    replay_machine_free(r.m);
    return ret;
}

static void counts_print(const struct replay_counts *c, uint64_t most)
{
    if (c->differences > most)
        printf("... and %llu more\n", (unsigned long long)(c->differences - most));
    printf("replayed %llu register accesses, %llu requests, %llu decisions to interrupt\n",
           (unsigned long long)c->accesses, (unsigned long long)c->requests,
           (unsigned long long)c->notices);
    if (c->host)
        printf("not replayed: %llu buffers that the host filled\n", (unsigned long long)c->host);
    if (c->unknown)
        printf("not replayed: %llu requests whose buffers are not in the trace (record with "
               "--trace FILE,replay)\n",
               (unsigned long long)c->unknown);
    printf("%llu differences\n", (unsigned long long)c->differences);
}

int trace_replay(int argc, char **argv)
{
    struct replay_counts counts = {.differences = 0};
    struct err err = {""};
    struct trace_file *f;
    int ret;

    if (argc != 2) {
        log_msg(LOG_ERROR, "usage: vmm trace replay FILE");
        return 1;
    }
    f = trace_file_open(argv[1], &err);
    ret = f ? trace_replay_run(f, stdout, DIFFERENCES, &counts, &err) : -EINVAL;
    if (f && trace_file_lost(f))
        log_msg(LOG_WARN, "trace %s: %llu records were lost; differences may come of that", argv[1],
                (unsigned long long)trace_file_lost(f));
    trace_file_close(f);
    if (ret < 0) {
        log_msg(LOG_ERROR, "%s", err.text);
        return 1;
    }
    counts_print(&counts, DIFFERENCES);
    return counts.differences ? TRACE_DIFFERS : 0;
}
