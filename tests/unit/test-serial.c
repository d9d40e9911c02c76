// SPDX-License-Identifier: MIT
/* The 16550A: what drivers probe, interrupts on an edge-triggered input, flow control, X01, X02. */
#include "devices/platform/serial.h"
#include "tests/unit/platform-rig.h"
#include "vmm/base/bits.h"

enum { PORT = 0x3f8, GSI = 4 };
enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };
enum { THR = RBR, FCR = IIR };

static struct serial *serial;

static int setup(void **state)
{
    struct rig *r = rig_new();
    const struct serial_config config = {.port = PORT, .gsi = GSI, .chr = rig_line(r)};

    serial = serial_new(r->bus, r->irqs, r->loop, &config, NULL);
    assert_non_null(serial);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    serial_free(serial);
    rig_free(*state, GSI);
    return 0;
}

static uint8_t in(struct rig *r, unsigned reg)
{
    uint8_t v = 0x5a;

    assert_true(bus_read(r->bus, BUS_PIO, PORT + reg, &v, 1));
    return v;
}

static void out(struct rig *r, unsigned reg, unsigned value)
{
    const uint8_t v = (uint8_t)value;

    assert_true(bus_write(r->bus, BUS_PIO, PORT + reg, &v, 1));
}

static bool line_up(const struct rig *r)
{
    return r->irq.level[GSI];
}

/* What drivers do to find out that this is a 16550A with a working FIFO. */
static void test_probe(void **state)
{
    struct rig *r = *state;

    out(r, IER, 0);
    assert_int_equal(in(r, IER), 0);
    out(r, IER, 0xff);
    assert_int_equal(in(r, IER), 0x0f);
    out(r, IER, 0);
    out(r, MCR, 0x1a); /* loop, OUT2, RTS */
    assert_int_equal(in(r, MSR) & 0xf0, 0x90);
    out(r, MCR, 0);
    out(r, LCR, 0xbf);
    out(r, FCR, 0); /* an EFR elsewhere */
    out(r, LCR, 0);
    out(r, FCR, 1);
    assert_int_equal(in(r, IIR), 0xc1);
    out(r, LCR, 0x80);
    assert_int_not_equal(in(r, IIR), 0); /* no EFR */
    out(r, LCR, 0);
    out(r, FCR, 0x21); /* no 64 bytes FIFO */
    assert_int_equal(in(r, IIR) & 0xe0, 0xc0);
    out(r, FCR, 0);
    assert_int_equal(in(r, IIR), 0x01);
    out(r, SCR, 0xa5);
    assert_int_equal(in(r, SCR), 0xa5);
    assert_int_equal(in(r, LSR), 0x60);
}

static void test_divisor(void **state)
{
    struct rig *r = *state;

    out(r, LCR, 0x83);
    assert_int_equal(in(r, 0) | in(r, 1) << 8, 1); /* not 0: drivers divide by it */
    out(r, 0, 0x34);
    out(r, 1, 0x12);
    assert_int_equal(in(r, 0), 0x34);
    assert_int_equal(in(r, 1), 0x12);
    out(r, LCR, 0x03);
    assert_int_equal(in(r, LCR), 0x03);
    assert_int_equal(in(r, IER), 0);
    assert_int_equal(in(r, RBR), 0);
    while (loop_turn(r->loop, 5))
        ;
    assert_int_equal(r->line->out_len, 0);
}

static void test_output_is_batched(void **state)
{
    struct rig *r = *state;
    char text[3000];

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 26);
        out(r, THR, (unsigned)text[i]);
        assert_int_equal(in(r, LSR) & 0x60, 0x60);
    }
    assert_int_equal(r->line->puts, 0);
    while (r->line->out_len < sizeof(text))
        assert_true(loop_turn(r->loop, 1000) > 0);
    assert_int_equal(r->line->puts, 1);
    assert_memory_equal(r->line->out, text, sizeof(text));
}

/* H20: a client of the console that comes late. */
static void test_output_without_client(void **state)
{
    struct rig *r = *state;

    chr_set_open(&r->line->chr, false);
    out(r, THR, 'x');
    while (loop_turn(r->loop, 5))
        ;
    assert_int_equal(r->line->puts, 0);
    chr_set_open(&r->line->chr, true);
    assert_true(loop_turn(r->loop, 1000) > 0);
    assert_int_equal(r->line->out_len, 1);
}

