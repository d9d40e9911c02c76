// SPDX-License-Identifier: MIT
/* Owns ports, interrupts, time, sleep and the serial line. Refuses to know devices on PCI. */
#include "tests/guest/hostile/hostile.h"

#include <stdarg.h>

enum { SERIAL = 0x3f8, LSR = 5, DATA_READY = 1, PIT_HZ = 1193182, GATE_USER = 0xee };
#define LAPIC UINT64_C(0xfee00000)

volatile uint32_t ticks, messages[MESSAGES];
extern uint64_t idt[512];
extern uint64_t start_info;
extern const uint8_t stub_halt[], stub_fetch[], stub_tick[], stub_ignore[], stub_messages[],
    stub_faults[];
void guest_fault(uint64_t vector, uint64_t a, uint64_t b, uint64_t address);

uint8_t in8(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
uint16_t in16(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
uint32_t in32(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
void out16(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
void out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

uint32_t mmio_read(uint64_t at, unsigned len)
{
    uint32_t v = 0;

    if (len == 1)
        __asm__ volatile("movzbl (%1), %0" : "=a"(v) : "r"(at) : "memory");
    else if (len == 2)
        __asm__ volatile("movzwl (%1), %0" : "=a"(v) : "r"(at) : "memory");
    else
        __asm__ volatile("movl (%1), %0" : "=a"(v) : "r"(at) : "memory");
    return v;
}

void mmio_write(uint64_t at, unsigned len, uint32_t v)
{
    if (len == 1)
        __asm__ volatile("movb %b0, (%1)" : : "a"(v), "r"(at) : "memory");
    else if (len == 2)
        __asm__ volatile("movw %w0, (%1)" : : "a"(v), "r"(at) : "memory");
    else
        __asm__ volatile("movl %0, (%1)" : : "a"(v), "r"(at) : "memory");
}

uint64_t mmio_read8(uint64_t at)
{
    uint64_t v;

    __asm__ volatile("movq (%1), %0" : "=a"(v) : "r"(at) : "memory");
    return v;
}

void mmio_write8(uint64_t at, uint64_t v)
{
    __asm__ volatile("movq %0, (%1)" : : "a"(v), "r"(at) : "memory");
}

void *memset(void *p, int c, size_t n)
{
    void *to = p;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return p;
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

/* ---- interrupts ---- */

static void gate(unsigned vector, const uint8_t *to)
{
    const uint64_t at = (uint64_t)(uintptr_t)to;

    idt[vector * 2] =
        (at & 0xffff) | 0x08ull << 16 | (uint64_t)GATE_USER << 40 | (at >> 16 & 0xffff) << 48;
    idt[vector * 2 + 1] = at >> 32;
}

void guest_fault(uint64_t vector, uint64_t a, uint64_t b, uint64_t address)
{
    print("fault: exception %lu, %lx %lx, address %lx\n", vector, a, b, address);
    cpu_off();
}

static void pic_init(void)
{
    static const uint8_t writes[][2] = {{0x20, 0x11}, {0x21, 32},   {0x21, 4},    {0x21, 1},
                                        {0xa0, 0x11}, {0xa1, 40},   {0xa1, 2},    {0xa1, 1},
                                        {0x21, 0xfe}, {0xa1, 0xff}, {0x43, 0x34}, {0, 0}};

    for (unsigned i = 0; writes[i][0]; i++)
        out8(writes[i][0], writes[i][1]);
    out8(0x40, (PIT_HZ / TICKS_PER_SECOND) & 0xff);
    out8(0x40, (PIT_HZ / TICKS_PER_SECOND) >> 8);
}

void cpu_init(void)
{
    for (unsigned i = 0; i < 32; i++)
        gate(i, stub_faults + 16 * i);
    for (unsigned i = 33; i < 256; i++)
        gate(i, stub_ignore);
    gate(32, stub_tick);
    for (unsigned i = 0; i < MESSAGES; i++)
        gate(MESSAGE_VECTOR + i, stub_messages + 32 * i);
    gate(0x80, stub_halt);
    gate(0x81, stub_fetch);
    mmio_write(LAPIC + 0xf0, 4, 0x1ff);
    mmio_write(LAPIC + 0x350, 4, 0x700); /* the old controller's interrupts come here */
    pic_init();
    __asm__ volatile("sti");
}

void cpu_idle(unsigned n_ticks)
{
    const uint32_t began = ticks;

    while (ticks - began < n_ticks)
        __asm__ volatile("int $0x80" : : : "memory");
}

void cpu_off(void)
{
    out8(0x600, 0x34); /* SLP_EN, S5 */
    for (;;)
        cpu_idle(100);
}

void cpu_fetch(void)
{
    for (;;)
        __asm__ volatile("int $0x81" : : : "memory");
}

/* ---- text ---- */

static void serial_put(char c)
{
    out8(SERIAL, (uint8_t)c);
}

char serial_get(void)
{
    while (!(in8(SERIAL + LSR) & DATA_READY))
        cpu_idle(1);
    return (char)in8(SERIAL);
}

static void number(uint64_t v, unsigned base)
{
    char text[24];
    unsigned n = 0;

    do {
        text[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n)
        serial_put(text[--n]);
}

static void one(const char *fmt, va_list *ap)
{
    const char *s;

    if (*fmt == 's') {
        for (s = va_arg(*ap, const char *); *s; s++)
            serial_put(*s);
    } else if (*fmt == 'l') {
        number(va_arg(*ap, uint64_t), fmt[1] == 'x' ? 16 : 10);
    } else {
        number(va_arg(*ap, unsigned), *fmt == 'x' ? 16 : 10);
    }
}

void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            serial_put(*fmt);
            continue;
        }
        one(++fmt, &ap);
        fmt += *fmt == 'l';
    }
    va_end(ap);
}

bool text_starts(const char *text, const char *with)
{
    while (*with && *text == *with)
        text++, with++;
    return !*with;
}

const char *cmdline_word(const char *word)
{
    const uint64_t *info = (const uint64_t *)(uintptr_t)start_info;
    const char *line = (const char *)(uintptr_t)info[3];

    for (; line && *line; line++)
        if (text_starts(line, word))
            break;
    while (line && *line && *word)
        line++, word++;
    return line && *line ? line : NULL;
}
