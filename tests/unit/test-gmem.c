// SPDX-License-Identifier: MIT
/*
 * vmm/base/gmem: regions, holes, ends and wraps.
 */
#include "vmm/base/gmem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "vmm/base/bits.h"

enum { PAGE = 4096 };

static uint8_t ram_a[PAGE], ram_b[PAGE], ram_c[PAGE];

/* A and B touch in the guest, in reverse order on the host or not at all; C ends the number range.
 */
static struct gmem three(void)
{
    struct gmem mem = {0};

    assert_int_equal(gmem_add(&mem, 0x2000, PAGE, ram_b), 0);
    assert_int_equal(gmem_add(&mem, 0x1000, PAGE, ram_a), 0);
    assert_int_equal(gmem_add(&mem, UINT64_MAX - PAGE + 1, PAGE, ram_c), 0);
    return mem;
}

static void addition_checks_wrap(void **state)
{
    gpa_t at = gpa(7);

    (void)state;
    assert_true(gpa_add(gpa(UINT64_MAX - 1), 1, &at));
    assert_true(at.v == UINT64_MAX);
    assert_false(gpa_add(gpa(UINT64_MAX - 1), 2, &at));
    assert_true(at.v == UINT64_MAX);
    assert_true(gpa_add(gpa(0), 0, &at));
    assert_true(at.v == 0);
}

static void add_refuses(void **state)
{
    struct gmem mem = three();

    (void)state;
    assert_int_equal(mem.n, 3);
    assert_true(mem.region[0].base == 0x1000 && mem.region[1].base == 0x2000);
    assert_int_equal(gmem_size(&mem), 3 * PAGE);
    assert_int_equal(gmem_add(&mem, 0x8000, 0, ram_a), -EINVAL);
    assert_int_equal(gmem_add(&mem, 0x1000, PAGE, ram_a), -EINVAL);
    assert_int_equal(gmem_add(&mem, 0x0800, PAGE, ram_a), -EINVAL);
    assert_int_equal(gmem_add(&mem, 0x2fff, PAGE, ram_a), -EINVAL);
    assert_int_equal(gmem_add(&mem, 0, 0x10000, ram_a), -EINVAL);
    assert_int_equal(gmem_add(&mem, UINT64_MAX, 2, ram_a), -EINVAL);
    assert_int_equal(gmem_add(&mem, 0, UINT64_MAX, ram_a), -EINVAL);
    assert_int_equal(mem.n, 3);
    for (unsigned i = 3; i < GMEM_REGIONS; i++)
        assert_int_equal(gmem_add(&mem, 0x10000u * i, PAGE, ram_a), 0);
    assert_int_equal(gmem_add(&mem, 0x1000000, PAGE, ram_a), -ENOSPC);
}

static void iov_pieces(void **state)
{
    const struct gmem mem = three();
    struct iovec v[4];

    (void)state;
    assert_int_equal(gmem_iov(&mem, gpa(0x1000), PAGE, v, 4), 1);
    assert_ptr_equal(v[0].iov_base, ram_a);
    assert_int_equal(gmem_iov(&mem, gpa(0x1ff0), 0x20, v, 4), 2);
    assert_ptr_equal(v[0].iov_base, ram_a + 0xff0);
    assert_ptr_equal(v[1].iov_base, ram_b);
    assert_int_equal(v[0].iov_len, 0x10);
    assert_int_equal(v[1].iov_len, 0x10);
    assert_int_equal(gmem_iov(&mem, gpa(0x1ff0), 0x20, v, 1), -E2BIG);
    assert_int_equal(gmem_iov(&mem, gpa(0x5000), 0, v, 4), 0);
    assert_int_equal(gmem_iov(&mem, gpa(UINT64_MAX), 1, v, 4), 1);
    assert_ptr_equal(v[0].iov_base, ram_c + PAGE - 1);
}

/* Bad ranges: below, above, across a hole, past the end, wrapping. */
static const struct {
    uint64_t at, len;
} bad[] = {
    {0, 1},
    {0xfff, 1},
    {0xfff, 2},
    {0x3000, 1},
    {0x2fff, 2},
    {0x1000, 0x2001},
    {UINT64_MAX, 2},
    {UINT64_MAX - 0xfff, 0x1001},
    {0x1000, UINT64_MAX},
    {UINT64_C(1) << 40, 512},
    {0x1800, UINT64_C(1) << 32},
};

