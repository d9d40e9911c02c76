// SPDX-License-Identifier: MIT
/* The GPU's linear frame buffer (5.7.7): what a guest draws before its driver has come. */
#include "tests/device/gpu-bench.h"
#include "vmm/base/le.h"

enum { WIDTH = 640, HEIGHT = 480, PITCH = WIDTH * 4, BAR_BYTES = 2 << 20, QUIET_MS = 1000 };
enum { RED = 0xff0000, GREEN = 0x00ff00, BLUE = 0x0000ff };

static const struct display_rect normal = {0, 0, WIDTH, HEIGHT}, huge = {0, 0, 4097, 4097};

/* The test's argument is a size. */
static void *vga_make_conf(struct bench *b)
{
    const struct display_rect *r = (const struct display_rect *)b->arg;
    struct err err;

    gpu_conf = (struct gpu_conf){
        .display = display_none_open(SCREENS, r->w, r->h, &err), .budget = BUDGET, .vga = true};
    assert_non_null(gpu_conf.display);
    return &gpu_conf;
}

static const struct bench_kind vga_kind = {
    .type = &gpu_type, .name = "gpu0", .make_conf = vga_make_conf, .free_conf = gpu_free_conf};

static void pixel_put(struct bench *b, uint32_t x, uint32_t y, uint32_t v)
{
    const uint64_t at = b->vp->func.bar[VPCI_BAR_MEMORY].home + y * PITCH + x * 4;
    uint8_t bytes[4];

    le32_store(bytes, v);
    assert_true(bus_write(b->m->bus, BUS_MMIO, at, bytes, 4));
}

static uint32_t pixel_get(struct bench *b, uint32_t x, uint32_t y)
{
    const uint64_t at = b->vp->func.bar[VPCI_BAR_MEMORY].home + y * PITCH + x * 4;
    uint8_t bytes[4];

    assert_true(bus_read(b->m->bus, BUS_MMIO, at, bytes, 4));
    return le32_load(bytes);
}

struct want {
    uint32_t x, y, v;
};

static bool want_seen(void *arg)
{
    const struct want *w = (const struct want *)arg;

    return seen(0, w->x, w->y) == w->v;
}

static void until_seen(struct bench *b, uint32_t x, uint32_t y, uint32_t v)
{
    struct want w = {x, y, v};

    assert_true(machine_until(b->m, want_seen, &w, WAIT_MS));
}

/* Time enough for a look, if anybody looked. */
static void never_seen(struct bench *b, uint32_t x, uint32_t y, uint32_t v)
{
    struct want w = {x, y, v};

    assert_false(machine_until(b->m, want_seen, &w, QUIET_MS));
}

static void pattern_scanout(struct bench *b, unsigned screen, uint32_t id)
{
    const uint64_t at = drv_alloc(&b->d, 64 * 64 * 4, 64);

    memset(drv_mem(&b->d, at, 64 * 64 * 4), 0x77, 64 * 64 * 4);
    assert_int_equal(create(b, id, 64, 64), OK);
    assert_int_equal(attach(b, id, at, 64 * 64 * 4), OK);
    assert_int_equal(transfer(b, id, 0, 0, 0, 64, 64), OK);
    assert_int_equal(scanout(b, screen, id, 0, 0, 64, 64), OK);
    assert_int_equal(flush(b, id, 0, 0, 64, 64), OK);
    assert_int_equal(seen(screen, 63, 63), 0x777777);
}

/* 5.7.7-d1: the class, and what BAR 0 is. */
static void test_identity(struct bench *b)
{
    const struct pci_bar *bar = &b->vp->func.bar[VPCI_BAR_MEMORY];
    struct gpu_frame frame;

    assert_int_equal(gfunc_read(&b->d.func, 8, 4) >> 8, 0x030000);
    assert_int_equal(bar->kind, PCI_BAR_MEM32);
    assert_int_equal(bar->size, BAR_BYTES);
    assert_true(gpu_frame(b->dev, &frame));
    assert_int_equal(frame.width, WIDTH);
    assert_int_equal(frame.height, HEIGHT);
    assert_int_equal(frame.stride, PITCH);
}

