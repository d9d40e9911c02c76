// SPDX-License-Identifier: MIT
/* Lint over a console, the entropy device and the balloon. Each test breaks one clause only. */
#include "devices/balloon.h"
#include "devices/rng.h"
#include "tests/device/fake-chr.h"
#include "tests/device/lint-bench.h"

enum { RAW = BENCH_LINT | BENCH_RAW, BUF = 64 };

static struct chain chain;

static uint64_t buffer(struct bench *b, uint32_t len)
{
    const uint64_t at = drv_alloc(&b->d, len, 16);

    memset(drv_mem(&b->d, at, len), 0, len);
    return at;
}

/* ---- console: a console and a port ---- */

enum { CTRL_RX = 2, CTRL_TX = 3, READY = 0, PORT_READY = 3, OPEN = 6 };

static void *console_conf(struct bench *b)
{
    static struct console_conf conf;
    static struct console_port_conf port;

    port = (struct console_port_conf){"org.test.1", &fake_new(b->loop)->chr};
    conf = (struct console_conf){&fake_new(b->loop)->chr, &port, 1};
    return &conf;
}

static void console_conf_free(struct bench *b)
{
    const struct console_conf *conf = (const struct console_conf *)b->conf;

    fake_free(conf->chr);
    fake_free(conf->port[0].chr);
}

static const struct bench_kind console_kind = {&console_type, "console0", console_conf,
                                               console_conf_free};

static void say(struct bench *b, uint32_t id, unsigned event, unsigned value)
{
    uint8_t m[8];

    order_store(b->d.order, m, 4, id);
    order_store(b->d.order, m + 4, 2, event);
    order_store(b->d.order, m + 6, 2, value);
    dq_xfer(&b->d.q[CTRL_TX], m, sizeof(m), NULL, 0);
}

/* As a driver begins: port 0 is ready, and was told that it is a console. */
static void begin(struct bench *b)
{
    for (unsigned i = 0; i < 8; i++) {
        chain.n = 0;
        chain_in(&chain, buffer(b, BUF), BUF);
        dq_add_kick(&b->d.q[CTRL_RX], &chain, NULL);
    }
    say(b, UINT32_MAX, READY, 1);
    say(b, 0, PORT_READY, 1);
    machine_settle(b->m);
}

static void console_well_behaved(struct bench *b)
{
    begin(b);
    say(b, 0, OPEN, 1);
    say(b, 0, OPEN, 0);
    dq_xfer(&b->d.q[1], "hello", 5, NULL, 0);
    b->d.ops->config_read(&b->d, 4, 4);
    lint_clean(b);
}

static void console_rx(struct bench *b)
{
    const unsigned queue = b->arg ? CTRL_RX : 0;

    if (queue)
        begin(b);
    chain.n = 0;
    chain_out(&chain, buffer(b, BUF), BUF);
    chain_in(&chain, buffer(b, BUF), BUF);
    dq_add_kick(&b->d.q[queue], &chain, NULL);
    for (unsigned i = 0; queue && i < 8; i++) /* something for it to be used for */
        say(b, 1, PORT_READY, 1);
    lint_only(b, LINT_CONSOLE_RX);
}

static void console_tx(struct bench *b)
{
    uint8_t in[BUF];

    dq_xfer(&b->d.q[b->arg ? CTRL_TX : 1], NULL, 0, in, sizeof(in));
    lint_only(b, LINT_CONSOLE_TX);
}

static void console_open(struct bench *b)
{
    begin(b);
    say(b, 0, OPEN, 0);
    lint_only(b, LINT_CONSOLE_OPEN);
}

static void console_old_layout(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 8, 8);

    drv_init(&b->d, b->want & ~BIT64(27));
    memset(drv_mem(&b->d, at, 8), 0xff, 8);
    chain.n = 0;
    chain_out(&chain, at, 4);
    chain_out(&chain, at + 4, 4);
    dq_add_kick(&b->d.q[CTRL_TX], &chain, NULL);
    lint_only(b, LINT_CONSOLE_OLD_LAYOUT);
}

static const struct bench_test console_tests[] = {
    {"well_behaved", console_well_behaved, BENCH_LINT, NULL},
    {"5.3.6.1-t1", console_rx, BENCH_LINT, NULL},
    {"5.3.6.1-t1/control", console_rx, BENCH_LINT, "control"},
    {"5.3.6.1-t2", console_tx, BENCH_LINT, NULL},
    {"5.3.6.1-t2/control", console_tx, BENCH_LINT, "control"},
    {"5.3.6.2.2-t4", console_open, BENCH_LINT, NULL},
    {"5.3.6.4-l1", console_old_layout, RAW | BENCH_LEGACY, NULL},
};

/* ---- entropy ---- */

static void *rng_conf(struct bench *b)
{
    static struct rng_conf conf;

    conf = (struct rng_conf){.source = entropy_open(NULL, b->loop, NULL)};
    assert_non_null(conf.source);
    return &conf;
}

static const struct bench_kind rng_kind = {&rng_type, "rng0", rng_conf, NULL};

static void rng_well_behaved(struct bench *b)
{
    uint8_t in[BUF] = {0};

    assert_int_equal(dq_xfer(&b->d.q[0], NULL, 0, in, sizeof(in)), sizeof(in));
    lint_clean(b);
}

static void rng_readable(struct bench *b)
{
    uint8_t in[BUF] = {0};

    dq_xfer(&b->d.q[0], "?", 1, in, sizeof(in));
    lint_only(b, LINT_RNG_READABLE);
}

