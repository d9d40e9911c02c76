// SPDX-License-Identifier: MIT
/*
 * The table: one line for each thing that is as it should be, or not. Both builds print the same
 * lines; those with a # in front, which tell of bytes, are for people.
 */
#include "guest.h"

enum { FUNCS = 16 };

void guest_main(const void *fdt) __attribute__((noreturn));
void guest_exception(void) __attribute__((noreturn));

void guest_exception(void)
{
    uint64_t esr, elr, far;

    __asm__ volatile("mrs %0, esr_el1; mrs %1, elr_el1; mrs %2, far_el1"
                     : "=r"(esr), "=r"(elr), "=r"(far));
    print("FAILED: an exception, syndrome %x at %x of address %x\n", esr, elr, far);
    guest_off();
}

/* What memory and the processor say, not the compiler. */
static void order_show(void)
{
    volatile uint32_t word = 0x01020304;
    const uint8_t first = *(volatile uint8_t *)&word;
    uint64_t sctlr;

    __asm__ volatile("mrs %0, sctlr_el1" : "=r"(sctlr));
    print("# data accesses are %s (SCTLR_EL1.EE %u)\n", first == 1 ? "big-endian" : "little-endian",
          sctlr >> 25 & 1);
    check(first == (GUEST_BIG ? 1 : 4) && (sctlr >> 25 & 1) == GUEST_BIG,
          "data accesses are as this was built");
}

static void func_test(const struct pci_func *f, unsigned *disks, unsigned *seen)
{
    if (f->type == VIRTIO_BLK && f->both)
        blk_test(f, (*disks)++);
    else if (f->type == VIRTIO_NET && f->both)
        net_test(f);
    else if (f->type == VIRTIO_CONSOLE && f->both && config_read(f, OVER_CAPS, 4, 4))
        console_test(f);
    else if (f->type == VIRTIO_BALLOON && f->both)
        balloon_test(f);
    else
        return;
    *seen |= 1u << f->type;
}

void guest_main(const void *fdt)
{
    const uint32_t uart = fdt_node(fdt, "compatible", "arm,pl011");
    struct pci_func func[FUNCS];
    unsigned disks = 0, seen = 0, n;

    print_to(uart ? fdt_cell2(fdt_prop(fdt, uart, "reg"), 0) : 0);
    if (!fdt_node(fdt, "bootargs", "nommu")) /* a processor without one, or with a poor one */
        memory_map(fdt);
    order_show();
    n = pci_find(fdt, func, FUNCS);
    for (unsigned i = 0; i < n; i++)
        func_test(&func[i], &disks, &seen);
    check(disks == 2, "disks: %u", (uint64_t)disks);
    check(seen ==
              (1u << VIRTIO_NET | 1u << VIRTIO_BLK | 1u << VIRTIO_CONSOLE | 1u << VIRTIO_BALLOON),
          "a card, disks, a console and a balloon were there");
    print_verdict();
    guest_off();
}
