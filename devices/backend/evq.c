// SPDX-License-Identifier: MIT
/*
 * Owns events between those who type and the device that tells the guest: a bounded queue with a
 * lock of its own, for neither side waits for the other. Refuses to know what events mean, but for
 * keys, which are down or not.
 */
#include "devices/backend/evq.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

struct keys {
    uint8_t bit[KEY_CNT / 8];
};

struct evq {
    pthread_mutex_t lock;
    struct loop *loop; /* the device's; NULL: there is none */
    struct loop_work work;
    bool listening;
    bool lost;              /* since keys last were as told */
    struct keys down, told; /* by the user; to the device */
    unsigned first, n;      /* of ring */
    unsigned n_out;         /* the next group, taken out of the ring */
    struct ev out[EVQ_GROUP];
    struct ev ring[EVQ_EVENTS];
};

/* ---- keys ---- */

static bool key_is(const struct keys *keys, unsigned code)
{
    return code < KEY_CNT && keys->bit[code / 8] >> (code % 8) & 1;
}

static void key_set(struct keys *keys, unsigned code, bool down)
{
    const uint8_t bit = (uint8_t)(1u << (code % 8));

    if (code < KEY_CNT)
        keys->bit[code / 8] =
            (uint8_t)(down ? keys->bit[code / 8] | bit : keys->bit[code / 8] & ~bit);
}

/* The news of a group: keys that change, and whatever is no key. */
static unsigned group_make(struct evq *q, const struct ev *ev, unsigned n, struct ev *to)
{
    unsigned have = 0;

    for (unsigned i = 0; i < n; i++) {
        const bool is_key = ev[i].type == EV_KEY;

        if (is_key && (ev[i].code >= KEY_CNT || key_is(&q->down, ev[i].code) == !!ev[i].value))
            continue;
        if (is_key)
            key_set(&q->down, ev[i].code, ev[i].value);
        to[have++] = ev[i];
    }
    if (have)
        to[have++] = (struct ev){EV_SYN, SYN_REPORT, 0};
    return have;
}

/* What the guest does not know of keys, as one group of maybe several; none if most is too few. */
static void group_catch_up(struct evq *q, unsigned most)
{
    const unsigned keys = (unsigned)min_u64(most, EVQ_GROUP) - 1;

    q->lost = false;
    for (unsigned code = 0; code < KEY_CNT; code++) {
        const bool down = key_is(&q->down, code);

        if (down == key_is(&q->told, code))
            continue;
        if (q->n_out == keys) {
            q->lost = true;
            break;
        }
        key_set(&q->told, code, down);
        q->out[q->n_out++] = (struct ev){EV_KEY, (uint16_t)code, down};
    }
    if (q->n_out)
        q->out[q->n_out++] = (struct ev){EV_SYN, SYN_REPORT, 0};
}

static void group_out(struct evq *q)
{
    struct ev ev;

    do {
        ev = q->ring[q->first];
        q->first = (q->first + 1) % EVQ_EVENTS;
        q->n--;
        q->out[q->n_out++] = ev;
        if (ev.type == EV_KEY)
            key_set(&q->told, ev.code, ev.value);
    } while (ev.type != EV_SYN);
}

/* The one that was taken out; the guest knows nothing of its keys. */
static void group_drop(struct evq *q)
{
    while (q->n_out) {
        const struct ev *ev = &q->out[--q->n_out];

        if (ev->type == EV_KEY)
            key_set(&q->told, ev->code, !ev->value);
    }
    q->lost = true;
}

/* ---- those who type ---- */

int evq_put(struct evq *q, const struct ev *ev, unsigned n)
{
    struct ev group[EVQ_GROUP];
    unsigned have;
    int ret = 0;

    if (n >= EVQ_GROUP)
        return -EINVAL;
    pthread_mutex_lock(&q->lock);
    have = group_make(q, ev, n, group);
    if (!q->listening)
        ret = -ENOTCONN;
    else if (have > EVQ_EVENTS - q->n)
        ret = -ENOSPC;
    for (unsigned i = 0; ret == 0 && i < have; i++)
        q->ring[(q->first + q->n++) % EVQ_EVENTS] = group[i];
    q->lost |= ret == -ENOSPC;
    if (have && q->loop && q->listening)
        loop_post(q->loop, &q->work);
    pthread_mutex_unlock(&q->lock);
    return ret;
}

bool evq_down(struct evq *q, uint16_t code)
{
    bool down;

    pthread_mutex_lock(&q->lock);
    down = key_is(&q->down, code);
    pthread_mutex_unlock(&q->lock);
    return down;
}

unsigned evq_room(struct evq *q)
{
    unsigned room;

    pthread_mutex_lock(&q->lock);
    room = EVQ_EVENTS - q->n;
    pthread_mutex_unlock(&q->lock);
    return room;
}

/* ---- the device ---- */

void evq_attach(struct evq *q, struct loop *loop, void (*ready)(void *arg), void *arg)
{
    struct loop *old;

    pthread_mutex_lock(&q->lock);
    old = q->loop;
    q->loop = loop;
    if (old)
        loop_cancel(old, &q->work);
    q->work = (struct loop_work){.fn = ready, .arg = arg};
    pthread_mutex_unlock(&q->lock);
}

void evq_listen(struct evq *q, bool on)
{
    pthread_mutex_lock(&q->lock);
    q->listening = on;
    q->lost = false;
    q->n = q->n_out = 0;
    q->told = q->down;
    pthread_mutex_unlock(&q->lock);
}

unsigned evq_next(struct evq *q, unsigned most)
{
    unsigned n;

    pthread_mutex_lock(&q->lock);
    for (;;) {
        if (!q->n_out && q->n)
            group_out(q);
        if (q->n_out <= most)
            break;
        group_drop(q);
    }
    if (!q->n_out && q->lost && most > 1)
        group_catch_up(q, most);
    n = q->n_out;
    pthread_mutex_unlock(&q->lock);
    return n;
}

void evq_take(struct evq *q, struct ev *to)
{
    pthread_mutex_lock(&q->lock);
    memcpy(to, q->out, q->n_out * sizeof(*to));
    q->n_out = 0;
    pthread_mutex_unlock(&q->lock);
}

/* ---- making and freeing ---- */

struct evq *evq_new(struct err *err)
{
    struct evq *q = calloc(1, sizeof(*q));

    if (!q) {
        err_errno(err, ENOMEM, "input");
        return NULL;
    }
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

void evq_free(struct evq *q)
{
    if (!q)
        return;
    pthread_mutex_destroy(&q->lock);
    free(q);
}
