/* SPDX-License-Identifier: MIT */
/*
 * The virtio devices of a machine, made of what the user asked for: each with its back end, its
 * loop and its place on PCI. All functions: main thread.
 */
#ifndef VMM_PARTS_H
#define VMM_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/backend/chr.h"
#include "devices/backend/display-events.h"
#include "devices/backend/display-png.h"
#include "devices/backend/evq.h"
#include "devices/backend/net.h"
#include "firmware/board.h"
#include "virtio/interfaces.h"
#include "virtio/vpci.h"
#include "vmm/base/gmem.h"
#include "vmm/base/loop.h"
#include "vmm/bus/irq.h"
#include "vmm/bus/pci.h"
#include "vmm/config.h"

enum { PARTS_MAX = 64, PART_NAME_BYTES = 16 };

/* What devices are made in; filled by the machine, outlives them. */
struct parts_env {
    const struct config *config;
    const struct gmem *mem;
    struct pci_root *root;
    struct irqs *irqs;
    struct loop *io;      /* for devices without a loop of their own */
    struct chr *terminal; /* what the console option is about */
    enum byte_order (*guest_order)(void *ctx);
    void *guest_order_ctx;
    void (*balloon_changed)(void *ctx); /* on a device's or vCPU's thread */
    void *balloon_ctx;
    void (*disk_held)(void *ctx); /* as blk_on_held(); on a device's thread; NULL: none is held */
    void *disk_ctx;
    display_png_create_fn *picture_create; /* NULL: files are within reach */
    void (*display_closing)(void *ctx); /* the user closes a window; must not wait; may be NULL */
    void *display_ctx;
    bool boot_screen; /* kernels can be told of a frame buffer when they start */
    /* Networks instead of those that the configuration names; NULL: none. As net_slirp_open(). */
    struct net *(*net_open)(void *ctx, unsigned index, const char *name, struct loop *loop,
                            struct err *err);
    void *net_ctx;
};

struct part {
    char name[PART_NAME_BYTES]; /* "disk0" */
    struct loop *loop;          /* the part's own, or env.io */
    struct vpci *vpci;          /* NULL: could not be made */
};

struct parts {
    struct parts_env env;
    struct part *part[PARTS_MAX];
    unsigned n;
    struct chr *stream[CONFIG_PORTS_MAX]; /* of ports */
    unsigned n_streams;
    struct evq *input[CONFIG_INPUTS_MAX];             /* as configured; NULL: not made */
    struct display_events *events[CONFIG_INPUTS_MAX]; /* from the display to those; may be NULL */
    struct display *display;                          /* NULL: there are no screens */
};

/* Make every device and give PCI its addresses. 0 or -errno with err filled; parts_free() is due
 * either way. */
int parts_make(struct parts *parts, struct err *err);

/* Where a kernel finds the first screen when it starts; *screen untouched: nowhere. */
void parts_boot_screen(const struct parts *parts, struct board_screen *screen);

/* Start the loops of those that have their own. */
int parts_start(struct parts *parts, struct err *err);

/* Reset all; they no longer touch guest memory afterwards. deadline_ns as for vpci_reset_wait().
 * false, logged: the host has not finished the I/O of some. */
bool parts_reset(struct parts *parts, uint64_t deadline_ns);

/* The device of that name, or NULL. */
struct part *parts_find(const struct parts *parts, const char *name);

/* Disks whose host refused a change (blk_on_held): each is told to fn, with the -errno.
 * How many. */
unsigned parts_held_each(const struct parts *parts,
                         void (*fn)(void *ctx, const struct part *part, int error), void *ctx);
/* ... and it is tried again. */
void parts_held_retry(const struct parts *parts);

/* Has it been made, and is it of that type? */
bool part_is(const struct part *part, const struct virtio_type *type);

/* The first device of that type, or NULL. */
struct part *parts_find_type(const struct parts *parts, const struct virtio_type *type);

/* Where keys go: events of the first keyboard, or NULL: there is none. */
struct evq *parts_keyboard(const struct parts *parts);

/* For the user who made them misbehave: what came of it. Nothing if he did not. */
void parts_fault_tell(const struct parts *parts);

/* Tell what lint found in all devices; how many findings that is. Nothing without --lint. Devices
 * are at rest. */
unsigned parts_lint_tell(const struct parts *parts);

/* Stop loops, free devices. All vCPUs have stopped. */
void parts_free(struct parts *parts);

#endif
