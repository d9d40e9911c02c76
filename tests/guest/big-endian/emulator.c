// SPDX-License-Identifier: MIT
/*
 * vmm's virtio devices, PCI bus and host bridge in front of an arm64 processor that libunicorn
 * emulates: the machine of vmm/arm64/layout.h, as much of it as the guest beside this file uses, on
 * a host of any kind and without KVM. The byte order comes from the processor's SCTLR_EL1, as it
 * does in the machine. emulator [--always-little] IMAGE DTB OPTION-OF-RUN...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unicorn/unicorn.h>

#include "vmm/arm64/layout.h"
#include "vmm/base/bits.h"
#include "vmm/bus/pcihost.h"
#include "vmm/parts.h"
#include "vmm/streams.h"

enum { RAM_SIZE = 64 << 20, IMAGE_AT = 2 << 20, DTB_AT = 48 << 20 };
enum { UART_DATA = 0, SCTLR_EE = 25 };

#define INSTRUCTION_HVC 0xd4000002
#define PSCI_SYSTEM_OFF 0x84000008

struct emulator {
    uc_engine *uc;
    uint8_t *ram;
    bool always_little, off;
    struct config config;
    struct gmem mem;
    struct loop *io;
    struct bus *bus;
    struct irqs *irqs;
    struct pci_root *root;
    struct pcihost *host;
    struct chr *terminal;
    struct parts parts;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "emulator: %s: %s\n", what, why);
    exit(2);
}

static void uc_must(uc_err ret, const char *what)
{
    if (ret != UC_ERR_OK)
        fail(what, uc_strerror(ret));
}

/* ---- the processor ---- */

static enum byte_order guest_order(void *ctx)
{
    struct emulator *e = (struct emulator *)ctx;
    uc_arm64_cp_reg sctlr = {.crn = 1, .op0 = 3};

    uc_must(uc_reg_read(e->uc, UC_ARM64_REG_CP_REG, &sctlr), "SCTLR_EL1");
    return !e->always_little && sctlr.val >> SCTLR_EE & 1 ? ORDER_BIG : ORDER_LITTLE;
}

/* The guest makes one call of the firmware, and there is none: what else ends it is an exception.
 */
static void interrupt(uc_engine *uc, uint32_t number, void *ctx)
{
    struct emulator *e = (struct emulator *)ctx;
    uint64_t pc = 0, call = 0;

    (void)number;
    uc_reg_read(uc, UC_ARM64_REG_PC, &pc);
    uc_reg_read(uc, UC_ARM64_REG_X0, &call);
    e->off = pc - ARM64_RAM_BASE < RAM_SIZE &&
             le32_load(e->ram + (pc - ARM64_RAM_BASE)) == INSTRUCTION_HVC &&
             (uint32_t)call == PSCI_SYSTEM_OFF;
    uc_emu_stop(uc);
}

/* ---- what is at addresses: base is that of the window ---- */

struct window {
    struct emulator *e;
    uint64_t base, size;
    enum bus_space space;
    uint64_t first; /* on the bus */
};

static uint64_t window_read(uc_engine *uc, uint64_t off, unsigned len, void *ctx)
{
    const struct window *w = (const struct window *)ctx;
    uint8_t data[8];

    (void)uc;
    memset(data, 0xff, sizeof(data));
    bus_read(w->e->bus, w->space, w->first + off, data, len);
    return order_load(ORDER_LITTLE, data, len);
}

static void window_write(uc_engine *uc, uint64_t off, unsigned len, uint64_t v, void *ctx)
{
    const struct window *w = (const struct window *)ctx;
    uint8_t data[8];

    (void)uc;
    order_store(ORDER_LITTLE, data, len, v);
    bus_write(w->e->bus, w->space, w->first + off, data, len);
}

static uint64_t uart_read(uc_engine *uc, uint64_t off, unsigned len, void *ctx)
{
    (void)uc;
    (void)off;
    (void)len;
    (void)ctx;
    return 0; /* there is always room */
}

static void uart_write(uc_engine *uc, uint64_t off, unsigned len, uint64_t v, void *ctx)
{
    (void)uc;
    (void)len;
    (void)ctx;
    if (off == UART_DATA && putchar((int)(v & 0xff)) == EOF)
        exit(1); /* nobody reads on */
}

static void windows_map(struct emulator *e)
{
    static struct window window[] = {
        {.base = ARM64_MEM32_BASE, .size = ARM64_MEM32_SIZE, .space = BUS_MMIO},
        {.base = ARM64_PIO_BASE, .size = ARM64_PIO_SIZE, .space = BUS_PIO},
        {.base = ARM64_ECAM_BASE, .size = ARM64_ECAM_SIZE, .space = BUS_MMIO},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(window); i++) {
        struct window *w = &window[i];

        w->e = e;
        w->first = w->space == BUS_PIO ? 0 : w->base;
        uc_must(uc_mmio_map(e->uc, w->base, w->size, window_read, w, window_write, w), "window");
    }
    uc_must(uc_mmio_map(e->uc, ARM64_UART_BASE, 4096, uart_read, NULL, uart_write, NULL), "uart");
}

