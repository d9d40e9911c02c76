// SPDX-License-Identifier: MIT
/*
 * Owns the balloon device: pages that the driver gives up are given to the host, statistics that
 * it sends are kept. Refuses to know who asks for either, and where guest memory comes from.
 *
 * Pages are discarded before their buffer is used and never afterwards (5.5.6.2-d1), so that
 * nothing is left to do when the driver takes them back: they are filled with zeros when touched.
 * What the driver sends may be long; a turn does a part of it, and a chain waits in `now`.
 */
#include "devices/balloon.h"

#include <errno.h>
#include <string.h>

#include "virtio/lint.h"
#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

/* 5.5.3 Feature bits. FREE_PAGE_HINT (3) is for those who move a running guest: nobody here. */
enum {
    BALLOON_F_MUST_TELL_HOST = 0,
    BALLOON_F_STATS_VQ = 1,
    BALLOON_F_DEFLATE_ON_OOM = 2,
    BALLOON_F_PAGE_POISON = 4,
    BALLOON_F_REPORTING = 5,
};

/* 5.5.4 Device configuration layout */
enum { CONFIG_NUM_PAGES = 0, CONFIG_ACTUAL = 4, CONFIG_POISON = 12, CONFIG_BYTES = 16 };

/*
 * 5.5.2 Virtqueues. The text gives 3 to free_page_vq and 4 to reporting_vq, and does not say
 * whether a queue moves up when one before it is missing. Linux counts only those that it uses.
 * Both ways work here: whatever is neither of the first ones is for reports.
 */
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_STATS, QUEUES_PLAIN, QUEUES_ALL = 5 };

enum {
    BALLOON_QUEUE_SIZE = 128,
    PAGE_SHIFT = 12,   /* of page numbers, whatever the pages of guest and host are */
    TURN_UNITS = 4096, /* then others on the loop come first */
    REPORT_SHIFT = 16, /* bytes of a report that cost one unit, as a shift */
    STATS_RECORD_BYTES = 10,
    STATS_RECORDS_MAX = 256 /* of a buffer; there are ten kinds */
};

/* A driver may not know of a target that is newer. */
#define SETTLE_NS UINT64_C(10000000000)

const char *const balloon_stat_name[BALLOON_STATS] = {
    "stat-swap-in",      "stat-swap-out",     "stat-major-faults",     "stat-minor-faults",
    "stat-free-memory",  "stat-total-memory", "stat-available-memory", "stat-disk-caches",
    "stat-htlb-pgalloc", "stat-htlb-pgfail",
};

struct balloon {
    struct balloon_conf conf;
    uint32_t num_pages, actual, poison; /* the configuration */
    bool small;                         /* no new huge pages: they would fill the holes */
    uint64_t discarded, resized_ns;
    struct vq_chain *now[QUEUES_ALL]; /* half done */
    struct vq_chain *held;            /* statistics: given back to ask for more */
    bool stats_begun;                 /* the driver gave a buffer */
    unsigned updates;
    uint64_t stats_ns;
    uint32_t has;
    uint64_t stat[BALLOON_STATS];
};

static struct balloon *balloon_of(const struct vdev *dev)
{
    return (struct balloon *)dev->state;
}

static void huge_allow(struct vdev *dev, bool allow)
{
    struct balloon *b = balloon_of(dev);

    if (b->small != allow)
        return;
    b->small = !allow;
    gmem_huge(dev->mem, allow);
}

/* ---- configuration ---- */

static uint64_t num_pages_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return balloon_of((struct vdev *)ctx)->num_pages;
}

static uint64_t actual_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return balloon_of((struct vdev *)ctx)->actual;
}

static void actual_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct balloon *b = balloon_of((struct vdev *)ctx);

    (void)reg;
    if (b->actual == (uint32_t)v)
        return;
    b->actual = (uint32_t)v;
    if (!b->actual)
        huge_allow((struct vdev *)ctx, true);
    if (b->conf.changed)
        b->conf.changed(b->conf.arg);
}

static uint64_t poison_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return balloon_of((struct vdev *)ctx)->poison;
}

