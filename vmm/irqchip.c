// SPDX-License-Identifier: MIT
/*
 * Owns the table of interrupt routes inside KVM and what is connected to them. Refuses to know
 * which device a message belongs to; where the controllers live is the architecture's.
 *
 * A route is the number ("GSI") that an eventfd can be connected to. KVM takes the table only as
 * a whole, so it is kept here and handed over again at every change.
 */
#include "vmm/irqchip.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"

enum {
    FIRST_ROUTE = 32, /* below: lines */
    LINE_ROUTES = 64, /* room for the architecture's */
    GROW = 32,
};

struct route {
    bool used;
    bool sound; /* the message reaches a controller */
    struct arch_msi msi;
    uint32_t devid;
};

struct irqchip {
    struct kvm *kvm;
    struct arch_state *initial;
    bool ext_dest;
    pthread_mutex_t lock; /* all below */
    unsigned n_lines;     /* entries at the start of table that belong to lines */
    unsigned limit;       /* routes that may exist */
    unsigned n, used;
    struct route *route; /* [n]; route i is GSI FIRST_ROUTE + i */
    struct kvm_irq_routing *table;
    struct log_limit complaints;
};

static size_t table_size(unsigned n)
{
    return sizeof(struct kvm_irq_routing) +
           (LINE_ROUTES + (size_t)n) * sizeof(struct kvm_irq_routing_entry);
}

static struct kvm_irq_routing_entry msi_entry(unsigned index, const struct route *route)
{
    const struct arch_msi *msi = &route->msi;
    struct kvm_irq_routing_entry entry = {
        .gsi = FIRST_ROUTE + index,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = {.address_lo = msi->address_lo, .address_hi = msi->address_hi, .data = msi->data},
    };

    if (msi->device) {
        entry.flags = KVM_MSI_VALID_DEVID;
        entry.u.msi.devid = route->devid;
    }
    if (msi->pin >= 0) {
        entry.type = KVM_IRQ_ROUTING_IRQCHIP;
        entry.u.irqchip = (struct kvm_irq_routing_irqchip){.pin = (uint32_t)msi->pin};
    }
    return entry;
}

/* Messages that reach nothing have no entry: KVM drops what is sent to their number.
 * #ioctls:vcpu,io,user KVM_SET_GSI_ROUTING KVM_IRQFD KVM_IRQ_LINE KVM_SIGNAL_MSI */
static int table_commit(struct irqchip *chip)
{
    unsigned n = chip->n_lines;

    for (unsigned i = 0; i < chip->n; i++)
        if (chip->route[i].used && chip->route[i].sound)
            chip->table->entries[n++] = msi_entry(i, &chip->route[i]);
    chip->table->nr = n;
    return kvm_vm_ioctl(chip->kvm, KVM_SET_GSI_ROUTING, chip->table);
}

static int table_grow(struct irqchip *chip)
{
    const unsigned n = (unsigned)min_u64(chip->n + GROW, chip->limit);
    struct kvm_irq_routing *table;
    struct route *route;

    if (n == chip->n)
        return -ENOSPC;
    table = realloc(chip->table, table_size(n));
    if (!table)
        return -ENOMEM;
    chip->table = table;
    route = realloc(chip->route, n * sizeof(*route));
    if (!route)
        return -ENOMEM;
    memset(route + chip->n, 0, (n - chip->n) * sizeof(*route));
    chip->route = route;
    chip->n = n;
    return 0;
}

static int route_find_free(struct irqchip *chip)
{
    unsigned i;
    int got;

    for (i = 0; i < chip->n; i++)
        if (!chip->route[i].used)
            return (int)i;
    got = table_grow(chip);
    return got ? got : (int)i;
}

static bool route_valid(const struct irqchip *chip, int route)
{
    return route >= FIRST_ROUTE && (unsigned)route - FIRST_ROUTE < chip->n &&
           chip->route[route - FIRST_ROUTE].used;
}

/* index of the route to write: the caller's, or a new one */
static int route_pick(struct irqchip *chip, int route)
{
    if (route == -1)
        return route_find_free(chip);
    if (!route_valid(chip, route)) {
        bug("change of an interrupt route that does not exist");
        return -EINVAL;
    }
    return route - FIRST_ROUTE;
}

static int chip_route_locked(struct irqchip *chip, int *route, const struct route *want)
{
    const int index = route_pick(chip, *route);
    struct route before;
    int got;

    if (index < 0)
        return index;
    before = chip->route[index];
    chip->route[index] = *want;
    got = before.sound || want->sound ? table_commit(chip) : 0;
    if (got < 0) {
        chip->route[index] = before;
        return got;
    }
    chip->used += !before.used;
    *route = FIRST_ROUTE + index;
    return 0;
}

static int chip_route(void *ctx, int *route, uint64_t addr, uint32_t data, uint32_t devid)
{
    struct irqchip *chip = ctx;
    struct route want = {.used = true, .devid = devid};
    int got;

    want.sound = arch_msi_make(addr, data, chip->ext_dest, &want.msi);
    pthread_mutex_lock(&chip->lock);
    got = chip_route_locked(chip, route, &want);
    if (got < 0)
        log_limited(&chip->complaints, LOG_WARN, "no interrupt route for a message: %s",
                    strerror(-got));
    pthread_mutex_unlock(&chip->lock);
    return got;
}

