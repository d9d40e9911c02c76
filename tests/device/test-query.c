// SPDX-License-Identifier: MIT
/* query-virtio: what it says of a device is what its driver has done, over every interface and
 * ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "virtio/fault.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/query-virtio.h"

enum { OUT = 100, IN = 60, ROUNDS = 5 };

/* The device, as a machine has it among its parts. */
static json_t *query(struct bench *b)
{
    struct part part = {.name = "echo0", .loop = b->loop, .vpci = b->vp};
    static struct parts parts;
    json_t *list;

    parts = (struct parts){.part = {&part}, .n = 1};
    list = query_virtio(&parts);
    assert_int_equal(json_array_size(list), 1);
    return list;
}

static const json_t *get(const json_t *list, const char *name)
{
    const json_t *v = json_object_get(json_array_get(list, 0), name);

    if (!v)
        fail_msg("no %s", name);
    return v;
}

static const json_t *queue(const json_t *list, unsigned i)
{
    const json_t *q = json_array_get(get(list, "queues"), i);

    assert_int_equal(json_integer_value(json_object_get(q, "index")), i);
    return q;
}

static json_int_t number(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);

    if (!json_is_integer(v))
        fail_msg("%s is not a number", name);
    return json_integer_value(v);
}

static bool truth(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);

    if (!json_is_boolean(v))
        fail_msg("%s is neither true nor false", name);
    return json_is_true(v);
}

static bool holds(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), word) == 0)
            return true;
    return false;
}

static void transfer(struct bench *b, unsigned index)
{
    uint8_t out[OUT] = {0}, in[IN];

    assert_int_equal(dq_xfer(&b->d.q[index], out, OUT, in, IN), IN);
}

/* After a reset nobody has driven it. */
static void untouched(struct bench *b)
{
    json_t *list;

    drv_reset(&b->d);
    list = query(b);
    assert_string_equal(json_string_value(get(list, "name")), "echo0");
    assert_string_equal(json_string_value(get(list, "type")), "echo");
    assert_string_equal(json_string_value(get(list, "interfaces")), b->combo->interfaces);
    assert_true(json_is_null(get(list, "interface")));
    assert_int_equal(json_array_size(get(list, "status")), 0);
    assert_int_equal(json_array_size(get(list, "accepted")), 0);
    assert_true(holds(get(list, "offered"), "event_idx"));
    assert_true(holds(get(list, "offered"), "gated"));
    assert_int_equal(json_array_size(get(list, "queues")), ECHO_QUEUES);
    assert_false(truth(queue(list, 1), "enabled"));
    assert_int_equal(number(queue(list, 1), "max"), ECHO_MAX);
    assert_null(json_object_get(queue(list, 1), "ring"));
    assert_null(json_object_get(json_array_get(list, 0), "faults"));
    json_decref(list);
}

static void driver(struct bench *b)
{
    json_t *list = query(b);
    unsigned n = 0;

    assert_string_equal(json_string_value(get(list, "interface")), b->d.ops->name);
    assert_true(holds(get(list, "status"), "DRIVER_OK"));
    assert_int_equal(holds(get(list, "status"), "FEATURES_OK"), b->d.ops->features_ok);
    assert_false(json_is_true(get(list, "failed")));
    assert_int_equal(holds(get(list, "accepted"), "ring_packed"), b->d.ring == &ring_packed);
    assert_int_equal(holds(get(list, "accepted"), "event_idx"), bench_has(b, VIRTIO_F_EVENT_IDX));
    for (unsigned bit = 0; bit < 64; bit++) /* two are of the interface, not of the device */
        n += b->d.features >> bit & 1 && vdev_has(b->dev, bit);
    assert_int_equal(json_array_size(get(list, "accepted")), n);
    for (unsigned i = 0; i < ECHO_QUEUES; i++) {
        const json_t *q = queue(list, i);

        assert_true(truth(q, "enabled"));
        assert_int_equal(number(q, "size"), b->d.q[i].size);
        if (b->d.use_msix)
            assert_int_equal(number(q, "vector"), b->d.q[i].vector);
        else
            assert_true(json_is_null(json_object_get(q, "vector")));
    }
    json_decref(list);
}

static void indices_match(const struct bench *b, const json_t *o, const struct dq *q)
{
    const bool packed = b->d.ring == &ring_packed;

    assert_string_equal(json_string_value(json_object_get(o, "ring")), packed ? "packed" : "split");
    assert_int_equal(number(o, "avail"), q->avail_idx);
    assert_int_equal(number(o, "used"), q->used_idx);
    assert_false(truth(o, "more"));
    if (!packed) {
        assert_int_equal(number(o, "driver-avail"), q->avail_idx);
        return;
    }
    assert_int_equal(truth(o, "avail-wrap"), q->avail_wrap);
    assert_int_equal(truth(o, "used-wrap"), q->used_wrap);
}

