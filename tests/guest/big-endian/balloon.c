// SPDX-License-Identifier: MIT
/*
 * The balloon: its configuration is little-endian over either path (5.5.4.0.0.1-l1), the numbers of
 * pages on its queues are in the order of the path. A page that the device took comes back zeroed.
 */
#include "guest.h"

enum { NUM_PAGES = 0, ACTUAL = 4, INFLATE = 0, DEFLATE = 1, PAGE = 4096, PAGES = 3 };

static bool tell(struct drv *d, unsigned queue, uint32_t *list, const uint8_t *pages)
{
    const struct part part = {list, PAGES * 4, false};
    uint16_t head;

    for (unsigned i = 0; i < PAGES; i++)
        list[i] = swap32(d->swap, (uint32_t)((uintptr_t)pages / PAGE + 2 * i));
    ring_add(d, queue, &part, 1);
    ring_kick(d, queue);
    return ring_wait(d, queue, &head) != UINT32_MAX;
}

static bool page_is(const uint8_t *page, uint8_t byte)
{
    for (unsigned i = 0; i < PAGE; i++)
        if (((const volatile uint8_t *)page)[i] != byte)
            return false;
    return true;
}

/* Every other page: those between stay as they are. */
static void inflate(struct drv *d)
{
    uint32_t *list = (uint32_t *)memory_take(PAGES * 4);
    uint8_t *pages = (uint8_t *)memory_take(2 * PAGES * PAGE);
    bool taken = true, kept = true;

    __builtin_memset(pages, 0xa5, 2 * PAGES * PAGE);
    check(tell(d, INFLATE, list, pages), "ball over %s %-26s used", path_name[d->path], "inflate");
    for (unsigned i = 0; i < PAGES; i++) {
        taken = taken && page_is(pages + 2 * i * PAGE, 0);
        kept = kept && page_is(pages + (2 * i + 1) * PAGE, 0xa5);
    }
    check(taken && kept, "ball over %s %-26s %s, %s", path_name[d->path], "inflate",
          taken ? "these pages are gone" : "pages are still there",
          kept ? "those between are not" : "those between are, too");
    check(tell(d, DEFLATE, list, pages), "ball over %s %-26s used", path_name[d->path], "deflate");
}

static void actual_set(const struct pci_func *f, enum path path, uint32_t v)
{
    uint64_t old, new;

    config_write_little(f, path, ACTUAL, v);
    old = config_read_little(f, OVER_BAR0, ACTUAL);
    new = config_read_little(f, OVER_CAPS, ACTUAL);
    check(old == v && new == v, "ball over %s %-26s actual %x %x", path_name[path], "written", old,
          new);
}

static void session(const struct pci_func *f, enum path path)
{
    struct drv d;

    drv_begin(&d, f, path, 0);
    check(drv_settle(&d), "ball over %s %-26s settled", path_name[path], "features");
    drv_queue(&d, INFLATE);
    drv_queue(&d, DEFLATE);
    drv_go(&d);
    inflate(&d);
    actual_set(f, path, path == OVER_BAR0 ? 0x102 : 0x304);
    actual_set(f, path, 0);
}

void balloon_test(const struct pci_func *f)
{
    struct drv d;

    session(f, OVER_BAR0);
    session(f, OVER_CAPS);
    drv_reset(&d, f, OVER_CAPS);
}
