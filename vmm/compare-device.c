// SPDX-License-Identifier: MIT
/*
 * Owns the figures of how a driver found and set up a device: identity, features, steps, registers.
 * Refuses to know rings and requests.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/vdev.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/compare-collect.h"
#include "vmm/trace-text.h"

/* ---- identity ---- */

static void identity(struct seen *s, const struct trace_rec *rec, struct figures *to)
{
    const struct figure_place at = {s->name, "identity", RANK_IDENTITY};
    const uint64_t *v = rec->value;

    snprintf(s->type, sizeof(s->type), "%.*s", (int)rec->n_bytes, (const char *)rec->bytes);
    figures_text(to, &at, "type", "%s", s->type);
    figures_text(to, &at, "PCI id", "%04" PRIx64 ":%04" PRIx64, v[0], v[1]);
    figures_text(to, &at, "revision", "%" PRIu64, v[2]);
    figures_text(to, &at, "class", "%06" PRIx64, v[3]);
    figures_text(to, &at, "subsystem", "%04" PRIx64 ":%04" PRIx64, v[4], v[5]);
}

/* "modern + old", each once. The MSI-X table is no interface, nor are the modern doorbells
 * in ports. */
static void interface_add(char list[48], const char *word)
{
    const size_t n = strlen(list);
    const bool part = strcmp(word, "msix") == 0 || strcmp(word, "doorbells") == 0;

    if (!part && !strstr(list, word))
        snprintf(list + n, 48 - n, "%s%s", n ? " + " : "", word);
}

static void bar_place(const struct seen *s, const struct trace_file *f, const struct trace_rec *rec,
                      struct figures *to)
{
    const struct figure_place at = {s->name, "identity", RANK_IDENTITY};
    const char *use = trace_file_bar(f, s->source, rec->value[0]);
    char name[FIGURE_NAME], size[FIGURE_TEXT];

    snprintf(name, sizeof(name), "BAR%" PRIu64 ", %.20s", rec->value[0], use ? use : "?");
    number_text(UNIT_BYTES, (double)rec->value[1], size);
    figures_text(to, &at, name, "%.*s %s", (int)rec->n_bytes, (const char *)rec->bytes, size);
    snprintf(name, sizeof(name), "BAR%" PRIu64 " at", rec->value[0]);
    figures_text(to, &at, name, "0x%" PRIx64, rec->value[2]);
}

/* ---- lint ---- */

/* What a rule is about, or "": it is of another version. */
static const char *rule_seen(const char *id)
{
    for (unsigned i = 0; i < LINT_RULES; i++)
        if (strcmp(lint_rules[i].id, id) == 0)
            return lint_rules[i].seen;
    return "";
}

static void finding(struct seen *s, const struct trace_rec *rec)
{
    const struct figure_place at = {s->name, "lint", RANK_LINT};
    char id[FIGURE_NAME / 2], name[FIGURE_NAME];

    snprintf(id, sizeof(id), "%.*s", (int)rec->n_bytes, (const char *)rec->bytes);
    snprintf(name, sizeof(name), "%s %s", id, rule_seen(id));
    figures_number(&s->lint, &at, name, UNIT_COUNT, (double)rec->value[0]);
}

void seen_define(struct seen *s, const struct trace_file *f, const struct trace_rec *rec,
                 struct figures *to)
{
    char name[TRACE_WORD];

    if (rec->point == TRACE_IDENTITY)
        identity(s, rec, to);
    if (rec->point == TRACE_BAR_PLACE)
        bar_place(s, f, rec, to);
    if (rec->point == TRACE_LINT_COUNT)
        finding(s, rec);
    if (rec->point == TRACE_BAR && rec->n_bytes < sizeof(name)) {
        snprintf(name, sizeof(name), "%.*s", (int)rec->n_bytes, (const char *)rec->bytes);
        interface_add(s->has, name);
    }
    if (rec->point == TRACE_DEVICE) {
        s->offered[0] = rec->value[3];
        s->offered[1] = rec->value[4];
    }
}

/* ---- features ---- */

static bool bit_in(const uint64_t set[2], uint64_t bit)
{
    return bit < 128 && set[bit / 64] >> (bit % 64) & 1;
}

static unsigned bits_of(const uint64_t set[2])
{
    return (unsigned)(__builtin_popcountll(set[0]) + __builtin_popcountll(set[1]));
}

/* What an interface before 1.0 offers for itself: no device knows them. */
static const struct {
    uint8_t bit;
    const char *name;
} added[] = {{24, "notify_on_empty"}, {27, "any_layout"}};

/* As far as the driver is concerned. */
struct sets {
    uint64_t offered[2], accepted[2];
};

static void feature(const struct seen *s, const struct sets *sets, uint64_t bit, const char *name,
                    struct figures *to)
{
    const struct figure_place at = {s->name, "features", RANK_FEATURES};
    const bool accepted = bit_in(sets->accepted, bit);

