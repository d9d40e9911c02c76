// SPDX-License-Identifier: MIT
/* virtio/fault: when a rule strikes, the same for the same seed. And what --fault makes of words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/fault.h"
#include "vmm/base/bits.h"
#include "vmm/config.h"

enum { CHANCES = 10000 };

#define KNOWN "X...X....X.....X............XX....XX...."

static const struct fault_rule plain = {
    .text = "x", .kind = FAULT_SHORT_USED, .every = 1, .chance = 100, .seed = 1};

/* The chances of n that are taken, as characters. */
static void strike(const struct fault_rule *rule, const char *device, char *to, unsigned n)
{
    struct fault_dice dice = fault_dice(rule, device);

    for (unsigned i = 0; i < n; i++)
        to[i] = fault_due(rule, &dice) ? 'X' : '.';
    to[n] = '\0';
    assert_int_equal(dice.chances, n);
}

static void counting(void **state)
{
    struct fault_rule rule = plain;
    char got[32];

    (void)state;
    strike(&rule, "disk0", got, 6);
    assert_string_equal(got, "XXXXXX");
    rule.every = 3;
    strike(&rule, "disk0", got, 9);
    assert_string_equal(got, "..X..X..X");
    rule.after = 2;
    strike(&rule, "disk0", got, 9);
    assert_string_equal(got, "....X..X.");
    rule.times = 1;
    strike(&rule, "disk0", got, 9);
    assert_string_equal(got, "....X....");
}

static void seeds(void **state)
{
    struct fault_rule rule = plain;
    static char a[CHANCES + 1], b[CHANCES + 1];
    unsigned n = 0;

    (void)state;
    rule.chance = 30;
    strike(&rule, "disk0", a, CHANCES);
    strike(&rule, "disk0", b, CHANCES);
    assert_string_equal(a, b);
    for (unsigned i = 0; i < CHANCES; i++)
        n += a[i] == 'X';
    assert_in_range(n, CHANCES * 27 / 100, CHANCES * 33 / 100);
    strike(&rule, "disk1", b, CHANCES);
    assert_string_not_equal(a, b);
    rule.seed = 2;
    strike(&rule, "disk0", b, CHANCES);
    assert_string_not_equal(a, b);
    rule.seed = 1;
    rule.kind = FAULT_LOST_INTERRUPT;
    strike(&rule, "disk0", b, CHANCES);
    assert_string_not_equal(a, b);
}

/* What a seed makes must not change from one version to the next. */
static void known(void **state)
{
    struct fault_rule rule = plain;
    struct fault_dice dice = fault_dice(&rule, "disk0");
    struct fault_dice zero = {0};
    char got[41];

    (void)state;
    assert_true(fault_random(&zero) == UINT64_C(0xe220a8397b1dcdaf)); /* SplitMix64's own */
    assert_true(fault_random(&zero) == UINT64_C(0x6e789e6aa1b965f4));
    assert_true(fault_random(&dice) != 0);
    rule.chance = 25;
    strike(&rule, "disk0", got, 40);
    assert_string_equal(got, KNOWN);
}

/* ---- words ---- */

static struct fault_rule parse(const char *text, struct config *config)
{
    char *argv[] = {"run", "--kernel", "k", "--fault", (char *)(uintptr_t)text};
    struct err err = {""};

    if (config_parse(config, ARRAY_SIZE(argv), argv, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(config->n_faults, 1);
    return config->fault[0];
}

static void defaults(void **state)
{
    struct config config;
    struct fault_rule rule = parse("lost_interrupt", &config);

    (void)state;
    assert_int_equal(rule.kind, FAULT_LOST_INTERRUPT);
    assert_null(rule.device);
    assert_null(rule.with);
    assert_int_equal(rule.queue, FAULT_EVERY_QUEUE);
    assert_true(rule.after == 0 && rule.every == 1 && rule.times == 0 && rule.chance == 100);
    assert_int_equal(rule.seed, FAULT_SEED);
    config_free(&config);
    rule = parse("needs_reset,after=7", &config);
    assert_true(rule.after == 7 && rule.every == 1 && rule.times == 1);
    config_free(&config);
    rule = parse("needs_reset,every=7", &config);
    assert_true(rule.every == 7 && rule.times == 0);
    config_free(&config);
    rule = parse("config_change", &config);
    assert_true(rule.every == 1 && rule.times == 1);
    config_free(&config);
    rule = parse("config_change,times=3", &config);
    assert_true(rule.every == 1 && rule.times == 3);
    config_free(&config);
    rule = parse("slow_queue", &config);
    assert_int_equal(rule.delay_ms, FAULT_DELAY_MS);
    config_free(&config);
}

static void words(void **state)
{
    struct config config;
    const char *text = "late_interrupt,device=disk1,queue=2,after=3,every=4,chance=5,times=6,"
                       "delay=7,seed=18446744073709551615,with=event_idx+ring_packed";
    const struct fault_rule rule = parse(text, &config);

    (void)state;
    assert_string_equal(rule.text, text);
    assert_int_equal(rule.kind, FAULT_LATE_INTERRUPT);
    assert_string_equal(rule.device, "disk1");
    assert_string_equal(rule.with, "event_idx+ring_packed");
    assert_int_equal(rule.queue, 2);
    assert_true(rule.after == 3 && rule.every == 4 && rule.chance == 5 && rule.times == 6);
    assert_int_equal(rule.delay_ms, 7);
    assert_true(rule.seed == UINT64_MAX);
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting), cmocka_unit_test(seeds), cmocka_unit_test(known),
        cmocka_unit_test(defaults), cmocka_unit_test(words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
