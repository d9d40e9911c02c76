// SPDX-License-Identifier: MIT
/*
 * The accelerator of the network device, with a kernel that writes down what it is asked: which
 * rings it has and when, doorbells, interrupts past the device, failures (H38).
 */
#include <poll.h>
#include <unistd.h>

#include "tests/device/net-bench.h"

/* ---- the kernel ---- */

struct vhost {
    unsigned number;
    uint64_t features;
    bool on[VHOST_RINGS];
    struct vhost_ring ring[VHOST_RINGS];
    int tap;
    unsigned attached, calls, ends;
    uint16_t base[VHOST_RINGS]; /* when it is detached */
};

static struct vhost kernel[4];
static unsigned n_kernels;
static uint64_t kernel_can;
static int kernel_error; /* of attach */

static struct vhost *fake_open(struct err *err)
{
    struct vhost *v = &kernel[n_kernels];

    (void)err;
    *v = (struct vhost){.number = n_kernels++};
    return v;
}

static void fake_vhost_close(struct vhost *v)
{
    assert_false(v->on[VHOST_RX] || v->on[VHOST_TX]);
    n_kernels--;
}

static uint64_t fake_features(struct vhost *v)
{
    (void)v;
    return kernel_can;
}

static int fake_begin(struct vhost *v, uint64_t features, const struct gmem *mem)
{
    assert_false(v->on[VHOST_RX] || v->on[VHOST_TX]);
    assert_int_equal(features & ~kernel_can, 0);
    assert_int_equal(mem->n, 3);
    v->features = features;
    return 0;
}

static int fake_attach(struct vhost *v, unsigned ring, const struct vhost_ring *r, int tap)
{
    assert_false(v->on[ring]);
    assert_int_equal(tap, FAKE_TAP + (int)v->number);
    assert_true(fake.lent[v->number]);
    if (kernel_error)
        return kernel_error;
    v->ring[ring] = *r;
    v->on[ring] = true;
    v->attached++;
    return 0;
}

static int fake_call(struct vhost *v, unsigned ring, int fd)
{
    assert_true(v->on[ring]);
    v->ring[ring].call = fd;
    v->calls++;
    return 0;
}

static int fake_detach(struct vhost *v, unsigned ring)
{
    assert_true(v->on[ring]);
    v->on[ring] = false;
    return v->base[ring];
}

static void fake_end(struct vhost *v, int tap)
{
    assert_false(v->on[VHOST_RX] || v->on[VHOST_TX]);
    assert_true(fake.lent[v->number]);
    assert_int_equal(tap, FAKE_TAP + (int)v->number);
    v->ends++;
}

static const struct vhost_kind fake_kernel = {.open = fake_open,
                                              .close = fake_vhost_close,
                                              .features = fake_features,
                                              .begin = fake_begin,
                                              .attach = fake_attach,
                                              .call = fake_call,
                                              .detach = fake_detach,
                                              .end = fake_end};

static const struct net_case one = {.vhost = &fake_kernel};
static const struct net_case two = {.vhost = &fake_kernel, .pairs = 2};
static const struct net_case limited = {.vhost = &fake_kernel, .mtu = 1};

static void *vhost_conf(struct bench *b)
{
    struct net_conf *conf = fake_conf(b);

    n_kernels = 0;
    kernel_error = 0;
    kernel_can = BIT64(F_MRG_RXBUF) | BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_EVENT_IDX) |
                 BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(24);
    if (b->arg == &limited) { /* a kernel that can do less */
        fake.net.mtu = 0;
        kernel_can &= ~(BIT64(F_MRG_RXBUF) | BIT64(VIRTIO_F_EVENT_IDX));
    }
    return conf;
}

/* ---- */

static bool on_both(unsigned pair)
{
    return kernel[pair].on[VHOST_RX] && kernel[pair].on[VHOST_TX];
}

static bool off_both(unsigned pair)
{
    return !kernel[pair].on[VHOST_RX] && !kernel[pair].on[VHOST_TX] && !fake.lent[pair];
}

