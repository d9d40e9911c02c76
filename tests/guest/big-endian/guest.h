/* SPDX-License-Identifier: MIT */
/*
 * A guest without a kernel that drives virtio devices in the byte order that it is built for.
 * Addresses are physical: the MMU maps all of them to themselves.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_BIG (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* ---- entry.S ---- */

void guest_off(void) __attribute__((noreturn));
void begin_other_way(uintptr_t status_register);

/* ---- base.c: what there is without a library ---- */

static inline uint16_t swap16(bool on, uint16_t v)
{
    return on ? __builtin_bswap16(v) : v;
}

static inline uint32_t swap32(bool on, uint32_t v)
{
    return on ? __builtin_bswap32(v) : v;
}

static inline uint64_t swap64(bool on, uint64_t v)
{
    return on ? __builtin_bswap64(v) : v;
}

static inline void barrier(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

/* One access of 1, 2 or 4 bytes to a device, as the processor does it now: no swap. */
uint32_t io_load(uintptr_t at, unsigned len);
void io_store(uintptr_t at, unsigned len, uint32_t v);
/* ... and to a register that is little-endian. */
uint32_t io_read(uintptr_t at, unsigned len);
void io_write(uintptr_t at, unsigned len, uint32_t v);

/* What is waited for: true again and again until some seconds have passed since *began (0 first).
 */
bool wait_more(uint64_t *began);

bool text_is(const char *a, const char *b);

/* ---- print.c ---- */

/* The console: registers of a PL011. */
void print_to(uintptr_t uart);
/* %s, %u, %x (0x...), %b (a byte, two digits); %-Ns pads. */
void print(const char *format, ...);
/* One line of the table: what was expected, and if it is so. Counted. */
void check(bool good, const char *format, ...);
/* ALL PASSED, or how many did not. */
void print_verdict(void);

/* ---- memory.c ---- */

/* Map all, memory cached, the rest as devices; with caches on, as KVM's side of memory has them. */
void memory_map(const void *fdt);
/* Zeroed memory, a whole number of pages. memory_free_all gives all of it back. */
void *memory_take(size_t size);
void memory_free_all(void);

/* ---- fdt.c: a device tree, which is big-endian always ---- */

struct fdt_prop {
    const uint8_t *data;
    uint32_t len; /* 0: there is none */
};

/* Node whose property holds the text among its strings; 0: none. */
uint32_t fdt_node(const void *fdt, const char *prop, const char *text);
struct fdt_prop fdt_prop(const void *fdt, uint32_t node, const char *name);
/* Cell number i. */
uint32_t fdt_cell(struct fdt_prop prop, unsigned i);
uint64_t fdt_cell2(struct fdt_prop prop, unsigned i);

/* ---- pci.c ---- */

enum { VIRTIO_NET = 1, VIRTIO_BLK = 2, VIRTIO_CONSOLE = 3, VIRTIO_BALLOON = 5 };

struct pci_func {
    uintptr_t config; /* in ECAM */
    unsigned slot, type;
    bool both;                        /* transitional */
    uintptr_t bar0;                   /* the header of 0.9 */
    uintptr_t common, notify, devcfg; /* CPU addresses of what capabilities name */
    uint32_t notify_step;
    unsigned window; /* of the capability by which BARs are reached through configuration space */
    unsigned devcfg_bar;
    uint32_t devcfg_off;
};

/* Look for the bridge, enumerate bus 0, place BARs. How many virtio functions; 0: none or no
 * bridge. */
unsigned pci_find(const void *fdt, struct pci_func *func, unsigned max);
/* Read little-endian device configuration through the window in configuration space (4.1.4.9). */
uint32_t pci_window_read(const struct pci_func *f, uint32_t off, unsigned len);

/* ---- virtio.c: a driver over either interface ---- */

enum path { OVER_BAR0, OVER_CAPS };
extern const char *const path_name[];

enum { S_ACK = 1, S_DRIVER = 2, S_DRIVER_OK = 4, S_FEATURES_OK = 8 };
enum { F_EVENT_IDX = 29, F_VERSION_1 = 32 };
#define BIT(n) (UINT64_C(1) << (n))

struct ring {
    uint8_t *desc, *avail, *used;
    uint16_t size, free, seen, index;
    uintptr_t doorbell;
};

enum { DRV_QUEUES = 6 };

struct drv {
    const struct pci_func *f;
    enum path path;
    bool swap; /* what lies in memory is in the other order than ours */
    struct ring ring[DRV_QUEUES];
};

/* A buffer of a request. */
struct part {
    void *at;
    uint32_t len;
    bool in; /* the device writes it */
};

void drv_reset(struct drv *d, const struct pci_func *f, enum path path);
uint8_t drv_status(const struct drv *d);
void drv_status_set(const struct drv *d, uint8_t status);
uint64_t drv_offered(const struct drv *d);
void drv_accept(const struct drv *d, uint64_t bits);
uint64_t drv_accepted(const struct drv *d);
/* Acknowledge, and accept these features. */
void drv_begin(struct drv *d, const struct pci_func *f, enum path path, uint64_t bits);
/* FEATURES_OK, where there is one. false: not granted. */
bool drv_settle(const struct drv *d);
void drv_queue(struct drv *d, unsigned index);
void drv_go(const struct drv *d);

void ring_add(struct drv *d, unsigned index, const struct part *part, unsigned n);
void ring_kick(struct drv *d, unsigned index);
/* Wait for a used element: its length, head in *head. UINT32_MAX: none came. */
uint32_t ring_wait(struct drv *d, unsigned index, uint16_t *head);
/* avail_event has been written: the device was asked to by EVENT_IDX. */
bool ring_event_written(struct drv *d, unsigned index);

/* A field of device configuration as this path should have it: BAR0 as we are, else little. */
uint64_t config_read(const struct pci_func *f, enum path path, unsigned off, unsigned len);
/* ... over BAR0, in one access. */
uint32_t config_load(const struct pci_func *f, unsigned off, unsigned len);
/* ... little-endian through BAR0, too: the balloon's (5.5.4.0.0.1-l1). */
uint32_t config_read_little(const struct pci_func *f, enum path path, unsigned off);
void config_write_little(const struct pci_func *f, enum path path, unsigned off, uint32_t v);
uint8_t config_byte(const struct pci_func *f, enum path path, unsigned off);

/* ---- the devices ---- */

void blk_test(const struct pci_func *f, unsigned which);
void net_test(const struct pci_func *f);
void console_test(const struct pci_func *f);
void balloon_test(const struct pci_func *f);

#endif
