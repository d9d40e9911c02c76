// SPDX-License-Identifier: MIT
/* N, K, O, G: what is particular to a network card, a console, a balloon, and entropy. */
#include "tests/guest/hostile/hostile.h"

enum {
    HEADER = 12,
    HEADER_OLD = 10,
    HEADER_HASH = 20,
    FRAME = 60,
    SMALL_STEP = 64,
    BUFFER = 0x4000, /* of a row; an ordinary request has its own at 0x8000 */
    ACK_ERR = 1,
    F_MRG_RXBUF = 15,
    F_CTRL_RX = 18,
    F_CTRL_VLAN = 19,
    F_MQ = 22,
    F_HASH_REPORT = 57,
    CTRL_RX = 2,
    CTRL_TX = 3,
    STATS = 2,
};

static uint64_t at(struct dev *d, unsigned off)
{
    return (uint64_t)(uintptr_t)(d->data + off);
}

static enum answer one(struct queue *q, uint64_t addr, uint32_t len, uint16_t flags)
{
    chain_put(q, &(const struct piece){addr, len, flags, 0}, 1);
    return answer_of(q);
}

static enum answer bytes(struct dev *d, uint32_t len)
{
    return one(dev_queue(d), at(d, BUFFER), len, 0);
}

/* ---- N ---- */

static uint32_t header_len(const struct dev *d)
{
    if (d->features & BIT(F_HASH_REPORT))
        return HEADER_HASH;
    return d->way == LEGACY_SPLIT && !(d->features & BIT(F_MRG_RXBUF)) ? HEADER_OLD : HEADER;
}

static void frame_make(struct dev *d, uint8_t header, uint8_t body)
{
    uint8_t *p = d->data + BUFFER;

    memset(p, header, header_len(d));
    memset(p + header_len(d), body, 2048);
}

static enum answer N01_short(struct dev *d)
{
    frame_make(d, 0, 0xff);
    for (uint32_t len = 1; len <= header_len(d); len++)
        EXPECT(bytes(d, len) == DROP);
    for (uint32_t len = 1; len < 14; len++) /* N02 */
        EXPECT(bytes(d, header_len(d) + len) == DROP);
    return DROP;
}

static enum answer N04_header_in_bytes(struct dev *d)
{
    struct piece p[HEADER_HASH + 1];
    const uint32_t n = header_len(d);

    frame_make(d, 0, 0xff);
    for (uint32_t i = 0; i <= n; i++)
        p[i] = (struct piece){at(d, BUFFER + i), i < n ? 1 : FRAME, 0, 0};
    chain_put(dev_queue(d), p, n + 1);
    return answer_of(dev_queue(d));
}

/* Flags, segmentation, its sizes, checksum: each value of each byte of the header that is odd. */
static enum answer N05_garbage_header(struct dev *d)
{
    static const uint8_t odd[] = {1, 2, 4, 5, 8, 0x80, 0x81, 0xff};

    for (unsigned byte = 0; byte < HEADER_OLD; byte++)
        for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
            frame_make(d, 0, 0xff);
            d->data[BUFFER] = (uint8_t)(i & 1); /* a checksum is wanted, or not */
            d->data[BUFFER + byte] = odd[i];
            EXPECT(bytes(d, header_len(d) + FRAME) == DROP);
        }
    frame_make(d, 0xff, 0xff); /* N07 */
    return bytes(d, header_len(d) + FRAME);
}

static enum answer N08_writable(struct dev *d)
{
    return one(dev_queue(d), at(d, BUFFER), header_len(d) + FRAME, WRITE);
}

/* Who has 10.0.2.2? The network answers with a frame. */
static void arp_ask(struct dev *d)
{
    uint8_t ask[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  9, 8, 6,
                     0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,  0, 0, 9,
                     10,   0,    2,    15,   0,    0,    0, 0, 0, 0, 10, 0, 2, 2};

    for (unsigned i = 0; i < 6; i++)
        ask[6 + i] = ask[22 + i] = (uint8_t)dev_config(d, i, 1);
    frame_make(d, 0, 0);
    memcpy(d->data + BUFFER + header_len(d), ask, sizeof(ask));
    EXPECT(bytes(d, header_len(d) + FRAME) == DROP);
}

