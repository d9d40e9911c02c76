// SPDX-License-Identifier: MIT
/* Lines, messages, doorbells. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>

#include "tests/unit/fake-bus.h"
#include "vmm/bus/doorbell.h"

static void test_pins_share_a_line(void **state)
{
    struct fake_irq f;
    struct irqs *irqs = fake_irqs_new(&f);
    struct irq_pin a = {.irqs = irqs, .gsi = 16}, b = {.irqs = irqs, .gsi = 16};
    struct irq_pin c = {.irqs = irqs, .gsi = 17};

    (void)state;
    irq_pin_set(&a, false);
    assert_int_equal(f.line_calls, 0);
    irq_pin_set(&a, true);
    irq_pin_set(&a, true);
    irq_pin_set(&b, true);
    assert_true(f.level[16]);
    assert_int_equal(f.line_calls, 1);
    irq_pin_set(&a, false);
    assert_true(f.level[16]);
    irq_pin_set(&b, false);
    assert_false(f.level[16]);
    assert_int_equal(f.line_calls, 2);
    irq_pin_set(&c, true);
    assert_true(f.level[17]);
    assert_false(f.level[16]);
    irqs_free(irqs);
}

static void test_unwired_pins_do_nothing(void **state)
{
    struct fake_irq f;
    struct irqs *irqs = fake_irqs_new(&f);
    struct irq_pin none = {0}, far = {.irqs = irqs, .gsi = IRQ_LINES};

    (void)state;
    irq_pin_set(&none, true);
    irq_pin_set(&far, true);
    assert_int_equal(f.line_calls, 0);
    irqs_free(irqs);
}

struct pin_race {
    struct irq_pin pin;
};

static void *pin_toggle(void *arg)
{
    struct pin_race *r = (struct pin_race *)arg;

    for (unsigned i = 0; i < 5000; i++)
        irq_pin_set(&r->pin, i % 2 == 0);
    return NULL;
}

static void test_pins_of_two_threads(void **state)
{
    struct fake_irq f;
    struct irqs *irqs = fake_irqs_new(&f);
    struct pin_race r[2] = {{{.irqs = irqs, .gsi = 5}}, {{.irqs = irqs, .gsi = 5}}};
    pthread_t thread[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, pin_toggle, &r[i]);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_false(f.level[5]);
    assert_int_equal(f.line_calls % 2, 0);
    irqs_free(irqs);
}

static void test_message_is_lazy_and_cheap(void **state)
{
    struct fake_irq f;
    struct irqs *irqs = fake_irqs_new(&f);
    struct irq_msi msi;

    (void)state;
    irq_msi_init(&msi, irqs);
    irq_msi_set(&msi, 0xfee00000, 0x41);
    assert_int_equal(f.route_calls, 0);
    assert_int_equal(msi.fd, -1);
    for (unsigned i = 0; i < 3; i++) {
        irq_msi_set(&msi, 0xfee00000, 0x41);
        irq_msi_fire(&msi);
    }
    assert_int_equal(f.route_calls, 1);
    assert_int_equal(f.connect_calls, 1);
    assert_int_equal(fake_taken(&f, 0xfee00000, 0x41), 3);
    irq_msi_set(&msi, 0xfee01000, 0x41);
    irq_msi_fire(&msi);
    assert_int_equal(fake_taken(&f, 0xfee01000, 0x41), 1);
    assert_int_equal(f.connect_calls, 1);
    irq_msi_set(&msi, 0xfee01000, 0x42);
    irq_msi_fire(&msi);
    assert_int_equal(fake_taken(&f, 0xfee01000, 0x42), 1);
    assert_int_equal(f.sends, 0);
    irq_msi_done(&msi);
    irqs_free(irqs);
}

static void test_P26_routes_do_not_leak(void **state)
{
    struct fake_irq f;
    struct irqs *irqs = fake_irqs_new(&f);
    struct irq_msi msi;
    int fd;

    (void)state;
    irq_msi_init(&msi, irqs);
    for (uint32_t i = 0; i < 100000; i++) {
        irq_msi_set(&msi, 0xfee00000, i);
        if (i % 64 == 0)
            irq_msi_fire(&msi);
        assert_true(fake_routes(&f) <= 1);
    }
    fd = msi.fd;
    irq_msi_done(&msi);
    assert_int_equal(fake_routes(&f), 0);
    assert_int_equal(f.route[0].fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    irq_msi_done(&msi); /* again is fine */
    irqs_free(irqs);
}

