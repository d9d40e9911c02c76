// SPDX-License-Identifier: MIT
/*
 * Owns the quirks of single device types with drivers of virtio 0.9, and nothing that is the same
 * for all types. Refuses to know how those drivers reach a device.
 */
#include "virtio/quirks.h"

#include <string.h>

#include "virtio/lint.h"
#include "vmm/base/bits.h"

/* 5.2: numbers that the block quirk needs */
enum {
    BLK_F_CONFIG_WCE = 11,
    BLK_CONFIG_WRITEBACK = 32,
    BLK_T_FLUSH = 4,
    BLK_T_FLUSH_OUT = 5,
    BLK_HEADER = 16
};

/* 5.1: and the network one. Without MRG_RXBUF its header lacks the last field that 1.x has. */
enum { NET_F_MRG_RXBUF = 15, NET_F_CTRL_VQ = 17, NET_F_MQ = 22, NET_CTRL_PLAIN = 2 };
enum { NET_HEADER_SHORT = 10, NET_HEADER_ADDED = 2, NET_COMMAND = 2 };

/* 5.3 */
enum { CONSOLE_CTRL_RX = 2, CONSOLE_CTRL_TX = 3 };

/* 5.5: and the balloon's */
enum { BALLOON_F_STATS_VQ = 1, BALLOON_QUEUE_STATS = 2, BALLOON_CONFIG_ACTUAL = 4 };

/* An old name of FLUSH (5.2.6.3-l4). The header is copied once, into the graft. */
static void blk_popped(struct vq_chain *chain, struct quirk_state *state)
{
    struct gcur look = chain->out;
    uint32_t type;

    (void)state;
    if (!gcur_get32(&look, &type) || type != BLK_T_FLUSH_OUT)
        return;
    order_store(chain->vq->dev->order, chain->graft, sizeof(type), BLK_T_FLUSH);
    vq_chain_graft(chain, false, 0, sizeof(type), sizeof(type));
}

/* The cache mode is not changed by feature writes; by DRIVER_OK only where the driver cannot
 * choose it (5.2.5.3-l2, -l3). */
static void blk_settle(struct vdev *dev, bool done, uint64_t *kept)
{
    const struct reg *mode = regs_find(dev->type->config, BLK_CONFIG_WRITEBACK);

    if (!mode || !mode->read || !mode->write)
        return;
    if (!done)
        *kept = mode->read(dev, mode);
    else if (vdev_has(dev, BLK_F_CONFIG_WCE))
        mode->write(dev, mode, *kept);
}

/* ---- layouts: pieces of a chain before its quirk ---- */

static size_t first_out(const struct vq_chain *chain)
{
    return chain->n_out ? chain->iov[0].iov_len : 0;
}

static size_t last_in(const struct vq_chain *chain)
{
    return chain->n_iov > chain->n_out ? chain->iov[chain->n_iov - 1].iov_len : 0;
}

/* 5.2.6.4-l1 */
static void blk_layout(const struct vq_chain *chain)
{
    if (first_out(chain) != BLK_HEADER || last_in(chain) != 1)
        lint_see_queue(chain->vq, LINT_BLK_OLD_LAYOUT, chain->n_iov);
}

/* 5.3.6.4-l1 */
static void console_layout(const struct vq_chain *chain)
{
    const unsigned i = chain->vq->index;

    if ((i == CONSOLE_CTRL_RX || i == CONSOLE_CTRL_TX) && chain->n_iov != 1)
        lint_see_queue(chain->vq, LINT_CONSOLE_OLD_LAYOUT, chain->n_iov);
}

/* ---- the network ---- */

static bool net_is_ctrl(const struct vq *vq)
{
    const struct vdev *dev = vq->dev;
    const unsigned ctrl = vdev_has(dev, NET_F_MQ) ? dev->n_queues - 1 : NET_CTRL_PLAIN;

    return vdev_has(dev, NET_F_CTRL_VQ) && vq->index == ctrl;
}

