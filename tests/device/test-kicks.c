// SPDX-License-Identifier: MIT
/*
 * Doorbells and the driver that trusts them: what is made available while they are turned off must
 * be seen without one. The moment is hit by a layer on the queue's verbs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "tests/driver/plot.h"
#include "virtio/vq.h"
#include "vmm/base/bits.h"

static struct {
    struct plot plot;
    const struct vq_ops *real;
    bool done;
} trap;

/* Doorbells are off for a moment yet: the driver makes a request available, and rings none. */
static bool trap_kicks(struct vq *vq, bool on)
{
    if (on && !trap.done) {
        trap.done = true;
        split_desc(trap.plot.q, 0, trap.plot.out, 64, VIRTQ_DESC_NEXT, 1);
        split_desc(trap.plot.q, 1, trap.plot.in, 64, VIRTQ_DESC_WRITE, 0);
        split_avail(trap.plot.q, 0);
        split_avail_show(trap.plot.q);
    }
    return trap.real->kicks(vq, on);
}

/* A spurious doorbell (2.7.10.2-d5), and a request that comes while it is being looked into. */
static void Q23_request_during_spurious_kick(struct bench *b)
{
    struct vq_ops ops;
    struct vq *vq;

    trap.plot = plot_make(b);
    trap.done = false;
    vq = &b->dev->vq[trap.plot.q->index];
    machine_settle(b->m);
    loop_lock(b->loop);
    trap.real = vq->ops;
    ops = *trap.real;
    ops.kicks = trap_kicks;
    vq->ops = &ops;
    vdev_kick(b->dev, vq->index);
    loop_unlock(b->loop);
    machine_settle(b->m);
    vq->ops = trap.real;
    assert_true(trap.done);
    assert_int_equal(split_used_idx(trap.plot.q), 1);
}

static const struct bench_test tests[] = {
    {"Q23_request_during_spurious_kick", Q23_request_during_spurious_kick,
     BENCH_SPLIT | BENCH_TURNS, NULL},
};

int main(void)
{
    return bench_run("kicks", &echo_kind, tests, ARRAY_SIZE(tests));
}
