// SPDX-License-Identifier: MIT
/* The console device with named ports: K01, K02, K04, K05, K07, K08, and emergency writes. */
#include "tests/device/fake-chr.h"

enum { F_SIZE = 0, F_MULTIPORT = 1, F_EMERG = 2 };
enum { CTRL_RX = 2, CTRL_TX = 3, RX1 = 4, TX1 = 5 };
enum { READY = 0, ADD = 1, PORT_READY = 3, CONSOLE = 4, RESIZE = 5, OPEN = 6, NAME = 7 };
enum { PORTS = 4, BUF = 128, BUFS = 60 };

static struct console_conf conf;
static struct console_port_conf port_conf[CONSOLE_PORTS_MAX];
static unsigned n_fakes;

static void *make(struct bench *b, unsigned ports, bool console, bool peers)
{
    static char names[CONSOLE_PORTS_MAX][24];
    struct fake *f = console ? fake_new(b->loop) : NULL;

    if (f) {
        f->has_size = true;
        f->size = (struct chr_size){80, 25};
    }
    n_fakes = ports - 1;
    for (unsigned i = 0; i < n_fakes; i++) {
        snprintf(names[i], sizeof(names[i]), "org.test.%u", i + 1);
        port_conf[i] = (struct console_port_conf){names[i], &fake_new(b->loop)->chr};
        if (peers)
            chr_set_open(port_conf[i].chr, false);
    }
    conf = (struct console_conf){f ? &f->chr : NULL, port_conf, n_fakes};
    return &conf;
}

/* arg: "peers" for ports that are closed at first, "bare" for no console, "many" for all there can
 * be */
static void *make_conf(struct bench *b)
{
    const char *word = b->arg ? b->arg : "";

    return make(b, strcmp(word, "many") ? PORTS : 18, strcmp(word, "bare") != 0,
                !strcmp(word, "peers"));
}

static void free_conf(struct bench *b)
{
    (void)b;
    if (conf.chr)
        fake_free(conf.chr);
    for (unsigned i = 0; i < n_fakes; i++)
        fake_free(port_conf[i].chr);
}

static struct fake *fake(unsigned id)
{
    return fake_of(id ? port_conf[id - 1].chr : conf.chr);
}

/* ---- messages ---- */

static struct chain chain;

static void give_at(struct bench *b, unsigned q, uint64_t at, uint32_t len)
{
    chain.n = 0;
    chain_in(&chain, at, len);
    dq_add_kick(&b->d.q[q], &chain, drv_mem(&b->d, at, len));
}

static void give(struct bench *b, unsigned q, uint32_t len)
{
    give_at(b, q, drv_alloc(&b->d, len, 8), len);
}

static void give_ctrl(struct bench *b, unsigned n)
{
    while (n--)
        give(b, CTRL_RX, BUF);
}

struct message {
    uint32_t id;
    unsigned event, value;
    uint32_t len;
    const uint8_t *rest;
};

static struct message message_next(struct bench *b)
{
    const enum byte_order o = b->d.order;
    const uint8_t *p;
    struct used u;

    assert_true(dq_wait(&b->d.q[CTRL_RX], &u, WAIT_MS));
    assert_true(u.len >= 8);
    p = u.cookie;
    return (struct message){(uint32_t)order_load(o, p, 4), (unsigned)order_load(o, p + 4, 2),
                            (unsigned)order_load(o, p + 6, 2), u.len, p + 8};
}

static void expect(struct bench *b, uint32_t id, unsigned event, unsigned value)
{
    const struct message m = message_next(b);

    assert_int_equal(m.id, id);
    assert_int_equal(m.event, event);
    assert_int_equal(m.value, value);
    if (event == NAME) {
        assert_int_equal(m.len, 8 + strlen(port_conf[id - 1].name));
        assert_memory_equal(m.rest, port_conf[id - 1].name, m.len - 8);
    } else {
        assert_int_equal(m.len, event == RESIZE ? 12 : 8);
    }
}

static void expect_size(struct bench *b, uint16_t cols, uint16_t rows)
{
    const struct message m = message_next(b);

    assert_int_equal(m.event, RESIZE);
    assert_int_equal(m.len, 12);
    assert_int_equal(order_load(b->d.order, m.rest, 2), cols);
    assert_int_equal(order_load(b->d.order, m.rest + 2, 2), rows);
}

