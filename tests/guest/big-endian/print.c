// SPDX-License-Identifier: MIT
/* Lines on a PL011, and the count of those that say that something is as it should be. */
#include "guest.h"

#include <stdarg.h>

enum { UART_DATA = 0, UART_FLAGS = 0x18, FLAG_TX_FULL = 1 << 5 };

static uintptr_t uart_at;
static unsigned n_good, n_bad;

void print_to(uintptr_t uart)
{
    uart_at = uart;
}

static void put(char c)
{
    if (!uart_at)
        return;
    while (io_read(uart_at + UART_FLAGS, 4) & FLAG_TX_FULL)
        ;
    io_write(uart_at + UART_DATA, 4, (uint8_t)c);
}

static void put_text(const char *s, unsigned width)
{
    unsigned n = 0;

    for (; *s; s++, n++)
        put(*s);
    for (; n < width; n++)
        put(' ');
}

static void put_number(uint64_t v, unsigned base, unsigned digits)
{
    char text[24];
    unsigned n = sizeof(text);

    text[--n] = '\0';
    do {
        text[--n] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v || sizeof(text) - 1 - n < digits);
    put_text(text + n, 0);
}

static void vprint(const char *f, va_list args)
{
    for (; *f; f++) {
        unsigned width = 0;

        if (*f != '%') {
            if (*f == '\n')
                put('\r');
            put(*f);
            continue;
        }
        f++;
        if (*f == '-')
            for (f++; *f >= '0' && *f <= '9'; f++)
                width = width * 10 + (unsigned)(*f - '0');
        if (*f == 's')
            put_text(va_arg(args, const char *), width);
        else if (*f == 'u')
            put_number(va_arg(args, uint64_t), 10, 1);
        else if (*f == 'b')
            put_number(va_arg(args, uint64_t) & 0xff, 16, 2);
        else
            put_number(va_arg(args, uint64_t), 16, 1);
    }
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprint(format, args);
    va_end(args);
}

void check(bool good, const char *format, ...)
{
    va_list args;

    n_good += good;
    n_bad += !good;
    print("%s ", good ? "ok  " : "FAIL");
    va_start(args, format);
    vprint(format, args);
    va_end(args);
    print("\n");
}

void print_verdict(void)
{
    if (n_bad || !n_good)
        print("FAILED: %u of %u\n", (uint64_t)n_bad, (uint64_t)n_good + n_bad);
    else
        print("ALL PASSED: %u\n", (uint64_t)n_good);
}
