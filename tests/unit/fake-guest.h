/* SPDX-License-Identifier: MIT */
/* A board and its RAM without a machine, for the loaders' tests. */
#ifndef TESTS_UNIT_FAKE_GUEST_H
#define TESTS_UNIT_FAKE_GUEST_H

#include "firmware/board.h"
#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"
#include "vmm/base/le.h"

struct fake_guest {
    struct board board;
    struct gmem mem;
    uint32_t cpu_id[4];
};

/* low and high: bytes of RAM from 0 and from 4 GiB. */
static inline void fake_guest_make(struct fake_guest *g, uint64_t low, uint64_t high)
{
    struct err err = {""};

    *g = (struct fake_guest){
        .cpu_id = {0, 1, 2, 3},
        .board = {.ram = {{0, low}, {4 * GIB, high}},
                  .n_ram = high ? 2 : 1,
                  .cpus = 4,
                  .ioapic_base = 0xfec00000,
                  .lapic_base = 0xfee00000,
                  .pci = {.ecam_base = 0xe8000000,
                          .ecam_size = MIB,
                          .mem32_base = 0xc0000000,
                          .mem32_size = 0x28000000,
                          .io_base = 0x1000,
                          .io_size = 0xf000,
                          .config_port = 0xcf8,
                          .intx_gsi = {16, 17, 18, 19}},
                  .serial = {0x3f8, 4},
                  .rtc = {0x70, 8},
                  .sleep_control_port = 0x600,
                  .sleep_status_port = 0x601,
                  .s5_type = 5,
                  .reset_port = 0xcf9,
                  .reset_value = 6,
                  .power_gsi = 9},
    };
    g->board.cpu_id = g->cpu_id;
    if (gmem_alloc(&g->mem, 0, low, &err) < 0 ||
        (high && gmem_alloc(&g->mem, 4 * GIB, high, &err) < 0))
        fail_msg("%s", err.text);
}

static inline void fake_guest_free(struct fake_guest *g)
{
    gmem_free(&g->mem);
}

/* len bytes of guest RAM at at; the test fails where there is none. */
static inline const uint8_t *guest_at(const struct fake_guest *g, uint64_t at, uint64_t len)
{
    const uint8_t *p = (const uint8_t *)gmem_span(&g->mem, gpa(at), len);

    assert_non_null(p);
    return p;
}

/* A small repeatable source of numbers for mutations (xorshift). */
static inline uint32_t fake_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