static void poison_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vdev *dev = (struct vdev *)ctx;

    (void)reg;
    if (vdev_offers(dev, BALLOON_F_PAGE_POISON))
        balloon_of(dev)->poison = (uint32_t)v;
}

static const struct reg config_rows[] = {
    {CONFIG_NUM_PAGES, 4, 0, "num_pages", "5.5.4-d1", num_pages_read, NULL},
    {CONFIG_ACTUAL, 4, 0, "actual", "5.5.4-d1", actual_read, actual_write},
    {CONFIG_POISON, 4, 0, "poison_val", "5.5.4-d1", poison_read, poison_write},
};

static const struct regs balloon_config = {
    .name = "virtio_balloon_config",
    .row = config_rows,
    .n = ARRAY_SIZE(config_rows),
    .size = CONFIG_BYTES,
};

/* ---- pages ---- */

/* Pages next to each other, in either direction: one system call for all of them. */
struct run {
    uint64_t first, n;
};

static void run_end(struct vdev *dev, struct run *run)
{
    balloon_of(dev)->discarded +=
        gmem_discard(dev->mem, gpa(run->first << PAGE_SHIFT), run->n << PAGE_SHIFT);
    run->n = 0;
}

static void run_add(struct vdev *dev, struct run *run, uint64_t page)
{
    if (run->n && page == run->first + run->n) {
        run->n++;
    } else if (run->n && page + 1 == run->first) {
        run->first--;
        run->n++;
    } else {
        run_end(dev, run);
        *run = (struct run){page, 1};
    }
}

/* The steps: do some of a chain, pay for it, say whether all is done. */

/* O01: page numbers that are not RAM are passed over. */
static bool inflate_step(struct vdev *dev, struct vq_chain *chain, unsigned *units)
{
    struct run run = {0, 0};
    uint32_t page;
    bool more = true;

    huge_allow(dev, false);
    while (*units && (more = gcur_get32(&chain->out, &page))) {
        run_add(dev, &run, page);
        --*units;
    }
    run_end(dev, &run);
    return !more;
}

static bool deflate_step(struct vdev *dev, struct vq_chain *chain, unsigned *units)
{
    const struct balloon *b = balloon_of(dev);

    if (!vdev_has(dev, BALLOON_F_DEFLATE_ON_OOM) && b->num_pages >= b->actual &&
        clock_ns() - b->resized_ns > SETTLE_NS)
        lint_see_queue(chain->vq, LINT_BALLOON_DEFLATE, b->actual);
    --*units;
    return true;
}

/* Pages that hold a pattern must keep it (5.5.6.7.2-d2), which discarded ones would not. */
static bool report_step(struct vdev *dev, struct vq_chain *chain, unsigned *units)
{
    struct balloon *b = balloon_of(dev);
    const uint64_t max = (uint64_t)*units << REPORT_SHIFT;
    const uint64_t take = min_u64(gcur_left(&chain->in), max);

    if (!vdev_has(dev, BALLOON_F_REPORTING) ||
        (vdev_has(dev, BALLOON_F_PAGE_POISON) && b->poison)) {
        --*units;
        return true;
    }
    b->discarded += gcur_discard(&chain->in, take);
    *units -= (unsigned)min_u64(*units, (take >> REPORT_SHIFT) + 1);
    return !gcur_left(&chain->in);
}

typedef bool step_fn(struct vdev *dev, struct vq_chain *chain, unsigned *units);

/* More numbers than there are pages make no sense, and need not be looked at. */
static struct vq_chain *chain_next(struct vdev *dev, struct vq *vq)
{
    const uint64_t most = (gmem_size(dev->mem) >> PAGE_SHIFT) * sizeof(uint32_t);
    struct vq_chain *chain = vq_pop(vq);
    struct gcur head;

    if (chain && vq->index == QUEUE_INFLATE && gcur_left(&chain->out) > most &&
        gcur_split(&chain->out, most, &head))
        chain->out = head;
    return chain;
}