static void expect_none(struct bench *b)
{
    struct used u;

    machine_settle(b->m);
    assert_false(dq_poll(&b->d.q[CTRL_RX], &u));
}

static void say(struct bench *b, uint32_t id, unsigned event, unsigned value)
{
    uint8_t m[8];

    order_store(b->d.order, m, 4, id);
    order_store(b->d.order, m + 4, 2, event);
    order_store(b->d.order, m + 6, 2, value);
    assert_int_equal(dq_xfer(&b->d.q[CTRL_TX], m, sizeof(m), NULL, 0), 0);
}

/* As Linux begins: up to every port being ready. */
static void begin(struct bench *b)
{
    const unsigned first = conf.chr ? 0 : 1;

    give_ctrl(b, BUFS);
    say(b, 0xffffffff, READY, 1);
    for (unsigned i = first; i <= conf.n_ports; i++)
        expect(b, i, ADD, 1);
    for (unsigned i = first; i <= conf.n_ports; i++) {
        say(b, i, PORT_READY, 1);
        if (!i) {
            expect(b, 0, CONSOLE, 1);
            expect_size(b, 80, 25);
            say(b, 0, OPEN, 1);
        } else {
            expect(b, i, NAME, 1);
        }
        if (chr_is_open(&fake(i)->chr))
            expect(b, i, OPEN, 1);
    }
    expect_none(b);
}

/* ---- bytes ---- */

static size_t out_len(struct bench *b, unsigned id)
{
    size_t n;

    loop_lock(b->loop);
    n = fake(id)->out_len;
    loop_unlock(b->loop);
    return n;
}

static void type_in(struct bench *b, unsigned id, const char *text)
{
    loop_lock(b->loop);
    fake(id)->in = (const uint8_t *)text;
    fake(id)->in_len = strlen(text);
    fake_more(&fake(id)->chr);
    loop_unlock(b->loop);
}

static void set_open(struct bench *b, unsigned id, bool open)
{
    loop_lock(b->loop);
    chr_set_open(&fake(id)->chr, open);
    loop_unlock(b->loop);
}

struct await {
    struct bench *b;
    unsigned id;
    size_t len;
};

static bool out_is(void *arg)
{
    const struct await *a = arg;

    return out_len(a->b, a->id) >= a->len;
}

static void expect_out(struct bench *b, unsigned id, const char *text)
{
    struct await a = {b, id, strlen(text)};

    assert_true(machine_until(b->m, out_is, &a, WAIT_MS));
    assert_int_equal(out_len(b, id), a.len);
    assert_memory_equal(fake(id)->out, text, a.len);
}

static void expect_in(struct bench *b, unsigned q, const char *text)
{
    struct used u;

    assert_true(dq_wait(&b->d.q[q], &u, WAIT_MS));
    assert_int_equal(u.len, strlen(text));
    assert_memory_equal(u.cookie, text, u.len);
}

/* ---- tests ---- */

static void test_config(struct bench *b)
{
    struct drv *d = &b->d;

    assert_true(bench_has(b, F_MULTIPORT) && bench_has(b, F_SIZE) && bench_has(b, F_EMERG));
    assert_int_equal(d->n_queues, 2 * (PORTS + 1)); /* 5.3.2-d1 */
    assert_int_equal(d->ops->config_read(d, 0, 2), 80);
    assert_int_equal(d->ops->config_read(d, 2, 2), 25);
    assert_int_equal(d->ops->config_read(d, 4, 4), PORTS);
    assert_int_equal(d->ops->config_read(d, 8, 4), 0);
    d->ops->config_write(d, 4, 4, 99);
    assert_int_equal(d->ops->config_read(d, 4, 4), PORTS);
}

/* 5.3.6-d1, with every port and both directions; each port its own bytes. */
static void test_data(struct bench *b)
{
    char text[32];

    begin(b);
    for (unsigned i = 1; i <= conf.n_ports; i++)
        say(b, i, OPEN, 1);
    for (unsigned i = 0; i <= conf.n_ports; i++) {
        const unsigned q = i ? 2 * i + 2 : 0;

        snprintf(text, sizeof(text), "this is for port %u", i);
        assert_int_equal(dq_xfer(&b->d.q[q + 1], text, (uint32_t)strlen(text), NULL, 0), 0);
        expect_out(b, i, text);
        type_in(b, i, text);
        give(b, q, 64);
        expect_in(b, q, text);
    }
}