/* With room for it, it comes. */
static void frame_comes(struct dev *d)
{
    const struct piece p = {at(d, 0x1000), 2048, WRITE, 0};
    struct used u = {0};

    chain_put(&d->q[0], &p, 1);
    queue_ring(&d->q[0]);
    arp_ask(d);
    EXPECT(used_wait(&d->q[0], &u) && u.len >= header_len(d) + 42);
}

/* n buffers with room for the header and 20 bytes each, for what comes. */
static void small_buffers(struct dev *d, unsigned n)
{
    memset(d->data + 0x1000, POISON, SMALL_STEP * n);
    for (unsigned i = 0; i < n; i++) {
        const struct piece p = {at(d, 0x1000 + SMALL_STEP * i), header_len(d) + 20, WRITE, 0};

        if (d->way == MODERN_PACKED) {
            chain_put(&d->q[0], &p, 1);
            continue;
        }
        desc_put(&d->q[0], i, p);
        avail_put(&d->q[0], (uint16_t)i);
    }
    queue_ring(&d->q[0]);
}

/* Nothing is written behind them. */
static bool small_kept(struct dev *d, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned at = header_len(d) + 20; at < SMALL_STEP; at++)
            if (d->data[0x1000 + SMALL_STEP * i + at] != POISON)
                return false;
    return true;
}

/* Nothing that came fits: nothing is used, and nothing behind a buffer is written. */
static enum answer N10_too_big(struct dev *d)
{
    struct used u;

    EXPECT(dev_start(d, d->way, ~BIT(F_MRG_RXBUF)));
    frame_comes(d);
    EXPECT(dev_start(d, d->way, ~BIT(F_MRG_RXBUF)));
    small_buffers(d, 2);
    for (unsigned i = 0; i < 3; i++)
        arp_ask(d);
    cpu_idle(TICKS_PER_SECOND / 4);
    EXPECT(!used_take(&d->q[0], &u));
    EXPECT(small_kept(d, 2));
    return IGN;
}

/* A frame that needs more buffers than there are waits, and vmm does not turn. */
static enum answer N11_too_few(struct dev *d)
{
    struct used u;

    frame_comes(d);
    EXPECT(dev_start(d, d->way, ALL));
    small_buffers(d, 1);
    for (unsigned i = 0; i < 3; i++)
        arp_ask(d);
    cpu_idle(TICKS_PER_SECOND / 4);
    EXPECT(!used_take(&d->q[0], &u));
    EXPECT(small_kept(d, 1));
    return IGN;
}

/* From one driver to the next the header changes its length, and back. */
static enum answer F08_fewer_features(struct dev *d)
{
    static const uint64_t want[] = {ALL, ~(BIT(F_MRG_RXBUF) | BIT(F_HASH_REPORT)),
                                    ~BIT(F_HASH_REPORT), 0, ALL};

    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        EXPECT(dev_start(d, d->way, want[i]));
        frame_comes(d);
    }
    return IGN;
}

/* A command of the control queue: its answer, or POISON if none came. */
static uint8_t control(struct dev *d, const void *command, uint32_t len)
{
    struct queue *q = &d->q[d->n_queues - 1];
    volatile uint8_t *ack = d->data + BUFFER + 0x800;
    const struct piece p[] = {{at(d, BUFFER), len, 0, 0}, {at(d, BUFFER + 0x800), 1, WRITE, 0}};

    memcpy(d->data + BUFFER, command, len);
    *ack = POISON;
    chain_put(q, p, 2);
    return answer_of(q) == WORKS ? *ack : POISON;
}