/* What boot parameters cannot say, or is more than there should be: then it is no VGA. */
static void test_too_large(struct bench *b)
{
    struct gpu_frame frame;

    assert_int_equal(gfunc_read(&b->d.func, 8, 4) >> 8, 0x038000);
    assert_int_equal(b->vp->func.bar[VPCI_BAR_MEMORY].kind, PCI_BAR_NONE);
    assert_false(gpu_frame(b->dev, &frame));
    gpu_works(b);
}

static void test_draws(struct bench *b)
{
    assert_int_equal(seen_width(0), 0); /* nobody has drawn */
    pixel_put(b, 5, 3, 0xff000000 | RED);
    until_seen(b, 5, 3, RED);
    assert_int_equal(seen_width(0), WIDTH);
    assert_int_equal(seen(0, 4, 3), 0);
    pixel_put(b, WIDTH - 1, HEIGHT - 1, BLUE);
    until_seen(b, WIDTH - 1, HEIGHT - 1, BLUE);
    pixel_put(b, 0, 0, GREEN);
    until_seen(b, 0, 0, GREEN);
    assert_int_equal(seen(0, 5, 3), RED);
    pixel_put(b, 5, 3, 0);
    until_seen(b, 5, 3, 0);
    assert_int_equal(seen_width(1), 0);
}

/* 5.7.7-d1: a scanout ends it, a reset returns to it. */
static void test_hand_over(struct bench *b)
{
    pixel_put(b, 5, 3, RED);
    until_seen(b, 5, 3, RED);
    assert_int_equal(GPU(b, SET_SCANOUT, 0, 0, 0, 0, 0, 0), OK); /* off, what was not on */
    assert_int_equal(seen(0, 5, 3), RED);
    pattern_scanout(b, 0, 1);
    pixel_put(b, 6, 3, GREEN);
    never_seen(b, 6, 3, GREEN);
    assert_int_equal(seen_width(0), 64);
    bench_init(b);
    until_seen(b, 6, 3, GREEN);
    assert_int_equal(seen(0, 5, 3), RED);
    gpu_works(b);
}

static void test_hand_over_elsewhere(struct bench *b)
{
    pixel_put(b, 5, 3, RED);
    until_seen(b, 5, 3, RED);
    pattern_scanout(b, 1, 1);
    assert_int_equal(seen_width(0), 0);
}

/* A reset of the machine: memory as when it was switched on. */
static void test_machine_reset(struct bench *b)
{
    pixel_put(b, 5, 3, RED);
    until_seen(b, 5, 3, RED);
    pci_reset(b->m->root);
    assert_int_equal(pixel_get(b, 5, 3), 0);
    until_seen(b, 5, 3, 0);
}

/* The guest moves it, or does not want it for a while. */
static void test_moves(struct bench *b)
{
    const uint64_t home = b->vp->func.bar[VPCI_BAR_MEMORY].home;
    uint8_t bytes[4] = {1, 2, 3, 4};

    gfunc_write(&b->d.func, PCI_BAR0, 4, (uint32_t)home + BAR_BYTES * 2);
    assert_true(bus_write(b->m->bus, BUS_MMIO, home + BAR_BYTES * 2, bytes, 4));
    until_seen(b, 0, 0, 0x030201);
    gfunc_write(&b->d.func, PCI_BAR0, 4, (uint32_t)home);
    assert_int_equal(pixel_get(b, 0, 0), 0x04030201);
}

static const struct bench_test tests[] = {
    {"identity", test_identity, 0, &normal},
    {"too_large", test_too_large, 0, &huge},
    {"draws", test_draws, BENCH_ONCE, &normal},
    {"hand_over", test_hand_over, BENCH_ONCE, &normal},
    {"hand_over_elsewhere", test_hand_over_elsewhere, BENCH_ONCE, &normal},
    {"machine_reset", test_machine_reset, BENCH_ONCE, &normal},
    {"moves", test_moves, BENCH_ONCE, &normal},
};

int main(void)
{
    return bench_run("gpu-vga", &vga_kind, tests, ARRAY_SIZE(tests));
}