static bool is_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void drain(int fd)
{
    uint64_t n;

    if (is_ready(fd))
        assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
}

static void signal_fd(int fd)
{
    const uint64_t n = 1;

    assert_int_equal(write(fd, &n, sizeof(n)), sizeof(n));
}

/* What the kernel is told of a driver's rings and features. */
static void test_handed(struct bench *b)
{
    const uint64_t know = BIT64(F_MRG_RXBUF) | BIT64(VIRTIO_F_VERSION_1) |
                          BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC);

    assert_true(on_both(0));
    assert_int_equal(kernel[0].features & know, b->d.features & know);
    for (unsigned i = 0; i < VHOST_RINGS; i++) {
        const struct vhost_ring *r = &kernel[0].ring[i];
        const struct dq *q = &b->d.q[i];

        assert_int_equal(r->size, q->size);
        assert_int_equal(r->base, 0);
        assert_ptr_equal(r->desc, drv_mem(&b->d, q->desc, 16));
        assert_ptr_equal(r->avail, drv_mem(&b->d, q->driver, 16));
        assert_ptr_equal(r->used, drv_mem(&b->d, q->device, 16));
    }
    init_without(b, BIT64(VIRTIO_F_INDIRECT_DESC)); /* F08 */
    assert_true(on_both(0));
    assert_int_equal(kernel[0].features & BIT64(VIRTIO_F_INDIRECT_DESC), 0);
    assert_int_equal(kernel[0].ends, 1);
    init_without(b, BIT64(F_MRG_RXBUF)); /* 5.1.9.4.1-d1 */
    assert_int_equal(on_both(0), b->combo->ops == &driver_legacy);
    if (off_both(0))
        net_works(b);
    drv_reset(&b->d);
    assert_true(off_both(0));
}

/* What it cannot do is not offered. */
static void test_offer(struct bench *b)
{
    const uint64_t never = BIT64(34) | BIT64(35) | BIT64(38) | BIT64(39) | BIT64(F_NOTF_COAL) |
                           BIT64(F_VQ_NOTF_COAL) | BIT64(F_RSS) | BIT64(F_HASH_REPORT) |
                           BIT64(F_CTRL_VLAN) | BIT64(F_CTRL_RX_EXTRA);
    const uint64_t offered = b->d.ops->offered(&b->d);

    assert_int_equal(offered & never, 0);
    assert_int_equal(offered >> F_CTRL_RX & 1, 1);
    assert_int_equal(offered >> F_MRG_RXBUF & 1, b->arg != &limited);
    assert_int_equal(offered >> VIRTIO_F_EVENT_IDX & 1, b->arg != &limited);
    assert_int_equal(on_both(0), b->arg != &limited || b->combo->ops == &driver_legacy);
}

/* Doorbells go to the kernel and not to the loop, and come back. */
static void test_doorbell(struct bench *b)
{
    const int fd = kernel[0].ring[VHOST_TX].kick;
    struct chain c = {0};
    struct used u;

    drain(fd);
    chain_out(&c, drv_alloc(&b->d, 100, 64), 100);
    assert_true(dq_add(&b->d.q[TXQ], &c, NULL) >= 0);
    b->d.q[TXQ].ops->publish(&b->d.q[TXQ]);
    b->d.ops->kick(&b->d, TXQ);
    assert_true(is_ready(fd));
    machine_settle(b->m);
    assert_true(is_ready(fd));
    assert_false(dq_poll(&b->d.q[TXQ], &u));
    assert_int_equal(frames_out(b), 0);
    bench_init(b);
    assert_int_equal(kernel[0].ring[VHOST_TX].kick, fd);
}

static bool came(void *arg)
{
    struct bench *b = (struct bench *)arg;
    struct dirq irq = {0};

    if (b->d.use_msix)
        return gfunc_msix_count(&b->d.func, b->d.q[RXQ].vector) > 0;
    return dq_interrupted(&b->d.q[RXQ], &irq);
}

