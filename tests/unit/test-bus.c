// SPDX-License-Identifier: MIT
/* The bus: who answers where, and which doorbells are registered. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/fake-bus.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

/* A claim that answers with its number, and remembers what it was asked. */
struct dev {
    struct bus_claim claim;
    uint8_t id;
    uint64_t off;
    unsigned len, reads, writes;
    uint64_t value;
};

static void dev_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct dev *d = (struct dev *)ctx;

    memset(data, d->id, len);
    d->off = off;
    d->len = len;
    d->reads++;
}

static void dev_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct dev *d = (struct dev *)ctx;

    d->value = order_load(ORDER_LITTLE, data, len);
    d->off = off;
    d->len = len;
    d->writes++;
}

static const struct bus_ops dev_ops = {dev_read, dev_write};

static void dev_init(struct dev *d, uint8_t id, enum bus_space space, int prio, uint64_t size)
{
    *d = (struct dev){.id = id};
    d->claim = (struct bus_claim){
        .name = "dev", .space = space, .prio = prio, .size = size, .ops = &dev_ops, .ctx = d};
}

/* The number of whoever answers a byte, 0xff: nobody. */
static unsigned answer(struct bus *bus, enum bus_space space, uint64_t addr)
{
    uint8_t byte = 0;

    bus_read(bus, space, addr, &byte, 1);
    return byte;
}

