// SPDX-License-Identifier: MIT
/*
 * Owns the ring behind chr_write() and when it is emptied: a guest writes byte by byte, the host is
 * asked once per batch. Refuses to know what is at either end.
 */
#include "devices/backend/chr.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/base/bits.h"

enum {
    FLUSH_BYTES = 4096,      /* enough to go out at once */
    TURN_BYTES = 128 * 1024, /* at most per dispatch: others live on the loop too */
};

static size_t low_mark(const struct chr *chr)
{
    return chr->size / 4;
}

static void timer_arm(struct chr *chr, uint64_t ns)
{
    if (chr->timer_armed)
        return;
    chr->timer_armed = true;
    loop_timer_set(chr->timer, ns);
}

static void flush_post(struct chr *chr)
{
    if (chr->posted)
        return;
    chr->posted = true;
    loop_post(chr->loop, &chr->work);
}

/* From dispatch only: the front end writes again from in here. */
static void front_release(struct chr *chr)
{
    if (!chr->front_waits)
        return;
    chr->front_waits = false;
    if (chr->front && chr->front->writable)
        chr->front->writable(chr->front_arg);
}

/* Forget the oldest n bytes. */
static void ring_skip(struct chr *chr, size_t n)
{
    chr->used -= n;
    chr->head = chr->used ? (chr->head + n) % chr->size : 0;
    if (chr->used <= low_mark(chr))
        chr->stalled = false;
}

static void ring_lose(struct chr *chr, size_t n)
{
    chr->lost += n;
    ring_skip(chr, n);
}

static void ring_add(struct chr *chr, const uint8_t *data, size_t len)
{
    const size_t at = (chr->head + chr->used) % chr->size;
    const size_t first = (size_t)min_u64(len, chr->size - at);

    memcpy(chr->ring + at, data, first);
    memcpy(chr->ring, data + first, len - first);
    chr->used += len;
}

/* Is what nobody is there to read kept for the next one? */
static bool keeps_backlog(const struct chr *chr)
{
    return chr->has_peers && chr->front && chr->front->backlog;
}

static void put_failed(struct chr *chr, int code)
{
    char why[96];

    /* The peer has gone and we are not told yet: chr_set_open() goes on. */
    if (code == EAGAIN || (code == EPIPE && keeps_backlog(chr))) {
        chr->waiting = true;
        return;
    }
    chr->gone = code == EPIPE && !chr->has_peers;
    if (chr->gone)
        log_msg(LOG_INFO, "%s: the reader is gone, output is discarded from here on", chr->name);
    else if (code != EPIPE)
        log_limited(&chr->limit, LOG_WARN, "%s: cannot write: %s; output is lost", chr->name,
                    strerror_r(code, why, sizeof(why)));
    ring_lose(chr, chr->used);
}

/* Write until the ring is empty, the back end has enough, or max bytes are through. */
static void ring_flush(struct chr *chr, size_t max)
{
    while (chr->used && max && !chr->waiting && !chr->closed) {
        const size_t run = (size_t)min_u64(chr->used, chr->size - chr->head);
        const int64_t n = chr->ops->put(chr, chr->ring + chr->head, (size_t)min_u64(run, max));

        if (n == -EINTR)
            continue;
        if (n <= 0) {
            put_failed(chr, n ? (int)-n : EIO);
            return;
        }
        max -= (size_t)n;
        ring_skip(chr, (size_t)n);
    }
}

static bool front_patient(const struct chr *chr)
{
    return chr->has_peers && chr->front && chr->front->patient;
}

static void flush_turn(struct chr *chr)
{
    ring_flush(chr, TURN_BYTES);
    if (chr->used && !chr->waiting && !chr->closed)
        flush_post(chr);
    if (chr->used <= low_mark(chr))
        front_release(chr);
    if (chr->front_waits && !front_patient(chr))
        timer_arm(chr, CHR_HOLD_MS * UINT64_C(1000000));
}

static void work_run(void *arg)
{
    struct chr *chr = (struct chr *)arg;

    chr->posted = false;
    flush_turn(chr);
}

static void timer_run(void *arg)
{
    struct chr *chr = (struct chr *)arg;

    chr->timer_armed = false;
    if (chr->front_waits && !front_patient(chr) &&
        clock_ns() - chr->held_ns >= CHR_HOLD_MS * UINT64_C(1000000)) {
        chr->stalled = true;
        front_release(chr);
    }
    flush_turn(chr);
}

/* Page by page as it fills: most rings stay empty, and a huge page would cost 2 MiB for the first
 * byte. */
static uint8_t *ring_new(size_t size)
{
    void *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (ring == MAP_FAILED)
        return NULL;
    madvise(ring, size, MADV_NOHUGEPAGE); /* a kernel without them has none to avoid */
    return ring;
}

int chr_init(struct chr *chr, const char *name, const struct chr_ops *ops, struct loop *loop,
             size_t ring, struct err *err)
{
    *chr = (struct chr){.name = name, .ops = ops, .loop = loop, .size = ring ? ring : CHR_RING};
    chr->work = (struct loop_work){.fn = work_run, .arg = chr};
    chr->ring = ring_new(chr->size);
    chr->timer = loop_timer_new(loop, timer_run, chr);
    if (!chr->ring || !chr->timer)
        return err_errno(err, chr->ring ? errno : ENOMEM, "cannot set up %s", name);
    return 0;
}