/* Interrupts: past the device where there is a message, by the loop while it is masked. */
static void test_interrupt(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    const uint16_t vector = b->d.q[RXQ].vector;
    const int direct = kernel[0].ring[VHOST_RX].call;

    signal_fd(direct);
    assert_true(machine_until(b->m, came, b, WAIT_MS));
    if (!b->d.use_msix)
        return;
    assert_int_equal(gfunc_msix_count(f, vector), 1);
    gfunc_msix_entry(f, vector, true);
    assert_int_not_equal(kernel[0].ring[VHOST_RX].call, direct);
    signal_fd(kernel[0].ring[VHOST_RX].call);
    machine_settle(b->m);
    assert_true(gfunc_msix_pending(f, vector));
    assert_int_equal(gfunc_msix_count(f, vector), 1);
    gfunc_msix_entry(f, vector, false);
    assert_int_equal(kernel[0].ring[VHOST_RX].call, direct);
    assert_int_equal(gfunc_msix_count(f, vector), 2);
    gfunc_msix_control(f, true, true);
    assert_int_not_equal(kernel[0].ring[VHOST_RX].call, direct);
    gfunc_msix_control(f, true, false);
    assert_int_equal(kernel[0].ring[VHOST_RX].call, direct);
    assert_int_equal(b->d.ops->vector(&b->d, RXQ, VIRTIO_NO_VECTOR), VIRTIO_NO_VECTOR);
    assert_int_not_equal(kernel[0].ring[VHOST_RX].call, direct);
    signal_fd(kernel[0].ring[VHOST_RX].call);
    machine_settle(b->m);
    assert_int_equal(gfunc_msix_count(f, vector), 2);
}

/* P19: without bus mastering the kernel stands still, and goes on where it was. */
static void test_bus_master(struct bench *b)
{
    enum { MASTER = 4 };

    kernel[0].base[VHOST_RX] = 7;
    kernel[0].base[VHOST_TX] = 65535;
    gfunc_command(&b->d.func, 0, MASTER);
    assert_true(off_both(0));
    gfunc_command(&b->d.func, MASTER, 0);
    assert_true(on_both(0));
    assert_int_equal(kernel[0].ring[VHOST_RX].base, 7);
    assert_int_equal(kernel[0].ring[VHOST_TX].base, 65535);
    bench_init(b);
    assert_int_equal(kernel[0].ring[VHOST_RX].base, 0);
    assert_int_equal(kernel[0].ring[VHOST_TX].base, 0);
}

static void test_queue_reset(struct bench *b)
{
    enum { SELECT = 22, RESET = 58 };

    kernel[0].base[VHOST_RX] = kernel[0].base[VHOST_TX] = 9;
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, RXQ);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
    assert_true(!kernel[0].on[VHOST_RX] && kernel[0].on[VHOST_TX] && fake.lent[0]);
    drv_queue(&b->d, RXQ, 64);
    b->d.ops->kick(&b->d, RXQ);
    machine_settle(b->m);
    assert_true(on_both(0));
    assert_int_equal(kernel[0].ring[VHOST_RX].base, 0);
    assert_int_equal(kernel[0].ring[VHOST_RX].size, 64);
    assert_int_equal(kernel[0].attached, 3);
}

static bool broken(void *arg)
{
    return drv_broken(&((struct bench *)arg)->d);
}

/* A ring that the kernel finds broken; one that it does not take (H38); one broken elsewhere. */
static void test_failures(struct bench *b)
{
    struct dq *ctrl = &b->d.q[2];

    signal_fd(kernel[0].ring[VHOST_TX].broken);
    assert_true(machine_until(b->m, broken, b, WAIT_MS));
    assert_true(off_both(0));
    kernel_error = -ENOMEM;
    assert_true(drv_negotiate(&b->d, b->want));
    for (unsigned i = 0; i < b->d.n_queues; i++)
        drv_queue(&b->d, i, 0);
    drv_go(&b->d);
    assert_true(drv_broken(&b->d));
    assert_true(off_both(0));
    kernel_error = 0;
    bench_init(b);
    assert_true(on_both(0));
    split_avail_idx(ctrl, 5000);
    b->d.ops->kick(&b->d, 2);
    assert_true(machine_until(b->m, broken, b, WAIT_MS));
    assert_true(off_both(0));
    bench_init(b);
    assert_true(on_both(0));
}

