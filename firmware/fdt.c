// SPDX-License-Identifier: MIT
/*
 * Owns the device tree: which nodes and properties say what a board is. Refuses to know addresses
 * and numbers (the board has them) and the format (libfdt has it).
 */
#include "firmware/fdt.h"

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/bits.h"

enum { PHANDLE_GIC = 1, PHANDLE_MSI, PHANDLE_CLOCK, PHANDLE_GPIO };

enum { GIC_SPI = 0, GIC_PPI = 1, IRQ_EDGE = 1, IRQ_HIGH = 4 };

/* Private interrupts of the architected timers, Arm BSA: secure, physical, virtual, hypervisor's.
 */
enum { PPI_SECURE = 13, PPI_PHYSICAL = 14, PPI_VIRTUAL = 11, PPI_HYPERVISOR = 10 };

enum {
    PCI_IO = 0x01000000,
    PCI_MEM32 = 0x02000000,
    PCI_MEM64 = 0x03000000,
    PCI_PREFETCH = 1 << 30
};

enum { UART_HZ = 24000000, KEY_POWER = 116, CELLS_MAX = 256, PCI_PINS = 4, PCI_MAP_SLOTS = 4 };

/* The first error stops all that follows: libfdt's functions are called through it. */
struct tree {
    void *buf;
    int error; /* libfdt's, 0: none yet */
};

static void did(struct tree *t, int result)
{
    if (!t->error && result < 0)
        t->error = result;
}

static void node(struct tree *t, const char *name)
{
    did(t, fdt_begin_node(t->buf, name));
}

static void node_at(struct tree *t, const char *name, uint64_t at)
{
    char text[64];

    snprintf(text, sizeof(text), "%s@%llx", name, (unsigned long long)at);
    node(t, text);
}

static void end(struct tree *t)
{
    did(t, fdt_end_node(t->buf));
}

static void flag(struct tree *t, const char *name)
{
    did(t, fdt_property(t->buf, name, NULL, 0));
}

static void text(struct tree *t, const char *name, const char *value)
{
    did(t, fdt_property(t->buf, name, value, (int)strlen(value) + 1));
}

/* Several strings, each with its NUL: a literal, whose last one the compiler adds. */
#define TEXTS(t, name, literal) did(t, fdt_property((t)->buf, name, literal, sizeof(literal)))

static void cells(struct tree *t, const char *name, const uint32_t *value, size_t n)
{
    fdt32_t big[CELLS_MAX];

    for (size_t i = 0; i < n && i < CELLS_MAX; i++)
        big[i] = cpu_to_fdt32(value[i]);
    did(t, fdt_property(t->buf, name, big, (int)(n * sizeof(big[0]))));
}