static void test_message_without_routes_is_sent(void **state)
{
    struct fake_irq f;
    struct irqs *irqs = fake_irqs_new(&f);
    struct irq_msi msi;

    (void)state;
    f.no_routes = true;
    irq_msi_init(&msi, irqs);
    irq_msi_set(&msi, 0xfee00000, 0x55);
    irq_msi_fire(&msi);
    assert_int_equal(f.sends, 1);
    assert_int_equal(f.sent_data, 0x55);
    f.no_routes = false;
    irq_msi_fire(&msi);
    assert_int_equal(f.sends, 1);
    assert_int_equal(fake_taken(&f, 0xfee00000, 0x55), 1);
    /* A change that the host refuses must not go out by the old route. */
    f.no_routes = true;
    irq_msi_set(&msi, 0xfee00000, 0x66);
    irq_msi_fire(&msi);
    assert_int_equal(fake_taken(&f, 0xfee00000, 0x55), 0);
    assert_int_equal(f.sent_data, 0x66);
    irq_msi_done(&msi);
    irqs_free(irqs);
}

static void test_message_with_nothing_behind(void **state)
{
    const struct irq_ops ops = {0};
    struct irqs *irqs = irqs_new(&ops);
    struct irq_pin pin = {.irqs = irqs, .gsi = 1};
    struct irq_msi msi;

    (void)state;
    irq_msi_init(&msi, irqs);
    irq_msi_fire(&msi);
    irq_pin_set(&pin, true);
    assert_int_equal(msi.fd, -1);
    irq_msi_done(&msi);
    irqs_free(irqs);
}

struct rings {
    unsigned n, last;
};

static void ring_count(void *ctx, unsigned index)
{
    struct rings *r = (struct rings *)ctx;

    r->n++;
    r->last = index;
}

static void test_doorbell_reaches_the_loop(void **state)
{
    struct err err;
    struct loop *loop = loop_new("bells", &err);
    struct rings r = {0};
    struct doorbell bell = {.index = 3, .rung = ring_count, .ctx = &r};
    const uint64_t one = 1;

    (void)state;
    assert_int_equal(doorbell_open(&bell, loop, &err), 0);
    loop_turn(loop, 0);
    assert_int_equal(r.n, 0);
    for (unsigned i = 1; i <= 4; i++) {
        doorbell_ring(&bell);
        doorbell_ring(&bell); /* what comes together is one call */
        loop_turn(loop, 0);
        loop_turn(loop, 0);
        assert_int_equal(r.n, i);
    }
    assert_int_equal(r.last, 3);
    assert_int_equal(write(bell.fd, &one, sizeof(one)), sizeof(one)); /* as KVM does */
    loop_turn(loop, 0);
    assert_int_equal(r.n, 5);
    doorbell_close(&bell);
    doorbell_close(&bell);
    assert_int_equal(bell.fd, -1);
    loop_turn(loop, 0);
    assert_int_equal(r.n, 5);
    loop_free(loop);
}

static void test_doorbell_never_opened(void **state)
{
    struct doorbell bell = {0};

    (void)state;
    doorbell_close(&bell); /* must not close descriptor 0 */
    assert_int_not_equal(fcntl(0, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pins_share_a_line),
        cmocka_unit_test(test_unwired_pins_do_nothing),
        cmocka_unit_test(test_pins_of_two_threads),
        cmocka_unit_test(test_message_is_lazy_and_cheap),
        cmocka_unit_test(test_P26_routes_do_not_leak),
        cmocka_unit_test(test_message_without_routes_is_sent),
        cmocka_unit_test(test_message_with_nothing_behind),
        cmocka_unit_test(test_doorbell_reaches_the_loop),
        cmocka_unit_test(test_doorbell_never_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
