// SPDX-License-Identifier: MIT
/*
 * Owns the walk through the trace of a boot, and the figures of the machine as a whole. Refuses to
 * know devices (compare-device.c) and requests (compare-request.c).
 */
#include "vmm/compare-collect.h"

#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/bits.h"
#include "vmm/vcpu.h"

enum { DEVICES = 64 };

struct walk {
    const struct trace_file *f;
    const struct collect_boot *boot;
    struct figures *to;
    struct seen seen[DEVICES];
    unsigned n;
    uint8_t slot[1 << 16]; /* of a source: index + 1; 0: no device */
    uint64_t exits[VCPU_EXITS], exit_ns;
    uint64_t start, pci; /* times in the trace; UINT64_MAX: never */
};

static struct seen *seen_of(struct walk *w, unsigned source)
{
    return source < ARRAY_SIZE(w->slot) && w->slot[source] ? &w->seen[w->slot[source] - 1] : NULL;
}

static void devices_find(struct walk *w)
{
    struct trace_rec rec;
    char buf[32];

    for (size_t i = 0; i < trace_file_defines(w->f); i++) {
        struct seen *s;

        trace_file_define(w->f, i, &rec);
        if (rec.point != TRACE_DEVICE || w->n == DEVICES || w->slot[rec.source])
            continue;
        s = &w->seen[w->n++];
        w->slot[rec.source] = (uint8_t)w->n;
        s->source = rec.source;
        snprintf(s->name, sizeof(s->name), "%s", trace_file_source(w->f, rec.source, buf));
        s->requests = requests_new();
        w->to->failed |= !s->requests;
    }
    for (size_t i = 0; i < trace_file_defines(w->f); i++) {
        struct seen *s;

        trace_file_define(w->f, i, &rec);
        s = seen_of(w, rec.source);
        if (s)
            seen_define(s, w->f, &rec, w->to);
    }
}

static void machine_take(struct walk *w, const struct trace_rec *rec)
{
    if (rec->point == TRACE_START)
        w->start = min_u64(w->start, rec->time);
    if (rec->point == TRACE_PCI_READ)
        w->pci = min_u64(w->pci, rec->time);
    if (rec->point != TRACE_EXIT || rec->value[0] >= VCPU_EXITS)
        return;
    w->exits[rec->value[0]]++;
    w->exit_ns += rec->value[2];
}

static void rec_take(struct walk *w, const struct trace_rec *rec)
{
    struct seen *s = seen_of(w, rec->source);

    if (rec->point >= TRACE_POINTS)
        return;
    machine_take(w, rec);
    if (!s)
        return;
    switch (trace_info[rec->point].class) {
    case TRACE_CLASS_REGISTER:
    case TRACE_CLASS_PCI:
        seen_access(s, w->f, rec);
        break;
    case TRACE_CLASS_STATE:
        seen_state(s, rec);
        break;
    default:
        break;
    }
    if (s->requests)
        requests_take(s->requests, rec);
}

/* From the trace's clock to that of the process. */
static uint64_t trace_start(const struct walk *w)
{
    const uint64_t wall = trace_file_wall(w->f);

    return wall > w->boot->wall ? wall - w->boot->wall : 0;
}

static void time_figure(const struct walk *w, const char *name, uint64_t time)
{
    const struct figure_place at = {"", "time", RANK_TIME};

    if (time && time != UINT64_MAX)
        figures_number(w->to, &at, name, UNIT_NS, (double)time);
}

static uint64_t all_ready(const struct walk *w)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < w->n; i++)
        if (w->seen[i].ready && w->seen[i].driver_ok > last)
            last = w->seen[i].driver_ok;
    return last ? trace_start(w) + last : 0;
}

/* Its vCPUs together, under KVM's names. */
static void kvm_figures(const struct walk *w)
{
    const struct figure_place at = {"", "exits, as KVM counts", RANK_KVM};
    struct trace_rec rec;

    for (size_t i = 0; i < trace_file_defines(w->f); i++) {
        char name[FIGURE_NAME];

        trace_file_define(w->f, i, &rec);
        if (rec.point != TRACE_KVM_COUNT || !rec.value[1])
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)rec.n_bytes, (const char *)rec.bytes);
        figures_count(w->to, &at, name, (double)rec.value[1]);
    }
}

static void machine_figures(const struct walk *w)
{
    const struct figure_place at = {"", "exits to vmm", RANK_EXITS};
    uint64_t sum = 0;

    if (w->start != UINT64_MAX)
        time_figure(w, "first instruction", trace_start(w) + w->start);
    if (w->pci != UINT64_MAX)
        time_figure(w, "kernel looks at PCI", trace_start(w) + w->pci);
    time_figure(w, "first console output", w->boot->first_output);
    time_figure(w, "last DRIVER_OK", all_ready(w));
    time_figure(w, "text on the console", w->boot->until);
    time_figure(w, "end", w->boot->end);
    for (unsigned i = 0; i < VCPU_EXITS; i++) {
        sum += w->exits[i];
        if (w->exits[i])
            figures_number(w->to, &at, vcpu_exit_name[i], UNIT_COUNT, (double)w->exits[i]);
    }
    figures_number(w->to, &at, "all", UNIT_COUNT, (double)sum);
    figures_number(w->to, &at, "time in vmm for them", UNIT_NS, (double)w->exit_ns);
    if (trace_file_lost(w->f))
        figures_number(w->to, &at, "records lost", UNIT_COUNT, (double)trace_file_lost(w->f));
    kvm_figures(w);
}

void compare_collect(const struct trace_file *f, const struct collect_boot *boot,
                     struct figures *to)
{
    struct walk *w = calloc(1, sizeof(*w));
    struct trace_rec rec;

    if (!w) {
        to->failed = true;
        return;
    }
    w->f = f;
    w->boot = boot;
    w->to = to;
    w->start = w->pci = UINT64_MAX;
    devices_find(w);
    for (size_t i = 0; i < trace_file_count(f); i++) {
        trace_file_get(f, i, &rec);
        rec_take(w, &rec);
    }
    machine_figures(w);
    for (unsigned i = 0; i < w->n; i++) {
        seen_figures(&w->seen[i], f, trace_start(w), to);
        figures_free(&w->seen[i].early);
        figures_free(&w->seen[i].lint);
        figures_free(&w->seen[i].accesses);
        figures_free(&w->seen[i].registers);
        requests_free(w->seen[i].requests);
    }
    free(w);
}