#define CELLS(t, name, ...)                         \
    cells(t, name, (const uint32_t[]){__VA_ARGS__}, \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* A 64-bit number as two cells. */
#define WIDE(v) (uint32_t)((uint64_t)(v) >> 32), (uint32_t)(v)

static void irq_line(struct tree *t, uint32_t gsi)
{
    CELLS(t, "interrupts", GIC_SPI, gsi, IRQ_HIGH);
}

/* ---- processors, memory ---- */

static void put_memory(struct tree *t, const struct board *b)
{
    for (unsigned i = 0; i < b->n_ram; i++) {
        node_at(t, "memory", b->ram[i].base);
        text(t, "device_type", "memory");
        CELLS(t, "reg", WIDE(b->ram[i].base), WIDE(b->ram[i].size));
        end(t);
    }
}

static void put_cpus(struct tree *t, const struct board *b)
{
    node(t, "cpus");
    CELLS(t, "#address-cells", 1);
    CELLS(t, "#size-cells", 0);
    for (unsigned i = 0; i < b->cpus; i++) {
        node_at(t, "cpu", b->cpu_id[i]);
        text(t, "device_type", "cpu");
        text(t, "compatible", "arm,armv8");
        text(t, "enable-method", "psci");
        CELLS(t, "reg", b->cpu_id[i]);
        end(t);
    }
    end(t);
}

static void put_psci(struct tree *t, const struct board *b)
{
    (void)b;
    node(t, "psci");
    TEXTS(t, "compatible", "arm,psci-1.0\0arm,psci-0.2");
    text(t, "method", "hvc");
    end(t);
}

static void put_timer(struct tree *t, const struct board *b)
{
    /* GICv2 names the CPUs that a private interrupt is for */
    const uint32_t cpus = b->gic.version == 2 ? (uint32_t)(BIT64(b->cpus) - 1) << 8 : 0;
    const uint32_t how = cpus | IRQ_HIGH;

    node(t, "timer");
    text(t, "compatible", "arm,armv8-timer");
    flag(t, "always-on");
    CELLS(t, "interrupts", GIC_PPI, PPI_SECURE, how, GIC_PPI, PPI_PHYSICAL, how, GIC_PPI,
          PPI_VIRTUAL, how, GIC_PPI, PPI_HYPERVISOR, how);
    end(t);
}

/* ---- interrupt controllers ---- */

static void put_msi(struct tree *t, const struct board_gic *gic)
{
    const struct board_range *at = gic->its.size ? &gic->its : &gic->v2m;

    if (!at->size)
        return;
    node_at(t, gic->its.size ? "msi-controller" : "v2m", at->base);
    text(t, "compatible", gic->its.size ? "arm,gic-v3-its" : "arm,gic-v2m-frame");
    flag(t, "msi-controller");
    if (gic->its.size)
        CELLS(t, "#msi-cells", 1);
    CELLS(t, "reg", WIDE(at->base), WIDE(at->size));
    CELLS(t, "phandle", PHANDLE_MSI);
    end(t);
}

static void put_gic(struct tree *t, const struct board *b)
{
    const struct board_gic *gic = &b->gic;

    node_at(t, "interrupt-controller", gic->dist.base);
    text(t, "compatible", gic->version == 3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
    flag(t, "interrupt-controller");
    CELLS(t, "#interrupt-cells", 3);
    CELLS(t, "#address-cells", 2);
    CELLS(t, "#size-cells", 2);
    flag(t, "ranges");
    CELLS(t, "reg", WIDE(gic->dist.base), WIDE(gic->dist.size), WIDE(gic->cpu.base),
          WIDE(gic->cpu.size));
    CELLS(t, "phandle", PHANDLE_GIC);
    put_msi(t, gic);
    end(t);
}

/* ---- platform devices ---- */

static void put_clock(struct tree *t, const struct board *b)
{
    (void)b;
    node(t, "apb-pclk");
    text(t, "compatible", "fixed-clock");
    CELLS(t, "#clock-cells", 0);
    CELLS(t, "clock-frequency", UART_HZ);
    text(t, "clock-output-names", "clk24mhz");
    CELLS(t, "phandle", PHANDLE_CLOCK);
    end(t);
}

/* The node stays open. */
static void cell_begin(struct tree *t, const char *name, const struct board_mem_device *dev)
{
    node_at(t, name, dev->base);
    CELLS(t, "reg", WIDE(dev->base), WIDE(0x1000));
    irq_line(t, dev->gsi);
}

static void put_uart(struct tree *t, const struct board *b)
{
    if (!b->uart.base)
        return;
    cell_begin(t, "serial", &b->uart);
    TEXTS(t, "compatible", "arm,pl011\0arm,primecell");
    CELLS(t, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    TEXTS(t, "clock-names", "uartclk\0apb_pclk");
    end(t);
}

static void put_rtc(struct tree *t, const struct board *b)
{
    if (!b->clock.base)
        return;
    cell_begin(t, "rtc", &b->clock);
    TEXTS(t, "compatible", "arm,pl031\0arm,primecell");
    CELLS(t, "clocks", PHANDLE_CLOCK);
    text(t, "clock-names", "apb_pclk");
    end(t);
}

static void put_gpio(struct tree *t, const struct board *b)
{
    if (!b->gpio.base)
        return;
    cell_begin(t, "gpio", &b->gpio);
    TEXTS(t, "compatible", "arm,pl061\0arm,primecell");
    CELLS(t, "clocks", PHANDLE_CLOCK);
    text(t, "clock-names", "apb_pclk");
    flag(t, "gpio-controller");
    CELLS(t, "#gpio-cells", 2);
    flag(t, "interrupt-controller");
    CELLS(t, "#address-cells", 0);
    CELLS(t, "#interrupt-cells", 2);
    CELLS(t, "phandle", PHANDLE_GPIO);
    end(t);
    node(t, "gpio-keys");
    text(t, "compatible", "gpio-keys");
    node(t, "key-power");
    text(t, "label", "Power Button");
    CELLS(t, "linux,code", KEY_POWER);
    CELLS(t, "gpios", PHANDLE_GPIO, b->power_line, 0);
    end(t);
    end(t);
}

/* ---- PCI ---- */

static void put_pci_ranges(struct tree *t, const struct board_pci *p)
{
    const uint32_t io[] = {PCI_IO, WIDE(0), WIDE(p->io_cpu_base), WIDE(p->io_base + p->io_size)};
    const uint32_t low[] = {PCI_MEM32, WIDE(p->mem32_base), WIDE(p->mem32_base),
                            WIDE(p->mem32_size)};
    const uint32_t high[] = {PCI_MEM64, WIDE(p->mem64_base), WIDE(p->mem64_base),
                             WIDE(p->mem64_size)};
    uint32_t all[ARRAY_SIZE(io) + ARRAY_SIZE(low) + ARRAY_SIZE(high)];
    size_t n = 0;

    if (p->io_size) {
        memcpy(all, io, sizeof(io));
        n += ARRAY_SIZE(io);
    }
    memcpy(all + n, low, sizeof(low));
    n += ARRAY_SIZE(low);
    if (p->mem64_size) {
        memcpy(all + n, high, sizeof(high));
        n += ARRAY_SIZE(high);
    }
    cells(t, "ranges", all, n);
}

/* Slots repeat after four. */
static void put_pci_pins(struct tree *t, const struct board_pci *p)
{
    uint32_t map[PCI_MAP_SLOTS * PCI_PINS * 10];
    size_t n = 0;

    for (uint32_t slot = 0; slot < PCI_MAP_SLOTS; slot++)
        for (uint32_t pin = 0; pin < PCI_PINS; pin++) {
            const uint32_t row[] = {
                slot << 11, 0,           0,
                pin + 1,    PHANDLE_GIC, 0,
                0,          GIC_SPI,     p->intx_gsi[(slot + pin) % BOARD_INTX_LINES],
                IRQ_HIGH};

            memcpy(map + n, row, sizeof(row));
            n += ARRAY_SIZE(row);
        }
    CELLS(t, "#interrupt-cells", 1);
    CELLS(t, "interrupt-map-mask", (PCI_MAP_SLOTS - 1) << 11, 0, 0, 7);
    cells(t, "interrupt-map", map, n);
}

static void put_pci(struct tree *t, const struct board *b)
{
    const struct board_pci *p = &b->pci;

    node_at(t, "pcie", p->ecam_base);
    text(t, "compatible", "pci-host-ecam-generic");
    text(t, "device_type", "pci");
    CELLS(t, "#address-cells", 3);
    CELLS(t, "#size-cells", 2);
    CELLS(t, "reg", WIDE(p->ecam_base), WIDE(p->ecam_size));
    CELLS(t, "bus-range", p->bus_first, p->bus_last);
    CELLS(t, "linux,pci-domain", 0);
    flag(t, "dma-coherent");
    put_pci_ranges(t, p);
    put_pci_pins(t, p);
    if (b->gic.its.size)
        CELLS(t, "msi-map", 0, PHANDLE_MSI, 0, 0x10000);
    else if (b->gic.v2m.size)
        CELLS(t, "msi-parent", PHANDLE_MSI);
    end(t);
}

/* ---- the whole ---- */

static void put_chosen(struct tree *t, const struct board *b, const struct fdt_boot *boot)
{
    char path[64];

    node(t, "chosen");
    text(t, "bootargs", boot->cmdline);
    if (b->uart.base) {
        snprintf(path, sizeof(path), "/serial@%llx", (unsigned long long)b->uart.base);
        text(t, "stdout-path", path);
    }
    if (boot->initrd_size) {
        CELLS(t, "linux,initrd-start", WIDE(boot->initrd_gpa));
        CELLS(t, "linux,initrd-end", WIDE(boot->initrd_gpa + boot->initrd_size));
    }
    did(t, fdt_property(t->buf, "kaslr-seed", boot->kaslr_seed, sizeof(boot->kaslr_seed)));
    did(t, fdt_property(t->buf, "rng-seed", boot->seed, sizeof(boot->seed)));
    end(t);
}

static void put_root(struct tree *t, const struct board *b, const struct fdt_boot *boot)
{
    static void (*const part[])(struct tree *, const struct board *) = {
        put_memory, put_cpus, put_psci, put_timer, put_gic,
        put_clock,  put_uart, put_rtc,  put_gpio,  put_pci,
    };

    node(t, "");
    text(t, "compatible", "linux,dummy-virt");
    text(t, "model", "vmm");
    CELLS(t, "#address-cells", 2);
    CELLS(t, "#size-cells", 2);
    CELLS(t, "interrupt-parent", PHANDLE_GIC);
    put_chosen(t, b, boot);
    for (size_t i = 0; i < ARRAY_SIZE(part); i++)
        part[i](t, b);
    end(t);
}

int fdt_make(const struct board *board, const struct fdt_boot *boot, void *buf, size_t size,
             struct err *err)
{
    struct tree t = {.buf = buf};

    did(&t, fdt_create(buf, (int)min_u64(size, FDT_SIZE_MAX)));
    did(&t, fdt_finish_reservemap(buf));
    put_root(&t, board, boot);
    did(&t, fdt_finish(buf));
    if (t.error == -FDT_ERR_NOSPACE)
        return err_set(err, ENOSPC, "the device tree does not fit into %zu bytes", size);
    if (t.error)
        return err_set(err, EINVAL, "the device tree cannot be made: %s", fdt_strerror(t.error));
    return (int)fdt_totalsize(buf);
}