static void bad_ranges(void **state)
{
    const struct gmem mem = three();
    struct iovec v[GMEM_REGIONS];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(gmem_iov(&mem, gpa(bad[i].at), bad[i].len, v, GMEM_REGIONS), -EFAULT);
        assert_null(gmem_span(&mem, gpa(bad[i].at), bad[i].len));
        assert_int_equal(gmem_read(&mem, gpa(bad[i].at), NULL, bad[i].len), -EFAULT);
        assert_int_equal(gmem_write(&mem, gpa(bad[i].at), NULL, bad[i].len), -EFAULT);
    }
}

static void span_stays_in_one_region(void **state)
{
    const struct gmem mem = three();

    (void)state;
    assert_ptr_equal(gmem_span(&mem, gpa(0x1000), PAGE), ram_a);
    assert_ptr_equal(gmem_span(&mem, gpa(0x2fff), 1), ram_b + PAGE - 1);
    assert_null(gmem_span(&mem, gpa(0x1fff), 2));
}

static void copy_across(void **state)
{
    const struct gmem mem = three();
    uint8_t out[100], in[100];

    (void)state;
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i + 1);
    memset(ram_b, 0, sizeof(ram_b));
    assert_int_equal(gmem_write(&mem, gpa(0x2000 - 30), out, sizeof(out)), 0);
    assert_int_equal(ram_a[PAGE - 1], 30);
    assert_int_equal(ram_b[0], 31);
    assert_int_equal(ram_b[70], 0);
    assert_int_equal(gmem_read(&mem, gpa(0x2000 - 30), in, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(in));
    ram_b[PAGE - 1] = 0x77;
    assert_int_equal(gmem_write(&mem, gpa(0x3000 - 1), out, 2), -EFAULT); /* all or nothing */
    assert_int_equal(ram_b[PAGE - 1], 0x77);
}

static void own_memory(void **state)
{
    struct gmem mem = {0};
    struct err err;
    uint8_t byte = 0x5a;

    (void)state;
    assert_int_equal(gmem_alloc(&mem, 0, 4 * MIB, &err), 0);
    assert_int_equal(gmem_alloc(&mem, 4 * GIB, 4 * MIB, &err), 0);
    assert_int_equal(gmem_alloc(&mem, 2 * MIB, 4 * MIB, &err), -EINVAL);
    assert_int_equal(gmem_alloc(&mem, 8 * GIB, UINT64_C(1) << 62, &err), -ENOMEM);
    assert_non_null(strstr(err.text, "--mem"));
    assert_int_equal(mem.n, 2);
    assert_int_equal(gmem_write(&mem, gpa(4 * GIB + 4 * MIB - 1), &byte, 1), 0);
    assert_int_equal(gmem_write(&mem, gpa(0), &byte, 1), 0);
    gmem_zero(&mem);
    assert_int_equal(gmem_read(&mem, gpa(4 * GIB + 4 * MIB - 1), &byte, 1), 0);
    assert_int_equal(byte, 0);
    assert_int_equal(gmem_size(&mem), 8 * MIB);
    gmem_free(&mem);
    assert_int_equal(mem.n, 0);
}

/* A page that the host got back reads as zero; one that it did not keeps what it held. */
static bool page_is(const struct gmem *mem, uint64_t at, uint8_t byte)
{
    uint8_t page[PAGE];

    assert_int_equal(gmem_read(mem, gpa(at), page, PAGE), 0);
    for (unsigned i = 0; i < PAGE; i++)
        if (page[i] != byte)
            return false;
    return true;
}

static void fill(struct gmem *mem)
{
    for (unsigned i = 0; i < mem->n; i++)
        memset(mem->region[i].host, 0x77, mem->region[i].size);
}

/* Is the page held by the host at all? */
static bool page_resident(const struct gmem *mem, uint64_t at)
{
    unsigned char in = 0;

    assert_int_equal(mincore(gmem_span(mem, gpa(at), PAGE), PAGE, &in), 0);
    return in & 1;
}

