// SPDX-License-Identifier: MIT
/*
 * Owns the input device: its queues, and that the driver gets groups of events whole or not at all
 * (5.8.6.2-d3). What it says about itself is input-config.c's. Refuses to know where events come
 * from.
 */
#include "devices/input-internal.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include "virtio/lint.h"
#include "virtio/vq.h"
#include "vmm/base/giov.h"
#include "vmm/base/le.h"

enum {
    QUEUE_EVENTS,
    QUEUE_STATUS,
    INPUT_QUEUE_SIZE = 64,
    TURN_GROUPS = 32,                 /* then others on the loop come first */
    TURN_POPS = 2 * INPUT_QUEUE_SIZE, /* as well: drivers that offer what is no use */
};

/* 5.8.6: virtio_input_event */
struct input_event {
    le16_t type, code;
    le32_t value;
};

/* ---- events ---- */

static void buffer_lint(const struct vq_chain *chain)
{
    if (gcur_left(&chain->out))
        lint_see_queue(chain->vq, LINT_INPUT_READABLE, gcur_left(&chain->out));
    else if (!chain->fault && gcur_left(&chain->in) < sizeof(struct input_event))
        lint_see_queue(chain->vq, LINT_INPUT_SMALL, gcur_left(&chain->in));
}

/* Keep n buffers in hand. *bad: some went back that cannot take an event (5.8.6.1-t2, t3). */
static bool buffers_hold(struct input *in, unsigned n, bool *again)
{
    struct vq *vq = &in->dev->vq[QUEUE_EVENTS];

    for (unsigned i = 0; in->n_held < n; i++) {
        struct vq_chain *chain = i < TURN_POPS ? vq_pop(vq) : NULL;

        *again |= i == TURN_POPS;
        if (chain && in->dev->lint)
            buffer_lint(chain);
        if (!chain && (i == TURN_POPS || !vq_kicks(vq, true)))
            return false;
        if (chain && (chain->fault || gcur_left(&chain->in) < sizeof(struct input_event)))
            vq_drop(chain);
        else if (chain)
            in->held[in->n_held++] = chain;
    }
    return true;
}

static void group_send(struct input *in, unsigned n)
{
    struct ev ev[EVQ_GROUP];

    evq_take(in->events, ev);
    for (unsigned i = 0; i < n; i++) {
        const struct input_event e = {le16_make(ev[i].type), le16_make(ev[i].code),
                                      le32_make(ev[i].value)};
        const bool put = gcur_put(&in->held[i]->in, &e, sizeof(e));

        vq_push(in->held[i], put ? sizeof(e) : 0);
    }
    in->n_held -= n; /* there were never more */
}

static void events_send(struct input *in)
{
    struct vq *vq = &in->dev->vq[QUEUE_EVENTS];
    bool again = false;
    unsigned n, groups = 0;

    for (; (n = evq_next(in->events, vq->set.size)) && groups < TURN_GROUPS; groups++) {
        if (!buffers_hold(in, n, &again))
            break;
        group_send(in, n);
    }
    vq_publish(vq);
    if (!n)
        vq_kicks(vq, false); /* buffers alone are no news */
    else if (again || groups == TURN_GROUPS)
        loop_post(in->dev->loop, &vq->again);
}

static void events_ready(void *arg)
{
    struct input *in = (struct input *)arg;

    if (vdev_runs(in->dev) && vq_live(&in->dev->vq[QUEUE_EVENTS]))
        events_send(in);
}

/* ---- status: what the guest wants of the keyboard ---- */

static void leds_set(struct input *in, unsigned leds)
{
    if (leds == in->leds)
        return;
    in->leds = leds;
    if (in->on_leds)
        in->on_leds(in->ctx, leds);
}

/* One event per buffer; what is behind it, and events that mean nothing here, are passed over. */
static void status_one(struct vdev *dev, struct vq_chain *chain)
{
    struct input *in = input_of(dev);
    struct input_event e;
    uint16_t code;

    if (!chain->fault && gcur_left(&chain->out) < sizeof(e))
        lint_see_queue(chain->vq, LINT_INPUT_STATUS, gcur_left(&chain->out));
    if (chain->fault || !gcur_get(&chain->out, &e, sizeof(e))) { /* I01 */
        vq_drop(chain);
        return;
    }
    code = le16_get(e.code);
    if (le16_get(e.type) == EV_LED && code < LED_CNT)
        leds_set(in, le32_get(e.value) ? in->leds | 1u << code : in->leds & ~(1u << code));
    vq_push(chain, 0);
}

static void input_kick(struct vdev *dev, struct vq *vq)
{
    if (vq->index == QUEUE_STATUS)
        vq_serve(vq, status_one);
    else
        events_send(input_of(dev));
}

/* ---- the type ---- */

static int input_open(struct vdev *dev, const void *conf, struct err *err)
{
    const struct input_conf *c = (const struct input_conf *)conf;
    struct input *in = input_of(dev);
    int ret = vdev_queue_add(dev, INPUT_QUEUE_SIZE, 0);

    if (ret == 0)
        ret = vdev_queue_add(dev, INPUT_QUEUE_SIZE, 0);
    if (ret < 0)
        return err_errno(err, -ret, "cannot make the queues of %s", dev->name);
    *in = (struct input){
        .dev = dev, .kind = c->kind, .events = c->events, .on_leds = c->leds, .ctx = c->ctx};
    evq_attach(in->events, dev->loop, events_ready, in);
    return 0;
}

static void input_offer(struct vdev *dev, struct vfeat *f)
{
    (void)dev;
    (void)f;
}

static int input_start(struct vdev *dev)
{
    evq_listen(input_of(dev)->events, true);
    return 0;
}

static void input_stop(struct vdev *dev, struct vq *only)
{
    struct input *in = input_of(dev);

    if (!only || only->index == QUEUE_EVENTS)
        while (in->n_held)
            vq_forget(in->held[--in->n_held]);
    if (only)
        return;
    evq_listen(in->events, false);
    in->select = in->subsel = 0;
    leds_set(in, 0);
}

static void input_close(struct vdev *dev)
{
    evq_attach(input_of(dev)->events, NULL, NULL, NULL);
}

unsigned input_leds(const struct vdev *dev)
{
    return input_of(dev)->leds;
}

const struct virtio_type input_type = {
    .name = "input",
    .id = VIRTIO_ID_INPUT,
    .class_code = 0x098000,
    .state_size = sizeof(struct input),
    .config = &input_config,
    .open = input_open,
    .offer = input_offer,
    .start = input_start,
    .kick = input_kick,
    .stop = input_stop,
    .close = input_close,
};
