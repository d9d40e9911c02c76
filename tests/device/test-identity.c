// SPDX-License-Identifier: MIT
/*
 * What each device type is on the bus, by numbers written down here once more: ids of both
 * interfaces, class, configuration, queues and vectors (4.1.2, 5-d1).
 */
#include <errno.h>

#include "devices/balloon.h"
#include "devices/console.h"
#include "devices/net.h"
#include "devices/rng.h"
#include "tests/device/blk-bench.h"

struct ident {
    uint16_t id, old; /* virtio's, and the PCI device id of the old interface (4.1.2.1-d2) */
    uint32_t classes; /* base class and subclass */
    unsigned queues;  /* as conf below has it */
    bool config;      /* has a configuration of its own */
    uint64_t none_of; /* feature bits of types that it may not offer */
};

#define TYPE_BITS (BIT64(24) - 1) /* and 50 ... 63: 2.2-d1 */

static const struct ident idents[] = {
    {1, 0x1000, 0x0200, 3, true, BIT64(4) | BIT64(6)},
    {2, 0x1001, 0x0180, 1, true, TYPE_BITS & ~UINT64_C(0x7e74)},
    {3, 0x1003, 0x0780, 2, true, TYPE_BITS & ~UINT64_C(7)},
    {4, 0x1005, 0x00ff, 1, false, TYPE_BITS},
    {5, 0x1002, 0x00ff, 3, true, TYPE_BITS & ~UINT64_C(0x3f)},
};

static const struct ident *ident_of(const struct bench *b)
{
    for (unsigned i = 0; i < ARRAY_SIZE(idents); i++)
        if (idents[i].id == b->dev->type->id)
            return &idents[i];
    fail_msg("no device of type %u is known here", b->dev->type->id);
    return NULL;
}

static void old_ids(struct gfunc *f, const struct ident *x)
{
    assert_int_equal(gfunc_read(f, PCI_DEVICE_ID, 2), x->old);
    assert_int_equal(gfunc_read(f, PCI_REVISION, 1), 0);
    assert_int_equal(gfunc_read(f, PCI_SUBSYS_ID, 2), x->id);
    assert_int_equal(gfunc_read(f, PCI_BAR0, 4) & 3, 1); /* I/O */
}

static void new_ids(struct gfunc *f, const struct ident *x)
{
    assert_int_equal(gfunc_read(f, PCI_DEVICE_ID, 2), 0x1040 + x->id);
    assert_true(gfunc_read(f, PCI_REVISION, 1) >= 1);
    assert_true(gfunc_read(f, PCI_SUBSYS_ID, 2) >= 0x40);
}

/* What would be a configuration follows the registers, with MSI-X later (5.4.2-d1). */
static void no_old_config(struct drv *d)
{
    enum { CONFIG_INTX = 20, CONFIG_MSIX = 24 };
    const bool had = gfunc_msix_enabled(&d->func);

    for (unsigned i = 0; i < 2; i++) {
        gfunc_msix_control(&d->func, i, false);
        assert_int_equal(legacy_read(d, i ? CONFIG_MSIX : CONFIG_INTX, 4), 0);
        assert_int_equal(legacy_read(d, i ? CONFIG_MSIX : CONFIG_INTX, 1), 0);
    }
    gfunc_msix_control(&d->func, had, false);
}

static void modern_and_old(struct bench *b)
{
    enum { NUM_QUEUES = 0x12 };
    const struct ident *x = ident_of(b);
    struct drv *d = &b->d;
    const uint64_t offered = d->ops->offered(d);

    assert_int_equal(gfunc_read(&d->func, PCI_VENDOR_ID, 2), 0x1af4);
    if (strcmp(b->combo->interfaces, "modern") == 0)
        new_ids(&d->func, x);
    else
        old_ids(&d->func, x);
    assert_int_equal(gfunc_read(&d->func, PCI_REVISION, 4) >> 16, x->classes);
    assert_int_equal(d->n_queues, x->queues);
    assert_in_range(d->func.msix_n, 2, x->queues + 1); /* 4.1.5.1.2.1-d1, d3 */
    assert_int_equal(offered & x->none_of, 0);
    if (!x->config)
        assert_int_equal(offered >> 50, 0);
    if (d->ops == &driver_modern) {
        assert_int_equal(modern_read(d, VIRTIO_PCI_CAP_COMMON, NUM_QUEUES, 2), x->queues);
        assert_int_equal(d->region[VIRTIO_PCI_CAP_DEVICE].cap != 0, x->config); /* 4.1.4.6-d1 */
    } else if (!x->config) {
        no_old_config(d);
    }
}

/* ---- one of each ---- */

static int no_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    (void)net;
    (void)pair;
    (void)iov;
    (void)n;
    return 0;
}

static int64_t no_receive(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    (void)net;
    (void)pair;
    (void)iov;
    (void)n;
    return -EAGAIN;
}

static void no_listen(struct net *net, unsigned pair, bool on)
{
    (void)net;
    (void)pair;
    (void)on;
}

static void no_close(struct net *net)
{
    (void)net;
}

static void *net_conf(struct bench *b)
{
    static const struct net_ops ops = {.name = "none",
                                       .send = no_send,
                                       .receive = no_receive,
                                       .listen = no_listen,
                                       .close = no_close};
    static struct net net;
    static struct net_conf conf = {.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}};

    net = (struct net){.ops = &ops, .name = "no network", .loop = b->loop, .pairs = 1, .up = true};
    conf.net = &net;
    return &conf;
}

static void *console_conf(struct bench *b)
{
    static struct console_conf conf;

    (void)b;
    return &conf;
}

static void *rng_conf(struct bench *b)
{
    static struct rng_conf conf;

    conf = (struct rng_conf){.source = entropy_open(NULL, b->loop, NULL)};
    assert_non_null(conf.source);
    return &conf;
}

static void *balloon_conf(struct bench *b)
{
    static const struct balloon_conf conf;

    (void)b;
    return (void *)(uintptr_t)&conf;
}

int main(void)
{
    static const struct bench_test tests[] = {{"modern_and_old", modern_and_old, 0, NULL}};
    const struct bench_kind net = {&net_type, "net0", net_conf, NULL},
                            console = {&console_type, "console0", console_conf, NULL},
                            rng = {&rng_type, "rng0", rng_conf, NULL},
                            balloon = {&balloon_type, "balloon0", balloon_conf, NULL};
    int failed = 0;

    failed += bench_run("identity-net", &net, tests, ARRAY_SIZE(tests));
    failed += bench_run("identity-blk", &disk_kind, tests, ARRAY_SIZE(tests));
    failed += bench_run("identity-console", &console, tests, ARRAY_SIZE(tests));
    failed += bench_run("identity-rng", &rng, tests, ARRAY_SIZE(tests));
    failed += bench_run("identity-balloon", &balloon, tests, ARRAY_SIZE(tests));
    return failed;
}
