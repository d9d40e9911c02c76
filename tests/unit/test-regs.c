// SPDX-License-Identifier: MIT
/*
 * vmm/base/regs: what accesses of any width, place and order do to a table of registers.
 */
#include "vmm/base/regs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/bits.h"

enum { SIZE = 32, ROWS = 6, GATED = 5 };

/* Values by row; counts of handler calls. */
struct block {
    uint64_t value[ROWS];
    unsigned reads[ROWS], writes[ROWS];
    bool gate;
};

static uint64_t read_row(void *ctx, const struct reg *reg)
{
    struct block *k = (struct block *)ctx;

    k->reads[reg->arg]++;
    return k->value[reg->arg];
}

static void write_row(void *ctx, const struct reg *reg, uint64_t v)
{
    struct block *k = (struct block *)ctx;

    k->writes[reg->arg]++;
    k->value[reg->arg] = v;
}

static bool present(void *ctx, const struct reg *reg)
{
    return reg->arg != GATED || ((const struct block *)ctx)->gate;
}

/* A hole at 14..15 and from 29 on; row 3 cannot be written, row 4 cannot be read. */
static const struct reg rows[ROWS] = {
    {0, 8, 0, "long", "x", read_row, write_row},  {8, 4, 1, "word", "x", read_row, write_row},
    {12, 2, 2, "half", "x", read_row, write_row}, {16, 4, 3, "ro", "x", read_row, NULL},
    {20, 4, 4, "wo", "x", NULL, write_row},       {28, 1, GATED, "gated", "x", read_row, write_row},
};

static const struct regs regs = {
    .name = "test", .row = rows, .n = ROWS, .size = SIZE, .present = present};

static const struct regs_path wide = {.order = ORDER_LITTLE, .any_width = true};
static const struct regs_path big = {.order = ORDER_BIG, .any_width = false};

static struct block block_make(void)
{
    return (struct block){
        .value = {UINT64_C(0x8877665544332211), 0xddccbbaa, 0xffee, 0x13121110, 0x17161514, 0x99},
        .gate = true};
}

static uint64_t get(struct block *k, const struct regs_path *path, uint64_t off, unsigned len)
{
    uint8_t raw[8];

    memset(raw, 0xa5, sizeof(raw));
    regs_read(&regs, k, path, off, raw, len);
    return order_load(ORDER_LITTLE, raw, len);
}

static void put(struct block *k, const struct regs_path *path, uint64_t off, unsigned len,
                uint64_t v)
{
    uint8_t raw[8];

    order_store(ORDER_LITTLE, raw, len, v);
    regs_write(&regs, k, path, off, raw, len);
}

static void natural(void **state)
{
    struct block k = block_make();

    (void)state;
    assert_true(get(&k, &regs_little, 0, 8) == k.value[0]);
    assert_int_equal(get(&k, &regs_little, 8, 4), 0xddccbbaa);
    assert_int_equal(get(&k, &regs_little, 12, 2), 0xffee);
    assert_int_equal(get(&k, &regs_little, 28, 1), 0x99);
    assert_int_equal(get(&k, &regs_little, 20, 4), 0); /* cannot be read */
    put(&k, &regs_little, 8, 4, 0x01020304);
    put(&k, &regs_little, 16, 4, 0);
    assert_int_equal(k.value[1], 0x01020304);
    assert_int_equal(k.value[3], 0x13121110);
}

static void any_read(void **state)
{
    struct block k = block_make();
    uint8_t all[SIZE];

    (void)state;
    for (unsigned i = 0; i < SIZE; i++)
        all[i] = (uint8_t)get(&k, &regs_little, i, 1);
    assert_int_equal(all[14], 0);
    assert_int_equal(all[31], 0);
    for (unsigned len = 1; len <= 8; len++)
        for (unsigned off = 0; off + len <= SIZE; off++)
            assert_true(get(&k, &regs_little, off, len) ==
                        order_load(ORDER_LITTLE, all + off, len));
    memset(k.reads, 0, sizeof(k.reads));
    get(&k, &regs_little, 6, 8); /* each row once: reads may have side effects */
    assert_int_equal(k.reads[0], 1);
    assert_int_equal(k.reads[1], 1);
    assert_int_equal(k.reads[2], 1);
    assert_int_equal(k.reads[3], 0);
}