static void test_access_reaches_handler(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev d;
    uint64_t v = 0;

    (void)state;
    dev_init(&d, 7, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    assert_int_equal(bus_map(bus, &d.claim, 0x10000), 0);
    assert_true(bus_read(bus, BUS_MMIO, 0x10010, &v, 8));
    assert_int_equal(d.off, 0x10);
    assert_int_equal(d.len, 8);
    assert_true(v == UINT64_C(0x0707070707070707));
    v = 0x1234;
    assert_true(bus_write(bus, BUS_MMIO, 0x10ffe, &v, 2));
    assert_int_equal(d.off, 0xffe);
    assert_int_equal(d.value, 0x1234);
    assert_false(bus_read(bus, BUS_PIO, 0x10, &v, 1));
    bus_unmap(bus, &d.claim);
    assert_false(bus_write(bus, BUS_MMIO, 0x10ffe, &v, 2));
    assert_int_equal(d.writes, 1);
    bus_unmap(bus, &d.claim);
    bus_free(bus);
}

static void test_M01_unassigned_reads_ones(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev d;

    (void)state;
    dev_init(&d, 1, BUS_PIO, BUS_PRIO_PLATFORM, 8);
    assert_int_equal(bus_map(bus, &d.claim, 0x3f8), 0);
    for (uint64_t port = 0; port <= 0xffff; port++) {
        for (unsigned len = 1; len <= 8; len *= 2) {
            const bool mine = port >= 0x3f8 && port + len <= 0x400;
            uint64_t v = 0;

            assert_int_equal(bus_read(bus, BUS_PIO, port, &v, len), mine);
            if (!mine)
                assert_true(v == ones_for(len));
            assert_int_equal(bus_write(bus, BUS_PIO, port, &v, len), mine);
        }
    }
    for (uint64_t at = 0; at < 4 * GIB; at += 123457) {
        uint64_t v = 0;

        assert_false(bus_read(bus, BUS_MMIO, at, &v, 8));
        assert_true(v == UINT64_MAX);
    }
    bus_free(bus);
}

static void test_M02_access_past_end(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev a, b;
    uint32_t v = 0;

    (void)state;
    dev_init(&a, 1, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    dev_init(&b, 2, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    bus_map(bus, &a.claim, 0x1000);
    bus_map(bus, &b.claim, 0x2000);
    assert_false(bus_read(bus, BUS_MMIO, 0x1ffe, &v, 4));
    assert_int_equal(v, 0xffffffff);
    assert_false(bus_write(bus, BUS_MMIO, 0x1ffe, &v, 4));
    assert_false(bus_write(bus, BUS_MMIO, 0x0ffe, &v, 4));
    assert_false(bus_write(bus, BUS_MMIO, UINT64_MAX, &v, 4));
    assert_int_equal(a.writes + b.writes + a.reads + b.reads, 0);
    bus_free(bus);
}

static void test_odd_lengths(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev d;
    uint8_t v[16] = {0};

    (void)state;
    dev_init(&d, 1, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    bus_map(bus, &d.claim, 0);
    assert_false(bus_read(bus, BUS_MMIO, 0, v, 0));
    assert_false(bus_read(bus, BUS_MMIO, 0, v, 9));
    assert_int_equal(v[8], 0xff);
    assert_false(bus_write(bus, BUS_MMIO, 0, v, 9));
    assert_true(bus_read(bus, BUS_MMIO, 0, v, 3));
    bus_free(bus);
}

static void test_bad_places(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev p, m;

    (void)state;
    dev_init(&p, 1, BUS_PIO, BUS_PRIO_PCI, 0x20);
    dev_init(&m, 2, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    assert_int_equal(bus_map(bus, &p.claim, 0xffe0), 0);
    assert_int_equal(answer(bus, BUS_PIO, 0xffff), 1);
    assert_int_equal(bus_map(bus, &p.claim, 0xfff0), -EINVAL);
    assert_false(p.claim.mapped);
    assert_int_equal(answer(bus, BUS_PIO, 0xffe0), 0xff);
    assert_int_equal(bus_map(bus, &p.claim, 0x10000), -EINVAL);
    assert_int_equal(bus_map(bus, &m.claim, UINT64_MAX - 0xfff), 0);
    assert_int_equal(answer(bus, BUS_MMIO, UINT64_MAX), 2);
    assert_int_equal(bus_map(bus, &m.claim, UINT64_MAX - 0xffe), -EINVAL);
    assert_int_equal(answer(bus, BUS_MMIO, UINT64_MAX), 0xff);
    m.claim.size = 0;
    assert_int_equal(bus_map(bus, &m.claim, 0x1000), -EINVAL);
    bus_free(bus);
}

static void test_P16_platform_wins_and_loser_recovers(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev pci, plat;

    (void)state;
    dev_init(&pci, 1, BUS_MMIO, BUS_PRIO_PCI, 0x4000);
    dev_init(&plat, 2, BUS_MMIO, BUS_PRIO_PLATFORM, 0x1000);
    bus_map(bus, &pci.claim, 0x10000);
    bus_map(bus, &plat.claim, 0x11000);
    assert_int_equal(answer(bus, BUS_MMIO, 0x10fff), 1);
    assert_int_equal(answer(bus, BUS_MMIO, 0x11000), 2);
    assert_int_equal(answer(bus, BUS_MMIO, 0x11fff), 2);
    assert_int_equal(answer(bus, BUS_MMIO, 0x12000), 1);
    assert_int_equal(pci.off, 0x2000);
    bus_map(bus, &pci.claim, 0x20000);
    assert_int_equal(answer(bus, BUS_MMIO, 0x10fff), 0xff);
    assert_int_equal(answer(bus, BUS_MMIO, 0x21000), 1);
    bus_map(bus, &pci.claim, 0x10000);
    bus_unmap(bus, &plat.claim);
    assert_int_equal(answer(bus, BUS_MMIO, 0x11800), 1);
    bus_free(bus);
}

static void test_P13_first_added_wins_whatever_moves(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev a, b;

    (void)state;
    dev_init(&a, 1, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    dev_init(&b, 2, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    bus_map(bus, &a.claim, 0x1000);
    bus_map(bus, &b.claim, 0x2000);
    bus_map(bus, &b.claim, 0x1000);
    assert_int_equal(answer(bus, BUS_MMIO, 0x1000), 1);
    bus_unmap(bus, &a.claim);
    assert_int_equal(answer(bus, BUS_MMIO, 0x1000), 2);
    bus_map(bus, &a.claim, 0x1000);
    assert_int_equal(answer(bus, BUS_MMIO, 0x1000), 1);
    bus_map(bus, &a.claim, 0x8000);
    assert_int_equal(answer(bus, BUS_MMIO, 0x1000), 2);
    assert_int_equal(answer(bus, BUS_MMIO, 0x8000), 1);
    bus_free(bus);
}

static void test_first_byte_decides(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct dev bridge, reset;
    uint32_t v = 0;

    (void)state;
    dev_init(&bridge, 1, BUS_PIO, BUS_PRIO_HOST, 8);
    dev_init(&reset, 2, BUS_PIO, BUS_PRIO_PLATFORM, 1);
    bus_map(bus, &reset.claim, 0xcf9);
    bus_map(bus, &bridge.claim, 0xcf8);
    assert_true(bus_write(bus, BUS_PIO, 0xcf8, &v, 4));
    assert_int_equal(bridge.writes, 1);
    assert_true(bus_write(bus, BUS_PIO, 0xcf9, &v, 1));
    assert_int_equal(reset.writes, 1);
    assert_false(bus_write(bus, BUS_PIO, 0xcf9, &v, 2));
    assert_true(bus_write(bus, BUS_PIO, 0xcfa, &v, 2));
    assert_int_equal(bridge.off, 2);
    bus_free(bus);
}

/* Random claims on a small space against the definition: the best claim that has the byte. */
enum { MODEL_SPACE = 96, MODEL_CLAIMS = 40 };

static unsigned model_answer(const struct dev *dev, const unsigned *rank, uint64_t addr)
{
    const struct dev *best = NULL;
    unsigned best_rank = 0;

    for (unsigned i = 0; i < MODEL_CLAIMS; i++) {
        const struct bus_claim *c = &dev[i].claim;

        if (!c->mapped || addr < c->base || addr - c->base >= c->size)
            continue;
        if (best &&
            (c->prio > best->claim.prio || (c->prio == best->claim.prio && rank[i] > best_rank)))
            continue;
        best = &dev[i];
        best_rank = rank[i];
    }
    return best ? best->id : 0xff;
}

static void test_random_maps_agree_with_model(void **state)
{
    struct fake_bells bells;
    struct bus *bus = fake_bells_bus(&bells);
    struct dev dev[MODEL_CLAIMS];
    struct bus_bell bell[MODEL_CLAIMS];
    unsigned rank[MODEL_CLAIMS] = {0}, ranks = 0;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < MODEL_CLAIMS; i++) {
        dev_init(&dev[i], (uint8_t)(i + 1), BUS_MMIO, rand() % 3, 1 + (uint64_t)(rand() % 24));
        bell[i] = (struct bus_bell){.off = (uint64_t)(rand() % 8), .fd = 100 + (int)i};
        dev[i].claim.bell = &bell[i];
        dev[i].claim.n_bells = 1;
    }
    for (unsigned round = 0; round < 3000; round++) {
        const unsigned i = (unsigned)rand() % MODEL_CLAIMS;

        if (rand() % 3) {
            bus_map(bus, &dev[i].claim, (uint64_t)rand() % MODEL_SPACE);
            rank[i] = rank[i] ? rank[i] : ++ranks;
        } else {
            bus_unmap(bus, &dev[i].claim);
        }
        for (uint64_t at = 0; at < MODEL_SPACE + 24; at++) {
            const unsigned id = model_answer(dev, rank, at);
            int fd = -1;

            assert_int_equal(answer(bus, BUS_MMIO, at), id);
            if (id != 0xff && dev[id - 1].claim.base + bell[id - 1].off == at)
                fd = bell[id - 1].off < dev[id - 1].claim.size ? bell[id - 1].fd : -1;
            assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, at), fd);
        }
    }
    assert_int_equal(bells.wrong, 0);
    bus_free(bus);
}

static void test_P17_doorbells_move(void **state)
{
    struct fake_bells bells;
    struct bus *bus = fake_bells_bus(&bells);
    struct bus_bell bell[2] = {{.off = 0, .len = 2, .fd = 50}, {.off = 4, .len = 2, .fd = 51}};
    struct dev d;

    (void)state;
    dev_init(&d, 1, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    d.claim.bell = bell;
    d.claim.n_bells = 2;
    bus_map(bus, &d.claim, 0x1000);
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x1004), 51);
    bus_map(bus, &d.claim, 0x1000); /* nothing new: no system calls */
    assert_int_equal(bells.assigns, 2);
    bus_map(bus, &d.claim, 0x5000);
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x1000), -1);
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x1004), -1);
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x5000), 50);
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x5004), 51);
    assert_int_equal(bus_map(bus, &d.claim, UINT64_MAX - 1), -EINVAL);
    assert_int_equal(fake_bells_live(&bells), 0);
    bus_map(bus, &d.claim, 0x5000);
    bus_unmap(bus, &d.claim);
    assert_int_equal(fake_bells_live(&bells), 0);
    assert_int_equal(bells.wrong, 0);
    bus_free(bus);
}