    if (accepted || bit_in(sets->offered, bit))
        figures_text(to, &at, name, "%s", accepted ? "accepted" : "offered");
}

/* The driver knows of those only that its interface shows. */
static struct sets sets_of(const struct seen *s)
{
    struct sets sets;

    for (unsigned i = 0; i < 2; i++) {
        sets.offered[i] = s->looked ? s->bits[SEEN_DEVICE][i] : s->offered[i];
        sets.accepted[i] =
            s->accepted[i] | (s->bits[SEEN_DRIVER][i] & sets.offered[i] & ~s->offered[i]);
    }
    return sets;
}

static void features(const struct seen *s, const struct trace_file *f, struct figures *to)
{
    const struct figure_place at = {s->name, "features", RANK_FEATURES};
    const struct sets sets = sets_of(s);
    struct trace_rec rec;

    figures_number(to, &at, "offered", UNIT_COUNT, bits_of(sets.offered));
    figures_number(to, &at, "accepted", UNIT_COUNT, bits_of(sets.accepted));
    for (size_t i = 0; i < trace_file_defines(f); i++) {
        char name[FIGURE_NAME];

        trace_file_define(f, i, &rec);
        if (rec.point != TRACE_FEATURE || rec.source != s->source)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)rec.n_bytes, (const char *)rec.bytes);
        feature(s, &sets, rec.value[0], name, to);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(added); i++)
        if (!bit_in(s->offered, added[i].bit))
            feature(s, &sets, added[i].bit, added[i].name, to);
}

enum feature_does { SELECTS, SELECTED, FIRST };

static const struct feature_reg {
    const char *name;
    bool write;
    enum seen_side side;
    enum feature_does does;
} feature_regs[] = {
    {"device_feature_select", true, SEEN_DEVICE, SELECTS},
    {"device_feature", false, SEEN_DEVICE, SELECTED},
    {"device_features", false, SEEN_DEVICE, FIRST},
    {"driver_feature_select", true, SEEN_DRIVER, SELECTS},
    {"driver_feature", true, SEEN_DRIVER, SELECTED},
    {"driver_features", true, SEEN_DRIVER, FIRST},
};

static void feature_bits(struct seen *s, const struct feature_reg *reg, uint32_t v)
{
    const unsigned word = reg->does == FIRST ? 0 : s->select[reg->side];
    uint64_t *bits = &s->bits[reg->side][(word / 2) & 1];

    if (word >= 4)
        return;
    *bits &= ~((uint64_t)UINT32_MAX << (word % 2 * 32));
    *bits |= (uint64_t)v << (word % 2 * 32);
    s->looked |= reg->side == SEEN_DEVICE;
}

/* A whole one of these was read or written. */
static void feature_access(struct seen *s, const char *name, const struct trace_rec *rec)
{
    const bool write = rec->point == TRACE_WRITE;

    for (unsigned i = 0; rec->value[1] == 4 && i < ARRAY_SIZE(feature_regs); i++) {
        const struct feature_reg *reg = &feature_regs[i];

        if (reg->write != write || strcmp(reg->name, name) != 0)
            continue;
        if (reg->does == SELECTS)
            s->select[reg->side] = (uint32_t)rec->value[2];
        else
            feature_bits(s, reg, (uint32_t)rec->value[2]);
    }
}

/* ---- steps ---- */

static void step(struct seen *s, const char *name, uint64_t time)
{
    if (s->ready || !s->touched || s->n_steps == SEEN_STEPS)
        return;
    snprintf(s->step[s->n_steps].name, sizeof(s->step[0].name), "%s", name);
    s->step[s->n_steps++].after = time - s->first_touch;
}

static void status(struct seen *s, const struct trace_rec *rec)
{
    const uint64_t fresh = rec->value[1] & ~rec->value[0];

    for (const struct vdev_status *row = vdev_status; row->bit; row++)
        if (fresh & row->bit)
            step(s, row->name, rec->time);
    s->settled |= (fresh & VIRTIO_S_FEATURES_OK) != 0;
    if (!(fresh & VIRTIO_S_DRIVER_OK) || s->ready)
        return;
    s->ready = true;
    s->driver_ok = rec->time;
}

void seen_state(struct seen *s, const struct trace_rec *rec)
{
    char name[24];

    if (rec->point == TRACE_STATUS)
        status(s, rec);
    if (rec->point == TRACE_RESET)
        step(s, "reset", rec->time);
    if (rec->point == TRACE_FEATURES && rec->value[2]) {
        s->accepted[0] = rec->value[0];
        s->accepted[1] = rec->value[1];
    }
    if (rec->point != TRACE_QUEUE || rec->value[4] || rec->queue >= SEEN_QUEUES)
        return;
    s->queue[rec->queue].size = rec->value[0];
    s->queue[rec->queue].desc = rec->value[1];
    s->queue[rec->queue].driver = rec->value[2];
    s->queue[rec->queue].device = rec->value[3];
    snprintf(name, sizeof(name), "queue %u set up", rec->queue);
    step(s, name, rec->time);
}

