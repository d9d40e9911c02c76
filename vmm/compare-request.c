// SPDX-License-Identifier: MIT
/*
 * Owns the figures of a device's requests: how many, what they carried, what they cost in doorbells
 * and interrupts, how long they took. Refuses to know registers.
 */
#include <math.h>
#include <stdlib.h>

#include "vmm/compare-collect.h"

struct open {
    uint64_t id, time;
    uint16_t queue;
};

struct requests {
    struct open *open; /* popped and not pushed */
    size_t n_open, open_room;
    double *took; /* nanoseconds */
    size_t n, room;
    uint64_t out, in, kicks, interrupts, suppressed, changes;
    bool failed;
};

struct requests *requests_new(void)
{
    return calloc(1, sizeof(struct requests));
}

void requests_free(struct requests *r)
{
    if (!r)
        return;
    free(r->open);
    free(r->took);
    free(r);
}

static bool room_make(void **list, size_t n, size_t *room, size_t size)
{
    const size_t more = *room ? 2 * *room : 256;
    void *bigger;

    if (n < *room)
        return true;
    bigger = reallocarray(*list, more, size);
    if (!bigger)
        return false;
    *list = bigger;
    *room = more;
    return true;
}

static void pop(struct requests *r, const struct trace_rec *rec)
{
    if (!room_make((void **)&r->open, r->n_open, &r->open_room, sizeof(*r->open))) {
        r->failed = true;
        return;
    }
    r->open[r->n_open++] = (struct open){rec->value[0], rec->time, rec->queue};
    r->out += rec->value[1];
}

/* Oldest first: most end in the order in which they came. */
static void push(struct requests *r, const struct trace_rec *rec)
{
    size_t i = 0;

    while (i < r->n_open && (r->open[i].id != rec->value[0] || r->open[i].queue != rec->queue))
        i++;
    if (i == r->n_open)
        return; /* its beginning was lost */
    if (room_make((void **)&r->took, r->n, &r->room, sizeof(*r->took)))
        r->took[r->n++] = (double)(rec->time - r->open[i].time);
    else
        r->failed = true;
    r->in += rec->value[1];
    for (r->n_open--; i < r->n_open; i++)
        r->open[i] = r->open[i + 1];
}

/* What was open there never ends. */
static void queue_forget(struct requests *r, uint16_t queue)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_open; i++)
        if (r->open[i].queue != queue)
            r->open[n++] = r->open[i];
    r->n_open = n;
}

void requests_take(struct requests *r, const struct trace_rec *rec)
{
    switch (rec->point) {
    case TRACE_POP:
        pop(r, rec);
        break;
    case TRACE_PUSH:
        push(r, rec);
        break;
    case TRACE_KICK:
        r->kicks++;
        break;
    case TRACE_SUPPRESSED:
        r->suppressed++;
        break;
    case TRACE_INTERRUPT:
        *(rec->queue == TRACE_NO_QUEUE ? &r->changes : &r->interrupts) += 1;
        break;
    case TRACE_RESET:
        r->n_open = 0;
        break;
    case TRACE_QUEUE_OFF:
        queue_forget(r, rec->queue);
        break;
    default:
        break;
    }
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void latency_figures(const struct requests *r, const struct figure_place *at,
                            struct figures *to)
{
    double sum = 0;

    qsort(r->took, r->n, sizeof(*r->took), by_number);
    for (size_t i = 0; i < r->n; i++)
        sum += r->took[i];
    figures_number(to, at, "latency, mean", UNIT_NS, sum / (double)r->n);
    figures_number(to, at, "latency, p99", UNIT_NS, r->took[(size_t)ceil(0.99 * (double)r->n) - 1]);
}

void requests_figures(const struct requests *r, const char *device, struct figures *to)
{
    const struct figure_place at = {device, "requests", RANK_REQUESTS};
    const double n = (double)r->n;

    figures_number(to, &at, "requests", UNIT_COUNT, n);
    figures_number(to, &at, "bytes to the device", UNIT_BYTES, (double)r->out);
    figures_number(to, &at, "bytes from the device", UNIT_BYTES, (double)r->in);
    figures_number(to, &at, "doorbells", UNIT_COUNT, (double)r->kicks);
    figures_number(to, &at, "interrupts", UNIT_COUNT, (double)r->interrupts);
    figures_number(to, &at, "interrupts suppressed", UNIT_COUNT, (double)r->suppressed);
    figures_number(to, &at, "configuration interrupts", UNIT_COUNT, (double)r->changes);
    if (r->n) {
        figures_number(to, &at, "doorbells per request", UNIT_RATIO, (double)r->kicks / n);
        figures_number(to, &at, "interrupts per request", UNIT_RATIO, (double)r->interrupts / n);
        latency_figures(r, &at, to);
    }
    to->failed |= r->failed;
}
