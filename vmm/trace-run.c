// SPDX-License-Identifier: MIT
/*
 * Owns the description of a machine in its trace. Refuses to know the file (vmm/base/trace.h).
 */
#include "vmm/trace-run.h"

#include <string.h>

#include "virtio/lint.h"
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

static void identity_define(const struct pci_func *func, uint16_t source, const char *type)
{
    const uint64_t value[] = {
        le16_load(func->boot + PCI_VENDOR_ID),
        le16_load(func->boot + PCI_DEVICE_ID),
        func->boot[PCI_REVISION],
        le32_load(func->boot + PCI_REVISION) >> 8,
        le16_load(func->boot + PCI_SUBSYS_VENDOR),
        le16_load(func->boot + PCI_SUBSYS_ID),
    };

    trace_define(TRACE_IDENTITY, source, value, ARRAY_SIZE(value), type, strlen(type));
}

static void bars_define(const struct pci_func *func, uint16_t source)
{
    static const char *const kind[] = {
        [PCI_BAR_IO] = "io", [PCI_BAR_MEM32] = "mem32", [PCI_BAR_MEM64] = "mem64"};

    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &func->bar[i];
        const uint64_t value[] = {i, bar->size, bar->home};

        if (bar->kind != PCI_BAR_NONE)
            trace_define(TRACE_BAR_PLACE, source, value, ARRAY_SIZE(value), kind[bar->kind],
                         strlen(kind[bar->kind]));
    }
}

static void features_define(const struct vdev *dev)
{
    char buf[16];

    for (unsigned bit = 0; bit < VDEV_FEATURE_BITS; bit++) {
        const char *name = vdev_feature_name(dev, bit, buf);
        const uint64_t value = bit;

        if (vdev_offers(dev, bit))
            trace_define(TRACE_FEATURE, dev->trace, &value, 1, name, strlen(name));
    }
}

void trace_run_device(const struct vpci *vp)
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
    if (vp->func.bar[VPCI_BAR_BELLS].kind != PCI_BAR_NONE)
        trace_define(TRACE_BAR, dev->trace, (const uint64_t[]){VPCI_BAR_BELLS}, 1, "doorbells", 9);
    identity_define(&vp->func, dev->trace, dev->type->name);
    bars_define(&vp->func, dev->trace);
    features_define(dev);
}

static void count_define(void *ctx, const char *name, uint64_t count)
{
    const struct vcpu *vcpu = (const struct vcpu *)ctx;
    const uint64_t value[] = {vcpu_index(vcpu), count};

    if (strstr(name, "exit") || strstr(name, "injections"))
        trace_define(TRACE_KVM_COUNT, TRACE_NONE, value, ARRAY_SIZE(value), name, strlen(name));
}

void trace_run_exits(struct vcpus *vcpus)
{
    if (!trace_on(TRACE_EXITS))
        return;
    for (unsigned i = 0; i < vcpus_count(vcpus); i++) {
        struct vcpu *vcpu = vcpus_get(vcpus, i);

        if (vcpu_stats(vcpu, count_define, vcpu) < 0)
            return; /* an older KVM: the trace has the exits that vmm saw */
    }
}

static void finding_define(const struct vdev *dev, const struct lint_finding *f, void *ctx)
{
    const char *id = lint_rules[f->rule].id;

    (void)ctx;
    trace_define(TRACE_LINT_COUNT, dev->trace, &f->count, 1, id, strlen(id));
}

void trace_run_lint(const struct parts *parts)
{
    if (!trace_on(TRACE_GROUPS))
        return;
    for (unsigned i = 0; i < parts->n; i++)
        if (parts->part[i]->vpci)
            lint_each(parts->part[i]->vpci->dev, finding_define, NULL);
}

void trace_run_machine(const struct gmem *mem, const struct pci_layout *layout)
{
    const uint64_t intx = (uint64_t)layout->intx_gsi[3] << 48 |
                          (uint64_t)layout->intx_gsi[2] << 32 |
                          (uint64_t)layout->intx_gsi[1] << 16 | layout->intx_gsi[0];
    const uint64_t windows[] = {layout->mem32_base,
                                layout->mem32_size,
                                layout->mem64_base,
                                layout->mem64_size,
                                layout->io_base,
                                layout->io_size,
                                intx,
                                layout->port_bells};

    for (unsigned i = 0; i < mem->n; i++) {
        const uint64_t ram[] = {mem->region[i].base, mem->region[i].size};

        trace_define(TRACE_RAM, TRACE_NONE, ram, ARRAY_SIZE(ram), NULL, 0);
    }
    trace_define(TRACE_WINDOWS, TRACE_NONE, windows, ARRAY_SIZE(windows), NULL, 0);
}

void trace_run_describe(const struct parts *parts)
{
    if (!trace_on(TRACE_GROUPS))
        return;
    trace_run_machine(parts->env.mem, pci_root_layout(parts->env.root));
    for (unsigned i = 0; i < parts->n; i++)
        if (parts->part[i]->vpci)
            trace_run_device(parts->part[i]->vpci);
}
