// SPDX-License-Identifier: MIT
/* Accesses to devices, time, and the functions that the compiler expects to be there. */
#include "guest.h"

enum { WAIT_SECONDS = 30 }; /* a processor that is emulated on one that is, takes its time */

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

void *memset(void *to, int c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = (uint8_t)c;
    return to;
}

/* In assembly: a hypervisor wants instructions that say all about an access in one register. */
uint32_t io_load(uintptr_t at, unsigned len)
{
    uint32_t v;

    if (len == 1)
        __asm__ volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(at) : "memory");
    else if (len == 2)
        __asm__ volatile("ldrh %w0, [%1]" : "=r"(v) : "r"(at) : "memory");
    else
        __asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(at) : "memory");
    return v;
}

void io_store(uintptr_t at, unsigned len, uint32_t v)
{
    if (len == 1)
        __asm__ volatile("strb %w0, [%1]" ::"r"(v), "r"(at) : "memory");
    else if (len == 2)
        __asm__ volatile("strh %w0, [%1]" ::"r"(v), "r"(at) : "memory");
    else
        __asm__ volatile("str %w0, [%1]" ::"r"(v), "r"(at) : "memory");
}

static uint32_t swap_by(unsigned len, uint32_t v)
{
    if (len == 2)
        return swap16(GUEST_BIG, (uint16_t)v);
    return len == 4 ? swap32(GUEST_BIG, v) : v;
}

uint32_t io_read(uintptr_t at, unsigned len)
{
    return swap_by(len, io_load(at, len));
}

void io_write(uintptr_t at, unsigned len, uint32_t v)
{
    io_store(at, len, swap_by(len, v));
}

bool wait_more(uint64_t *began)
{
    uint64_t now, hz;

    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(now)::"memory");
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    if (!*began)
        *began = now;
    return now - *began < WAIT_SECONDS * hz;
}

bool text_is(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}
