// SPDX-License-Identifier: MIT
/*
 * Owns what is done with registers and states in a replay. Refuses to know rings.
 */
#include <string.h>

#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/trace-replay-internal.h"
#include "vmm/trace-text.h"

/* ---- registers ---- */

static uint64_t bar_access(const struct place *p, struct bus *bus, const struct trace_rec *rec,
                           bool write)
{
    const uint64_t bar = rec->value[3] >> 32;
    const struct bus_claim *claim = bar < PCI_BARS ? &p->func->bar[bar].claim : NULL;
    const unsigned len = (unsigned)rec->value[1];
    uint8_t data[8];

    memset(data, 0xff, sizeof(data));
    if (!claim || !claim->mapped || !range_ok((uint32_t)rec->value[3], len, claim->size))
        return ones_for(len);
    order_store(ORDER_LITTLE, data, len, rec->value[2]);
    if (write)
        bus_write(bus, claim->space, claim->base + (uint32_t)rec->value[3], data, len);
    else
        bus_read(bus, claim->space, claim->base + (uint32_t)rec->value[3], data, len);
    return order_load(ORDER_LITTLE, data, len);
}

static uint64_t pci_access(const struct place *p, struct pci_root *root,
                           const struct trace_rec *rec, bool write)
{
    const unsigned len = (unsigned)rec->value[1], off = (unsigned)rec->value[0];
    uint8_t data[8];

    memset(data, 0xff, sizeof(data));
    order_store(ORDER_LITTLE, data, len, rec->value[2]);
    if (write)
        pci_config_write(root, p->func->devfn, off, data, len);
    else
        pci_config_read(root, p->func->devfn, off, data, len);
    return order_load(ORDER_LITTLE, data, len);
}

static void do_access(struct replay *r, struct place *p)
{
    const struct trace_rec *rec = r->rec;
    const bool pci = trace_info[rec->point].class == TRACE_CLASS_PCI;
    const bool write = rec->point == TRACE_WRITE || rec->point == TRACE_PCI_WRITE;
    char name[TRACE_WORD];
    uint64_t now;

    if (!p->func || rec->value[1] < 1 || rec->value[1] > 8 ||
        (pci && rec->value[0] >= PCI_CFG_SIZE))
        return;
    if (!pci && rec->value[3] >> 32 == TRACE_BAR_CONFIG)
        return; /* its access to configuration space is replayed */
    now = pci ? pci_access(p, r->m->root, rec, write) : bar_access(p, r->m->bus, rec, write);
    r->counts->accesses++;
    if (write || now == rec->value[2] || p->resetting)
        return;
    trace_value(r->f, rec, 0, name);
    replay_differs(r, "%s was 0x%llx, here 0x%llx", name, (unsigned long long)rec->value[2],
                   (unsigned long long)now);
}

/* ---- states ---- */

static void do_status(struct replay *r, struct place *p)
{
    char was[TRACE_WORD], here[TRACE_WORD];
    struct trace_rec now = *r->rec;

    if (!p->vpci || p->resetting || p->vpci->dev->status == r->rec->value[1])
        return;
    now.value[1] = p->vpci->dev->status;
    trace_value(r->f, r->rec, 1, was);
    trace_value(r->f, &now, 1, here);
    replay_differs(r, "became %s, here %s", was, here);
}

static void do_features(struct replay *r, struct place *p)
{
    const struct trace_rec *rec = r->rec;
    const struct vdev *dev = p->vpci ? p->vpci->dev : NULL;
    uint64_t low;

    if (!dev || !rec->value[2])
        return;
    low = (uint64_t)dev->accepted.word[1] << 32 | dev->accepted.word[0];
    if (low != rec->value[0])
        replay_differs(r, "0x%llx were settled, here 0x%llx", (unsigned long long)rec->value[0],
                       (unsigned long long)low);
}

static void do_reset(struct replay *r, struct place *p, bool done)
{
    (void)r;
    p->resetting = !done;
    for (unsigned i = 0; done && p->vpci && i < p->vpci->dev->n_queues; i++)
        replay_line_clear(&p->line[i]);
}

/* Guest memory was broken in a way that is not recorded: the device is told what came of it. */
static void do_fail(struct replay *r, struct place *p)
{
    char text[200];
    size_t n = min_u64(r->rec->n_bytes, sizeof(text) - 1);

    if (!p->vpci)
        return;
    memcpy(text, r->rec->bytes, n);
    text[n] = '\0';
    loop_lock(p->part->loop);
    vdev_fail(p->vpci->dev, "as recorded", "%s", text);
    loop_unlock(p->part->loop);
}

static void do_config(struct place *p)
{
    if (!p->vpci)
        return;
    loop_lock(p->part->loop);
    vdev_config_changed(p->vpci->dev);
    loop_unlock(p->part->loop);
}

static void do_restart(struct replay *r)
{
    parts_reset(&r->m->parts, clock_ns() + REPLAY_RESET_NS);
    pci_reset(r->m->root);
}

void replay_state(struct replay *r, struct place *p)
{
    switch (r->rec->point) {
    case TRACE_READ:
    case TRACE_WRITE:
    case TRACE_PCI_READ:
    case TRACE_PCI_WRITE:
        do_access(r, p);
        break;
    case TRACE_STATUS:
        do_status(r, p);
        break;
    case TRACE_FEATURES:
        do_features(r, p);
        break;
    case TRACE_RESET:
    case TRACE_RESET_DONE:
        do_reset(r, p, r->rec->point == TRACE_RESET_DONE);
        break;
    case TRACE_FAIL:
        do_fail(r, p);
        break;
    case TRACE_CONFIG:
        do_config(p);
        break;
    case TRACE_RESTART:
        do_restart(r);
        break;
    default:
        break;
    }
}