/* What comes for a port that nobody in the guest has open waits on the host. */
static void test_guest_closed(struct bench *b)
{
    struct used u;

    begin(b);
    give(b, RX1, 64);
    type_in(b, 1, "early");
    machine_settle(b->m);
    assert_false(dq_poll(&b->d.q[RX1], &u));
    say(b, 1, OPEN, 1);
    expect_in(b, RX1, "early");
    say(b, 1, OPEN, 0);
    give(b, RX1, 64);
    type_in(b, 1, "late");
    machine_settle(b->m);
    assert_false(dq_poll(&b->d.q[RX1], &u));
    say(b, 1, OPEN, 1);
    expect_in(b, RX1, "late");
}

/* Peers come and go: the guest is told, each time. */
static void test_peers(struct bench *b)
{
    begin(b);
    say(b, 2, OPEN, 1);
    assert_int_equal(dq_xfer(&b->d.q[7], "lost", 4, NULL, 0), 0);
    for (unsigned i = 0; i < 5; i++) {
        set_open(b, 2, true);
        expect(b, 2, OPEN, 1);
        set_open(b, 2, false);
        expect(b, 2, OPEN, 0);
    }
    set_open(b, 2, true);
    expect(b, 2, OPEN, 1);
    assert_int_equal(dq_xfer(&b->d.q[7], "heard", 5, NULL, 0), 0);
    expect_out(b, 2, "heard");
    loop_lock(b->loop);
    assert_int_equal(chr_lost(&fake(2)->chr), 4);
    loop_unlock(b->loop);
    expect_none(b);
}

/* A peer that reads slowly loses nothing, and holds up nobody but its port; when it goes the guest
 * goes on. */
static void test_slow_peer(struct bench *b)
{
    enum { LEN = 1 << 20, N = 3 };
    const uint64_t at = drv_alloc(&b->d, LEN, 4096);
    struct used u;
    unsigned back = 0;

    set_open(b, 1, true);
    loop_lock(b->loop);
    fake(1)->blocked = true;
    loop_unlock(b->loop);
    begin(b);
    for (unsigned i = 0; i < N; i++) {
        chain.n = 0;
        chain_out(&chain, at, LEN);
        dq_add_kick(&b->d.q[TX1], &chain, NULL);
    }
    while (dq_wait(&b->d.q[TX1], &u, 2 * CHR_HOLD_MS))
        back++;
    assert_true(back < N);
    assert_int_equal(dq_xfer(&b->d.q[7], "other", 5, NULL, 0), 0);
    set_open(b, 1, false);
    expect(b, 1, OPEN, 0);
    for (; back < N; back++)
        assert_true(dq_wait(&b->d.q[TX1], &u, WAIT_MS));
}

static void test_resize(struct bench *b)
{
    begin(b);
    loop_lock(b->loop);
    fake(0)->size = (struct chr_size){132, 43};
    chr_resized(&fake(0)->chr);
    loop_unlock(b->loop);
    expect_size(b, 132, 43);
    assert_int_equal(b->d.ops->config_read(&b->d, 0, 2), 132);
    assert_int_equal(b->d.ops->config_read(&b->d, 2, 2), 43);
}

/* K05: a driver that talks and never listens. The newest state is told, once. */
static void test_coalesce(struct bench *b)
{
    for (unsigned i = 0; i < 500; i++) {
        say(b, 0, READY, 1);
        say(b, 1, PORT_READY, 1); /* not announced yet: no answer is due */
    }
    give_ctrl(b, PORTS);
    for (unsigned i = 0; i < PORTS; i++)
        expect(b, i, ADD, 1);
    for (unsigned i = 0; i < 500; i++) {
        say(b, 0, READY, 1); /* 5.3.6.2.1-d1: never added twice */
        say(b, 1, PORT_READY, 1);
        say(b, 1, OPEN, i % 2);
        set_open(b, 1, i % 2);
    }
    give_ctrl(b, BUFS);
    expect(b, 1, NAME, 1);
    expect(b, 1, OPEN, 1);
    expect_none(b);
}

