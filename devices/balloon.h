/* SPDX-License-Identifier: MIT */
/*
 * The memory balloon (5.5): guest memory that its driver gives up goes back to the host. Two ways:
 * the user sets a target and the driver inflates; or the driver reports what is free, unasked.
 */
#ifndef DEVICES_BALLOON_H
#define DEVICES_BALLOON_H

#include "virtio/vdev.h"

/* vdev_new()'s conf for balloon_type. */
struct balloon_conf {
    bool deflate_on_oom; /* the driver may take pages back when the guest runs short */
    bool reporting;      /* the driver may report free pages */
    /* The driver has told another size; on the device's loop or a vCPU thread. May be NULL. */
    void (*changed)(void *arg);
    void *arg;
};

enum { BALLOON_STATS = 10 }; /* tags of 5.5.6.3 */

/* What they are called, as QEMU has it: "stat-swap-in". */
extern const char *const balloon_stat_name[BALLOON_STATS];

struct balloon_info {
    uint64_t memory;    /* bytes of RAM that the machine has */
    uint64_t target;    /* bytes that the guest is to have */
    uint64_t actual;    /* bytes that its driver says it has */
    uint64_t discarded; /* bytes given to the host so far, the same page each time anew */
    bool driver;        /* a driver is at work */
    unsigned updates;   /* times that statistics came since it began; 0: the rest means nothing */
    uint64_t stats_ns;  /* when they came last, on clock_ns() */
    uint32_t has;       /* bit per tag: it came with the last ones */
    uint64_t stat[BALLOON_STATS];
};

/* These three with the device's loop locked. */

/* How much memory the guest is to have, in bytes; it may take its time. 0 or -EINVAL, err. */
int balloon_resize(struct vdev *dev, uint64_t size, struct err *err);

void balloon_query(struct vdev *dev, struct balloon_info *info);

/* Ask the driver for new statistics, which come later. -ENOTCONN: it has none to give, err. */
int balloon_stats_ask(struct vdev *dev, struct err *err);

extern const struct virtio_type balloon_type;

#endif