/* Written to while interrupts are on: every byte must make an edge that the driver can see. */
static void test_transmit_interrupt(void **state)
{
    struct rig *r = *state;
    unsigned before;

    out(r, IER, 0x02);
    assert_false(line_up(r)); /* OUT2 is off: not wired */
    out(r, MCR, 0x08);
    assert_true(line_up(r));
    assert_int_equal(in(r, IIR), 0x02);
    assert_false(line_up(r));
    assert_int_equal(in(r, IIR), 0x01);
    out(r, THR, 'x');
    assert_true(line_up(r));
    in(r, LSR);
    before = r->irq.line_calls;
    out(r, THR, 'y'); /* not told yet, and again: down and up */
    assert_true(line_up(r));
    assert_int_equal(r->irq.line_calls - before, 2);
    for (int i = 0; i < 15; i++)
        out(r, THR, 'z'); /* the rest of a burst costs nothing */
    assert_int_equal(r->irq.line_calls - before, 2);
    out(r, IER, 0);
    assert_false(line_up(r));
    assert_int_equal(in(r, IIR), 0x01);
    out(r, IER, 0x02); /* switching it on with an empty transmitter interrupts */
    assert_int_equal(in(r, IIR), 0x02);
    out(r, IER, 0x00);
    out(r, IER, 0x02);
    assert_true(line_up(r));
}

static void test_receive(void **state)
{
    struct rig *r = *state;

    out(r, MCR, 0x08);
    out(r, IER, 0x01);
    out(r, FCR, 0x81); /* FIFO, interrupt from 8 on */
    rig_type(r, "abc");
    assert_true(line_up(r));
    assert_int_equal(in(r, IIR), 0xcc);
    rig_type(r, "defgh");
    assert_int_equal(in(r, IIR), 0xc4);
    assert_int_equal(in(r, LSR), 0x61);
    for (char c = 'a'; c <= 'h'; c++) {
        assert_true(line_up(r));
        assert_int_equal(in(r, RBR), c);
    }
    assert_false(line_up(r));
    assert_int_equal(in(r, IIR), 0xc1);
    assert_int_equal(in(r, LSR), 0x60);
}

/* X02: 16 bytes (1 without FIFO), the rest stays outside until there is room. */
static void test_flood_of_input(void **state)
{
    struct rig *r = *state;
    static char flood[10001];

    memset(flood, 'f', sizeof(flood) - 1);
    rig_type(r, flood);
    assert_int_equal(r->line->in_len, sizeof(flood) - 2);
    out(r, FCR, 0x01); /* empties what is there and takes 16 */
    assert_int_equal(r->line->in_len, sizeof(flood) - 2 - 16);
    for (size_t i = 0; i < sizeof(flood) - 2; i++) {
        assert_int_equal(in(r, LSR) & 0x03, 0x01);
        assert_int_equal(in(r, RBR), 'f');
    }
    assert_int_equal(in(r, LSR), 0x60);
    assert_int_equal(in(r, RBR), 0);
}

static void test_priorities(void **state)
{
    struct rig *r = *state;

    out(r, MCR, 0x08);
    out(r, FCR, 0x01);
    out(r, MCR, 0x18); /* a loop in and out: the lines move */
    out(r, MCR, 0x08);
    out(r, IER, 0x0f);
    rig_type(r, "q");
    loop_lock(r->loop);
    chr_break(&r->line->chr);
    loop_unlock(r->loop);
    assert_int_equal(in(r, IIR), 0xc4);
    assert_int_equal(in(r, RBR), 'q');
    assert_int_equal(in(r, IIR), 0xc6);
    assert_int_equal(in(r, LSR), 0x71); /* break, with its byte */
    assert_int_equal(in(r, IIR), 0xc4);
    assert_int_equal(in(r, RBR), 0);
    assert_int_equal(in(r, IIR), 0xc2);
    assert_int_equal(in(r, IIR), 0xc0);
    assert_true(line_up(r));
    assert_int_equal(in(r, MSR) & 0xf0, 0xb0);
    assert_int_equal(in(r, IIR), 0xc1);
    assert_false(line_up(r));
}