static enum answer N13_unknown_commands(struct dev *d)
{
    static const uint8_t command[][10] = {
        {99, 0, 1},                 /* a class that nobody has */
        {0, 99, 1},                 /* a command likewise */
        {0, 0},                     /* without its byte */
        {1, 1, 2, 0, 0, 0, 0},      /* N16: a MAC address of 5 bytes */
        {2, 0, 0, 0x10},            /* N17: VLAN 4096 */
        {2, 0, 1},                  /* of one byte */
        {4, 0, 0xff, 0xff},         /* 65535 pairs of queues */
        {4, 0, 0, 0},               /* none */
        {4, 1, 1, 0, 0, 0, 3},      /* N19: a table that is too short */
        {1, 0, 255, 255, 255, 255}, /* 2^32 - 1 addresses */
    };
    static const uint8_t len[] = {3, 3, 2, 7, 4, 3, 4, 4, 7, 6};

    for (unsigned i = 0; i < ARRAY_SIZE(len); i++)
        if (!EXPECT(control(d, command[i], len[i]) == ACK_ERR))
            print("# command %u.%u\n", command[i][0], command[i][1]);
    return REPLY_ERR;
}

static enum answer N20_not_negotiated(struct dev *d)
{
    static const uint8_t command[][4] = {{0, 0, 1}, {0, 3, 1}, {2, 0, 5, 0}, {4, 0, 1, 0}};

    EXPECT(dev_start(d, d->way, ~(BIT(F_CTRL_RX) | BIT(20) | BIT(F_CTRL_VLAN) | BIT(F_MQ))));
    for (unsigned i = 0; i < ARRAY_SIZE(command); i++)
        EXPECT(control(d, command[i], i < 2 ? 3 : 4) == ACK_ERR);
    return REPLY_ERR;
}

static enum answer N14_no_command(struct dev *d)
{
    struct queue *q = &d->q[d->n_queues - 1];
    const struct piece p[] = {{at(d, BUFFER), 1, 0, 0}, {at(d, BUFFER + 0x800), 1, WRITE, 0}};

    chain_put(q, p, 2);
    EXPECT(answer_of(q) == DROP);
    return one(q, at(d, BUFFER), 3, 0); /* no room for an answer */
}

/* Sends as fast as it can; entropy comes all the same. */
static enum answer N22_endless(struct dev *d)
{
    struct queue *q = dev_queue(d);
    struct used u;

    EXPECT(dev_start(d, d->way, ~BIT(F_IN_ORDER)));
    q->singles = true;
    frame_make(d, 0, 0xff);
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 32; i++)
            chain_put(q, &(const struct piece){at(d, BUFFER), header_len(d) + FRAME, 0, 0}, 1);
        queue_ring(q);
        if (devs[RNG].there && round % 10 == 0)
            EXPECT(honest(&devs[RNG]));
        for (unsigned i = 0; i < 32; i++)
            EXPECT(used_wait(q, &u));
    }
    return DROP;
}

/* IPv4, of all protocols, and ARP, of random bytes, to the host's user-mode network. */
static enum answer N23_garbage_frames(struct dev *d)
{
    static const uint8_t to[] = {0x52, 0x55, 10, 0, 2, 2, 2, 0, 0, 0, 0, 9, 8, 0};
    uint32_t x = 12345;

    for (unsigned round = 0; round < 100; round++) {
        uint8_t *p = d->data + BUFFER + header_len(d);

        frame_make(d, 0, 0);
        for (unsigned i = 0; i < 200; i++)
            p[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
        memcpy(p, to, sizeof(to));
        if (round % 4 == 3)
            p[13] = 6; /* ARP */
        else
            memcpy(p + 14, (const uint8_t[]){(uint8_t)(0x45 + round % 3), 0, 0, (uint8_t)round}, 4);
        EXPECT(bytes(d, header_len(d) + 14 + round * 2) == DROP);
    }
    return DROP;
}

/* ---- K ---- */

static enum answer say(struct dev *d, uint32_t id, uint16_t event, uint16_t value)
{
    memcpy(d->data + BUFFER, &id, 4);
    memcpy(d->data + BUFFER + 4, &event, 2);
    memcpy(d->data + BUFFER + 6, &value, 2);
    return one(&d->q[CTRL_TX], at(d, BUFFER), 8, 0);
}

static enum answer K01_odd_messages(struct dev *d)
{
    static const uint32_t id[] = {31, 1000, 0x80000000, 0xffffffff};
    struct queue *q = &d->q[CTRL_TX];