static void pairs_set(struct bench *b, uint16_t n)
{
    uint8_t out[4] = {4, 0}, ack = 1;

    order_store(b->d.order, out + 2, 2, n);
    assert_int_equal(dq_xfer(&b->d.q[4], out, sizeof(out), &ack, 1), 1);
    assert_int_equal(ack, 0);
}

static void test_pairs(struct bench *b)
{
    assert_true(on_both(0) && off_both(1));
    pairs_set(b, 2);
    assert_true(on_both(0) && on_both(1));
    pairs_set(b, 1);
    assert_true(on_both(0) && off_both(1));
    assert_int_equal(kernel[1].ends, 0); /* headers are the whole interface's */
    pairs_set(b, 2);
    drv_reset(&b->d);
    assert_true(off_both(0) && off_both(1));
    assert_int_equal(kernel[0].ends + kernel[1].ends, 1);
}

/* ---- the tap is deleted (H17) ---- */

/* As the kernel uses the next buffer of a ring, and remembers that. */
static void kernel_uses(struct bench *b, unsigned pair, unsigned ring, unsigned head)
{
    struct dq *q = &b->d.q[2 * pair + ring];
    uint8_t *used = drv_mem(&b->d, q->device, 4 + 8 * q->size);
    const uint16_t idx = le16_load(used + 2);

    le32_store(used + 4 + 8 * (idx % q->size), head);
    le32_store(used + 8 + 8 * (idx % q->size), 0);
    le16_store(used + 2, idx + 1);
    kernel[pair].base[ring] = idx + 1;
}

static void net_ends(struct bench *b)
{
    loop_lock(b->loop);
    fake.broken = true;
    net_end(&fake.net);
    loop_unlock(b->loop);
}

/* Frames go nowhere, and their buffers come back. */
static void sends_nowhere(struct bench *b, unsigned q)
{
    const uint8_t frame[60] = {0};

    assert_false(drv_broken(&b->d));
    tx_frame(b, q, NULL, frame, sizeof(frame));
    tx_frame(b, q, NULL, frame, sizeof(frame));
    assert_false(drv_broken(&b->d));
    assert_int_equal(b->d.ops->config_read(&b->d, 6, 2) & 1, 0);
}

static void test_gone(struct bench *b)
{
    struct dq *q = &b->d.q[TXQ];
    struct chain c = {0};
    struct used u;

    chain_out(&c, drv_alloc(&b->d, 100, 64), 100);
    for (unsigned i = 0; i < 3; i++) {
        const int head = dq_add(q, &c, NULL);

        q->ops->publish(q);
        kernel_uses(b, 0, VHOST_TX, (unsigned)head);
        signal_fd(kernel[0].ring[VHOST_TX].call);
        assert_true(dq_wait(q, &u, WAIT_MS));
    }
    assert_true(dq_add(q, &c, NULL) >= 0); /* one that it did not come to */
    q->ops->publish(q);
    net_ends(b);
    assert_true(off_both(0));
    assert_true(dq_wait(q, &u, WAIT_MS));
    assert_int_equal(frames_lost(b), 1); /* and no other */
    sends_nowhere(b, TXQ);
    for (unsigned i = 0; i < 2; i++) {
        bench_init(b);
        assert_true(off_both(0));
        sends_nowhere(b, TXQ);
    }
}

