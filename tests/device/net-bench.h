/* SPDX-License-Identifier: MIT */
/* A network device on a network that is a list of frames, and a driver's way to send and receive.
 */
#ifndef TESTS_DEVICE_NET_BENCH_H
#define TESTS_DEVICE_NET_BENCH_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/net.h"
#include "tests/driver/bench.h"
#include "vmm/base/bits.h"

enum {
    F_CSUM = 0,
    F_GUEST_CSUM = 1,
    F_CTRL_GUEST_OFFLOADS = 2,
    F_MTU = 3,
    F_MAC = 5,
    F_GUEST_TSO4 = 7,
    F_GUEST_TSO6 = 8,
    F_GUEST_ECN = 9,
    F_GUEST_UFO = 10,
    F_HOST_TSO4 = 11,
    F_HOST_TSO6 = 12,
    F_HOST_ECN = 13,
    F_HOST_UFO = 14,
    F_MRG_RXBUF = 15,
    F_STATUS = 16,
    F_CTRL_VQ = 17,
    F_CTRL_RX = 18,
    F_CTRL_VLAN = 19,
    F_CTRL_RX_EXTRA = 20,
    F_GUEST_ANNOUNCE = 21,
    F_MQ = 22,
    F_CTRL_MAC_ADDR = 23,
    F_VQ_NOTF_COAL = 52,
    F_NOTF_COAL = 53,
    F_GUEST_USO4 = 54,
    F_GUEST_USO6 = 55,
    F_HOST_USO = 56,
    F_HASH_REPORT = 57,
    F_RSS = 60,
    F_SPEED_DUPLEX = 63,
};

enum { RXQ = 0, TXQ = 1 };

enum {
    FAKE_FRAMES = 600,
    HDR = NET_HEADER,
    ALL_OFFLOADS = NET_CSUM | NET_TSO4 | NET_TSO6 | NET_ECN | NET_UFO | NET_USO,
};

static const uint8_t fake_mac[NET_MAC] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

/* b->arg; NULL: offloads of all kinds, one pair, no MTU. */
struct net_case {
    unsigned pairs;
    uint16_t mtu;
    uint32_t speed;
    bool plain; /* no offloads */
    const struct vhost_kind *vhost;
};

struct fake_frame {
    unsigned pair;
    uint32_t len; /* with header */
    uint8_t *bytes;
};

struct fake {
    struct net net;
    struct loop_work work;
    struct fake_frame in[FAKE_FRAMES], out[FAKE_FRAMES];
    unsigned n_in, n_out;
    bool listening[NET_PAIRS_MAX];
    bool blocked, broken, closed;
    uint32_t taken;
    unsigned used_pairs, turns;
    bool lent[NET_PAIRS_MAX];
    uint32_t offloads;
    void (*sent)(void); /* instead of keeping what is sent */
};

static struct fake fake;

static inline int fake_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    struct fake_frame *f = &fake.out[fake.n_out];
    size_t at = 0;

    (void)net;
    if (fake.blocked)
        return -EAGAIN;
    if (fake.broken)
        return -EIO;
    if (fake.sent) {
        fake.sent();
        return 0;
    }
    assert_true(fake.n_out < FAKE_FRAMES);
    f->pair = pair;
    f->len = 0;
    for (unsigned i = 0; i < n; i++)
        f->len += (uint32_t)iov[i].iov_len;
    f->bytes = (uint8_t *)malloc(f->len);
    for (unsigned i = 0; i < n; at += iov[i++].iov_len)
        memcpy(f->bytes + at, iov[i].iov_base, iov[i].iov_len);
    fake.n_out++;
    return 0;
}

static inline int64_t fake_receive(struct net *net, unsigned pair, const struct iovec *iov,
                                   unsigned n)
{
    unsigned i = 0;
    struct fake_frame f;
    size_t at = 0;

    (void)net;
    while (i < fake.n_in && fake.in[i].pair != pair)
        i++;
    if (i == fake.n_in)
        return -EAGAIN;
    f = fake.in[i];
    memmove(&fake.in[i], &fake.in[i + 1], (--fake.n_in - i) * sizeof(f));
    for (unsigned k = 0; k < n && at < f.len; k++) {
        const size_t part = min_u64(iov[k].iov_len, f.len - at);

        memcpy(iov[k].iov_base, f.bytes + at, part);
        at += part;
    }
    free(f.bytes);
    return f.len;
}

static inline void fake_tell(void *arg)
{
    (void)arg;
    for (unsigned p = 0; p < fake.net.pairs; p++)
        for (unsigned i = 0; i < fake.n_in && fake.listening[p]; i++)
            if (fake.in[i].pair == p) {
                fake.turns++;
                net_arrived(&fake.net, p);
                break;
            }
}

static inline void fake_listen(struct net *net, unsigned pair, bool on)
{
    fake.listening[pair] = on;
    if (on)
        loop_post(net->loop, &fake.work);
}

static inline uint32_t fake_can(const struct net *net)
{
    (void)net;
    return fake.offloads;
}