/* Around the ring once and more, so that indices of packed rings wrap. */
static void counted(struct bench *b)
{
    const unsigned rounds = 150;
    struct vq_stats stats;
    const json_t *q;
    json_t *list;

    for (unsigned i = 0; i < rounds; i++)
        transfer(b, 1);
    list = query(b);
    q = queue(list, 1);
    stats = bench_stats(b, 1);
    indices_match(b, q, &b->d.q[1]);
    assert_int_equal(number(q, "requests"), rounds);
    assert_int_equal(number(q, "bytes-out"), rounds * OUT);
    assert_int_equal(number(q, "bytes-in"), rounds * IN);
    assert_int_equal(number(q, "in-flight"), 0);
    assert_int_equal(number(q, "dropped"), 0);
    assert_int_equal(number(q, "doorbells"), stats.kicks);
    assert_in_range(stats.kicks, 1, rounds);
    assert_int_equal(number(q, "interrupts") + number(q, "suppressed"), rounds);
    assert_int_equal(number(queue(list, 0), "requests"), 0);
    json_decref(list);
}

static void add_one(struct bench *b, struct dq *q)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, OUT + IN, 64);

    c.n = 0;
    chain_out(&c, at, OUT);
    chain_in(&c, at + OUT, IN);
    assert_true(dq_add(q, &c, NULL) >= 0);
}

/* Held by the device; and made available without a doorbell, which is what a hang looks like. */
static void under_way(struct bench *b)
{
    struct dq *q = &b->d.q[2];
    json_t *list;

    echo_set_hold(b, ECHO_HOLD);
    for (unsigned i = 0; i < ROUNDS; i++) {
        add_one(b, q);
        dq_kick(q);
    }
    echo_wait_held(b, ROUNDS);
    list = query(b);
    assert_int_equal(number(queue(list, 2), "in-flight"), ROUNDS);
    assert_false(truth(queue(list, 2), "more"));
    json_decref(list);
    add_one(b, q);
    q->ops->publish(q);
    list = query(b);
    assert_int_equal(number(queue(list, 2), "in-flight"), ROUNDS);
    assert_true(truth(queue(list, 2), "more"));
    json_decref(list);
    loop_lock(b->loop);
    vdev_fail(b->dev, "2.1.2-d3", "told to");
    loop_unlock(b->loop);
    list = query(b);
    assert_true(json_is_true(get(list, "failed")));
    assert_true(holds(get(list, "status"), "NEEDS_RESET"));
    json_decref(list);
}

static void faults(struct bench *b)
{
    static const struct fault_rule rule = {.text = "lost_interrupt,times=1",
                                           .kind = FAULT_LOST_INTERRUPT,
                                           .queue = 0,
                                           .every = 3,
                                           .chance = 100};
    struct used u;
    struct err err;
    uint32_t applies;
    json_t *list;

    log_set_level(LOG_ERROR);
    loop_lock(b->loop);
    assert_int_equal(fault_attach(b->dev, &rule, 1, &applies, &err), 0);
    loop_unlock(b->loop);
    for (unsigned i = 0; i < ROUNDS; i++) {
        add_one(b, &b->d.q[0]);
        dq_kick(&b->d.q[0]);
        machine_settle(b->m);
        assert_true(dq_poll(&b->d.q[0], &u));
    }
    list = query(b);
    assert_int_equal(json_array_size(get(list, "faults")), 1);
    assert_int_equal(number(json_array_get(get(list, "faults"), 0), "faults"), 1);
    assert_int_equal(number(json_array_get(get(list, "faults"), 0), "chances"), ROUNDS);
    assert_int_equal(number(queue(list, 0), "interrupts"), ROUNDS - 1);
    json_decref(list);
}

static void findings(struct bench *b)
{
    const json_t *f;
    json_t *list = query(b);

    assert_null(json_object_get(json_array_get(list, 0), "lint"));
    json_decref(list);
    log_set_level(LOG_ERROR);
    loop_lock(b->loop);
    assert_int_equal(lint_attach(b->dev, false), 0);
    loop_unlock(b->loop);
    list = query(b);
    assert_int_equal(json_array_size(get(list, "lint")), 0);
    json_decref(list);
    loop_lock(b->loop);
    lint_see_queue(&b->dev->vq[1], LINT_USED_FLAGS, 7);
    lint_see_queue(&b->dev->vq[2], LINT_USED_FLAGS, 8);
    loop_unlock(b->loop);
    list = query(b);
    assert_int_equal(json_array_size(get(list, "lint")), 1);
    f = json_array_get(get(list, "lint"), 0);
    assert_string_equal(json_string_value(json_object_get(f, "clause")),
                        lint_rules[LINT_USED_FLAGS].id);
    assert_string_equal(json_string_value(json_object_get(f, "seen")),
                        lint_rules[LINT_USED_FLAGS].seen);
    assert_int_equal(number(f, "count"), 2);
    assert_int_equal(number(f, "queue"), 1);
    assert_int_equal(number(f, "value"), 7);
    json_decref(list);
}

int main(void)
{
    static const struct bench_test tests[] = {
        {"untouched", untouched, BENCH_RAW, NULL},
        {"driver", driver, 0, NULL},
        {"counted", counted, 0, NULL},
        {"under_way", under_way, BENCH_TURNS, NULL},
        {"faults", faults, BENCH_TURNS, NULL},
        {"findings", findings, BENCH_TURNS, NULL},
    };

    return bench_run("query", &echo_kind, tests, ARRAY_SIZE(tests));
}