    d->ports = true;
    EXPECT(dev_start(d, d->way, ALL));
    for (unsigned i = 0; i < ARRAY_SIZE(id); i++) /* K02 */
        for (uint16_t event = 0; event < 9; event++)
            EXPECT(say(d, id[i], event, 1) == DROP);
    EXPECT(say(d, 0, 0xffff, 0xffff) == DROP);
    for (uint32_t len = 0; len < 8; len++)
        EXPECT(one(q, at(d, BUFFER), len, 0) == DROP);
    EXPECT(one(q, at(d, BUFFER), 0x8000, 0) == DROP); /* K04 */
    EXPECT(one(q, at(d, BUFFER), 0xffffffff, 0) == DROP);
    return one(q, at(d, BUFFER), 8, WRITE); /* K07 */
}

static enum answer K05_toggled_unheard(struct dev *d)
{
    d->ports = true;
    EXPECT(dev_start(d, d->way, ALL));
    for (unsigned i = 0; i < 200; i++) {
        EXPECT(say(d, 0, 0, 1) == DROP);
        EXPECT(say(d, 1, 3, 1) == DROP);
        EXPECT(say(d, 1, 6, i & 1) == DROP);
    }
    return DROP;
}

static enum answer K08_no_ports(struct dev *d)
{
    for (unsigned i = 2; i < QUEUES; i++) {
        struct queue *q = &d->q[i];

        if (d->way == LEGACY_SPLIT || q->bell)
            queue_ring(q);
    }
    EXPECT(honest(d));
    return IGN;
}

/* ---- O ---- */

static enum answer O01_pages_nowhere(struct dev *d)
{
    static const uint32_t page[] = {0xffffffff, 0xc0000,    0xe8000, 0xfec00, 0xfee00, 0x4000,
                                    0x100000,   0x80000000, 0xfffff, 0x2800 /* a good one */};

    memcpy(d->data + BUFFER, page, sizeof(page));
    EXPECT(bytes(d, sizeof(page)) == DROP);
    EXPECT(one(&d->q[1], at(d, BUFFER), sizeof(page), 0) == DROP); /* and back */
    return bytes(d, 3);                                            /* less than one number */
}

static enum answer O04_odd_statistics(struct dev *d)
{
    struct queue *q = &d->q[STATS];

    EXPECT(d->n_queues > STATS);
    memset(d->data + BUFFER, 0xff, 0x4000);
    chain_put(q, &(const struct piece){at(d, BUFFER), 0x3fff, 0, 0}, 1);
    queue_ring(q);
    cpu_idle(2);
    /* O05: a second one sends the first one back */
    if (d->way == MODERN_PACKED)
        return one(q, at(d, BUFFER), 11, 0);
    desc_put(q, 1, (struct piece){at(d, BUFFER), 11, 0, 0});
    avail_put(q, 1);
    return answer_of(q);
}

static enum answer O05_held_twice(struct dev *d)
{
    struct queue *q = &d->q[STATS];

    EXPECT(d->n_queues > STATS);
    chain_put(q, &(const struct piece){at(d, BUFFER), 10, 0, 0}, 1);
    queue_ring(q);
    cpu_idle(2);
    avail_put(q, 0); /* D07: its head is with the device still */
    return answer_of(q);
}

/* Free pages that are told of: the last queue. */
static enum answer O07_reports_nowhere(struct dev *d)
{
    struct queue *q = &d->q[d->n_queues - 1];
    const struct piece both[] = {{at(d, BUFFER), 4096, 0, 0}, {at(d, BUFFER), 4096, WRITE, 0}};

