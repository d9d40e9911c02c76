/* SPDX-License-Identifier: MIT */
/*
 * MSI-X of one function: table, pending bits, masks, delivery. Lives in a memory BAR of its own:
 * table at 0, pending bit array at msix_pba_offset(). All calls under the function's lock.
 */
#ifndef VMM_BUS_MSIX_H
#define VMM_BUS_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/bus/irq.h"

enum {
    MSIX_MAX_VECTORS = 2048, /* what Table Size can say */
    MSIX_ENTRY = 16,
    MSIX_CTRL_ENABLE = 0x8000, /* bits of Message Control */
    MSIX_CTRL_MASK_ALL = 0x4000,
};

struct msix;

/* n: 1..MSIX_MAX_VECTORS. NULL with err filled. */
struct msix *msix_new(struct irqs *irqs, unsigned n, struct err *err);
void msix_free(struct msix *msix);

/* The number of the function whose messages these are. Before it is first used. */
void msix_place(struct msix *msix, uint32_t devid);

unsigned msix_vectors(const struct msix *msix);

/* Size of the BAR (a power of two, at least 4096) and where the pending bits start in it. */
uint64_t msix_bar_size(const struct msix *msix);
uint32_t msix_pba_offset(const struct msix *msix);

/* Accesses to that BAR, which off + len is inside. Naturally aligned dwords and qwords work, all
 * else reads 0 or is ignored. */
void msix_bar_read(struct msix *msix, uint64_t off, void *data, unsigned len);
void msix_bar_write(struct msix *msix, uint64_t off, const void *data, unsigned len);

/* Message Control changed, or bus mastering did: messages may go out only while both allow it. */
void msix_control(struct msix *msix, bool enable, bool mask_all, bool bus_master);

/*
 * Interrupt by vector: sends the message, or sets the pending bit while masked, which is sent once
 * at unmask. A vector out of range, or any while MSI-X is disabled, is ignored.
 */
void msix_notify(struct msix *msix, unsigned vector);

/* An eventfd that others may signal instead of msix_notify(), until anything is written here or the
 * control changes; -1: there is none now, the vector is masked, say. */
int msix_eventfd(struct msix *msix, unsigned vector);

/* Forget pending bits: their reasons are gone. For device resets. */
void msix_clear_pending(struct msix *msix);
/* The same for one vector. */
void msix_forget(struct msix *msix, unsigned vector);

/* As after power-on: all vectors masked, none pending, addresses 0, MSI-X disabled. Descriptors and
 * routes are kept for the next user. */
void msix_reset(struct msix *msix);

#endif
