// SPDX-License-Identifier: MIT
/* The console device: output, input with flow control, size; K07, K08, K10, D17. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/device/fake-chr.h"
#include "vmm/base/bits.h"

enum { RX = 0, TX = 1, F_SIZE = 0 };

static struct console_conf conf;

/* arg: a word about what is wanted. */
static void *make_conf(struct bench *b)
{
    const char *word = b->arg ? b->arg : "";
    struct fake *f;

    conf.chr = NULL;
    if (!strcmp(word, "bare"))
        return &conf;
    f = fake_new(b->loop);
    f->has_size = !strcmp(word, "sized");
    f->size = (struct chr_size){80, 25};
    conf.chr = &f->chr;
    return &conf;
}

static void free_conf(struct bench *b)
{
    (void)b;
    if (!conf.chr)
        return;
    fake_free(conf.chr);
}

static struct fake *fake(void)
{
    return fake_of(conf.chr);
}

/* Of what the loop's thread changes, if it has one. */
static size_t locked(const size_t *v)
{
    size_t now;

    loop_lock(fake()->chr.loop);
    now = *v;
    loop_unlock(fake()->chr.loop);
    return now;
}

static bool out_reached(void *arg)
{
    return locked(&fake()->out_len) >= *(size_t *)arg;
}

static void type_in(struct bench *b, const void *text, size_t len)
{
    loop_lock(b->loop);
    fake()->in = text;
    fake()->in_len = len;
    fake_more(&fake()->chr);
    loop_unlock(b->loop);
}

static void post_rx(struct bench *b, uint64_t at, uint32_t len)
{
    static struct chain c;

    c.n = 0;
    chain_in(&c, at, len);
    dq_add_kick(&b->d.q[RX], &c, NULL);
}

static void test_output(struct bench *b)
{
    static uint8_t text[20000];
    size_t want = 0;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7);
    for (uint32_t len = 1; want + len <= sizeof(text); len = len * 3 + 1) {
        assert_int_equal(dq_xfer(&b->d.q[TX], text + want, len, NULL, 0), 0);
        want += len;
    }
    assert_true(machine_until(b->m, out_reached, &want, WAIT_MS));
    assert_int_equal(locked(&fake()->out_len), want);
    assert_memory_equal(fake()->out, text, want);
}

static void console_works(struct bench *b)
{
    const uint64_t mark = drv_mark(&b->d), at = drv_alloc(&b->d, 64, 64);
    size_t want = locked(&fake()->out_len) + 5;
    struct used u;

    assert_int_equal(dq_xfer(&b->d.q[TX], "hello", 5, NULL, 0), 0);
    assert_true(machine_until(b->m, out_reached, &want, WAIT_MS));
    post_rx(b, at, 4);
    type_in(b, "yes", 3);
    assert_true(dq_wait(&b->d.q[RX], &u, WAIT_MS));
    assert_int_equal(u.len, 3);
    drv_rewind(&b->d, mark);
}

static void test_withheld(struct bench *b)
{
    bench_withhold(b, console_works);
}

static void test_input(struct bench *b)
{
    static const char text[] = "the quick brown fox";
    const uint64_t at = drv_alloc(&b->d, 64, 64);
    struct used u;

    type_in(b, text, 19); /* before there are buffers: it waits */
    machine_settle(b->m);
    assert_int_equal(locked(&fake()->in_len), 19);
    post_rx(b, at, 4);
    assert_true(dq_wait(&b->d.q[RX], &u, WAIT_MS));
    assert_int_equal(u.len, 4);
    assert_memory_equal(drv_mem(&b->d, at, 4), "the ", 4);
    machine_settle(b->m);
    assert_int_equal(locked(&fake()->in_len), 15);
    post_rx(b, at, 64);
    assert_true(dq_wait(&b->d.q[RX], &u, WAIT_MS));
    assert_int_equal(u.len, 15);
    assert_memory_equal(drv_mem(&b->d, at, 15), text + 4, 15);
    post_rx(b, at, 64); /* a buffer before there is input */
    assert_false(dq_wait(&b->d.q[RX], &u, 20));
    type_in(b, "!", 1);
    assert_true(dq_wait(&b->d.q[RX], &u, WAIT_MS));
    assert_int_equal(u.len, 1);
}