/* K01, K02, K04, K07: nothing happens, and the device goes on. */
static void test_useless(struct bench *b)
{
    static const uint32_t ids[] = {PORTS, PORTS + 1, 1000, 0x80000000, 0xffffffff};
    const uint64_t at = drv_alloc(&b->d, 64, 8);
    struct used u;

    memset(drv_mem(&b->d, at, 64), 0xff, 64);
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        say(b, ids[i], PORT_READY, 1);
        say(b, ids[i], OPEN, 1);
        say(b, ids[i], 0xffff, 1);
    }
    for (unsigned i = 0; i < 8; i++) {
        chain.n = 0;
        if (i < 4)
            chain_out(&chain, i == 1 ? RAM_HOLE : at, i == 0 ? 7 : 8);
        if (i == 2)
            chain_in(&chain, at, 8);
        if (i == 3)
            chain_out(&chain, at, UINT32_MAX);
        if (i == 4) {
            chain_out(&chain, at, 8);
            chain_out(&chain, RAM_HIGH, 64 << 20);
        }
        if (i == 5)
            chain_in(&chain, at, 8);
        if (i >= 6)
            chain_out(&chain, at, i - 6);
        dq_add_kick(&b->d.q[CTRL_TX], &chain, NULL);
        assert_true(dq_wait(&b->d.q[CTRL_TX], &u, WAIT_MS));
        assert_int_equal(u.len, 0);
    }
    assert_false(drv_broken(&b->d));
    begin(b);
}

/* Control buffers that no message can go to come back empty; none is lost. */
static void test_useless_ctrl_rx(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 64, 8);
    struct used u;

    say(b, 0, READY, 1);
    for (unsigned i = 0; i < 4; i++) {
        chain.n = 0;
        if (i == 1)
            chain_out(&chain, at, 64);
        if (i == 0 || i == 1)
            chain_in(&chain, at, i ? 64 : 7);
        if (i == 2)
            chain_in(&chain, RAM_HOLE, 64);
        if (i == 3)
            chain_out(&chain, at, 64);
        dq_add_kick(&b->d.q[CTRL_RX], &chain, NULL);
        assert_true(dq_wait(&b->d.q[CTRL_RX], &u, WAIT_MS));
        assert_int_equal(u.len, 0);
    }
    give_ctrl(b, PORTS);
    for (unsigned i = 0; i < PORTS; i++)
        expect(b, i, ADD, 1);
    say(b, 1, PORT_READY, 1);
    give_at(b, CTRL_RX, at, 10); /* too short for the name */
    assert_true(dq_wait(&b->d.q[CTRL_RX], &u, WAIT_MS));
    assert_int_equal(u.len, 0);
    give_ctrl(b, BUFS);
    expect(b, 1, NAME, 1);
    expect(b, 1, OPEN, 1);
}

/* 5.3.6.2-d3: what the driver could not set up stays unused, until it says otherwise. */
static void test_not_ready(struct bench *b)
{
    give_ctrl(b, BUFS);
    say(b, 0, READY, 0);
    expect_none(b);
    say(b, 0, READY, 1);
    for (unsigned i = 0; i < PORTS; i++)
        expect(b, i, ADD, 1);
    say(b, 1, PORT_READY, 0);
    say(b, 1, OPEN, 1);
    type_in(b, 1, "x");
    give(b, RX1, 8);
    expect_none(b);
    loop_lock(b->loop);
    assert_int_equal(fake(1)->in_len, 1);
    loop_unlock(b->loop);
    say(b, 1, PORT_READY, 1);
    expect(b, 1, NAME, 1);
    expect(b, 1, OPEN, 1);
    say(b, 1, OPEN, 1);
    expect_in(b, RX1, "x");
}

