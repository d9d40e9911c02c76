/* SPDX-License-Identifier: MIT */
/* A block device on an image with a pattern, on the scripted engine or a real one, and requests. */
#ifndef TESTS_DEVICE_BLK_BENCH_H
#define TESTS_DEVICE_BLK_BENCH_H

#include "devices/blk.h"
#include "tests/driver/bench.h"
#include "tests/unit/blk-script.h"

enum { DISK = 1 << 20, SECTORS = DISK / 512, HEADER = 16, POISON = 0xee };

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_FLUSH_OUT = 5, T_GET_ID = 8 };
enum { T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum {
    F_SEG_MAX = 2,
    F_RO = 5,
    F_BLK_SIZE = 6,
    F_FLUSH = 9,
    F_TOPOLOGY = 10,
    F_CONFIG_WCE = 11,
    F_MQ = 12,
    F_DISCARD = 13,
    F_WRITE_ZEROES = 14,
};

/* b->arg; NULL: all 0. */
struct disk_case {
    struct blk_open open; /* engine NULL: the scripted one */
    const char *serial;
    uint64_t size; /* more than DISK: the rest is a hole */
    uint32_t block_size;
    unsigned queues;
};

static struct image disk;

static inline void *disk_conf(struct bench *b)
{
    static struct blk_conf conf;
    const struct disk_case *c = (const struct disk_case *)b->arg;
    struct blk_open o = c ? c->open : (struct blk_open){0};

    memset(&host, 0, sizeof(host));
    image_make(&disk, DISK);
    assert_int_equal(truncate(disk.path, (off_t)max_u64(DISK, c ? c->size : 0)), 0);
    o.path = disk.path;
    if (!o.engine)
        o.engine = &scripted;
    assert_int_equal(blk_backend_open(&o, b->loop, &disk.be, &disk.err), 0);
    conf = (struct blk_conf){.backend = disk.be,
                             .serial = c ? c->serial : NULL,
                             .block_size = c ? c->block_size : 0,
                             .queues = c ? c->queues : 0};
    return &conf;
}

static inline void disk_conf_free(struct bench *b)
{
    (void)b;
    unlink(disk.path);
    loop_free(disk.loop);
}

static const struct bench_kind disk_kind = {&blk_type, "disk0", disk_conf, disk_conf_free};

/* A request in guest memory: header and data to read in one piece, data to write and status in
 * another, as the driver would like to have it. */
struct ask_blk {
    uint32_t type;
    uint64_t sector;
    uint32_t out_len, in_len; /* of data */
    uint64_t out, in;         /* where it is */
    uint32_t used;
};

/* out may be NULL; in is poisoned. */
static inline void ask_make(struct bench *b, struct ask_blk *a, const void *out)
{
    uint8_t *p;

    a->out = drv_alloc(&b->d, HEADER + a->out_len, 16);
    a->in = drv_alloc(&b->d, (uint64_t)a->in_len + 1, 16);
    p = (uint8_t *)drv_mem(&b->d, a->out, HEADER + a->out_len);
    order_store(b->d.order, p, 4, a->type);
    order_store(b->d.order, p + 4, 4, 0xdeadbeef);
    order_store(b->d.order, p + 8, 8, a->sector);
    if (out)
        memcpy(p + HEADER, out, a->out_len);
    memset(drv_mem(&b->d, a->in, a->in_len + 1), POISON, a->in_len + 1);
}

static inline uint8_t *ask_data(struct bench *b, const struct ask_blk *a)
{
    return (uint8_t *)drv_mem(&b->d, a->in, a->in_len + 1);
}

static inline uint8_t ask_status(struct bench *b, const struct ask_blk *a)
{
    return ask_data(b, a)[a->in_len];
}

static inline void ask_kick(struct bench *b, struct ask_blk *a)
{
    struct chain c = {0};

    chain_out(&c, a->out, HEADER + a->out_len);
    chain_in(&c, a->in, a->in_len + 1);
    chain_cut(&c, b->d.frame);
    dq_add_kick(&b->d.q[0], &c, a);
}

static inline uint8_t ask_ended(struct bench *b, struct ask_blk *a)
{
    struct used u;

    if (!dq_wait(&b->d.q[0], &u, WAIT_MS))
        fail_msg("request of type %u did not come back", a->type);
    assert_ptr_equal(u.cookie, a);
    a->used = u.len;
    return ask_status(b, a);
}

static inline uint8_t ask_run(struct bench *b, struct ask_blk *a, const void *out)
{
    ask_make(b, a, out);
    ask_kick(b, a);
    return ask_ended(b, a);
}

/* One request with nothing to tell but its status; used lengths are honest (D37). */
static inline uint8_t ask_status_of(struct bench *b, uint32_t type, uint64_t sector,
                                    uint32_t out_len, uint32_t in_len)
{
    const uint64_t mark = drv_mark(&b->d);
    struct ask_blk a = {.type = type, .sector = sector, .out_len = out_len, .in_len = in_len};
    uint8_t status = ask_run(b, &a, NULL);
    uint8_t *data = ask_data(b, &a);

    assert_true(a.used <= in_len + 1);
    for (uint32_t i = 0; i < in_len; i++)
        if (data[i] == POISON && i < a.used && image_byte(sector * 512 + i) != POISON)
            fail_msg("byte %u counts as written but is not", i);
    drv_rewind(&b->d, mark);
    return status;
}

/* A read of what the image had at first: the device works. */
static inline void disk_reads(struct bench *b, uint64_t sector, uint32_t len)
{
    const uint64_t mark = drv_mark(&b->d);
    struct ask_blk a = {.type = T_IN, .sector = sector, .in_len = len};
    const uint8_t *data;

    assert_int_equal(ask_run(b, &a, NULL), S_OK);
    assert_int_equal(a.used, len + 1);
    data = ask_data(b, &a);
    for (uint32_t i = 0; i < len; i++)
        if (data[i] != image_byte(sector * 512 + i))
            fail_msg("byte %u of sector %u is wrong", i, (unsigned)sector);
    drv_rewind(&b->d, mark);
}

/* The image itself still has its first contents in [from, to). */
static inline void disk_intact(uint64_t from, uint64_t to)
{
    static uint8_t data[DISK];

    image_peek(&disk, from, data, (size_t)(to - from));
    for (uint64_t i = from; i < to; i++)
        if (data[i - from] != image_byte(i))
            fail_msg("the image changed at %u", (unsigned)i);
}

static inline bool disk_broken(void *arg)
{
    return drv_broken((struct drv *)arg);
}

/* NR: the device stops and shows it, does not touch the request, and works after a reset. */
static inline void disk_failed_and_recovers(struct bench *b)
{
    if (!machine_until(b->m, disk_broken, &b->d, WAIT_MS))
        fail_msg("the device did not notice");
    machine_settle(b->m);
    assert_false(b->d.q[0].ops->used_any(&b->d.q[0]));
    bench_init(b);
    assert_false(drv_broken(&b->d));
    disk_reads(b, 0, 1024);
}

/* Requests go no further than the scripted engine; then all go on. */
static inline void disk_hold(struct bench *b)
{
    loop_lock(b->loop);
    host.hold = true;
    loop_unlock(b->loop);
}

static inline void disk_release(struct bench *b)
{
    loop_lock(b->loop);
    host.hold = false;
    loop_post(b->loop, &host.work);
    loop_unlock(b->loop);
}

static inline bool disk_held(void *arg)
{
    struct bench *b = (struct bench *)arg;
    bool held;

    loop_lock(b->loop);
    held = host.list.head;
    loop_unlock(b->loop);
    return held;
}

/* Steps of this kind so far. */
static inline unsigned disk_steps(struct bench *b, enum blk_op op)
{
    unsigned n;

    loop_lock(b->loop);
    n = host.steps[op];
    loop_unlock(b->loop);
    return n;
}

static inline void disk_script(struct bench *b, unsigned n, const int64_t *answer)
{
    loop_lock(b->loop);
    script(n, answer);
    loop_unlock(b->loop);
}

#endif