/* A buffer that waits for input is given up at reset, and input for the next driver stays. */
static void test_reset_with_buffer(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 64, 64);
    struct used u;

    for (unsigned i = 0; i < 3; i++) {
        post_rx(b, at, 64);
        machine_settle(b->m);
        drv_reset(&b->d);
        type_in(b, "later", 5);
        machine_settle(b->m);
        assert_int_equal(locked(&fake()->in_len), 5);
        bench_init(b);
        post_rx(b, at, 64);
        assert_true(dq_wait(&b->d.q[RX], &u, WAIT_MS));
        assert_int_equal(u.len, 5);
    }
}

/* K07, D10, D17: each comes back with nothing used, and the device goes on. */
static void test_useless(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, 4096, 4096);

    for (unsigned i = 0; i < 7; i++) {
        struct dq *q = &b->d.q[i < 3 ? TX : RX];
        struct used u;

        c.n = 0;
        if (i == 0)
            chain_in(&c, at, 10);
        if (i == 1)
            chain_out(&c, RAM_HOLE, 10);
        if (i == 2) {
            chain_out(&c, at, 10);
            chain_in(&c, at, 10);
        }
        if (i == 3)
            chain_out(&c, at, 10);
        if (i == 4)
            chain_in(&c, RAM_END - 5, 10);
        if (i == 5)
            chain_in(&c, at, 0);
        if (i == 6) {
            chain_out(&c, at, 10);
            chain_in(&c, at, 10);
        }
        dq_add_kick(q, &c, NULL);
        assert_true(dq_wait(q, &u, WAIT_MS));
        assert_int_equal(u.len, 0);
        assert_false(drv_broken(&b->d));
    }
    machine_settle(b->m);
    assert_int_equal(locked(&fake()->out_len), 0);
    test_output(b);
    test_input(b);
}

/* D16, D17: a chain of many MiB costs no more than what can be shown of it. */
static void test_huge_output(struct bench *b)
{
    static struct chain c;
    const uint32_t len = 8 << 20;
    size_t want = CHR_RING;
    struct used u;

    memset(machine_mem(b->m, RAM_HIGH, len), 'h', len);
    memset(machine_mem(b->m, RAM_HIGH + len - 3, 3), 'e', 3);
    c.n = 0;
    for (unsigned i = 0; i < 16; i++)
        chain_out(&c, RAM_HIGH, len);
    dq_add_kick(&b->d.q[TX], &c, NULL);
    assert_true(dq_wait(&b->d.q[TX], &u, WAIT_MS));
    assert_true(machine_until(b->m, out_reached, &want, WAIT_MS));
    assert_int_equal(locked(&fake()->out_len), want);
    assert_memory_equal(fake()->out + want - 4, "heee", 4);
    assert_int_equal(chr_lost(&fake()->chr), 0); /* did not even come that far */
}

/* Nobody reads: buffers are held back for a moment and then taken all the same (H20). */
static void test_no_reader(struct bench *b)
{
    enum { LEN = 1 << 20 };
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, LEN, 4096);
    struct used u;

    loop_lock(b->loop);
    fake()->blocked = true;
    loop_unlock(b->loop);
    for (unsigned i = 0; i < 3; i++) {
        c.n = 0;
        chain_out(&c, at, LEN);
        dq_add_kick(&b->d.q[TX], &c, NULL);
        assert_true(dq_wait(&b->d.q[TX], &u, WAIT_MS));
    }
    loop_lock(b->loop);
    assert_true(chr_lost(&fake()->chr) > 0);
    fake()->blocked = false;
    chr_put_ready(&fake()->chr);
    loop_unlock(b->loop);
    assert_true(machine_until(b->m, out_reached, &(size_t){CHR_RING}, WAIT_MS));
}

/* K08 */
static void test_queues(struct bench *b)
{
    assert_int_equal(b->d.n_queues, 2);
    assert_int_equal(b->d.ops->queue_max(&b->d, 2), 0);
    assert_int_equal(b->d.ops->queue_max(&b->d, 3), 0);
    b->d.ops->kick(&b->d, 2);
    b->d.ops->kick(&b->d, 3);
    machine_settle(b->m);
    test_output(b);
}