static void test_loopback(void **state)
{
    struct rig *r = *state;

    out(r, FCR, 0x01);
    out(r, MCR, 0x1f);
    assert_int_equal(in(r, MSR) & 0xf0, 0xf0);
    out(r, MCR, 0x1b);
    assert_int_equal(in(r, MSR) & 0x04, 0x04); /* end of ring */
    out(r, IER, 0x01);
    for (int i = 0; i < 17; i++)
        out(r, THR, (unsigned)('A' + i));
    assert_false(line_up(r));
    rig_type(r, "outside");
    assert_int_equal(in(r, LSR), 0x63); /* overrun */
    assert_int_equal(in(r, LSR), 0x61);
    for (int i = 0; i < 16; i++)
        assert_int_equal(in(r, RBR), 'A' + i);
    assert_int_equal(in(r, LSR), 0x60);
    out(r, MCR, 0x08);
    assert_true(line_up(r)); /* what waited outside */
    assert_int_equal(in(r, RBR), 'o');
    loop_turn(r->loop, 5);
    assert_int_equal(r->line->out_len, 0);
}

/* X01: every register, every width, DLAB on and off. */
static void test_widths(void **state)
{
    struct rig *r = *state;
    uint8_t data[8];

    for (unsigned dlab = 0; dlab < 2; dlab++) {
        out(r, LCR, dlab ? 0x83 : 0x03);
        out(r, SCR, 0x77);
        for (unsigned reg = 0; reg < 8; reg++)
            for (unsigned len = 2; reg + len <= 8; len++) {
                memset(data, 0, sizeof(data));
                assert_true(bus_write(r->bus, BUS_PIO, PORT + reg, data, len));
                assert_true(bus_read(r->bus, BUS_PIO, PORT + reg, data, len));
                for (unsigned i = 0; i < len; i++)
                    assert_int_equal(data[i], 0xff);
            }
        assert_int_equal(in(r, LCR), dlab ? 0x83 : 0x03);
        assert_int_equal(in(r, SCR), 0x77);
        out(r, LSR, 0xff);
        out(r, MSR, 0xff);
        assert_int_equal(in(r, LSR), 0x60);
        assert_int_equal(in(r, MSR), 0xb0);
    }
    for (unsigned i = 0; i < 100000; i++)
        out(r, i * 7 % 8, i * 31);
}

static void test_reset(void **state)
{
    struct rig *r = *state;

    out(r, MCR, 0x08);
    out(r, IER, 0x0f);
    out(r, SCR, 1);
    assert_true(line_up(r));
    loop_lock(r->loop);
    serial_reset(serial);
    loop_unlock(r->loop);
    assert_false(line_up(r));
    assert_int_equal(in(r, IER) | in(r, MCR) | in(r, SCR), 0);
    assert_int_equal(in(r, IIR), 0x01);
}

/* K10: nothing plugged in. */
static void test_no_back_end(void **state)
{
    struct rig *r = *state;
    const struct serial_config config = {.port = 0x2f8, .gsi = 3};
    struct serial *bare = serial_new(r->bus, r->irqs, r->loop, &config, NULL);
    struct err err = {0};
    const uint8_t byte = 'x';
    uint8_t got;

    assert_non_null(bare);
    assert_true(bus_write(r->bus, BUS_PIO, 0x2f8, &byte, 1));
    assert_true(bus_read(r->bus, BUS_PIO, 0x2f8 + LSR, &got, 1));
    assert_int_equal(got, 0x60);
    serial_free(bare);
    assert_false(bus_read(r->bus, BUS_PIO, 0x2f8 + LSR, &got, 1));
    assert_null(
        serial_new(r->bus, r->irqs, r->loop, &(struct serial_config){.port = 0xfffc}, &err));
    assert_non_null(strstr(err.text, "0xfffc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_probe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_divisor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_output_is_batched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_output_without_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transmit_interrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood_of_input, setup, teardown),
        cmocka_unit_test_setup_teardown(test_priorities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loopback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_widths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_back_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