static const struct bench_test rng_tests[] = {
    {"well_behaved", rng_well_behaved, BENCH_LINT, NULL},
    {"5.4.6.1-t1", rng_readable, BENCH_LINT, NULL},
};

/* ---- balloon: plain, or with reports (arg) ---- */

enum { DEFLATE = 1, STATS = 2, F_MUST_TELL_HOST = 0, C_ACTUAL = 4, C_POISON = 12 };

static void *balloon_conf(struct bench *b)
{
    static struct balloon_conf conf;

    conf = (struct balloon_conf){.reporting = b->arg};
    return &conf;
}

static const struct bench_kind balloon_kind = {&balloon_type, "balloon0", balloon_conf, NULL};

static void balloon_ready(struct bench *b, bool poison)
{
    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    if (poison)
        b->d.ops->config_write(&b->d, C_POISON, 4, 0);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        drv_queue(&b->d, i, 0);
    drv_go(&b->d);
}

static void no_tell(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(F_MUST_TELL_HOST));
    lint_only(b, LINT_BALLOON_NO_TELL);
}

static void poison_missing(struct bench *b)
{
    balloon_ready(b, false);
    lint_only(b, LINT_POISON_MISSING);
}

static void poison_changed(struct bench *b)
{
    balloon_ready(b, true);
    lint_clean(b);
    b->d.ops->config_write(&b->d, C_POISON, 4, 0x01010101);
    lint_only(b, LINT_POISON_CHANGED);
}

static void actual_pieces(struct bench *b)
{
    b->d.ops->config_write(&b->d, C_ACTUAL, 4, 0);
    lint_clean(b);
    for (unsigned i = 0; i < 4; i++)
        b->d.ops->config_write(&b->d, C_ACTUAL + i, 1, 0);
    lint_only(b, LINT_ACTUAL_PIECES);
}

static void deflate(struct bench *b)
{
    uint8_t page[4] = {0};

    dq_xfer(&b->d.q[DEFLATE], page, sizeof(page), NULL, 0);
    lint_only(b, LINT_BALLOON_DEFLATE);
}

/* A buffer of len bytes, all entries with this tag; given back first if one is held. */
static void stats(struct bench *b, uint32_t len, uint16_t tag, bool ask)
{
    const uint64_t at = buffer(b, 64);
    struct err err;
    struct used u;

    if (ask) {
        loop_lock(b->loop);
        assert_int_equal(balloon_stats_ask(b->dev, &err), 0);
        loop_unlock(b->loop);
        assert_true(dq_wait(&b->d.q[STATS], &u, WAIT_MS));
    }
    for (unsigned i = 0; i < 6; i++)
        order_store(b->d.order, drv_mem(&b->d, at + 10 * i, 10), 2, tag);
    chain.n = 0;
    chain_out(&chain, at, len);
    dq_add_kick(&b->d.q[STATS], &chain, NULL);
    machine_settle(b->m);
}

static void balloon_well_behaved(struct bench *b)
{
    stats(b, 20, 1, false);
    for (unsigned i = 0; i < 5; i++)
        stats(b, 20, 1, true);
    b->d.ops->config_read(&b->d, 0, 4);
    lint_clean(b);
}

static void stats_two(struct bench *b)
{
    stats(b, 20, 1, false);
    stats(b, 20, 1, false);
    lint_only(b, LINT_STATS_TWO);
}

static void stats_empty(struct bench *b)
{
    stats(b, 0, 1, false);
    lint_clean(b);
    stats(b, 0, 1, true);
    lint_only(b, LINT_STATS_EMPTY);
}

static void stats_bytes(struct bench *b)
{
    stats(b, 20, 1, false);
    stats(b, 17, 1, true);
    lint_only(b, LINT_STATS_BYTES);
}

/* The first one does not count with drivers of 0.9. */
static void stats_subset(struct bench *b)
{
    stats(b, 20, 1, false);
    stats(b, 20, 1, true);
    lint_clean(b);
    stats(b, 20, 2, true);
    lint_only(b, LINT_STATS_SUBSET);
}

static const struct bench_test balloon_tests[] = {
    {"well_behaved", balloon_well_behaved, BENCH_LINT, NULL},
    {"5.5.3.1-t1", no_tell, RAW | BENCH_PACKED | BENCH_ADVICE, NULL},
    {"5.5.6.1-t4", deflate, BENCH_LINT, NULL},
    {"5.5.6.2.1-l2", actual_pieces, BENCH_LINT | BENCH_LEGACY, NULL},
    {"5.5.6.3.1-t1", stats_two, BENCH_LINT, NULL},
    {"5.5.6.3.1-t3", stats_empty, BENCH_LINT, NULL},
    {"5.5.6.3.1-t4", stats_bytes, BENCH_LINT, NULL},
    {"5.5.6.3.1-t6", stats_subset, BENCH_LINT, NULL},
    {"5.5.6.6.1-t2", poison_missing, RAW, "reports"},
    {"5.5.6.6.1-t3", poison_changed, RAW, "reports"},
};

int main(void)
{
    int failed = bench_run("lint-console", &console_kind, console_tests, ARRAY_SIZE(console_tests));

    failed += bench_run("lint-rng", &rng_kind, rng_tests, ARRAY_SIZE(rng_tests));
    return failed +
           bench_run("lint-balloon", &balloon_kind, balloon_tests, ARRAY_SIZE(balloon_tests));
}