static inline int fake_take(struct net *net, uint32_t offloads)
{
    (void)net;
    fake.taken = offloads;
    return 0;
}

static inline int fake_use_pairs(struct net *net, unsigned n)
{
    (void)net;
    fake.used_pairs = n;
    return 0;
}

enum { FAKE_TAP = 1000 }; /* a number that is no descriptor */

static inline int fake_lend(struct net *net, unsigned pair, bool lent)
{
    if (lent && net->ended)
        return -1;
    assert_int_not_equal(fake.lent[pair], lent);
    fake.lent[pair] = lent;
    return FAKE_TAP + (int)pair;
}

static inline void fake_close(struct net *net)
{
    loop_cancel(net->loop, &fake.work);
    fake.closed = true;
}

static const struct net_ops fake_net_ops = {
    .name = "fake",
    .send = fake_send,
    .receive = fake_receive,
    .listen = fake_listen,
    .can_send = fake_can,
    .can_leave = fake_can,
    .take = fake_take,
    .use_pairs = fake_use_pairs,
    .lend = fake_lend,
    .close = fake_close,
};

static inline void *fake_conf(struct bench *b)
{
    static struct net_conf conf;
    const struct net_case *c = (const struct net_case *)b->arg;

    memset(&fake, 0, sizeof(fake));
    fake.offloads = c && c->plain ? 0 : ALL_OFFLOADS;
    fake.work.fn = fake_tell;
    fake.net = (struct net){.ops = &fake_net_ops,
                            .name = "fake network",
                            .loop = b->loop,
                            .pairs = c && c->pairs ? c->pairs : 1,
                            .mtu = c ? c->mtu : 0,
                            .speed = c ? c->speed : 0,
                            .up = true};
    conf = (struct net_conf){.net = &fake.net, .vhost = c ? c->vhost : NULL};
    memcpy(conf.mac, fake_mac, sizeof(fake_mac));
    return &conf;
}

static inline void fake_conf_free(struct bench *b)
{
    (void)b;
    assert_true(fake.closed);
    for (unsigned i = 0; i < fake.n_in; i++)
        free(fake.in[i].bytes);
    for (unsigned i = 0; i < fake.n_out; i++)
        free(fake.out[i].bytes);
}

static const struct bench_kind net_kind = {&net_type, "net0", fake_conf, fake_conf_free};

/* ---- frames ---- */