/* ---- registers ---- */

/* Without the byte of it that was read. */
static void register_name(const struct trace_file *f, const struct trace_rec *rec,
                          char name[TRACE_WORD])
{
    char *plus;

    trace_register(f, rec, name);
    plus = strrchr(name, '+');
    if (plus && rec->value[0] >> 32)
        *plus = '\0';
}

static bool register_is_config(const struct trace_file *f, const struct trace_rec *rec)
{
    const struct trace_table *t = trace_file_table(f, rec->value[0] >> 32);
    const char *end = t && t->name ? strstr(t->name, "config") : NULL;

    return end && strcmp(end, "config") == 0;
}

static void config_early(struct seen *s, const char *name)
{
    const struct figure_place at = {s->name, "driver", RANK_DRIVER};
    char row[FIGURE_NAME];

    s->config_early++;
    snprintf(row, sizeof(row), "  of %.40s", name);
    figures_count(&s->early, &at, row, 1);
}

static void register_access(struct seen *s, const struct trace_file *f, const struct trace_rec *rec)
{
    char via[TRACE_WORD], name[TRACE_WORD], section[FIGURE_SECTION], row[FIGURE_NAME];
    const bool write = rec->point == TRACE_WRITE;
    struct figure_place at = {s->name, "accesses", RANK_ACCESSES};

    trace_interface(f, rec, via);
    interface_add(s->via, via);
    snprintf(row, sizeof(row), "%.32s %s", via, write ? "writes" : "reads");
    figures_count(&s->accesses, &at, row, 1);
    if (!(rec->value[0] >> 32))
        return; /* nothing there has a name */
    register_name(f, rec, name);
    snprintf(section, sizeof(section), "registers, %.16s", via);
    snprintf(row, sizeof(row), "%.40s, %s", name, write ? "written" : "read");
    at = (struct figure_place){s->name, section, RANK_REGISTERS};
    figures_count(&s->registers, &at, row, 1);
    feature_access(s, name, rec);
    if (!write && !s->settled && register_is_config(f, rec))
        config_early(s, name);
    /* before 1.0 this is all the agreement there is */
    s->settled |= write && strcmp(name, "driver_features") == 0;
}

void seen_access(struct seen *s, const struct trace_file *f, const struct trace_rec *rec)
{
    const struct figure_place at = {s->name, "accesses", RANK_ACCESSES};

    if (rec->point == TRACE_PCI_READ || rec->point == TRACE_PCI_WRITE) {
        figures_count(&s->accesses, &at,
                      rec->point == TRACE_PCI_READ ? "PCI configuration reads"
                                                   : "PCI configuration writes",
                      1);
        return;
    }
    if (!s->touched)
        s->first_touch = rec->time;
    s->touched = true;
    register_access(s, f, rec);
}

/* ---- all ---- */

static void figures_append(struct figures *to, const struct figures *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct figure *f = &from->list[i];
        const struct figure_place at = {f->device, f->section, f->rank};

        figures_number(to, &at, f->name, f->unit, f->number);
    }
    to->failed |= from->failed;
}

static void steps(const struct seen *s, uint64_t start, struct figures *to)
{
    const struct figure_place at = {s->name, "driver", RANK_DRIVER};

    if (!s->touched)
        return;
    figures_number(to, &at, "first touch", UNIT_NS, (double)(start + s->first_touch));
    for (unsigned i = 0; i < s->n_steps; i++) {
        char name[FIGURE_NAME];

        snprintf(name, sizeof(name), "+ %s", s->step[i].name);
        if (!figures_find(to, s->name, at.section, name))
            figures_number(to, &at, name, UNIT_NS, (double)s->step[i].after);
    }
    figures_number(to, &at, "config reads before FEATURES_OK", UNIT_COUNT, s->config_early);
    figures_append(to, &s->early);
}

void seen_figures(struct seen *s, const struct trace_file *f, uint64_t start, struct figures *to)
{
    struct figure_place at = {s->name, "identity", RANK_IDENTITY};

    figures_text(to, &at, "interfaces", "%s", s->has[0] ? s->has : "?");
    figures_text(to, &at, "driven through", "%s", s->via[0] ? s->via : "nothing");
    if (s->touched)
        features(s, f, to);
    steps(s, start, to);
    seen_rings(s, to);
    if (s->requests && s->touched)
        requests_figures(s->requests, s->name, to);
    at.section = "lint";
    at.rank = RANK_LINT;
    figures_number(to, &at, "rules broken", UNIT_COUNT, (double)s->lint.n);
    figures_append(to, &s->lint);
    figures_append(to, &s->accesses);
    figures_append(to, &s->registers);
}
