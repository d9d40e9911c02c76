// SPDX-License-Identifier: MIT
/* Q: rings and their set-up. */
#include "tests/guest/hostile/hostile.h"

static enum answer idx_set(struct dev *d, uint16_t idx)
{
    struct queue *q = dev_queue(d);

    *(volatile uint16_t *)(uintptr_t)(q->avail + 2) = idx;
    return answer_of(q);
}

static enum answer Q01_jumps(struct dev *d)
{
    return idx_set(d, (uint16_t)(dev_queue(d)->size + 1));
}

static enum answer Q02_goes_back(struct dev *d)
{
    return idx_set(d, 0xffff);
}

/* The queue is made anew up to its being enabled; then reg is written: what does it read? */
static bool setting_kept(struct dev *d, unsigned reg, unsigned len, uint32_t v)
{
    uint32_t before;

    common_set(d, R_SELECT, 2, 0);
    before = common_get(d, reg, len);
    common_set(d, reg, len, v);
    return common_get(d, reg, len) == before;
}

static enum answer Q05_bad_sizes(struct dev *d)
{
    EXPECT(dev_negotiate(d, d->way, ALL));
    EXPECT(setting_kept(d, R_SIZE, 2, 0));
    EXPECT(setting_kept(d, R_SIZE, 2, 0x8001)); /* Q07 */
    EXPECT(setting_kept(d, R_SIZE, 2, 0xffff));
    return IGN;
}

static enum answer Q10_changed_while_live(struct dev *d)
{
    for (unsigned reg = R_DESC; reg < R_USED + 8; reg += 4)
        EXPECT(setting_kept(d, reg, 4, 0x12345000));
    EXPECT(setting_kept(d, R_SIZE, 2, 2));
    EXPECT(honest(d));
    return IGN;
}

static enum answer Q11_no_addresses(struct dev *d)
{
    EXPECT(dev_negotiate(d, d->way, ALL));
    common_set(d, R_SELECT, 2, dev_queue(d)->index);
    common_set(d, R_ENABLE, 2, 1);
    dev_status_set(d, dev_status(d) | S_DRIVER_OK);
    queue_ring(dev_queue(d));
    return IGN;
}

static enum answer Q13_unaligned(struct dev *d)
{
    static const uint8_t off[3][3] = {{8, 0, 0}, {0, 1, 0}, {0, 0, 2}};

    for (unsigned i = 0; i < 3; i++) {
        struct queue *q = dev_queue(d);

        EXPECT(dev_negotiate(d, d->way, ALL));
        q->size = 16;
        queue_place(q);
        q->desc += off[i][0];
        q->avail += off[i][1];
        q->used += off[i][2];
        EXPECT(!queue_open(q));
        dev_status_set(d, dev_status(d) | S_DRIVER_OK);
        queue_ring(q);
    }
    return IGN;
}

static enum answer Q14_same_memory(struct dev *d)
{
    struct queue *q = dev_queue(d);

    EXPECT(dev_negotiate(d, d->way, ALL));
    q->size = 16;
    queue_place(q);
    q->avail = q->used = q->desc;
    queue_open(q);
    dev_status_set(d, dev_status(d) | S_DRIVER_OK);
    for (unsigned i = 0; i < 16; i++) {
        memset((void *)(uintptr_t)q->desc, (int)(i * 17), 256);
        queue_ring(q);
        cpu_idle(1);
    }
    return IGN;
}

static enum answer Q16_disabled(struct dev *d)
{
    EXPECT(setting_kept(d, R_ENABLE, 2, 0));
    EXPECT(setting_kept(d, R_ENABLE, 2, 2)); /* Q17 */
    EXPECT(setting_kept(d, R_ENABLE, 2, 0xffff));
    EXPECT(honest(d));
    EXPECT(dev_negotiate(d, d->way, ALL));
    EXPECT(setting_kept(d, R_ENABLE, 2, 2));
    return IGN;
}

static enum answer Q19_select_outside(struct dev *d)
{
    static const uint8_t zero[] = {R_SIZE, R_ENABLE, R_DESC, R_DESC + 4, R_USED, R_RESET};

    common_set(d, R_SELECT, 2, 0xffff);
    EXPECT(common_get(d, R_SELECT, 2) == 0xffff);
    for (unsigned i = 0; i < ARRAY_SIZE(zero); i++) {
        common_set(d, zero[i], 2, 1);
        EXPECT(common_get(d, zero[i], 2) == 0);
    }
    common_set(d, R_VECTOR, 2, 0);
    EXPECT(common_get(d, R_VECTOR, 2) == NO_VECTOR);
    EXPECT(honest(d));
    return IGN;
}

static enum answer Q20_bell_outside(struct dev *d)
{
    static const uint16_t index[] = {0xffff, 0x8000, 99};

