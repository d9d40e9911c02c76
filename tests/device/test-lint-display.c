// SPDX-License-Identifier: MIT
/* Lint over a GPU and a keyboard. Each test breaks one clause only. */
#include <linux/input-event-codes.h>

#include "devices/input.h"
#include "tests/device/gpu-bench.h"
#include "tests/device/lint-bench.h"

/* ---- the GPU ---- */

static void gpu_well_behaved(struct bench *b)
{
    assert_int_equal(create(b, 1, 64, 64), OK);
    assert_int_equal(GPU(b, UPDATE_CURSOR, 0, 1, 1, 0, 1, 0, 0, 0), OK);
    assert_int_equal(GPU(b, UPDATE_CURSOR, 0, 1, 1, 0, 0, 0, 0, 0), OK);
    lint_clean(b);
}

static void gpu_cursor(struct bench *b)
{
    assert_int_equal(create(b, 1, 32, 64), OK);
    assert_int_equal(GPU(b, UPDATE_CURSOR, 0, 1, 1, 0, 1, 0, 0, 0), E_PARAMETER);
    lint_only(b, LINT_GPU_CURSOR);
}

static void gpu_capset(struct bench *b)
{
    assert_int_equal(GPU(b, GET_CAPSET_INFO, 3, 0), E_UNSPEC);
    lint_only(b, LINT_GPU_CAPSET);
}

static const struct bench_test gpu_tests[] = {
    {"well_behaved", gpu_well_behaved, BENCH_LINT, NULL},
    {"5.7.6.6-t1", gpu_cursor, BENCH_LINT, NULL},
    {"5.7.6.8-t3", gpu_capset, BENCH_LINT, NULL},
};

/* ---- a keyboard ---- */

enum { EVENTS, STATUS, EVENT_BYTES = 8 };

static struct input_conf input_conf;

static void *input_make_conf(struct bench *b)
{
    (void)b;
    input_conf = (struct input_conf){.kind = INPUT_KEYBOARD, .events = evq_new(NULL)};
    assert_non_null(input_conf.events);
    return &input_conf;
}

static void input_free_conf(struct bench *b)
{
    (void)b;
    evq_free(input_conf.events);
}

static const struct bench_kind input_kind = {&input_type, "keyboard0", input_make_conf,
                                             input_free_conf};

static void give(struct bench *b, uint32_t in, uint32_t out)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, 2 * EVENT_BYTES, 16);

    c.n = 0;
    if (out)
        chain_out(&c, at, out);
    if (in)
        chain_in(&c, at + EVENT_BYTES, in);
    assert_true(dq_add(&b->d.q[EVENTS], &c, NULL) >= 0);
}

/* A key, for which the device looks at buffers: both for it are there. */
static void key_comes(struct bench *b)
{
    const struct ev ev = {EV_KEY, KEY_A, 1};

    give(b, EVENT_BYTES, 0);
    give(b, EVENT_BYTES, 0);
    dq_kick(&b->d.q[EVENTS]);
    assert_int_equal(evq_put(input_conf.events, &ev, 1), 0);
}

static void input_well_behaved(struct bench *b)
{
    const uint8_t caps[EVENT_BYTES] = {0};

    key_comes(b);
    dq_xfer(&b->d.q[STATUS], caps, sizeof(caps), NULL, 0);
    lint_clean(b);
}

static void input_readable(struct bench *b)
{
    give(b, EVENT_BYTES, 1);
    key_comes(b);
    lint_only(b, LINT_INPUT_READABLE);
}

static void input_small(struct bench *b)
{
    give(b, EVENT_BYTES - 1, 0);
    key_comes(b);
    lint_only(b, LINT_INPUT_SMALL);
}

static void input_status(struct bench *b)
{
    const uint8_t caps[EVENT_BYTES - 1] = {0};

    dq_xfer(&b->d.q[STATUS], caps, sizeof(caps), NULL, 0);
    lint_only(b, LINT_INPUT_STATUS);
}

static const struct bench_test input_tests[] = {
    {"well_behaved", input_well_behaved, BENCH_LINT, NULL},
    {"5.8.6.1-t2", input_readable, BENCH_LINT, NULL},
    {"5.8.6.1-t3", input_small, BENCH_LINT, NULL},
    {"5.8.6.1-t4", input_status, BENCH_LINT, NULL},
};

int main(void)
{
    const int failed = bench_run("lint-gpu", &gpu_kind, gpu_tests, ARRAY_SIZE(gpu_tests));

    return failed + bench_run("lint-input", &input_kind, input_tests, ARRAY_SIZE(input_tests));
}
