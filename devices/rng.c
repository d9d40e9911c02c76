// SPDX-License-Identifier: MIT
/*
 * Owns the entropy device. Refuses to know how random numbers are made: the host's kernel does
 * that.
 */
#include "devices/rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

enum {
    RNG_QUEUE_SIZE = 64,
    TURN_CHAINS = 4, /* so at most 256 KiB at a time, then others on the loop come first (G04) */
    BOUNCE_BYTES = 4096,
};

/* Up to 4 KiB more. Returns how many: fewer than asked for if the host has none. */
static size_t rng_some(struct gcur *in, uint64_t want)
{
    uint8_t bounce[BOUNCE_BYTES];
    const ssize_t n = getrandom(bounce, (size_t)min_u64(want, sizeof(bounce)), GRND_NONBLOCK);
    const bool put = n > 0 && gcur_put(in, bounce, (size_t)n);

    explicit_bzero(bounce, sizeof(bounce));
    return put ? (size_t)n : 0;
}

/* G02: what has nothing to write to, or not in RAM, goes back as it came. */
static void rng_one(struct vq_chain *chain)
{
    const uint64_t want = min_u64(gcur_left(&chain->in), RNG_REQUEST_MAX);
    uint64_t have = 0, n = 1;

    if (chain->fault || !want) {
        vq_drop(chain);
        return;
    }
    for (; have < want && n; have += n)
        n = rng_some(&chain->in, want - have);
    vq_push(chain, (uint32_t)have);
}

static void rng_kick(struct vdev *dev, struct vq *vq)
{
    bool more = true;
    unsigned i;

    for (i = 0; i < TURN_CHAINS && more; i++) {
        struct vq_chain *chain = vq_pop(vq);

        if (chain)
            rng_one(chain);
        else
            more = vq_kicks(vq, true);
    }
    vq_publish(vq);
    if (more)
        loop_post(dev->loop, &vq->again);
}

static int rng_open(struct vdev *dev, const void *conf, struct err *err)
{
    const int ret = vdev_queue_add(dev, RNG_QUEUE_SIZE, 0);

    (void)conf;
    return ret < 0 ? err_errno(err, -ret, "cannot make the queue of %s", dev->name) : 0;
}

static void rng_offer(struct vdev *dev, struct vfeat *f)
{
    (void)dev;
    (void)f;
}

static void rng_close(struct vdev *dev)
{
    (void)dev;
}

const struct virtio_type rng_type = {
    .name = "rng",
    .id = VIRTIO_ID_RNG,
    .class_code = 0x00ff00,
    .open = rng_open,
    .offer = rng_offer,
    .kick = rng_kick,
    .close = rng_close,
};