static void chains_serve(struct vdev *dev, struct vq *vq, step_fn *step)
{
    struct vq_chain **now = &balloon_of(dev)->now[vq->index];
    unsigned units = TURN_UNITS;
    bool more = true;

    while (more && units) {
        struct vq_chain *chain = *now ? *now : chain_next(dev, vq);

        *now = NULL;
        if (!chain) {
            vq_publish(vq);
            units--;
            more = vq_kicks(vq, true);
        } else if (chain->fault) { /* D10 */
            units--;
            vq_drop(chain);
        } else if (step(dev, chain, &units)) {
            vq_push(chain, 0);
        } else {
            *now = chain;
        }
    }
    vq_publish(vq);
    if (more)
        loop_post(dev->loop, &vq->again);
}

/* ---- statistics ---- */

/* O04: record by record, in any order (5.5.6.3.2-d2), unknown ones (-d1) and a rest passed over. */
static void stats_read(struct balloon *b, struct gcur *out)
{
    uint32_t has = 0;
    uint16_t tag;
    uint64_t value;

    for (unsigned i = 0; i < STATS_RECORDS_MAX; i++) {
        if (!gcur_get16(out, &tag) || !gcur_get64(out, &value))
            break;
        if (tag >= BALLOON_STATS)
            continue;
        b->stat[tag] = value;
        has |= BIT32(tag);
    }
    if (!has)
        return;
    b->has = has;
    b->stats_ns = clock_ns();
    b->updates++;
}

/* 5.5.6.3.1-t1, -t3, -t4, -t6 */
static void stats_lint(const struct balloon *b, const struct vq_chain *chain, uint64_t bytes,
                       uint32_t had)
{
    if (b->held)
        lint_see_queue(chain->vq, LINT_STATS_TWO, 2);
    if (bytes % STATS_RECORD_BYTES)
        lint_see_queue(chain->vq, LINT_STATS_BYTES, bytes);
    else if (!bytes && b->stats_begun)
        lint_see_queue(chain->vq, LINT_STATS_EMPTY, bytes);
    else if (bytes && had && b->has != had)
        lint_see_queue(chain->vq, LINT_STATS_SUBSET, b->has);
}

/* O05: the newest buffer is held, one before it goes back. */
static void stats_take(struct vdev *dev, struct vq_chain *chain)
{
    struct balloon *b = balloon_of(dev);
    const uint64_t bytes = gcur_left(&chain->out);
    const uint32_t had = b->has;

    if (chain->fault) {
        vq_drop(chain);
        return;
    }
    stats_read(b, &chain->out);
    if (dev->lint)
        stats_lint(b, chain, bytes, had);
    b->stats_begun = true;
    if (b->held)
        vq_push(b->held, 0);
    b->held = chain;
}

int balloon_stats_ask(struct vdev *dev, struct err *err)
{
    struct balloon *b = balloon_of(dev);
    struct vq_chain *chain = b->held;

    if (!chain || !vdev_runs(dev))
        return err_set(err, ENOTCONN, "%s: the guest's driver has no statistics to give",
                       dev->name);
    b->held = NULL;
    vq_push(chain, 0);
    vq_publish(&dev->vq[QUEUE_STATS]);
    return 0;
}

/* ---- the device ---- */

static void balloon_kick(struct vdev *dev, struct vq *vq)
{
    if (vq->index == QUEUE_STATS && vdev_has(dev, BALLOON_F_STATS_VQ))
        vq_serve(vq, stats_take);
    else if (vq->index == QUEUE_INFLATE)
        chains_serve(dev, vq, inflate_step);
    else if (vq->index == QUEUE_DEFLATE)
        chains_serve(dev, vq, deflate_step);
    else
        chains_serve(dev, vq, report_step);
}

static int balloon_start(struct vdev *dev)
{
    balloon_of(dev)->actual = 0; /* a driver begins without pages, whatever the last one said */
    return 0;
}

static void chain_forget(struct vq_chain **chain)
{
    if (*chain)
        vq_forget(*chain);
    *chain = NULL;
}

