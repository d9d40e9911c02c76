// SPDX-License-Identifier: MIT
/*
 * Owns what a monitor says of itself: an EDID 1.4 base block. Its preferred timing is the size that
 * the screen is wanted in now, 60 times a second.
 */
#include <string.h>

#include "devices/gpu-internal.h"
#include "vmm/base/bits.h"

enum {
    HZ = 60,
    /* blanking, pixels and lines: sync begins after the front porch */
    H_BLANK = 160,
    H_FRONT = 48,
    H_SYNC = 32,
    V_BLANK = 35,
    V_FRONT = 3,
    V_SYNC = 6,
    PER_INCH = 96,
    KHZ10_MAX = 0xffff, /* of a timing's clock: 655.35 MHz */
    ACTIVE_MAX = 0xfff, /* pixels of a timing */
    TIMINGS_AT = 54,    /* four descriptors of 18 bytes */
    DESCRIPTOR = 18,
    DESCRIPTOR_TEXT = 13,
};

static uint32_t to_mm(uint32_t pixels)
{
    return (uint32_t)((uint64_t)pixels * 254 / (PER_INCH * 10));
}

/* A detailed timing. What its fields cannot hold is cut: drivers take such sizes from
 * GET_DISPLAY_INFO. */
static void timing_put(uint8_t *d, uint32_t width, uint32_t height)
{
    const uint32_t w = (uint32_t)min_u64(width, ACTIVE_MAX),
                   h = (uint32_t)min_u64(height, ACTIVE_MAX);
    const uint64_t clock = (uint64_t)(w + H_BLANK) * (h + V_BLANK) * HZ / 10000;
    const uint32_t khz10 = (uint32_t)min_u64(clock, KHZ10_MAX);
    const uint32_t w_mm = (uint32_t)min_u64(to_mm(w), ACTIVE_MAX);
    const uint32_t h_mm = (uint32_t)min_u64(to_mm(h), ACTIVE_MAX);

    d[0] = (uint8_t)khz10;
    d[1] = (uint8_t)(khz10 >> 8);
    d[2] = (uint8_t)w;
    d[3] = H_BLANK;
    d[4] = (uint8_t)(w >> 8 << 4);
    d[5] = (uint8_t)h;
    d[6] = V_BLANK;
    d[7] = (uint8_t)(h >> 8 << 4);
    d[8] = H_FRONT;
    d[9] = H_SYNC;
    d[10] = V_FRONT << 4 | V_SYNC;
    d[12] = (uint8_t)w_mm;
    d[13] = (uint8_t)h_mm;
    d[14] = (uint8_t)(w_mm >> 8 << 4 | h_mm >> 8);
    d[17] = 0x18; /* digital, separate sync */
}

static void text_put(uint8_t *d, uint8_t kind, const char *text)
{
    const size_t n = strlen(text);

    d[3] = kind;
    memset(d + 5, ' ', DESCRIPTOR_TEXT);
    memcpy(d + 5, text, n); /* NOLINT(bugprone-not-null-terminated-result): it ends in a newline */
    if (n < DESCRIPTOR_TEXT)
        d[5 + n] = '\n';
}

/* What it can do: 50 to 125 Hz, 30 to 160 kHz, up to 655 MHz; no formulas. */
static void range_put(uint8_t *d)
{
    static const uint8_t range[] = {0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 66, 1, '\n'};

    memset(d, ' ', DESCRIPTOR);
    memcpy(d, range, sizeof(range));
}

void gpu_edid(uint8_t edid[GPU_EDID_BYTES], unsigned screen, uint32_t width, uint32_t height)
{
    static const uint8_t head[] = {
        0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x59, 0xad, /* "VMM", five bits a letter */
        0x01, 0x00,                                                 /* product */
        0x00, 0x00, 0x00, 0x00, /* serial number: the screen's, below */
        1,    35,               /* week and year since 1990 */
        1,    4,                /* EDID 1.4 */
        0xa0,                   /* digital, eight bits a colour */
        0,    0,    120,        /* centimetres; gamma 2.2 */
        0x06,                   /* sRGB, and the first timing is the native one */
        0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54, /* sRGB's colours */
    };
    char serial[] = "screen 00";
    uint8_t sum = 0;

    memset(edid, 0, GPU_EDID_BYTES);
    memcpy(edid, head, sizeof(head));
    edid[12] = (uint8_t)(screen + 1);
    edid[21] = (uint8_t)min_u64(max_u64(to_mm(width) / 10, 1), 255);
    edid[22] = (uint8_t)min_u64(max_u64(to_mm(height) / 10, 1), 255);
    memset(edid + 38, 1, 16); /* no standard timings */
    timing_put(edid + TIMINGS_AT, width, height);
    range_put(edid + TIMINGS_AT + DESCRIPTOR);
    text_put(edid + TIMINGS_AT + 2 * DESCRIPTOR, 0xfc, "vmm screen");
    serial[7] = (char)('0' + (screen + 1) / 10);
    serial[8] = (char)('0' + (screen + 1) % 10);
    text_put(edid + TIMINGS_AT + 3 * DESCRIPTOR, 0xff, serial);
    for (unsigned i = 0; i < GPU_EDID_BYTES - 1; i++)
        sum = (uint8_t)(sum + edid[i]);
    edid[GPU_EDID_BYTES - 1] = (uint8_t)-sum;
}
