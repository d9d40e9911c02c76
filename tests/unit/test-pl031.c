// SPDX-License-Identifier: MIT
/* The PL031: the wall clock, set by the guest, and the alarm, whatever the host's clock does (H29).
 */
#include "devices/platform/pl031.h"
#include "tests/unit/platform-rig.h"

#define BASE UINT64_C(0x09010000)

enum { GSI = 2, NOW = 1700000000 };
enum { DR = 0, MR = 4, LR = 8, CR = 0xc, IMSC = 0x10, RIS = 0x14, MIS = 0x18, ICR = 0x1c };
enum { ID0 = 0xfe0, CELL1 = 0xff4 };

static _Atomic int64_t wall;

static void fake_now(struct timespec *ts)
{
    *ts = (struct timespec){.tv_sec = wall, .tv_nsec = 990000000};
}

static struct pl031 *pl031;

static int setup(void **state)
{
    const struct pl031_config config = {.base = BASE, .gsi = GSI, .now = fake_now};
    struct rig *r = rig_new();

    wall = NOW;
    pl031 = pl031_new(r->bus, r->irqs, r->loop, &config, NULL);
    assert_non_null(pl031);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    pl031_free(pl031);
    rig_free(*state, GSI);
    return 0;
}

static uint32_t in(struct rig *r, unsigned reg)
{
    return rig_in(r, BASE + reg);
}

static void out(struct rig *r, unsigned reg, uint32_t v)
{
    rig_out(r, BASE + reg, v);
}

static void test_time(void **state)
{
    struct rig *r = *state;

    assert_int_equal(in(r, ID0), 0x31);
    assert_int_equal(in(r, CELL1), 0xf0);
    assert_int_equal(in(r, CR), 1);
    assert_int_equal(in(r, DR), NOW);
    wall += 100;
    assert_int_equal(in(r, DR), NOW + 100);
    out(r, LR, 5);
    assert_int_equal(in(r, DR), 5);
    assert_int_equal(in(r, LR), 5);
    wall += 7;
    assert_int_equal(in(r, DR), 12);
    out(r, DR, 99); /* read only */
    assert_int_equal(in(r, DR), 12);
    out(r, LR, UINT32_MAX); /* it wraps in 2106 */
    wall++;
    assert_int_equal(in(r, DR), 0);
}

/* A restart keeps the time that the guest set. */
static void test_reset(void **state)
{
    struct rig *r = *state;

    out(r, LR, 1000);
    out(r, IMSC, 1);
    loop_lock(r->loop);
    pl031_reset(pl031);
    loop_unlock(r->loop);
    assert_int_equal(in(r, DR), 1000);
    assert_int_equal(in(r, IMSC), 0);
    assert_int_equal(in(r, MR), 0);
}

static bool alarm_rings(struct rig *r, unsigned ms)
{
    for (unsigned i = 0; i < ms && !in(r, RIS); i++)
        usleep(1000);
    return in(r, RIS);
}

static void test_alarm(void **state)
{
    struct rig *r = *state;

    out(r, MR, NOW + 1); /* in 10 ms, as the fake clock has it */
    loop_start(r->loop, NULL);
    wall++;
    assert_true(alarm_rings(r, 5000));
    assert_int_equal(in(r, MIS), 0);
    assert_false(r->irq.level[GSI]);
    out(r, IMSC, 1);
    assert_int_equal(in(r, MIS), 1);
    assert_true(r->irq.level[GSI]);
    out(r, ICR, 0); /* clears nothing */
    assert_true(r->irq.level[GSI]);
    out(r, ICR, 1);
    assert_int_equal(in(r, RIS), 0);
    assert_false(r->irq.level[GSI]);
    out(r, MR, in(r, DR)); /* now */
    assert_true(alarm_rings(r, 5000));
    loop_stop(r->loop);
}

/* The time went back while it waited: not yet. */
static void test_alarm_of_a_clock_put_back(void **state)
{
    struct rig *r = *state;

    out(r, MR, NOW + 1);
    wall -= 3600;
    loop_start(r->loop, NULL);
    assert_false(alarm_rings(r, 100));
    out(r, MR, NOW - 3600 + 1);
    wall++;
    assert_true(alarm_rings(r, 5000));
    loop_stop(r->loop);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_time), T(test_reset), T(test_alarm),
                                       T(test_alarm_of_a_clock_put_back)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
