/* SPDX-License-Identifier: MIT */
/*
 * A machine without KVM and without the host's things, made of what a trace says of itself: the
 * real devices in front of disks that are empty files, consoles and networks that lead nowhere.
 */
#ifndef VMM_TRACE_REPLAY_MACHINE_H
#define VMM_TRACE_REPLAY_MACHINE_H

#include "vmm/base/gmem.h"
#include "vmm/bus/irq.h"
#include "vmm/bus/pcihost.h"
#include "vmm/config.h"
#include "vmm/parts.h"
#include "vmm/trace-read.h"

enum { REPLAY_OPTIONS = 256 };

struct replay_machine {
    char *options; /* all of them, zero bytes between */
    char *argv[REPLAY_OPTIONS];
    int argc;
    struct config config;
    struct pci_layout layout;
    struct gmem mem;
    uint64_t scratch; /* guest memory that the recorded guest did not have, scratch_size bytes */
    struct bus *bus;
    struct irqs *irqs;
    struct pci_root *root;
    struct pcihost *host;
    struct loop *io;
    struct chr *terminal;
    struct parts parts;
    const struct trace_file *f;
    int disk[PARTS_MAX]; /* descriptors of the empty files */
    unsigned n_disks;
};

#define REPLAY_SCRATCH (UINT64_C(1) << 32)

/* NULL with err filled. */
struct replay_machine *replay_machine_new(const struct trace_file *f, struct err *err);
void replay_machine_free(struct replay_machine *m);

/* What the trace says of the device with that name; false: nothing. */
bool replay_device(const struct trace_file *f, const char *name, struct trace_rec *rec);

/* A network that takes every frame and has none; it offers what the recorded device offered. */
struct net *replay_net_open(void *ctx, unsigned index, const char *name, struct loop *loop,
                            struct err *err);

#endif