/* ---- the machine ---- */

static void ram_make(struct emulator *e)
{
    e->ram =
        (uint8_t *)mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e->ram == MAP_FAILED || gmem_add(&e->mem, ARM64_RAM_BASE, RAM_SIZE, e->ram) < 0)
        fail("memory", strerror(errno));
}

static void file_load(struct emulator *e, const char *path, size_t at, size_t max)
{
    FILE *f = fopen(path, "rb");

    if (!f || !fread(e->ram + at, 1, max, f))
        fail(path, "cannot be read");
    fclose(f);
}

static void devices_make(struct emulator *e, struct err *err)
{
    static const struct irq_ops nowhere;
    static const struct pci_layout layout = {.mem32_base = ARM64_MEM32_BASE,
                                             .mem32_size = ARM64_MEM32_SIZE,
                                             .io_base = ARM64_PIO_FIRST,
                                             .io_size = ARM64_PIO_SIZE - ARM64_PIO_FIRST};
    const struct con_tty_config none = {.in_fd = -1, .out_fd = -1};

    e->io = loop_new("io", err);
    e->bus = bus_new(NULL);
    e->irqs = irqs_new(&nowhere);
    e->root = pci_root_new(e->bus, e->irqs, &layout);
    if (e->io && e->root)
        e->host = pcihost_new(e->root, e->bus, e->io, ARM64_ECAM_BASE, false, err);
    if (e->host)
        e->terminal = stream_open(&e->config.console_to, "console", e->io, &none, err);
    if (!e->terminal)
        fail("machine", err->text);
    e->parts.env = (struct parts_env){.config = &e->config,
                                      .mem = &e->mem,
                                      .root = e->root,
                                      .irqs = e->irqs,
                                      .io = e->io,
                                      .terminal = e->terminal,
                                      .guest_order = guest_order,
                                      .guest_order_ctx = e};
    if (parts_make(&e->parts, err) < 0 || loop_start(e->io, err) < 0 ||
        parts_start(&e->parts, err) < 0)
        fail("devices", err->text);
}

static void machine_free(struct emulator *e)
{
    loop_stop(e->io);
    parts_free(&e->parts);
    chr_free(e->terminal);
    pcihost_free(e->host);
    pci_root_free(e->root);
    irqs_free(e->irqs);
    bus_free(e->bus);
    loop_free(e->io);
    gmem_free(&e->mem);
    munmap(e->ram, RAM_SIZE);
    config_free(&e->config);
}

static void processor_run(struct emulator *e)
{
    const uint64_t entry = ARM64_RAM_BASE + IMAGE_AT, dtb = ARM64_RAM_BASE + DTB_AT;
    uc_hook hook;
    uc_err ret;

    uc_must(uc_mem_map_ptr(e->uc, ARM64_RAM_BASE, RAM_SIZE, UC_PROT_ALL, e->ram), "memory");
    windows_map(e);
    uc_must(uc_hook_add(e->uc, &hook, UC_HOOK_INTR, (void *)interrupt, e, 1, 0), "interrupts");
    uc_must(uc_reg_write(e->uc, UC_ARM64_REG_X0, &dtb), "x0");
    ret = uc_emu_start(e->uc, entry, 0, 0, 0);
    fflush(stdout);
    if (ret != UC_ERR_OK || !e->off) {
        uint64_t pc = 0;

        uc_reg_read(e->uc, UC_ARM64_REG_PC, &pc);
        fprintf(stderr, "emulator: the guest ended at %#llx: %s\n",
                (unsigned long long)(pc - entry), uc_strerror(ret));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static struct emulator e;
    struct err err = {0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && !strcmp(argv[1], "--always-little")) {
        e.always_little = true;
        argv++;
        argc--;
    }
    if (argc < 3)
        fail("usage", "emulator [--always-little] IMAGE DTB OPTION...");
    if (config_parse(&e.config, argc - 2, argv + 2, &err) < 0)
        fail("options", err.text);
    uc_must(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &e.uc), "processor");
    uc_must(uc_ctl_set_cpu_model(e.uc, UC_CPU_ARM64_MAX), "model");
    ram_make(&e);
    file_load(&e, argv[1], IMAGE_AT, DTB_AT - IMAGE_AT);
    file_load(&e, argv[2], DTB_AT, RAM_SIZE - DTB_AT);
    devices_make(&e, &err);
    processor_run(&e);
    machine_free(&e);
    uc_close(e.uc);
    return 0;
}