/* O07: whole pages inside the range, and nothing outside of regions. */
static void discard(void **state)
{
    struct gmem mem = {0};
    struct err err;

    (void)state;
    assert_int_equal(gmem_alloc(&mem, 0, 64 * KIB, &err), 0);
    assert_int_equal(gmem_alloc(&mem, 64 * KIB, 64 * KIB, &err), 0);
    assert_int_equal(gmem_alloc(&mem, 4 * GIB, 64 * KIB, &err), 0);
    gmem_huge(&mem, false);
    fill(&mem);
    assert_int_equal(gmem_discard(&mem, gpa(PAGE), PAGE), PAGE);
    assert_false(page_resident(&mem, PAGE));
    assert_true(page_resident(&mem, 0) && page_resident(&mem, 2 * PAGE));
    assert_true(page_is(&mem, 0, 0x77) && page_is(&mem, PAGE, 0) && page_is(&mem, 2 * PAGE, 0x77));

    fill(&mem); /* pages that the range covers in part stay */
    assert_int_equal(gmem_discard(&mem, gpa(1), 3 * PAGE), 2 * PAGE);
    assert_true(page_is(&mem, 0, 0x77) && page_is(&mem, PAGE, 0) && page_is(&mem, 2 * PAGE, 0));
    assert_true(page_is(&mem, 3 * PAGE, 0x77));
    assert_int_equal(gmem_discard(&mem, gpa(5 * PAGE + 1), PAGE), 0);
    assert_int_equal(gmem_discard(&mem, gpa(5 * PAGE), PAGE - 1), 0);
    assert_int_equal(gmem_discard(&mem, gpa(5 * PAGE), 0), 0);

    fill(&mem); /* over the border of two regions, and over holes and ends */
    assert_int_equal(gmem_discard(&mem, gpa(60 * KIB), 8 * KIB), 8 * KIB);
    assert_true(page_is(&mem, 60 * KIB, 0) && page_is(&mem, 64 * KIB, 0));
    assert_true(page_is(&mem, 56 * KIB, 0x77) && page_is(&mem, 68 * KIB, 0x77));
    fill(&mem);
    assert_int_equal(gmem_discard(&mem, gpa(124 * KIB), 4 * GIB), 68 * KIB);
    fill(&mem);
    assert_int_equal(gmem_discard(&mem, gpa(200 * KIB), GIB), 0);
    assert_int_equal(gmem_discard(&mem, gpa(UINT64_MAX - 10), UINT64_MAX), 0);
    assert_int_equal(gmem_discard(&mem, gpa(4 * GIB + 60 * KIB), UINT64_MAX), 4 * KIB);
    assert_true(page_is(&mem, 0, 0x77) && page_is(&mem, 124 * KIB, 0x77));
    assert_int_equal(gmem_discard(&mem, gpa(0), UINT64_MAX), 3 * 64 * KIB);
    assert_true(page_is(&mem, 0, 0) && page_is(&mem, 4 * GIB, 0));
    gmem_free(&mem);
}

/* A huge page of the host can be one of the guest's: both addresses end alike, whatever the base.
 */
static void huge_pages_fit(void **state)
{
    static const struct {
        uint64_t base, size;
    } cases[] = {{0, 4 * MIB}, {4 * GIB, 3 * MIB}, {8 * GIB + 12 * KIB, 5 * MIB}, {MIB, 4 * KIB}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct gmem mem = {0};
        struct err err;
        uint8_t *host;

        assert_int_equal(gmem_alloc(&mem, cases[i].base, cases[i].size, &err), 0);
        host = gmem_span(&mem, gpa(cases[i].base), cases[i].size);
        assert_int_equal(((uintptr_t)host - cases[i].base) % (2 * MIB), 0);
        host[0] = host[cases[i].size - 1] = 1; /* it is all there */
        gmem_free(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addition_checks_wrap),
        cmocka_unit_test(add_refuses),
        cmocka_unit_test(iov_pieces),
        cmocka_unit_test(bad_ranges),
        cmocka_unit_test(span_stays_in_one_region),
        cmocka_unit_test(copy_across),
        cmocka_unit_test(own_memory),
        cmocka_unit_test(discard),
        cmocka_unit_test(huge_pages_fit),
    };

    return cmocka_run_group_tests_name("gmem", tests, NULL, NULL);
}