static inline uint8_t frame_byte(unsigned seed, uint32_t i)
{
    return (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

/* A frame to fake_mac (or others, by the first byte of `to`), without header. */
static inline void frame_fill(uint8_t *frame, uint32_t len, unsigned seed)
{
    for (uint32_t i = 0; i < len; i++)
        frame[i] = frame_byte(seed, i);
    memcpy(frame, fake_mac, min_u64(len, NET_MAC));
    if (len >= 14)
        memcpy(frame + 12, "\x88\xb5", 2); /* nothing that anybody parses */
}

/* A frame arrives at a pair, with this header (NULL: zero), as the back end has it. */
static inline void frame_arrive(struct bench *b, unsigned pair, const uint8_t *hdr,
                                const uint8_t *frame, uint32_t len)
{
    loop_lock(b->loop);
    assert_true(fake.n_in < FAKE_FRAMES);
    struct fake_frame *f = &fake.in[fake.n_in++];

    f->pair = pair;
    f->len = HDR + len;
    f->bytes = (uint8_t *)calloc(1, f->len);
    if (hdr)
        memcpy(f->bytes, hdr, HDR);
    memcpy(f->bytes + HDR, frame, len);
    loop_unlock(b->loop);
    loop_post(b->loop, &fake.work);
}

static inline void frame_arrive_seed(struct bench *b, uint32_t len, unsigned seed)
{
    uint8_t *frame = (uint8_t *)malloc(len);

    frame_fill(frame, len, seed);
    frame_arrive(b, 0, NULL, frame, len);
    free(frame);
}

static inline unsigned frames_in(struct bench *b)
{
    unsigned n;

    loop_lock(b->loop);
    n = fake.n_in;
    loop_unlock(b->loop);
    return n;
}

static inline unsigned frames_out(struct bench *b)
{
    unsigned n;

    loop_lock(b->loop);
    n = fake.n_out;
    loop_unlock(b->loop);
    return n;
}

static inline uint64_t frames_lost(struct bench *b)
{
    uint64_t n;

    loop_lock(b->loop);
    n = fake.net.lost;
    loop_unlock(b->loop);
    return n;
}

/* ---- the driver's side ---- */

/* Bytes of its header. */
static inline uint32_t drv_header(const struct bench *b)
{
    if (bench_has(b, F_HASH_REPORT))
        return 20;
    return b->combo->ops == &driver_legacy && !bench_has(b, F_MRG_RXBUF) ? 10 : 12;
}

struct hdr_fields {
    uint8_t flags, gso;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, buffers;
};

static inline void hdr_put(enum byte_order order, uint8_t *p, const struct hdr_fields *h, bool last)
{
    p[0] = h->flags;
    p[1] = h->gso;
    order_store(order, p + 2, 2, h->hdr_len);
    order_store(order, p + 4, 2, h->gso_size);
    order_store(order, p + 6, 2, h->csum_start);
    order_store(order, p + 8, 2, h->csum_offset);
    if (last)
        order_store(order, p + 10, 2, h->buffers);
}

static inline struct hdr_fields hdr_get(enum byte_order order, const uint8_t *p, bool last)
{
    return (struct hdr_fields){p[0],
                               p[1],
                               (uint16_t)order_load(order, p + 2, 2),
                               (uint16_t)order_load(order, p + 4, 2),
                               (uint16_t)order_load(order, p + 6, 2),
                               (uint16_t)order_load(order, p + 8, 2),
                               last ? (uint16_t)order_load(order, p + 10, 2) : 1};
}

/* Send a frame with header h (NULL: zero) on queue q, and wait until it is used. */
static inline void tx_frame(struct bench *b, unsigned q, const struct hdr_fields *h,
                            const uint8_t *frame, uint32_t len)
{
    const uint32_t hdr = drv_header(b);
    const struct hdr_fields zero = {0};
    uint8_t *bytes = (uint8_t *)calloc(1, hdr + len);

    hdr_put(b->d.order, bytes, h ? h : &zero, hdr != 10);
    memcpy(bytes + hdr, frame, len);
    assert_int_equal(dq_xfer(&b->d.q[q], bytes, hdr + len, NULL, 0), 0);
    free(bytes);
}

static inline void tx_seed(struct bench *b, uint32_t len, unsigned seed)
{
    uint8_t *frame = (uint8_t *)malloc(len);

    frame_fill(frame, len, seed);
    tx_frame(b, TXQ, NULL, frame, len);
    free(frame);
}

/* The frame that was sent as number i is that of seed. */
static inline void out_is(struct bench *b, unsigned i, uint32_t len, unsigned seed)
{
    uint8_t *frame = (uint8_t *)malloc(len);

    frame_fill(frame, len, seed);
    loop_lock(b->loop);
    assert_true(i < fake.n_out);
    assert_int_equal(fake.out[i].len, HDR + len);
    assert_memory_equal(fake.out[i].bytes + HDR, frame, len);
    loop_unlock(b->loop);
    free(frame);
}

static inline uint64_t rx_post(struct bench *b, unsigned q, uint32_t len)
{
    struct chain c = {0};
    const uint64_t at = drv_alloc(&b->d, len, 64);

    memset(drv_mem(&b->d, at, len), 0xee, len);
    chain_in(&c, at, len);
    if (b->d.q[q].n_free >= 100) /* else it takes too much of the ring */
        chain_cut(&c, b->d.frame);
    dq_add_kick(&b->d.q[q], &c, (void *)(uintptr_t)at);
    return at;
}

/* Collect one frame of len bytes, whatever it is spread over; its header in *h. */
static inline void rx_collect(struct bench *b, unsigned q, struct hdr_fields *h, uint8_t *frame,
                              uint32_t len)
{
    const uint32_t hdr = drv_header(b), total = hdr + len;
    uint8_t *bytes = (uint8_t *)malloc(total);
    uint32_t at = 0;
    unsigned n = 0;

    while (at < total) {
        struct used u;

        if (n == 0)
            assert_true(dq_wait(&b->d.q[q], &u, WAIT_MS));
        else
            assert_true(dq_poll(&b->d.q[q], &u)); /* 5.1.9.4.1-d4 */
        assert_true(u.len > 0 && u.len <= total - at);
        memcpy(bytes + at, drv_mem(&b->d, (uintptr_t)u.cookie, u.len), u.len);
        at += u.len;
        n++;
    }
    *h = hdr_get(b->d.order, bytes, hdr != 10);
    assert_int_equal(h->buffers, n);
    memcpy(frame, bytes + hdr, len);
    free(bytes);
}

static inline void rx_is(struct bench *b, uint32_t len, unsigned seed)
{
    uint8_t *want = (uint8_t *)malloc(len), *got = (uint8_t *)malloc(len);
    struct hdr_fields h;

    frame_fill(want, len, seed);
    rx_collect(b, RXQ, &h, got, len);
    assert_memory_equal(got, want, len);
    assert_int_equal(h.flags, 0);
    assert_int_equal(h.gso, 0);
    free(want);
    free(got);
}

/* Both ways once: the device works. */
static inline void net_works(struct bench *b)
{
    const uint64_t mark = drv_mark(&b->d);
    const unsigned out = frames_out(b);

    tx_seed(b, 100, 77);
    out_is(b, out, 100, 77);
    rx_post(b, RXQ, 2048);
    frame_arrive_seed(b, 300, 78);
    rx_is(b, 300, 78);
    drv_rewind(&b->d, mark);
}

static inline void init_without(struct bench *b, uint64_t features)
{
    drv_init(&b->d, b->want & ~features);
}

#endif
