/* SPDX-License-Identifier: MIT */
/*
 * Devices to measure: a fake machine (tests/driver) with devices of one kind on it, live, each
 * queue with a lean driver in front. Two kinds: a device that gives every request back at once,
 * which costs what rings cost; and the block device on a back end that moves no data.
 */
#ifndef TESTS_BENCH_RIG_H
#define TESTS_BENCH_RIG_H

#include "devices/backend/blk-engine.h"
#include "tests/bench/lean.h"
#include "virtio/vpci.h"

enum { RIG_DEVICES = 32, RIG_QUEUES = 16 };

/* How the driver reaches the device, a row of the tables that are printed. */
struct rig_way {
    const char *name;       /* "modern split" */
    const char *interfaces; /* for interfaces_find() */
    const struct driver_ops *ops;
    const struct ring_ops *ring;
    bool indirect;
};

struct rig_conf {
    const struct rig_way *way;
    bool blk; /* the block device; else the one that gives back at once */
    unsigned devices, queues;
    unsigned depth;
    bool events; /* ends, doorbells and interrupts by the event loop; else by a call */
};

/* Null back end: what the block device submitted and was not ended yet. */
struct rig_null {
    struct blk_list list;
    struct loop_work work;
    struct blk_backend *be;
    bool post;
};

struct rig_dev {
    struct vdev *dev;
    struct vpci *vp;
    struct drv d;
    struct blk_backend *be;
    struct rig_null null;
    struct lean lean[RIG_QUEUES];
};

struct rig {
    struct rig_conf conf;
    struct machine *m;
    struct loop *loop;
    struct rig_dev dev[RIG_DEVICES];
    unsigned turn; /* whose turn it is */
};

/* NULL: this depth does not fit the queue. */
struct rig *rig_new(const struct rig_conf *conf);
void rig_free(struct rig *r);

/* One batch of conf.depth requests there and back, on the next queue of the next device. */
void rig_batch(struct rig *r);

/* Did every request of the last batch of each queue end well? Fails the program if not. */
void rig_check(struct rig *r);

/* The same with the cheapest of devices: what the driver's side costs. On a rig of its own. */
void rig_batch_driver(struct rig *r);

#endif
