// SPDX-License-Identifier: MIT
/*
 * Owns the question whether a device does without each of its features: withheld one by one, they
 * are neither offered nor accepted, nor is what needs them, and the device works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/driver/bench.h"
#include "vmm/base/bits.h"

/* 2.2.2-d1: nothing is offered without what it needs. */
static void offer_is_closed(const struct virtio_type *type, uint64_t offered)
{
    for (const struct vfeat_row *row = type->features; row && row->name; row++)
        if (row->bit < 64 && row->needs >= 0 && offered >> row->bit & 1)
            assert_true(offered >> row->needs & 1);
    for (const struct vfeat_tie *tie = type->ties; tie && tie->clause; tie++)
        if (offered >> tie->bit & 1)
            assert_true((offered >> tie->either[0] & 1) || (offered >> tie->either[1] & 1));
}

static void withhold(struct bench *b, uint64_t bits)
{
    const struct vfeat f = {{(uint32_t)bits, (uint32_t)(bits >> 32)}};

    drv_reset(&b->d);
    loop_lock(b->loop);
    vdev_withhold(b->dev, &f);
    loop_unlock(b->loop);
}

static void restore(struct bench *b, const struct vfeat *offered)
{
    drv_reset(&b->d);
    loop_lock(b->loop);
    b->dev->offered = *offered;
    b->dev->withheld = (struct vfeat){{0}};
    loop_unlock(b->loop);
}

static void does_without(struct bench *b, uint64_t bits, void (*works)(struct bench *b))
{
    const uint64_t v1 = BIT64(VIRTIO_F_VERSION_1), before = b->d.ops->offered(&b->d);
    uint64_t now;

    withhold(b, bits);
    now = b->d.ops->offered(&b->d);
    assert_int_equal(now & bits & ~v1, 0);
    assert_int_equal(now & v1, before & v1); /* 6.2-d1 */
    assert_int_equal(now & ~before, 0);
    offer_is_closed(b->dev->type, now);
    if (bits & b->combo->ring->feature)
        return; /* no rings for this driver */
    bench_init(b);
    assert_int_equal(b->d.features & bits & ~v1, 0);
    works(b);
}

void bench_withhold(struct bench *b, void (*works)(struct bench *b))
{
    const struct vfeat offered = b->dev->offered;
    const uint64_t all = b->d.ops->offered(&b->d);

    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t mark = drv_mark(&b->d);

        if (!(all >> bit & 1))
            continue;
        does_without(b, BIT64(bit), works);
        restore(b, &offered);
        assert_int_equal(b->d.ops->offered(&b->d), all);
        drv_rewind(&b->d, mark);
    }
    does_without(b, all & ~b->combo->ring->feature, works);
    restore(b, &offered);
    bench_init(b);
    works(b);
}