/* 5.1.9.8-l1, -l2, -l4 */
static void net_layout(const struct vq_chain *chain)
{
    const struct vq *vq = chain->vq;
    const size_t header = NET_HEADER_SHORT + (vdev_has(vq->dev, NET_F_MRG_RXBUF) ? 2 : 0);
    const size_t first = chain->n_iov ? chain->iov[0].iov_len : 0;

    if (!net_is_ctrl(vq) && first != header)
        lint_see_queue(vq, LINT_NET_OLD_HEADER, first);
    if (net_is_ctrl(vq) && first_out(chain) != NET_COMMAND)
        lint_see_queue(vq, LINT_NET_OLD_COMMAND, first_out(chain));
    if (net_is_ctrl(vq) && last_in(chain) != 1)
        lint_see_queue(vq, LINT_NET_OLD_ACK, last_in(chain));
}

/* Do frames of this queue have the short header (5.1.9.1-l2)? */
static bool net_is_short(const struct vq *vq)
{
    return !vdev_has(vq->dev, NET_F_MRG_RXBUF) && !net_is_ctrl(vq);
}

/* The device sees the header of 1.x everywhere. Chains without a whole one stay as they are. */
static void net_popped(struct vq_chain *chain, struct quirk_state *state)
{
    (void)state;
    if (!net_is_short(chain->vq))
        return;
    memset(chain->graft, 0, NET_HEADER_ADDED);
    vq_chain_graft(chain, chain->vq->index % 2 == 0, NET_HEADER_SHORT, 0, NET_HEADER_ADDED);
}

static uint32_t net_pushed(const struct vq_chain *chain, uint32_t written)
{
    if (!net_is_short(chain->vq) || written <= NET_HEADER_SHORT)
        return written;
    return (uint32_t)max_u64(written - NET_HEADER_ADDED, NET_HEADER_SHORT);
}

/* The values in the first buffer of statistics are not to be used (5.5.6.3.3-l2). */
static void balloon_popped(struct vq_chain *chain, struct quirk_state *state)
{
    struct vdev *dev = chain->vq->dev;

    if (state->seen || chain->vq->index != BALLOON_QUEUE_STATS ||
        !vdev_has(dev, BALLOON_F_STATS_VQ))
        return;
    state->seen = true;
    chain->out = gcur_make(NULL, 0, dev->order);
}

/* The size is not looked at before its last byte is there (5.5.6.2.1-l3). */
static bool balloon_config_write(struct vdev *dev, struct quirk_state *state, uint64_t off,
                                 const uint8_t *data, unsigned len)
{
    const struct reg *actual = regs_find(dev->type->config, BALLOON_CONFIG_ACTUAL);
    const uint64_t end = BALLOON_CONFIG_ACTUAL + sizeof(state->bytes);

    if (!actual || off >= end || off + len <= BALLOON_CONFIG_ACTUAL ||
        (off <= BALLOON_CONFIG_ACTUAL && off + len >= end))
        return false;
    if (off <= BALLOON_CONFIG_ACTUAL)
        order_store(ORDER_LITTLE, state->bytes, sizeof(state->bytes), actual->read(dev, actual));
    for (unsigned i = 0; i < len; i++)
        if (off + i >= BALLOON_CONFIG_ACTUAL && off + i < end)
            state->bytes[off + i - BALLOON_CONFIG_ACTUAL] = data[i];
    if (off + len >= end)
        actual->write(dev, actual, order_load(ORDER_LITTLE, state->bytes, sizeof(state->bytes)));
    return true;
}

static const struct quirk quirks[] = {
    {VIRTIO_ID_NET, 0x1000, false, net_popped, net_pushed, NULL, NULL, net_layout},
    {VIRTIO_ID_BLK, 0x1001, false, blk_popped, NULL, blk_settle, NULL, blk_layout},
    {VIRTIO_ID_BALLOON, 0x1002, true, /* 5.5.4.0.0.1-l1 */
     balloon_popped, NULL, NULL, balloon_config_write, NULL},
    {VIRTIO_ID_CONSOLE, 0x1003, false, NULL, NULL, NULL, NULL, console_layout},
    {VIRTIO_ID_SCSI, 0x1004, false, NULL, NULL, NULL, NULL, NULL},
    {VIRTIO_ID_RNG, 0x1005, false, NULL, NULL, NULL, NULL, NULL},
    {VIRTIO_ID_9P, 0x1009, false, NULL, NULL, NULL, NULL, NULL},
};

const struct quirk *quirk_of(const struct virtio_type *type)
{
    for (unsigned i = 0; i < ARRAY_SIZE(quirks); i++)
        if (quirks[i].type == type->id)
            return &quirks[i];
    return NULL;
}