static void balloon_stop(struct vdev *dev, struct vq *only)
{
    struct balloon *b = balloon_of(dev);

    for (unsigned i = 0; i < dev->n_queues; i++)
        if (!only || only->index == i)
            chain_forget(&b->now[i]);
    if (!only || only->index == QUEUE_STATS)
        chain_forget(&b->held);
    if (only)
        return;
    b->actual = b->poison = 0;
    b->updates = 0;
    b->has = 0;
    b->stats_begun = false;
    huge_allow(dev, true);
}

int balloon_resize(struct vdev *dev, uint64_t size, struct err *err)
{
    struct balloon *b = balloon_of(dev);
    const uint64_t memory = gmem_size(dev->mem);
    uint64_t pages;

    if (!size || size > memory)
        return err_set(err, EINVAL, "%s: the guest can have up to %llu bytes, the machine's memory",
                       dev->name, (unsigned long long)memory);
    pages = min_u64((memory - size) >> PAGE_SHIFT, UINT32_MAX);
    if (b->num_pages == pages)
        return 0;
    b->resized_ns = clock_ns();
    b->num_pages = (uint32_t)pages;
    vdev_config_changed(dev);
    return 0;
}

void balloon_query(struct vdev *dev, struct balloon_info *info)
{
    const struct balloon *b = balloon_of(dev);
    const uint64_t memory = gmem_size(dev->mem), gone = (uint64_t)b->actual << PAGE_SHIFT;

    *info = (struct balloon_info){
        .memory = memory,
        .target = memory - ((uint64_t)b->num_pages << PAGE_SHIFT),
        .actual = memory - min_u64(gone, memory), /* it may say anything */
        .discarded = b->discarded,
        .driver = dev->started && !dev->broken,
        .updates = b->updates,
        .stats_ns = b->stats_ns,
        .has = b->has,
    };
    memcpy(info->stat, b->stat, sizeof(info->stat));
}

static int balloon_open(struct vdev *dev, const void *conf, struct err *err)
{
    struct balloon *b = balloon_of(dev);
    unsigned queues = QUEUES_PLAIN;
    int ret = 0;

    b->conf = *(const struct balloon_conf *)conf;
    if (b->conf.reporting)
        queues = QUEUES_ALL;
    for (unsigned i = 0; ret == 0 && i < queues; i++)
        ret = vdev_queue_add(dev, BALLOON_QUEUE_SIZE, 0);
    return ret < 0 ? err_errno(err, -ret, "cannot make the queues of %s", dev->name) : 0;
}

static void balloon_offer(struct vdev *dev, struct vfeat *f)
{
    const struct balloon_conf *conf = &balloon_of(dev)->conf;

    vfeat_add(f, BALLOON_F_MUST_TELL_HOST);
    vfeat_add(f, BALLOON_F_STATS_VQ);
    if (conf->deflate_on_oom)
        vfeat_add(f, BALLOON_F_DEFLATE_ON_OOM);
    if (!conf->reporting)
        return;
    vfeat_add(f, BALLOON_F_PAGE_POISON);
    vfeat_add(f, BALLOON_F_REPORTING);
}

static void balloon_close(struct vdev *dev)
{
    (void)dev;
}

static const struct vfeat_row balloon_features[] = {
    {BALLOON_F_MUST_TELL_HOST, "must_tell_host", "5.5.3-d1", -1},
    {BALLOON_F_STATS_VQ, "stats_vq", "5.5.3-d1", -1},
    {BALLOON_F_DEFLATE_ON_OOM, "deflate_on_oom", "5.5.3-d1", -1},
    {BALLOON_F_PAGE_POISON, "page_poison", "5.5.3-d1", -1},
    {BALLOON_F_REPORTING, "page_reporting", "5.5.3-d1", -1},
    {0, NULL, NULL, -1},
};

const struct virtio_type balloon_type = {
    .name = "balloon",
    .id = VIRTIO_ID_BALLOON,
    .class_code = 0x00ff00,
    .state_size = sizeof(struct balloon),
    .features = balloon_features,
    .config = &balloon_config,
    .open = balloon_open,
    .offer = balloon_offer,
    .start = balloon_start,
    .kick = balloon_kick,
    .stop = balloon_stop,
    .close = balloon_close,
};
