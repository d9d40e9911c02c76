// SPDX-License-Identifier: MIT
/* Owns the way into configuration space. */
#include "tests/guest/hostile/hostile.h"

uint32_t pci_read(unsigned devfn, unsigned off, unsigned len)
{
    const uint16_t port = (uint16_t)(0xcfc + (off & 3));

    out32(0xcf8, 0x80000000 | devfn << 8 | (off & 0xfc));
    return len == 1 ? in8(port) : len == 2 ? in16(port) : in32(port);
}

void pci_write(unsigned devfn, unsigned off, unsigned len, uint32_t v)
{
    const uint16_t port = (uint16_t)(0xcfc + (off & 3));

    out32(0xcf8, 0x80000000 | devfn << 8 | (off & 0xfc));
    if (len == 1)
        out8(port, (uint8_t)v);
    else if (len == 2)
        out16(port, (uint16_t)v);
    else
        out32(port, v);
}

uint64_t pci_bar(unsigned devfn, unsigned bar)
{
    const uint32_t low = pci_read(devfn, 0x10 + 4 * bar, 4);

    if (low & 1)
        return low & ~3u;
    if ((low & 6) == 4)
        return (low & ~15u) | (uint64_t)pci_read(devfn, 0x14 + 4 * bar, 4) << 32;
    return low & ~15u;
}

unsigned pci_cap(unsigned devfn, unsigned id, unsigned after)
{
    unsigned at = pci_read(devfn, after ? after + 1 : 0x34, 1);

    while (at && pci_read(devfn, at, 1) != id)
        at = pci_read(devfn, at + 1, 1);
    return at;
}

void pci_command(const struct dev *d, unsigned v)
{
    pci_write(d->devfn, 4, 2, v);
}