/* K08: a driver that does not ask for ports gets one console, and the other queues stay still. */
static void test_plain_driver(struct bench *b)
{
    struct used u;
    uint8_t m[8] = {0};

    drv_init(&b->d, b->want & ~BIT64(F_MULTIPORT));
    assert_false(bench_has(b, F_MULTIPORT));
    give(b, CTRL_RX, BUF);
    m[b->d.order == ORDER_LITTLE ? 6 : 7] = 1;
    chain.n = 0;
    chain_out(&chain, drv_alloc(&b->d, 8, 8), 8);
    memcpy(drv_mem(&b->d, chain.buf[0].addr, 8), m, 8);
    dq_add_kick(&b->d.q[CTRL_TX], &chain, NULL);
    type_in(b, 1, "nobody");
    give(b, RX1, 64);
    machine_settle(b->m);
    assert_false(dq_poll(&b->d.q[CTRL_TX], &u));
    assert_false(dq_poll(&b->d.q[CTRL_RX], &u));
    assert_false(dq_poll(&b->d.q[RX1], &u));
    assert_int_equal(dq_xfer(&b->d.q[1], "plain", 5, NULL, 0), 0);
    expect_out(b, 0, "plain");
    type_in(b, 0, "typed");
    give(b, 0, 64);
    expect_in(b, 0, "typed");
}

static void test_withheld(struct bench *b)
{
    const struct vfeat f = {{BIT32(F_MULTIPORT)}};

    loop_lock(b->loop);
    vdev_withhold(b->dev, &f);
    loop_unlock(b->loop);
    assert_int_equal(b->d.ops->offered(&b->d) & BIT64(F_MULTIPORT), 0);
    assert_int_equal(b->d.ops->config_read(&b->d, 4, 4), 0);
    test_plain_driver(b);
}

/* Without a console there is no port 0 to be announced, nor anywhere to cry for help. */
static void test_no_console(struct bench *b)
{
    assert_false(bench_has(b, F_SIZE) || bench_has(b, F_EMERG));
    b->d.ops->config_write(&b->d, 8, 4, 'x');
    begin(b);
    say(b, 0, PORT_READY, 1);
    expect_none(b);
    assert_int_equal(dq_xfer(&b->d.q[1], "hello", 5, NULL, 0), 0);
}

/* After a reset everything is said again. */
static void test_reset(struct bench *b)
{
    for (unsigned i = 0; i < 3; i++) {
        begin(b);
        say(b, 1, OPEN, 1);
        give(b, RX1, 64);
        machine_settle(b->m);
        drv_reset(&b->d);
        set_open(b, 1, true); /* while nobody is there to be told */
        bench_init(b);
    }
    begin(b);
}

static void test_many(struct bench *b)
{
    test_data(b);
}

/* 5.3.5.1-d1: before there is a driver, with one, and after it has given up. */
static void test_emergency(struct bench *b)
{
    struct drv *d = &b->d;

    d->ops->config_write(d, 8, 4, 0xffffff00u | 'A');
    d->ops->status_set(d, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    d->ops->config_write(d, 8, 4, 'B');
    bench_init(b);
    d->ops->config_write(d, 8, 4, 'C');
    d->ops->status_set(d, 0x8f); /* FAILED */
    d->ops->config_write(d, 8, 4, 'D');
    expect_out(b, 0, "ABCD");
}

static const struct bench_test tests[] = {
    {"config", test_config, 0, NULL},
    {"data", test_data, 0, NULL},
    {"guest-closed", test_guest_closed, 0, NULL},
    {"peers", test_peers, 0, "peers"},
    {"slow-peer", test_slow_peer, 0, "peers"},
    {"resize", test_resize, 0, NULL},
    {"coalesce", test_coalesce, 0, "peers"},
    {"useless", test_useless, 0, NULL},
    {"useless-ctrl-rx", test_useless_ctrl_rx, 0, NULL},
    {"not-ready", test_not_ready, 0, NULL},
    {"plain-driver", test_plain_driver, BENCH_RAW, NULL},
    {"withheld", test_withheld, BENCH_RAW, NULL},
    {"no-console", test_no_console, 0, "bare"},
    {"reset", test_reset, 0, NULL},
    {"many", test_many, 0, "many"},
    {"emergency", test_emergency, BENCH_RAW, NULL},
};

int main(void)
{
    const struct bench_kind kind = {&console_type, "console0", make_conf, free_conf};

    return bench_run("console-ports", &kind, tests, ARRAY_SIZE(tests));
}