    for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
        if (d->way == LEGACY_SPLIT)
            out16(d->io + 16, index[i]);
        else
            mmio_write(dev_queue(d)->bell, 2, index[i]);
    }
    if (d->way != LEGACY_SPLIT)
        mmio_write(d->notify + (uint64_t)d->notify_step * 200, 2, 200);
    EXPECT(honest(d));
    return IGN;
}

static enum answer Q23_spurious(struct dev *d)
{
    for (unsigned i = 0; i < 20000; i++)
        queue_ring(dev_queue(d));
    EXPECT(honest(d));
    return IGN;
}

static enum answer Q25_no_queue(struct dev *d)
{
    EXPECT(dev_negotiate(d, d->way, ALL));
    dev_status_set(d, dev_status(d) | S_DRIVER_OK);
    queue_ring(dev_queue(d));
    EXPECT(!dev_failed(d));
    return IGN;
}

static enum answer Q28_garbage(struct dev *d)
{
    struct queue *q = dev_queue(d);

    if (d->way == MODERN_PACKED) {
        memset((void *)(uintptr_t)q->avail, 0xff, 4);
    } else {
        memset((void *)(uintptr_t)q->avail, 0xff, 2);
        memset((void *)(uintptr_t)(q->avail + 4 + 2 * q->size), 0xff, 2);
    }
    EXPECT(honest(d));
    EXPECT(honest(d));
    return IGN;
}

/* Its last two bytes (split), or four; and one that ends just there. */
static enum answer Q29_past_ram(struct dev *d)
{
    const uint64_t bytes = d->way == MODERN_PACKED ? 4 : 4 + 8 * 16 + 2;
    struct queue *q = dev_queue(d);

    EXPECT(dev_negotiate(d, d->way, ALL));
    q->size = 16;
    queue_place(q);
    q->used = (RAM_END - bytes + 4) & ~UINT64_C(3);
    EXPECT(!queue_open(q));
    q->used = (RAM_END - bytes) & ~UINT64_C(3);
    EXPECT(queue_open(q));
    return IGN;
}

static enum answer Q31_reset_not_negotiated(struct dev *d)
{
    EXPECT(dev_start(d, d->way, ~BIT(F_RING_RESET)));
    EXPECT(setting_kept(d, R_RESET, 2, 1));
    EXPECT(honest(d));
    return IGN;
}

static enum answer Q32_queue_reset(struct dev *d)
{
    struct queue *q = dev_queue(d);
    unsigned i = 0;

    common_set(d, R_SELECT, 2, q->index);
    common_set(d, R_RESET, 2, 1);
    while (common_get(d, R_RESET, 2) && i++ < 100)
        cpu_idle(1);
    EXPECT(common_get(d, R_RESET, 2) == 0);
    EXPECT(common_get(d, R_ENABLE, 2) == 0);
    for (i = 0; i < 100; i++)
        queue_ring(q); /* Q22 */
    queue_place(q);
    EXPECT(queue_open(q));
    EXPECT(honest(d));
    return IGN;
}

const struct row rows_queue[] = {
    {"Q01 index jumps", W_S, D_ALL, NR, Q01_jumps},
    {"Q02 index goes back", W_S, D_ALL, NR, Q02_goes_back},
    {"Q05 Q07 bad sizes", W_M, D_ALL, IGN, Q05_bad_sizes},
    {"Q10 changed while live", W_M, D_BLK | D_RNG, IGN, Q10_changed_while_live},
    {"Q11 enabled without addresses", W_M, D_ALL, IGN, Q11_no_addresses},
    {"Q13 areas not aligned", W_MS, D_ALL, IGN, Q13_unaligned},
    {"Q14 areas are one", W_M, D_ALL, IGN, Q14_same_memory},
    {"Q16 Q17 bad enables", W_M, D_ALL, IGN, Q16_disabled},
    {"Q19 select outside", W_M, D_ALL, IGN, Q19_select_outside},
    {"Q20 doorbell outside", W_ALL, D_ALL, IGN, Q20_bell_outside},
    {"Q23 spurious doorbells", W_ALL, D_ALL, IGN, Q23_spurious},
    {"Q25 no queue enabled", W_ALL, D_ALL, IGN, Q25_no_queue},
    {"Q28 garbage in suppression", W_ALL, D_ALL, IGN, Q28_garbage},
    {"Q29 ring ends behind RAM", W_M, D_ALL, IGN, Q29_past_ram},
    {"Q31 queue reset not negotiated", W_M, D_ALL, IGN, Q31_reset_not_negotiated},
    {"Q32 Q22 queue reset", W_M, D_ALL, IGN, Q32_queue_reset},
    {0},
};
