// SPDX-License-Identifier: MIT
/*
 * Owns which accesses to the structures of virtio 1.x on PCI lint hears of. Refuses to answer them.
 */
#include "virtio/lint.h"
#include "virtio/modern-internal.h"
#include "vmm/base/bits.h"

enum { CONFIG_GENERATION = 0x15 };

void modern_lint_access(struct vpci *vp, bool write, uint64_t region, uint64_t in, unsigned len)
{
    struct vdev *dev = vp->dev;
    const struct reg *row;

    if (region == MODERN_DEVICE) {
        if (dev->type->config)
            lint_config(dev, write, in, len, false);
        return;
    }
    row = region == MODERN_COMMON ? regs_find(&modern_common, in) : NULL;
    if (row == regs_find(&modern_common, CONFIG_GENERATION) && row && !write)
        lint_generation(dev);
    else
        lint_other(dev);
    if (region == MODERN_COMMON)
        lint_width(dev, &modern_common, in, len);
    if (row && write && !row->write)
        lint_see(dev, LINT_READ_ONLY, in);
}

void modern_lint_denied(struct vpci *vp, uint64_t region, uint64_t in)
{
    if (vp->dev->resetting && region == MODERN_COMMON)
        lint_see(vp->dev, LINT_RESET_HURRIED, vp->dev->status);
    else if (vp->dev->broken && region == MODERN_NOTIFY)
        lint_see(vp->dev, LINT_KICK_BROKEN, in / MODERN_NOTIFY_STEP);
}

void modern_lint_window(struct vpci *vp, uint8_t bar, uint64_t at, unsigned width)
{
    const struct regs *config = vp->dev->type->config;
    uint64_t own = at;
    const uint64_t bytes = modern_bar_size(vp, bar, &own), in = own % MODERN_REGION;
    const uint64_t size[] = {COMMON_SIZE, 1, config ? align_up(config->size, 4) : 0,
                             MODERN_NOTIFY_STEP * vp->dev->n_queues};

    if (width && at % width)
        lint_see(vp->dev, LINT_WINDOW_ALIGN, at);
    else if ((width != 1 && width != 2 && width != 4) || !range_ok(at, width, bytes) ||
             !range_ok(in, width, size[own / MODERN_REGION]))
        lint_see(vp->dev, LINT_WINDOW_AIM, at);
}