static void chip_unroute(void *ctx, int route)
{
    struct irqchip *chip = ctx;
    struct route *gone;

    pthread_mutex_lock(&chip->lock);
    if (route_valid(chip, route)) {
        gone = &chip->route[route - FIRST_ROUTE];
        gone->used = false;
        chip->used--;
        if (gone->sound)
            table_commit(chip);
        gone->sound = false;
    }
    pthread_mutex_unlock(&chip->lock);
}

static int chip_connect(void *ctx, int route, int fd, bool on)
{
    struct irqchip *chip = ctx;
    struct kvm_irqfd arg = {
        .fd = (uint32_t)fd,
        .gsi = (uint32_t)route,
        .flags = on ? 0 : (uint32_t)KVM_IRQFD_FLAG_DEASSIGN,
    };

    return kvm_vm_ioctl(chip->kvm, KVM_IRQFD, &arg);
}

static void chip_line(void *ctx, uint32_t gsi, bool level)
{
    struct irqchip *chip = ctx;
    struct kvm_irq_level arg = {.irq = arch_line(gsi), .level = level};

    if (gsi < FIRST_ROUTE)
        kvm_vm_ioctl(chip->kvm, KVM_IRQ_LINE, &arg);
}

/* An edge. */
static void pin_pulse(struct irqchip *chip, uint32_t pin)
{
    struct kvm_irq_level arg = {.irq = arch_line(pin), .level = 1};

    kvm_vm_ioctl(chip->kvm, KVM_IRQ_LINE, &arg);
    arg.level = 0;
    kvm_vm_ioctl(chip->kvm, KVM_IRQ_LINE, &arg);
}

static void chip_send(void *ctx, uint64_t addr, uint32_t data, uint32_t devid)
{
    struct irqchip *chip = ctx;
    struct arch_msi msi;
    struct kvm_msi arg = {.flags = 0};

    if (!arch_msi_make(addr, data, chip->ext_dest, &msi))
        return;
    if (msi.pin >= 0) {
        pin_pulse(chip, (uint32_t)msi.pin);
        return;
    }
    arg.flags = msi.device ? (uint32_t)KVM_MSI_VALID_DEVID : 0;
    arg.devid = devid;
    arg.address_lo = msi.address_lo;
    arg.address_hi = msi.address_hi;
    arg.data = msi.data;
    kvm_vm_ioctl(chip->kvm, KVM_SIGNAL_MSI, &arg);
}

static int lines_init(struct irqchip *chip, struct err *err)
{
    const int routes = kvm_cap(chip->kvm, KVM_CAP_IRQ_ROUTING);
    int got;

    chip->table = calloc(1, table_size(0));
    if (!chip->table)
        return err_set(err, ENOMEM, "no memory for interrupt routes");
    chip->n_lines = arch_line_routes(chip->table->entries, LINE_ROUTES);
    if (routes > LINE_ROUTES + FIRST_ROUTE) /* neither number nor count of any may pass routes */
        chip->limit = (unsigned)routes - LINE_ROUTES - FIRST_ROUTE;
    got = table_commit(chip);
    if (got < 0)
        return err_errno(err, -got, "KVM refuses the interrupt lines");
    return 0;
}

struct irqchip *irqchip_new(struct kvm *kvm, unsigned cpus, struct err *err)
{
    struct irqchip *chip = calloc(1, sizeof(*chip));

    if (!chip) {
        err_set(err, ENOMEM, "no memory for the interrupt controllers");
        return NULL;
    }
    chip->kvm = kvm;
    chip->ext_dest = arch_msi_ext_dest(cpus);
    pthread_mutex_init(&chip->lock, NULL);
    if (arch_vm_setup(kvm, cpus, err) || lines_init(chip, err))
        goto fail;
    chip->initial = arch_vm_save(kvm, err);
    if (!chip->initial)
        goto fail;
    return chip;
fail:
    irqchip_free(chip);
    return NULL;
}

void irqchip_free(struct irqchip *chip)
{
    if (!chip)
        return;
    arch_state_free(chip->initial);
    pthread_mutex_destroy(&chip->lock);
    free(chip->route);
    free(chip->table);
    free(chip);
}

void irqchip_ops(struct irqchip *chip, struct irq_ops *ops)
{
    *ops = (struct irq_ops){.line = chip_line,
                            .route = chip_route,
                            .unroute = chip_unroute,
                            .connect = chip_connect,
                            .send = chip_send,
                            .ctx = chip};
}

int irqchip_reset(struct irqchip *chip, struct err *err)
{
    return arch_vm_restore(chip->kvm, chip->initial, err);
}

unsigned irqchip_routes(struct irqchip *chip)
{
    unsigned used;

    pthread_mutex_lock(&chip->lock);
    used = chip->used;
    pthread_mutex_unlock(&chip->lock);
    return used;
}