    EXPECT(d->n_queues > STATS + 1);
    EXPECT(one(q, RAM_END - 4096, 0x4000, WRITE) == DROP);
    EXPECT(one(q, UINT64_C(1) << 40, 4096, WRITE) == DROP);
    EXPECT(one(q, UINT64_MAX - 4095, 8192, WRITE) == DROP);
    chain_put(q, both, 2); /* O08 */
    return answer_of(q);
}

/* ---- G ---- */

static enum answer G01_huge(struct dev *d)
{
    struct queue *q = dev_queue(d);
    struct piece p[8];
    struct used u;

    for (unsigned i = 0; i < ARRAY_SIZE(p); i++) /* the same bytes again and again */
        p[i] = (struct piece){at(d, 0), 0xf000, WRITE, 0};
    memset(d->data + 0xf000, POISON, 0x1000);
    chain_put(q, p, ARRAY_SIZE(p));
    queue_ring(q);
    EXPECT(used_wait(q, &u) && u.len > 0 && u.len <= 8 * 0xf000);
    EXPECT(d->data[0xf000] == POISON && d->data[0xffff] == POISON);
    return WORKS;
}

static enum answer G02_useless(struct dev *d)
{
    EXPECT(bytes(d, 64) == DROP);
    EXPECT(one(dev_queue(d), at(d, BUFFER), 0, WRITE) == DROP);
    return one(dev_queue(d), at(d, BUFFER), 0, 0);
}

/* 0 is the answer to a request that fits; the storm of G04 is many of them, all answered. */
static enum answer G04_storm(struct dev *d)
{
    for (unsigned i = 0; i < 500; i++) {
        EXPECT(one(dev_queue(d), at(d, BUFFER), 4096, WRITE) == WORKS);
        queue_ring(dev_queue(d));
    }
    return WORKS;
}

const struct row rows_rest[] = {
    {"N01 N02 short frames", W_ALL, D_NET, DROP, N01_short},
    {"N04 header byte by byte", W_ALL, D_NET, DROP, N04_header_in_bytes},
    {"N05 N07 garbage in the header", W_ALL, D_NET, DROP, N05_garbage_header},
    {"N08 writable frame", W_ALL, D_NET, DROP, N08_writable},
    {"N10 frame too big", W_ALL, D_NET, IGN, N10_too_big},
    {"N11 too few buffers", W_ALL, D_NET, IGN, N11_too_few},
    {"F08 fewer features", W_ALL, D_NET, IGN, F08_fewer_features},
    {"N20 not negotiated", W_ALL, D_NET, REPLY_ERR, N20_not_negotiated},
    {"N13 N16 N17 N19 control", W_ALL, D_NET, REPLY_ERR, N13_unknown_commands},
    {"N14 no command", W_ALL, D_NET, DROP, N14_no_command},
    {"N22 endless frames", W_ALL, D_NET, DROP, N22_endless},
    {"N23 garbage frames", W_ALL, D_NET, DROP, N23_garbage_frames},
    {"K01 K02 K04 K07 odd messages", W_ALL, D_CON, DROP, K01_odd_messages},
    {"K05 toggled, unheard", W_ALL, D_CON, DROP, K05_toggled_unheard},
    {"K08 without ports", W_ALL, D_CON, IGN, K08_no_ports},
    {"O01 O02 pages nowhere", W_ALL, D_BAL, DROP, O01_pages_nowhere},
    {"O04 O05 odd statistics", W_ALL, D_BAL, DROP, O04_odd_statistics},
    {"O05 D07 statistics held twice", W_S, D_BAL, NR, O05_held_twice},
    {"O07 O08 reports nowhere", W_M, D_BAL, DROP, O07_reports_nowhere},
    {"G01 huge and aliased", W_ALL, D_RNG, WORKS, G01_huge},
    {"G02 useless buffers", W_ALL, D_RNG, DROP, G02_useless},
    {"G04 storm", W_ALL, D_RNG, WORKS, G04_storm},
    {0},
};
