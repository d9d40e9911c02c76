// SPDX-License-Identifier: MIT
/* Disks: what their configuration says at each step, and sectors that are written and read. */
#include "guest.h"

enum { CAPACITY = 0, BLK_SIZE = 20, SECTORS = 0x1238 };
enum { F_BLK_SIZE = 6, F_FLUSH = 9 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, S_OK = 0, HEADER = 16 };

static const uint32_t block_size[] = {512, 4096};

static char name[] = "blk0";
static uint32_t block; /* that of the disk at hand */

/* One row: blk_size and capacity over both paths and through the window, as they should be. */
static void look(const struct pci_func *f, enum path driven, const char *when)
{
    const uint64_t old = config_read(f, OVER_BAR0, BLK_SIZE, 4);
    const uint64_t new = config_read(f, OVER_CAPS, BLK_SIZE, 4);
    const uint64_t window = pci_window_read(f, BLK_SIZE, 4);
    const uint64_t old_cap = config_read(f, OVER_BAR0, CAPACITY, 8);
    const uint64_t new_cap = config_read(f, OVER_CAPS, CAPACITY, 8);

    check(old == block && new == block &&window == block &&old_cap == SECTORS &&new_cap == SECTORS,
          "%s over %s %-26s blk_size %u %u %u capacity %x %x", name, path_name[driven], when, old,
          new, window, old_cap, new_cap);
}

/* A wide access has the bytes that narrow ones have (4.1.4.10-l8). */
static void look_wide(const struct pci_func *f)
{
    const uint64_t size = config_load(f, BLK_SIZE, 4), low = config_load(f, BLK_SIZE, 2),
                   high = config_load(f, BLK_SIZE + 2, 2);

    check(size == block && (GUEST_BIG ? high : low) == block && !(GUEST_BIG ? low : high),
          "%s over %s %-26s blk_size %u", name, path_name[OVER_BAR0], "in wide loads", size);
}

/* ---- requests ---- */

static bool request(struct drv *d, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
    uint8_t *head = (uint8_t *)memory_take(HEADER + 1), *status = head + HEADER;
    const struct part part[] = {
        {head, HEADER, false}, {data, len, type == T_IN}, {status, 1, true}};
    const struct part bare[] = {{head, HEADER, false}, {status, 1, true}};
    uint16_t id;

    *(uint32_t *)head = swap32(d->swap, type);
    *(uint64_t *)(head + 8) = swap64(d->swap, sector);
    *status = 0xff;
    if (len)
        ring_add(d, 0, part, 3);
    else
        ring_add(d, 0, bare, 2);
    ring_kick(d, 0);
    return ring_wait(d, 0, &id) != UINT32_MAX && *(volatile uint8_t *)status == S_OK;
}

static uint8_t pattern(uint64_t sector, uint32_t i)
{
    return (uint8_t)(sector * 31 + i * 7 + (i >> 8));
}

static bool write_block(struct drv *d, uint64_t sector)
{
    uint8_t *data = (uint8_t *)memory_take(block);

    for (uint32_t i = 0; i < block; i++)
        data[i] = pattern(sector, i);
    return request(d, T_OUT, sector, data, block);
}

static bool read_block(struct drv *d, uint64_t sector)
{
    uint8_t *data = (uint8_t *)memory_take(block);

    if (!request(d, T_IN, sector, data, block))
        return false;
    for (uint32_t i = 0; i < block; i++)
        if (((volatile uint8_t *)data)[i] != pattern(sector, i))
            return false;
    return true;
}

/* Sectors whose numbers are others in the other order. The other path reads what this one wrote. */
static void there_and_back(struct drv *d, const char *when)
{
    static const uint64_t first[] = {0x108, 0x210};
    const uint64_t mine = first[d->path], others = first[!d->path];

    check(write_block(d, mine) && read_block(d, mine), "%s over %s %-26s sector %x there and back",
          name, path_name[d->path], when, mine);
    if (d->path == OVER_CAPS)
        check(read_block(d, others), "%s over %s %-26s sector %x as BAR0's driver left it", name,
              path_name[d->path], when, others);
}

/* ---- what is seen at each step ---- */

static void begin_look(struct drv *d, const struct pci_func *f, enum path path)
{
    drv_reset(d, f, path);
    look(f, path, "after reset");
    drv_status_set(d, S_ACK);
    look(f, path, "ACKNOWLEDGE");
    drv_status_set(d, S_ACK | S_DRIVER);
    look(f, path, "DRIVER");
}

static void go_look(struct drv *d, const struct pci_func *f)
{
    drv_queue(d, 0);
    drv_go(d);
    look(f, d->path, "DRIVER_OK");
    there_and_back(d, "DRIVER_OK");
    if (drv_accepted(d) & BIT(F_FLUSH))
        check(request(d, T_FLUSH, 0, NULL, 0), "%s over %s %-26s flushed", name, path_name[d->path],
              "DRIVER_OK");
}