/* Whatever comes after that, and before. */
static void test_gone_events(struct bench *b)
{
    enum { MASTER = 4, SELECT = 22, RESET = 58 };

    for (unsigned i = 0; i < 2; i++) {
        if (i)
            net_ends(b);
        gfunc_command(&b->d.func, 0, MASTER);
        if (!i)
            net_ends(b);
        gfunc_command(&b->d.func, MASTER, 0);
        sends_nowhere(b, TXQ);
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, TXQ);
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
        machine_settle(b->m);
        drv_queue(&b->d, TXQ, 64);
        sends_nowhere(b, TXQ);
        pairs_set(b, 2);
        sends_nowhere(b, 3);
        pairs_set(b, 1);
        sends_nowhere(b, TXQ);
        loop_lock(b->loop);
        fake.net.ended = false;
        loop_unlock(b->loop);
        bench_init(b);
        assert_true(on_both(0));
    }
}

/* It is gone, and the device has not heard of it when it wants to lend. */
static void test_gone_unheard(struct bench *b)
{
    drv_reset(&b->d);
    loop_lock(b->loop);
    fake.net.ended = true;
    fake.net.up = false;
    fake.broken = true;
    loop_unlock(b->loop);
    bench_init(b);
    sends_nowhere(b, TXQ);
}

/* A driver whose numbers the kernel does not read right is served by the device. */
static void test_without(struct bench *b)
{
    if (b->combo->order == ORDER_BIG) {
        assert_true(off_both(0));
        net_works(b);
        return;
    }
    assert_true(on_both(0));
    frame_arrive_seed(b, 60, 1); /* and the others are not, by both */
    rx_post(b, RXQ, 1526);
    machine_settle(b->m);
    assert_int_equal(frames_in(b), 1);
}

/* As bits of one driver's, so of the next one's. */
static void test_on_empty(struct bench *b)
{
    b->want |= BIT64(24);
    bench_init(b);
    assert_int_equal(kernel[0].features >> 24 & 1, 1);
    b->want &= ~BIT64(24);
    bench_init(b);
    assert_int_equal(kernel[0].features >> 24 & 1, 0);
}

/* Neither the driver nor the kernel sees what is withheld. */
static void test_withheld(struct bench *b)
{
    const struct vfeat f = {{BIT32(VIRTIO_F_EVENT_IDX) | BIT32(24)}};

    drv_reset(&b->d);
    loop_lock(b->loop);
    vdev_withhold(b->dev, &f);
    loop_unlock(b->loop);
    b->want |= BIT64(24);
    bench_init(b);
    assert_true(on_both(0));
    assert_int_equal(b->d.features & (BIT64(VIRTIO_F_EVENT_IDX) | BIT64(24)), 0);
    assert_int_equal(kernel[0].features & (BIT64(VIRTIO_F_EVENT_IDX) | BIT64(24)), 0);
    assert_int_equal(kernel[0].features & BIT64(VIRTIO_F_INDIRECT_DESC),
                     b->d.features & BIT64(VIRTIO_F_INDIRECT_DESC));
}

enum { LITTLE = BENCH_SPLIT | BENCH_LITTLE };

static const struct bench_test tests[] = {
    {"handed", test_handed, LITTLE, &one},
    {"offer", test_offer, LITTLE, &one},
    {"offer-limited", test_offer, LITTLE, &limited},
    {"doorbell", test_doorbell, LITTLE | BENCH_TURNS, &one},
    {"interrupt", test_interrupt, LITTLE, &one},
    {"P19-bus-master", test_bus_master, LITTLE | BENCH_MODERN, &one},
    {"queue-reset", test_queue_reset, LITTLE | BENCH_MODERN, &one},
    {"H38-failures", test_failures, LITTLE, &one},
    {"pairs", test_pairs, LITTLE, &two},
    {"H17-gone", test_gone, LITTLE, &one},
    {"H17-gone-events", test_gone_events, LITTLE | BENCH_MODERN, &two},
    {"H17-gone-unheard", test_gone_unheard, LITTLE, &one},
    {"without", test_without, BENCH_SPLIT, &one},
    {"withheld", test_withheld, LITTLE, &one},
    {"on-empty", test_on_empty, LITTLE | BENCH_LEGACY, &one},
};

int main(void)
{
    const struct bench_kind kind = {&net_type, "net0", vhost_conf, fake_conf_free};

    return bench_run("net-vhost", &kind, tests, ARRAY_SIZE(tests));
}