/* A client comes when the guest has written already: it is shown that (H20). */
static void test_late_reader(struct bench *b)
{
    size_t want = 5;

    loop_lock(b->loop);
    chr_set_open(&fake()->chr, false);
    loop_unlock(b->loop);
    assert_int_equal(dq_xfer(&b->d.q[TX], "early", 5, NULL, 0), 0);
    assert_int_equal(locked(&fake()->out_len), 0);
    loop_lock(b->loop);
    chr_set_open(&fake()->chr, true);
    loop_unlock(b->loop);
    assert_true(machine_until(b->m, out_reached, &want, WAIT_MS));
    assert_memory_equal(fake()->out, "early", 5);
}

/* K10 */
static void test_bare(struct bench *b)
{
    char text[] = "nobody hears this";

    assert_int_equal(dq_xfer(&b->d.q[TX], text, sizeof(text), NULL, 0), 0);
    assert_int_equal(b->d.features & BIT64(F_SIZE), 0);
    assert_int_equal(b->d.ops->config_read(&b->d, 0, 4), 0);
}

static void test_size(struct bench *b)
{
    struct drv *d = &b->d;
    uint8_t before = d->ops->generation ? d->ops->generation(d) : 0;
    uint32_t told = 0;

    assert_true(d->features & BIT64(F_SIZE));
    assert_int_equal(d->ops->config_read(d, 0, 2), 80);
    assert_int_equal(d->ops->config_read(d, 2, 2), 25);
    assert_int_equal(d->ops->config_read(d, 4, 4), 0);
    d->ops->config_write(d, 0, 2, 999);
    assert_int_equal(d->ops->config_read(d, 0, 2), 80);
    if (d->use_msix) /* once at the start, for those who do not look by themselves */
        assert_int_equal(told = gfunc_msix_count(&d->func, 0), 1);
    else
        assert_int_equal(d->ops->isr(d) & VIRTIO_ISR_CONFIG, VIRTIO_ISR_CONFIG);
    loop_lock(b->loop);
    fake()->size = (struct chr_size){132, 43};
    chr_resized(&fake()->chr);
    loop_unlock(b->loop);
    assert_int_equal(d->ops->config_read(d, 0, 2), 132);
    assert_int_equal(d->ops->config_read(d, 2, 2), 43);
    if (d->use_msix)
        assert_int_equal(gfunc_msix_count(&d->func, 0), told + 1);
    else
        assert_int_equal(d->ops->isr(d) & VIRTIO_ISR_CONFIG, VIRTIO_ISR_CONFIG);
    if (d->ops->generation)
        assert_int_not_equal(d->ops->generation(d), before);
}

/* A driver that asks for nothing is not told of a new size; neither is one that is not there. */
static void test_resize_unasked(struct bench *b)
{
    struct drv *d = &b->d;

    loop_lock(b->loop);
    chr_resized(&fake()->chr);
    loop_unlock(b->loop);
    assert_int_equal(d->ops->isr(d), 0);
    assert_true(drv_negotiate(d, b->want & ~BIT64(F_SIZE)));
    assert_int_equal(d->ops->config_read(d, 0, 2), 80);
    assert_int_equal(d->ops->config_read(d, 2, 2), 25);
}

static const struct bench_test tests[] = {
    {"output", test_output, 0, NULL},
    {"input", test_input, 0, NULL},
    {"reset-with-buffer", test_reset_with_buffer, 0, NULL},
    {"useless", test_useless, 0, NULL},
    {"huge-output", test_huge_output, 0, NULL},
    {"no-reader", test_no_reader, 0, NULL},
    {"late-reader", test_late_reader, 0, NULL},
    {"queues", test_queues, 0, NULL},
    {"withheld", test_withheld, 0, "sized"},
    {"bare", test_bare, 0, "bare"},
    {"size", test_size, 0, "sized"},
    {"resize-unasked", test_resize_unasked, BENCH_RAW, "sized"},
};

int main(void)
{
    const struct bench_kind kind = {&console_type, "console0", make_conf, free_conf};

    return bench_run("console", &kind, tests, ARRAY_SIZE(tests));
}
