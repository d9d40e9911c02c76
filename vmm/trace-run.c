// SPDX-License-Identifier: MIT
/*
 * Owns the description of a machine in its trace. Refuses to know the file (vmm/base/trace.h).
 */
#include "vmm/trace-run.h"

#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

enum { CONFIG_BYTES = 1024, OPTIONS_BYTES = 4000 };

/* Words as they were given, each with a zero byte behind it. */
static void options_define(int argc, char *const *argv)
{
    char text[OPTIONS_BYTES];
    size_t n = 0;

    for (int i = 0; i < argc; i++) {
        const size_t len = strlen(argv[i]) + 1;

        if (n + len > sizeof(text))
            return; /* without them a trace can be read, not replayed */
        memcpy(text + n, argv[i], len);
        n += len;
    }
    trace_define(TRACE_OPTIONS, TRACE_NONE, NULL, 0, text, n);
}

int trace_run_open(const struct config *config, int argc, char *const *argv, struct err *err)
{
    int ret;

    if (!config->trace)
        return 0;
    ret = trace_open(config->trace, config->trace_groups, 0, err);
    if (ret == 0)
        options_define(argc - 1, argv + 1);
    return ret;
}

static void device_define(const struct vpci *vp)
{
    const struct vdev *dev = vp->dev;
    const struct regs *config = dev->type->config;
    const uint64_t value[] = {
        dev->type->id,
        vp->func.devfn,
        dev->n_queues,
        (uint64_t)vdev_offered_word(dev, 1) << 32 | vdev_offered_word(dev, 0),
        (uint64_t)vdev_offered_word(dev, 3) << 32 | vdev_offered_word(dev, 2),
    };
    uint8_t bytes[CONFIG_BYTES];
    unsigned n = 0;

    for (; config && n + 1 <= config->size && n < sizeof(bytes); n++)
        regs_read(config, vp->dev, &regs_little, n, bytes + n, 1);
    trace_define(TRACE_DEVICE, dev->trace, value, ARRAY_SIZE(value), bytes, n);
    for (unsigned i = 0; i < vp->ifs->n; i++) {
        const struct vinterface *itf = vp->ifs->list[i];
        const uint64_t bar = itf->bar;

        trace_define(TRACE_BAR, dev->trace, &bar, 1, itf->name, strlen(itf->name));
    }
    trace_define(TRACE_BAR, dev->trace, (const uint64_t[]){VPCI_BAR_MSIX}, 1, "msix", 4);
}

void trace_run_describe(const struct parts *parts)
{
    const struct pci_layout *layout = pci_root_layout(parts->env.root);
    const struct gmem *mem = parts->env.mem;
    const uint64_t intx = (uint64_t)layout->intx_gsi[3] << 48 |
                          (uint64_t)layout->intx_gsi[2] << 32 |
                          (uint64_t)layout->intx_gsi[1] << 16 | layout->intx_gsi[0];
    const uint64_t windows[] = {layout->mem32_base,
                                layout->mem32_size,
                                layout->mem64_base,
                                layout->mem64_size,
                                layout->io_base,
                                layout->io_size,
                                intx};

    if (!trace_on(TRACE_GROUPS))
        return;
    for (unsigned i = 0; i < mem->n; i++) {
        const uint64_t ram[] = {mem->region[i].base, mem->region[i].size};

        trace_define(TRACE_RAM, TRACE_NONE, ram, ARRAY_SIZE(ram), NULL, 0);
    }
    trace_define(TRACE_WINDOWS, TRACE_NONE, windows, ARRAY_SIZE(windows), NULL, 0);
    for (unsigned i = 0; i < parts->n; i++)
        if (parts->part[i]->vpci)
            device_define(parts->part[i]->vpci);
}