static void outside(void **state)
{
    static const struct {
        uint64_t off;
        unsigned len;
    } bad[] = {{32, 1}, {31, 2}, {28, 8}, {UINT64_MAX, 1}, {UINT64_MAX - 3, 8}, {0x10000, 4}};
    struct block k = block_make();

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_true(get(&k, &regs_little, bad[i].off, bad[i].len) == 0);
        put(&k, &wide, bad[i].off, bad[i].len, 0x55);
    }
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(k.reads[i] + k.writes[i], 0);
}

static void odd_writes_are_ignored(void **state)
{
    struct block k = block_make();

    (void)state;
    put(&k, &regs_little, 8, 1, 0);
    put(&k, &regs_little, 8, 2, 0);
    put(&k, &regs_little, 10, 4, 0); /* halves of word and all of half: only that is written */
    assert_int_equal(k.writes[1], 0);
    assert_int_equal(k.writes[2], 1);
    put(&k, &regs_little, 0, 2, 0);
    put(&k, &regs_little, 2, 4, 0);
    put(&k, &regs_little, 1, 8, 0);
    assert_int_equal(k.writes[0], 0);
}

static void halves_of_a_long(void **state)
{
    struct block k = block_make();

    (void)state;
    put(&k, &regs_little, 0, 4, 0xaaaaaaaa);
    assert_true(k.value[0] == UINT64_C(0x88776655aaaaaaaa));
    put(&k, &regs_little, 4, 4, 0xbbbbbbbb);
    assert_true(k.value[0] == UINT64_C(0xbbbbbbbbaaaaaaaa));
    put(&k, &regs_little, 4, 8, 0x11111111cccccccc); /* a half and a word */
    assert_true(k.value[0] == UINT64_C(0xccccccccaaaaaaaa));
    assert_int_equal(k.value[1], 0x11111111);
}

static void any_width_merges(void **state)
{
    struct block k = block_make();

    (void)state;
    put(&k, &wide, 9, 1, 0x77);
    assert_int_equal(k.value[1], 0xddcc77aa);
    put(&k, &wide, 11, 2, 0x1234);
    assert_int_equal(k.value[1], 0x34cc77aa);
    assert_int_equal(k.value[2], 0xff12);
}

static void big_endian_path(void **state)
{
    struct block k = block_make();
    uint8_t raw[4];

    (void)state;
    regs_read(&regs, &k, &big, 8, raw, 4);
    assert_int_equal(raw[0], 0xdd);
    assert_int_equal(raw[3], 0xaa);
    regs_read(&regs, &k, &big, 9, raw, 2);
    assert_int_equal(raw[0], 0xcc);
    memcpy(raw, "\x01\x02\x03\x04", 4);
    regs_write(&regs, &k, &big, 8, raw, 4);
    assert_int_equal(k.value[1], 0x01020304);
    regs_write(&regs, &k, &big, 0, raw, 4); /* the upper half comes first here */
    assert_true(k.value[0] == UINT64_C(0x0102030444332211));
}

static void absent_rows(void **state)
{
    struct block k = block_make();

    (void)state;
    k.gate = false;
    assert_int_equal(get(&k, &regs_little, 28, 1), 0);
    put(&k, &regs_little, 28, 1, 1);
    assert_int_equal(k.writes[GATED] + k.reads[GATED], 0);
    assert_int_equal(k.value[GATED], 0x99);
}

static void find(void **state)
{
    (void)state;
    assert_ptr_equal(regs_find(&regs, 12), &rows[2]);
    assert_null(regs_find(&regs, 13));
    assert_null(regs_find(&regs, 14));
    assert_null(regs_find(&regs, 32));
    assert_null(regs_find(&regs, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natural),
        cmocka_unit_test(any_read),
        cmocka_unit_test(outside),
        cmocka_unit_test(odd_writes_are_ignored),
        cmocka_unit_test(halves_of_a_long),
        cmocka_unit_test(any_width_merges),
        cmocka_unit_test(big_endian_path),
        cmocka_unit_test(absent_rows),
        cmocka_unit_test(find),
    };

    return cmocka_run_group_tests_name("regs", tests, NULL, NULL);
}