/* Several at one place, by value, and all of them silent for a while. */
static void test_doorbells_by_value(void **state)
{
    struct fake_bells bells;
    struct bus *bus = fake_bells_bus(&bells);
    struct bus_bell bell[3];
    struct dev d;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        bell[i] = (struct bus_bell){
            .off = 0x10, .len = 2, .match = true, .value = i, .muted = true, .fd = 50 + (int)i};
    dev_init(&d, 1, BUS_PIO, BUS_PRIO_PCI, 0x20);
    d.claim.bell = bell;
    d.claim.n_bells = 3;
    bus_bells_changed(bus, &d.claim); /* not even mapped */
    bus_map(bus, &d.claim, 0x600);
    assert_int_equal(bells.assigns, 0);
    for (unsigned i = 0; i < 3; i++)
        bell[i].muted = false;
    assert_int_equal(fake_bells_live(&bells), 0);
    bus_bells_changed(bus, &d.claim);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fake_bell_rung(&bells, BUS_PIO, 0x610, i)->fd, 50 + (int)i);
    assert_null(fake_bell_rung(&bells, BUS_PIO, 0x610, 3));
    bus_map(bus, &d.claim, 0x700);
    assert_null(fake_bell_rung(&bells, BUS_PIO, 0x610, 0));
    assert_int_equal(fake_bell_rung(&bells, BUS_PIO, 0x710, 2)->fd, 52);
    bell[1].muted = true;
    bus_bells_changed(bus, &d.claim);
    assert_null(fake_bell_rung(&bells, BUS_PIO, 0x710, 1));
    assert_int_equal(fake_bells_live(&bells), 2);
    bus_unmap(bus, &d.claim);
    assert_int_equal(fake_bells_live(&bells), 0);
    assert_int_equal(bells.wrong, 0);
    bus_free(bus);
}

