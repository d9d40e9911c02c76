// SPDX-License-Identifier: MIT
/*
 * Owns the device, the memory around it and the judgement of one case. Refuses to know layouts.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/prove/prove.h"
#include "vmm/base/bits.h"

enum { GUARD = 1 << 20 };

const struct kind kinds[KINDS] = {
    {"inside", RAM_B + 0x1000, BUFFER, 1, true},
    {"across two regions", RAM_C - 24, BUFFER, 2, true},
    {"over the end of RAM", RAM_END - 24, BUFFER, 1, false},
    {"empty", RAM_B + 0x1000, 0, 0, true},
    {"over the end of the numbers", UINT64_MAX - 24, BUFFER, 1, false},
};

static unsigned steps;
void (*prove_show)(void);

/* The linker puts these around vq_chain_add(). */
bool __real_vq_chain_add(struct vq_chain *chain, uint64_t addr, uint32_t len, bool write);
bool __wrap_vq_chain_add(struct vq_chain *chain, uint64_t addr, uint32_t len, bool write);
bool __wrap_vq_chain_add(struct vq_chain *chain, uint64_t addr, uint32_t len, bool write)
{
    steps++;
    return __real_vq_chain_add(chain, addr, len, write);
}

unsigned rig_steps(void)
{
    const unsigned n = steps;

    steps = 0;
    return n;
}

void prove_fail(const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (prove_show)
        prove_show();
    exit(1);
}

/* ---- the device ---- */

static int device_open(struct vdev *dev, const void *conf, struct err *err)
{
    (void)conf;
    (void)err;
    return vdev_queue_add(dev, 8, 0);
}

static void device_offer(struct vdev *dev, struct vfeat *f)
{
    (void)dev;
    (void)f;
}

static void device_kick(struct vdev *dev, struct vq *vq)
{
    (void)dev;
    (void)vq;
}

static void up_interrupt(struct vdev *dev, unsigned index)
{
    (void)dev;
    (void)index;
}

static void device_close(struct vdev *dev)
{
    (void)dev;
}

static const struct vfeat_row no_features[] = {{0, NULL, NULL, -1}};
static const struct virtio_type type = {
    .name = "prove",
    .id = 60,
    .features = no_features,
    .open = device_open,
    .offer = device_offer,
    .kick = device_kick,
    .close = device_close,
};

static struct gmem mem;
static struct loop *loop;

static void memory_make(struct rig *r)
{
    uint8_t *all =
        mmap(NULL, 2 * GUARD + REGIONS * REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (all == MAP_FAILED || mprotect(all + GUARD, REGIONS * REGION, PROT_READ | PROT_WRITE) < 0)
        prove_fail("no memory");
    r->ram = all + GUARD;
    mem = (struct gmem){.n = 0};
    for (unsigned i = 0; i < REGIONS; i++)
        if (gmem_add(&mem, RAM_A + i * REGION, REGION, r->ram + (size_t)i * REGION) < 0)
            prove_fail("the regions are not taken");
}

void rig_make(struct rig *r, uint64_t features, uint16_t size)
{
    struct err err;

    log_set_level(LOG_ERROR);
    memory_make(r);
    loop = loop_new("prove", &err);
    r->dev = loop ? vdev_new(&type, "prove", loop, &mem, NULL, &err) : NULL;
    if (!r->dev)
        prove_fail("%s", err.text);
    r->dev->up.queue_interrupt = up_interrupt;
    r->vq = &r->dev->vq[0];
    loop_lock(loop);
    features |= BIT64(VIRTIO_F_VERSION_1);
    vdev_driver_word_set(r->dev, 0, (uint32_t)features);
    vdev_driver_word_set(r->dev, 1, (uint32_t)(features >> 32));
    if (!vdev_negotiate(r->dev))
        prove_fail("the features are not taken");
    vdev_dma_allow(r->dev, true);
    r->vq->set = (struct vq_settings){size, DESC_AT, DRIVER_AT, DEVICE_AT};
    if (vq_enable(r->vq) < 0)
        prove_fail("the ring is not taken");
    vdev_status_add(r->dev, VIRTIO_S_DRIVER_OK);
    loop_unlock(loop);
}

void rig_free(struct rig *r)
{
    loop_lock(loop);
    vq_disable(r->vq);
    loop_unlock(loop);
    vdev_free(r->dev);
    loop_free(loop);
    munmap(r->ram - GUARD, 2 * GUARD + REGIONS * REGION);
}

/* Not by a reset of the whole device: there are millions of cases. */
void rig_again(struct rig *r)
{
    while (r->n_held)
        vq_forget(r->held[--r->n_held]);
    vq_disable(r->vq);
    r->dev->broken = false;
    r->dev->status &= (uint8_t)~VIRTIO_S_NEEDS_RESET;
    if (vq_enable(r->vq) < 0)
        prove_fail("the ring is not taken again");
}

/* ---- one case ---- */

void verdict_buffer(struct verdict *v, unsigned kind, bool write)
{
    v->steps++;
    v->pieces += kinds[kind].pieces;
    v->fault |= !kinds[kind].ram;
    *(write ? &v->in : &v->out) += kinds[kind].len;
}

static void pieces_check(const struct rig *r, const struct vq_chain *chain)
{
    for (uint32_t i = 0; i < chain->n_iov; i++) {
        const uint8_t *at = (const uint8_t *)chain->iov[i].iov_base;

        if (at && (at < r->ram || chain->iov[i].iov_len > REGIONS * REGION ||
                   at + chain->iov[i].iov_len > r->ram + REGIONS * REGION))
            prove_fail("piece %u of the chain is not guest memory", i);
    }
}

/* What is RAM is used, so that a wrong piece is met; the rest has to be refused. */
static void buffers_use(struct vq_chain *chain, const struct verdict *want)
{
    static uint8_t to[16 * BUFFER];
    const bool out_ok = gcur_is_ram(&chain->out), in_ok = gcur_is_ram(&chain->in);

    if ((out_ok && in_ok) == want->fault)
        prove_fail("it %s RAM for the cursors", want->fault ? "is all" : "is not all");
    if (gcur_get(&chain->out, to, (size_t)gcur_left(&chain->out)) != out_ok)
        prove_fail("reading it does not end as it has to");
    if (gcur_fill(&chain->in, 0, gcur_left(&chain->in)) != in_ok)
        prove_fail("writing it does not end as it has to");
}

void rig_case(struct rig *r, const struct verdict *want)
{
    struct vq_chain *chain;
    unsigned took;

    rig_steps();
    chain = vq_pop(r->vq);
    took = rig_steps();
    r->cases++;
    if (took != want->steps)
        prove_fail("the walk took %u steps, not %u", took, want->steps);
    if (!chain != !want->good)
        prove_fail("the walker says that it is %s", chain ? "good" : "broken");
    if (!chain) {
        if (r->dev->broken == want->none)
            prove_fail("the device %s", want->none ? "fails for nothing" : "does not say so");
        r->bad++;
        rig_again(r);
        return;
    }
    r->good++;
    if (chain->out.left != want->out || chain->in.left != want->in)
        prove_fail("it has %llu bytes out and %llu in, not %llu and %llu",
                   (unsigned long long)chain->out.left, (unsigned long long)chain->in.left,
                   (unsigned long long)want->out, (unsigned long long)want->in);
    pieces_check(r, chain);
    buffers_use(chain, want);
    vq_push(chain, 0);
    vq_publish(r->vq);
    rig_again(r);
}
