// SPDX-License-Identifier: MIT
/* The PL011: identity, output at once (H20), input as the guest takes it (X02), its interrupts. */
#include "devices/platform/pl011.h"
#include "tests/unit/platform-rig.h"
#include "vmm/base/bits.h"

#define BASE UINT64_C(0x09000000)

enum { GSI = 1, FIFO = 32 };
enum { DR = 0, RSR = 4, FR = 0x18, IBRD = 0x24, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34, IMSC = 0x38 };
enum { RIS = 0x3c, MIS = 0x40, ICR = 0x44, ID0 = 0xfe0, CELL0 = 0xff0 };
enum { RX_EMPTY = 0x10, TX_FULL = 0x20, RX_FULL = 0x40, TX_EMPTY = 0x80, BUSY = 8 };
enum { I_RX = 0x10, I_TX = 0x20, I_TIMEOUT = 0x40, I_BREAK = 0x200, FEN = 0x10, ON = 0x301 };

static struct pl011 *uart;

static int setup(void **state)
{
    struct rig *r = rig_new();
    const struct pl011_config config = {.base = BASE, .gsi = GSI, .chr = rig_line(r)};

    uart = pl011_new(r->bus, r->irqs, r->loop, &config, NULL);
    assert_non_null(uart);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    pl011_free(uart);
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

static bool line_up(const struct rig *r)
{
    return r->irq.level[GSI];
}

static void test_identity(void **state)
{
    struct rig *r = *state;

    assert_int_equal(in(r, ID0), 0x11);
    assert_int_equal(in(r, ID0 + 4), 0x10);
    assert_int_equal(in(r, ID0 + 8), 0x34); /* r1p5 */
    assert_int_equal(in(r, CELL0), 0x0d);
    assert_int_equal(in(r, CR), 0x300);
    assert_int_equal(in(r, IFLS), 0x12);
    assert_int_equal(in(r, FR) & (RX_EMPTY | RX_FULL | TX_FULL | TX_EMPTY | BUSY),
                     RX_EMPTY | TX_EMPTY);
    out(r, IBRD, 0x12345);
    assert_int_equal(in(r, IBRD), 0x2345);
}

/* Also with the UART off, as kernels write early messages. A byte alone is an access, too. */
static void test_output(void **state)
{
    struct rig *r = *state;
    const uint8_t byte = '!';

    out(r, DR, 'h');
    out(r, CR, ON);
    out(r, DR, 'i');
    assert_true(bus_write(r->bus, BUS_MMIO, BASE + DR, &byte, 1));
    loop_lock(r->loop);
    assert_int_equal(chr_drain(&r->line->chr, 0), 0);
    loop_unlock(r->loop);
    assert_int_equal(r->line->out_len, 3);
    assert_memory_equal(r->line->out, "hi!", 3);
    assert_int_equal(in(r, FR) & (TX_FULL | BUSY), 0);
    assert_int_equal(in(r, RIS) & I_TX, I_TX);
    assert_false(line_up(r));
    out(r, IMSC, I_TX);
    assert_true(line_up(r));
    out(r, ICR, I_TX);
    assert_false(line_up(r));
    out(r, DR, 'x'); /* one more goes through the trigger level again */
    assert_true(line_up(r));
    assert_int_equal(in(r, MIS), I_TX);
}

/* H20: a client of the console that comes late. */
static void test_output_without_client(void **state)
{
    struct rig *r = *state;

    chr_set_open(&r->line->chr, false);
    out(r, DR, 'x');
    while (loop_turn(r->loop, 5))
        ;
    assert_int_equal(r->line->puts, 0);
    chr_set_open(&r->line->chr, true);
    assert_true(loop_turn(r->loop, 1000) > 0);
    assert_int_equal(r->line->out_len, 1);
}

/* Without its FIFO a byte at a time; nothing is lost that the guest has not asked for. */
static void test_input(void **state)
{
    struct rig *r = *state;
    static const char text[] = "forty bytes, of which the FIFO takes 32.";

    rig_type(r, text);
    assert_int_equal(in(r, FR) & RX_EMPTY, RX_EMPTY); /* it is off */
    out(r, IMSC, I_RX | I_TIMEOUT);
    out(r, CR, ON);
    assert_true(line_up(r));
    assert_int_equal(in(r, FR) & (RX_EMPTY | RX_FULL), RX_FULL);
    assert_int_equal(r->line->in_len, sizeof(text) - 2);
    assert_int_equal(in(r, DR), 'f');
    assert_int_equal(in(r, DR), 'o');
    for (size_t i = 2; i < sizeof(text) - 1; i++)
        assert_int_equal(in(r, DR), (uint8_t)text[i]);
    assert_int_equal(in(r, FR) & RX_EMPTY, RX_EMPTY);
    assert_false(line_up(r));
    assert_int_equal(in(r, DR), 0);
}

static void test_trigger(void **state)
{
    struct rig *r = *state;

    out(r, LCR_H, FEN);
    out(r, CR, ON);
    out(r, IMSC, I_RX);
    rig_type(r, "fifteen bytes..");
    assert_false(line_up(r)); /* half of 32 is 16 */
    assert_int_equal(in(r, RIS) & I_TIMEOUT, I_TIMEOUT);
    rig_type(r, "+");
    assert_true(line_up(r));
    assert_int_equal(in(r, DR), 'f');
    assert_false(line_up(r));
    out(r, IFLS, 0);
    assert_true(line_up(r));
    rig_type(r, "0123456789012345678901234567890123456789");
    assert_int_equal(in(r, FR) & RX_FULL, RX_FULL);
    assert_int_equal(r->line->in_len, 40 - (FIFO - 15));
    out(r, LCR_H, 0); /* empties it, and the line goes on */
    assert_int_equal(in(r, DR), '7');
}

static void test_break(void **state)
{
    struct rig *r = *state;

    out(r, LCR_H, FEN);
    out(r, CR, ON);
    out(r, IMSC, I_BREAK);
    loop_lock(r->loop);
    chr_break(&r->line->chr);
    loop_unlock(r->loop);
    assert_true(line_up(r));
    assert_int_equal(in(r, DR), 0x400);
    assert_int_equal(in(r, RSR), 4);
    out(r, RSR, 0);
    assert_int_equal(in(r, RSR), 0);
    out(r, ICR, I_BREAK);
    assert_false(line_up(r));
}

/* In its test mode what is sent comes back, and nothing leaves; beyond the FIFO it is lost. */
static void test_loop_back(void **state)
{
    struct rig *r = *state;

    out(r, LCR_H, FEN);
    out(r, CR, ON | 0x80);
    for (unsigned i = 0; i < 3 * FIFO; i++)
        out(r, DR, i);
    assert_int_equal(r->line->out_len, 0);
    for (unsigned i = 0; i < FIFO; i++)
        assert_int_equal(in(r, DR), i);
    assert_int_equal(in(r, FR) & RX_EMPTY, RX_EMPTY);
}

static void test_reset(void **state)
{
    struct rig *r = *state;

    out(r, LCR_H, FEN);
    out(r, CR, ON);
    out(r, IMSC, 0x7ff);
    rig_type(r, "lost");
    assert_true(line_up(r));
    loop_lock(r->loop);
    pl011_reset(uart);
    loop_unlock(r->loop);
    assert_false(line_up(r));
    assert_int_equal(in(r, CR), 0x300);
    assert_int_equal(in(r, FR) & RX_EMPTY, RX_EMPTY);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_identity),  T(test_output),  T(test_output_without_client),
        T(test_input),     T(test_trigger), T(test_break),
        T(test_loop_back), T(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