static void test_P17_doorbells_follow_the_winner(void **state)
{
    struct fake_bells bells;
    struct bus *bus = fake_bells_bus(&bells);
    struct bus_bell ba = {.off = 0, .fd = 50}, bb = {.off = 0, .fd = 60};
    struct dev a, b;

    (void)state;
    dev_init(&a, 1, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    dev_init(&b, 2, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    a.claim.bell = &ba;
    b.claim.bell = &bb;
    a.claim.n_bells = b.claim.n_bells = 1;
    bus_map(bus, &a.claim, 0x1000);
    bus_map(bus, &b.claim, 0x2000);
    bus_map(bus, &a.claim, 0x2000); /* a beats b there */
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x2000), 50);
    assert_int_equal(fake_bells_live(&bells), 1);
    bus_map(bus, &a.claim, 0x3000);
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x2000), 60);
    assert_int_equal(fake_bell_fd(&bells, BUS_MMIO, 0x3000), 50);
    assert_int_equal(bells.wrong, 0);
    bus_free(bus);
}

static void test_refused_doorbell_rings_by_exit(void **state)
{
    struct fake_bells bells;
    struct bus *bus = fake_bells_bus(&bells);
    struct bus_bell bell[3] = {
        {.fd = 50}, {.off = 8, .fd = -1}, {.off = 0xfff, .len = 2, .fd = 52}};
    struct dev d;
    uint16_t v = 3;

    (void)state;
    dev_init(&d, 1, BUS_MMIO, BUS_PRIO_PCI, 0x1000);
    d.claim.bell = bell;
    d.claim.n_bells = 3;
    bells.refuse = true;
    assert_int_equal(bus_map(bus, &d.claim, 0x1000), 0);
    assert_int_equal(bells.assigns, 1); /* the others have no descriptor, or no room */
    assert_true(bus_write(bus, BUS_MMIO, 0x1000, &v, 2));
    assert_int_equal(d.value, 3);
    bus_unmap(bus, &d.claim);
    assert_int_equal(bells.deassigns, 0);
    bus_free(bus);
}

/* Two vCPUs access while a third moves: who answers must have been told a place inside itself. */
struct race {
    struct bus *bus;
    _Atomic bool stop;
    _Atomic unsigned bad;
};

static void race_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct race *r = (struct race *)ctx;

    memset(data, 0, len);
    if (off + len > 0x1000)
        r->bad++;
}

static void *race_access(void *arg)
{
    struct race *r = (struct race *)arg;
    uint64_t v;

    for (uint64_t at = 0; !r->stop; at = (at + 0x73) % 0x8000)
        bus_read(r->bus, BUS_MMIO, at, &v, 4);
    return NULL;
}

static void test_R01_move_while_accessed(void **state)
{
    static const struct bus_ops ops = {race_read, NULL};
    struct fake_bells bells;
    struct race r = {.bus = fake_bells_bus(&bells)};
    struct bus_bell bell[2] = {{.fd = 50}, {.fd = 51}};
    struct bus_claim claim[2];
    pthread_t thread[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        claim[i] = (struct bus_claim){.space = BUS_MMIO,
                                      .size = 0x1000,
                                      .ops = &ops,
                                      .ctx = &r,
                                      .bell = &bell[i],
                                      .n_bells = 1};
        pthread_create(&thread[i], NULL, race_access, &r);
    }
    for (unsigned i = 0; i < 2000; i++)
        bus_map(r.bus, &claim[i % 2], i * UINT64_C(0x310) % 0x7000);
    r.stop = true;
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(r.bad, 0);
    assert_int_equal(bells.wrong, 0);
    bus_free(r.bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_reaches_handler),
        cmocka_unit_test(test_M01_unassigned_reads_ones),
        cmocka_unit_test(test_M02_access_past_end),
        cmocka_unit_test(test_odd_lengths),
        cmocka_unit_test(test_bad_places),
        cmocka_unit_test(test_P16_platform_wins_and_loser_recovers),
        cmocka_unit_test(test_P13_first_added_wins_whatever_moves),
        cmocka_unit_test(test_first_byte_decides),
        cmocka_unit_test(test_random_maps_agree_with_model),
        cmocka_unit_test(test_P17_doorbells_move),
        cmocka_unit_test(test_doorbells_by_value),
        cmocka_unit_test(test_P17_doorbells_follow_the_winner),
        cmocka_unit_test(test_refused_doorbell_rings_by_exit),
        cmocka_unit_test(test_R01_move_while_accessed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
