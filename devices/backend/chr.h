/* SPDX-License-Identifier: MIT */
/*
 * A character stream to and from the host: what a serial port or a console port is plugged into.
 * Front ends (device models) write, and hand out room for input; back ends (a terminal, a file)
 * move the bytes. Neither knows more of the other than this.
 *
 * Everything here runs with the lock of the front end's loop held, or before the loop starts.
 */
#ifndef DEVICES_BACKEND_CHR_H
#define DEVICES_BACKEND_CHR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"

struct chr;

/* In characters, both at least 1. */
struct chr_size {
    uint16_t cols, rows;
};

/* What a back end does. All but put may be NULL. */
struct chr_ops {
    /*
     * Take what can be taken now, without blocking: returns bytes, more than 0; -EAGAIN, and
     * chr_put_ready() is called once when it is worth trying again; -EPIPE: nobody will ever read
     * again; any other -errno: these bytes cannot be had, later ones perhaps.
     */
    int64_t (*put)(struct chr *chr, const void *data, size_t len);
    /* Input has room again, or a front end came. Cheap: called for every byte that is read. */
    void (*more)(struct chr *chr);
    /* false if there is no such thing as a size. */
    bool (*size)(struct chr *chr, struct chr_size *size);
    /* Free the back end, chr included (call chr_done() first thing). */
    void (*close)(struct chr *chr);
};

/* What a front end answers. All but room and input may be NULL. */
struct chr_front {
    /* How many bytes input() takes now. What does not fit stays where it is on the host. */
    size_t (*room)(void *arg);
    /* len is at most what room() said. */
    void (*input)(void *arg, const uint8_t *data, size_t len);
    /* The user asks for a break condition on the line. */
    void (*line_break)(void *arg);
    /* chr_get_size() answers something new. */
    void (*resized)(void *arg);
    /* chr_busy() said true before; it is false now. */
    void (*writable)(void *arg);
    /* chr_is_open() answers something new. */
    void (*opened)(void *arg);
    /* Rather waits than loses output, for as long as a peer is there (chr_set_open()). */
    bool patient;
    /* Keeps what is written while no peer is there for the next one, the newest of it (H20). */
    bool backlog;
};

/* Embedded in back ends; chr.c's inside. */
struct chr {
    const char *name; /* for messages */
    const struct chr_ops *ops;
    struct loop *loop;
    const struct chr_front *front; /* NULL: none */
    void *front_arg;
    struct chr *second; /* NULL: none */
    uint8_t *ring;      /* output on its way; starts at 0 again whenever it runs empty */
    size_t size, head, used;
    struct loop_timer *timer;
    struct loop_work work;
    bool timer_armed, posted;
    bool waiting;     /* put said -EAGAIN */
    bool gone;        /* put said -EPIPE */
    bool front_waits; /* for writable() */
    bool stalled;     /* held the front end long enough: drop instead */
    bool has_peers;   /* others come and go: chr_set_open() tells */
    bool closed;      /* none of them is there */
    uint64_t held_ns; /* since when it waits */
    uint64_t lost;    /* bytes */
    void (*tap)(void *arg, const void *data, size_t len); /* sees all output; NULL: nobody */
    void *tap_arg;
    struct log_limit limit;
};

/*
 * For front ends. chr may be NULL everywhere: nothing is plugged in, output goes nowhere (K10).
 */

/* front NULL unplugs. The back end may call input() before this returns. */
void chr_set_front(struct chr *chr, const struct chr_front *front, void *arg);

/*
 * Never blocks and takes everything: bytes wait in a bounded ring, and when it is full the oldest
 * are dropped and counted (H20). They reach the host in batches, within about a millisecond.
 */
void chr_write(struct chr *chr, const void *data, size_t len);

/*
 * Let another back end, without a front end so far, share the front end with this one: it gets the
 * same output, and its input counts, too. It has a ring of its own, so nobody waits for it. Freed
 * with chr. Before the loop starts.
 */
void chr_set_second(struct chr *chr, struct chr *second);

/* Let fn see all that front ends write, before it can be lost. Before the loop starts. */
void chr_set_tap(struct chr *chr, void (*fn)(void *arg, const void *data, size_t len), void *arg);

/*
 * For front ends that can keep data back: is the ring half full? Then writable() is called when
 * there is space again, or after CHR_HOLD_MS at the latest, whoever reads or does not.
 */
bool chr_busy(struct chr *chr);

/* room() grew. */
void chr_more(struct chr *chr);

/* Is anybody there? Always, unless the back end is one that others come to. */
bool chr_is_open(const struct chr *chr);

bool chr_get_size(struct chr *chr, struct chr_size *size);

/* Output bytes that nobody got. */
uint64_t chr_lost(const struct chr *chr);

/*
 * At the end: give the reader up to timeout_ms to take what is in the ring. Returns what is left.
 * The only call here that waits; the lock is held meanwhile.
 */
size_t chr_drain(struct chr *chr, unsigned timeout_ms);

/* Close the back end. NULL is fine. The front end is forgotten, not told. */
void chr_free(struct chr *chr);

/*
 * For back ends.
 */

enum { CHR_RING = 1024 * 1024, CHR_BATCH_NS = 1000000, CHR_HOLD_MS = 250 };

/* ring: bytes, 0 for CHR_RING. 0 or -errno with err filled; chr_done() is due even then. */
int chr_init(struct chr *chr, const char *name, const struct chr_ops *ops, struct loop *loop,
             size_t ring, struct err *err);
void chr_done(struct chr *chr);

/* put() may be tried again. */
void chr_put_ready(struct chr *chr);

/*
 * For back ends that a peer comes to and leaves again; the first call, before a front end is there,
 * says that this is one. While it is closed put() is not called; output is dropped and counted,
 * unless the front end keeps a backlog: then the ring fills, and is written when it opens. From
 * dispatch only: the front end is told. put() may say -EPIPE, which means this peer only.
 */
void chr_set_open(struct chr *chr, bool open);

size_t chr_room(const struct chr *chr);
/* len at most chr_room(). */
void chr_input(struct chr *chr, const uint8_t *data, size_t len);
void chr_break(struct chr *chr);
void chr_resized(struct chr *chr);

#endif