void chr_done(struct chr *chr)
{
    loop_cancel(chr->loop, &chr->work);
    loop_timer_del(chr->timer);
    if (chr->ring)
        munmap(chr->ring, chr->size);
    chr->timer = NULL;
    chr->ring = NULL;
}

void chr_free(struct chr *chr)
{
    if (!chr)
        return;
    chr->front = NULL;
    chr_free(chr->second);
    if (chr->ops->close)
        chr->ops->close(chr);
}

void chr_set_front(struct chr *chr, const struct chr_front *front, void *arg)
{
    if (!chr)
        return;
    chr->front = front;
    chr->front_arg = arg;
    chr->front_waits = false;
    chr_more(chr);
}

/* Make space for len bytes, len at most the size of the ring. */
static void ring_make_space(struct chr *chr, size_t len)
{
    if (len <= chr->size - chr->used)
        return;
    ring_lose(chr, len - (chr->size - chr->used));
    log_limited(&chr->limit, LOG_WARN,
                "%s: nobody reads, the oldest output is dropped (%llu bytes)", chr->name,
                (unsigned long long)chr->lost);
}

void chr_set_tap(struct chr *chr, void (*fn)(void *arg, const void *data, size_t len), void *arg)
{
    chr->tap = fn;
    chr->tap_arg = arg;
}

void chr_write(struct chr *chr, const void *data, size_t len)
{
    const uint8_t *from = (const uint8_t *)data;

    if (!chr || !len)
        return;
    if (chr->tap)
        chr->tap(chr->tap_arg, data, len);
    chr_write(chr->second, data, len);
    if (chr->gone || (chr->closed && !keeps_backlog(chr))) {
        chr->lost += len;
        return;
    }
    if (len > chr->size) {
        chr->lost += len - chr->size;
        from += len - chr->size;
        len = chr->size;
    }
    ring_make_space(chr, len);
    ring_add(chr, from, len);
    if (chr->waiting || chr->closed)
        return;
    if (chr->used >= FLUSH_BYTES)
        flush_post(chr);
    else
        timer_arm(chr, CHR_BATCH_NS);
}

bool chr_busy(struct chr *chr)
{
    if (!chr || chr->gone || chr->closed || chr->stalled || chr->used < chr->size / 2)
        return false;
    if (chr->front_waits)
        return true;
    chr->front_waits = true;
    chr->held_ns = clock_ns();
    timer_arm(chr, CHR_HOLD_MS * UINT64_C(1000000));
    return true;
}

void chr_put_ready(struct chr *chr)
{
    chr->waiting = false;
    flush_turn(chr);
}

bool chr_is_open(const struct chr *chr)
{
    return !chr || !chr->closed;
}

void chr_set_open(struct chr *chr, bool open)
{
    const bool first = !chr->has_peers;

    if (chr->closed == !open && !first)
        return;
    chr->has_peers = true;
    chr->closed = !open;
    chr->waiting = false;
    chr->stalled = false;
    if (!open && !keeps_backlog(chr))
        ring_lose(chr, chr->used);
    if (open && chr->used)
        flush_post(chr);
    if (!first && chr->front && chr->front->opened)
        chr->front->opened(chr->front_arg);
    front_release(chr);
}

void chr_more(struct chr *chr)
{
    if (!chr)
        return;
    if (chr->ops->more)
        chr->ops->more(chr);
    chr_more(chr->second);
}

bool chr_get_size(struct chr *chr, struct chr_size *size)
{
    return chr && chr->ops->size && chr->ops->size(chr, size);
}

uint64_t chr_lost(const struct chr *chr)
{
    return chr ? chr->lost : 0;
}

/* ---- a second back end ---- */

static size_t second_room(void *arg)
{
    return chr_room((struct chr *)arg);
}

static void second_input(void *arg, const uint8_t *data, size_t len)
{
    chr_input((struct chr *)arg, data, len);
}

static const struct chr_front second_front = {.room = second_room, .input = second_input};

void chr_set_second(struct chr *chr, struct chr *second)
{
    chr->second = second;
    chr_set_front(second, &second_front, chr);
}

/* ---- the end ---- */

/* #syscalls:main poll ppoll */
size_t chr_drain(struct chr *chr, unsigned timeout_ms)
{
    const uint64_t end = clock_ns() + timeout_ms * UINT64_C(1000000);

    while (chr && chr->used && !chr->closed) {
        chr->waiting = false;
        ring_flush(chr, chr->size);
        if (!chr->used || clock_ns() >= end)
            break;
        poll(NULL, 0, 1);
    }
    if (chr && chr->second) {
        const uint64_t now = clock_ns();

        chr_drain(chr->second, now < end ? (unsigned)((end - now) / 1000000) : 0);
    }
    return chr ? chr->used : 0;
}

size_t chr_room(const struct chr *chr)
{
    return chr->front ? chr->front->room(chr->front_arg) : 0;
}

void chr_input(struct chr *chr, const uint8_t *data, size_t len)
{
    if (chr->front && len)
        chr->front->input(chr->front_arg, data, len);
}

void chr_break(struct chr *chr)
{
    if (chr->front && chr->front->line_break)
        chr->front->line_break(chr->front_arg);
}

void chr_resized(struct chr *chr)
{
    if (chr->front && chr->front->resized)
        chr->front->resized(chr->front_arg);
}