static void steps_old(const struct pci_func *f)
{
    struct drv d;

    begin_look(&d, f, OVER_BAR0);
    drv_accept(&d, BIT(F_BLK_SIZE) | BIT(F_FLUSH));
    look(f, OVER_BAR0, "features accepted");
    look_wide(f);
    go_look(&d, f);
}

static void steps_new(const struct pci_func *f)
{
    const uint64_t bits = BIT(F_BLK_SIZE) | BIT(F_FLUSH);
    struct drv d;

    begin_look(&d, f, OVER_CAPS);
    drv_accept(&d, bits);
    look(f, OVER_CAPS, "without VERSION_1");
    drv_accept(&d, bits | BIT(F_VERSION_1));
    look(f, OVER_CAPS, "VERSION_1 written back");
    drv_accept(&d, bits);
    look(f, OVER_CAPS, "VERSION_1 taken away");
    drv_accept(&d, bits | BIT(F_VERSION_1));
    look(f, OVER_CAPS, "before FEATURES_OK");
    check(drv_settle(&d), "%s over %s %-26s granted", name, path_name[OVER_CAPS], "FEATURES_OK");
    look(f, OVER_CAPS, "after FEATURES_OK");
    go_look(&d, f);
}

/* ---- the order is that of the moment when a driver begins ---- */

static void other_way(const struct pci_func *f)
{
    struct drv d;
    uint32_t v = 0;

    drv_reset(&d, f, OVER_BAR0);
    begin_other_way(f->bar0 + 0x12);
    for (unsigned i = 0; i < 4; i++) /* in the order that is not ours */
        v |= (uint32_t)config_byte(f, OVER_BAR0, BLK_SIZE + i) << (GUEST_BIG ? 8 * i : 24 - 8 * i);
    check(v == block, "%s begun in the other order: blk_size %u in that one", name, (uint64_t)v);
    v = (uint32_t)config_read(f, OVER_CAPS, BLK_SIZE, 4);
    check(v == block, "%s begun in the other order: blk_size %u over caps", name, (uint64_t)v);
    drv_reset(&d, f, OVER_BAR0);
    drv_status_set(&d, S_ACK);
    look(f, OVER_BAR0, "begun in our order again");
}

/* ---- fewer features after a reset ---- */

static void again(const struct pci_func *f, enum path path, uint64_t bits)
{
    const uint64_t all = path == OVER_CAPS ? bits | BIT(F_VERSION_1) : bits;
    uint64_t none, has;
    struct drv d;

    drv_reset(&d, f, path);
    none = drv_accepted(&d);
    drv_begin(&d, f, path, bits & drv_offered(&d));
    has = drv_accepted(&d);
    check(!none && has == all && drv_settle(&d), "%s over %s %-26s %x after reset, then %x", name,
          path_name[path], "features", none, has);
    drv_queue(&d, 0);
    drv_go(&d);
    there_and_back(&d, "with these");
    check(ring_event_written(&d, 0) == !!(bits & BIT(F_EVENT_IDX)), "%s over %s %-26s is used: %s",
          name, path_name[path], "event_idx", bits & BIT(F_EVENT_IDX) ? "yes" : "no");
}

static void fewer_and_fewer(const struct pci_func *f)
{
    static const uint64_t want[] = {BIT(F_BLK_SIZE) | BIT(F_FLUSH) | BIT(F_EVENT_IDX), BIT(F_FLUSH),
                                    0, BIT(F_BLK_SIZE)};

    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        again(f, OVER_BAR0, want[i]);
        again(f, OVER_CAPS, want[i]);
    }
}

/* Not part of the table: bytes are others in the other build. */
static void bytes_show(const struct pci_func *f, enum path path)
{
    print("# %s blk_size as bytes over %s: %b %b %b %b\n", name, path_name[path],
          (uint64_t)config_byte(f, path, BLK_SIZE), (uint64_t)config_byte(f, path, BLK_SIZE + 1),
          (uint64_t)config_byte(f, path, BLK_SIZE + 2),
          (uint64_t)config_byte(f, path, BLK_SIZE + 3));
}

void blk_test(const struct pci_func *f, unsigned which)
{
    struct drv d;

    name[3] = (char)('0' + which);
    block = block_size[which % 2];
    drv_reset(&d, f, OVER_BAR0);
    bytes_show(f, OVER_BAR0);
    bytes_show(f, OVER_CAPS);
    steps_old(f);
    steps_new(f);
    other_way(f);
    fewer_and_fewer(f);
    drv_reset(&d, f, OVER_CAPS);
}
