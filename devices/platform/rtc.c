// SPDX-License-Identifier: MIT
/*
 * Owns the MC146818's registers: the host's wall clock in the formats that they may be set to.
 * Refuses to know who else may want the time.
 */
#include "devices/platform/rtc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

enum {
    REG_SEC = 0x00,
    REG_MIN = 0x02,
    REG_HOUR = 0x04,
    REG_WDAY = 0x06,
    REG_MDAY = 0x07,
    REG_MONTH = 0x08,
    REG_YEAR = 0x09,
    REG_A = 0x0a,
    REG_B = 0x0b,
    REG_C = 0x0c,
    REG_D = 0x0d,
    REG_COUNT = 128,
    INDEX_MASK = REG_COUNT - 1, /* bit 7 is the NMI mask of a PC */
};

enum {
    A_UPDATING = 0x80,
    A_DEFAULT = 0x26, /* 32768 Hz crystal, 1024 Hz periodic rate */
    B_SET = 0x80,
    B_INTERRUPTS = 0x70,
    B_BINARY = 0x04,
    B_24H = 0x02,
    D_VALID = 0x80,
    HOUR_PM = 0x80,
};

#define UPDATE_NS INT64_C(244000) /* the clock warns for this long before it counts on */
#define SECOND_NS INT64_C(1000000000)

struct rtc {
    struct loop *loop;
    struct bus *bus;
    struct bus_claim claim;
    void (*now)(struct timespec *ts);
    int64_t offset; /* seconds that the guest's clock is ahead of the host's */
    uint8_t index;
    uint8_t reg[REG_COUNT]; /* those of the time are valid while B_SET only */
};

static void host_now(struct timespec *ts)
{
    clock_gettime(CLOCK_REALTIME, ts);
}

/* ---- formats ---- */

static uint8_t number_out(const struct rtc *rtc, int v)
{
    return (uint8_t)(rtc->reg[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static int number_in(const struct rtc *rtc, uint8_t v)
{
    return rtc->reg[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t hour_out(const struct rtc *rtc, int hour)
{
    if (rtc->reg[REG_B] & B_24H)
        return number_out(rtc, hour);
    return number_out(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int hour_in(const struct rtc *rtc, uint8_t v)
{
    if (rtc->reg[REG_B] & B_24H)
        return number_in(rtc, v);
    return number_in(rtc, v & (uint8_t)~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* ---- time ---- */

/* What two registers of two digits can show, whatever the guest has set them to. */
static int year_shown(int since_1900)
{
    const int year = since_1900 + 1900;

    return year < 0 ? 0 : year % 10000;
}

/* Fill the time's registers with the time of now. */
static void time_load(struct rtc *rtc)
{
    struct timespec ts;
    struct tm tm;
    time_t at;
    int year;

    rtc->now(&ts);
    at = ts.tv_sec + rtc->offset;
    if (!gmtime_r(&at, &tm))
        memset(&tm, 0, sizeof(tm));
    year = year_shown(tm.tm_year);
    rtc->reg[REG_SEC] = number_out(rtc, tm.tm_sec);
    rtc->reg[REG_MIN] = number_out(rtc, tm.tm_min);
    rtc->reg[REG_HOUR] = hour_out(rtc, tm.tm_hour);
    rtc->reg[REG_WDAY] = number_out(rtc, tm.tm_wday + 1);
    rtc->reg[REG_MDAY] = number_out(rtc, tm.tm_mday);
    rtc->reg[REG_MONTH] = number_out(rtc, tm.tm_mon + 1);
    rtc->reg[REG_YEAR] = number_out(rtc, year % 100);
    rtc->reg[RTC_CENTURY] = number_out(rtc, year / 100);
}

/* The guest has set the time: remember by how much it differs. Nonsense is normalised by libc. */
static void time_store(struct rtc *rtc)
{
    struct tm tm = {
        .tm_sec = number_in(rtc, rtc->reg[REG_SEC]),
        .tm_min = number_in(rtc, rtc->reg[REG_MIN]),
        .tm_hour = hour_in(rtc, rtc->reg[REG_HOUR]),
        .tm_mday = number_in(rtc, rtc->reg[REG_MDAY]),
        .tm_mon = number_in(rtc, rtc->reg[REG_MONTH]) - 1,
        .tm_year =
            number_in(rtc, rtc->reg[REG_YEAR]) + (number_in(rtc, rtc->reg[RTC_CENTURY]) - 19) * 100,
    };
    struct timespec ts;

    rtc->now(&ts);
    rtc->offset = timegm(&tm) - ts.tv_sec;
}

static bool updating(const struct rtc *rtc)
{
    struct timespec ts;

    if (rtc->reg[REG_B] & B_SET)
        return false;
    rtc->now(&ts);
    return ts.tv_nsec >= SECOND_NS - UPDATE_NS;
}

static bool is_time(unsigned index)
{
    return index == REG_SEC || index == REG_MIN || index == REG_HOUR ||
           (index >= REG_WDAY && index <= REG_YEAR) || index == RTC_CENTURY;
}

/* ---- registers ---- */

static uint8_t reg_read(struct rtc *rtc, unsigned index)
{
    if (is_time(index) && !(rtc->reg[REG_B] & B_SET))
        time_load(rtc);
    if (index == REG_A)
        return rtc->reg[REG_A] | (updating(rtc) ? A_UPDATING : 0);
    return rtc->reg[index];
}

static void b_write(struct rtc *rtc, uint8_t value)
{
    const uint8_t before = rtc->reg[REG_B];

    /* The update stops at the time of now, in the format that was in force until now. */
    if (value & ~before & B_SET)
        time_load(rtc);
    rtc->reg[REG_B] = value;
    if (before & ~value & B_SET)
        time_store(rtc);
}

static void reg_write(struct rtc *rtc, unsigned index, uint8_t value)
{
    const bool running = !(rtc->reg[REG_B] & B_SET);

    if (index == REG_C || index == REG_D)
        return;
    if (index == REG_A)
        value &= (uint8_t)~A_UPDATING;
    if (index == REG_B) {
        b_write(rtc, value);
        return;
    }
    if (is_time(index) && running)
        time_load(rtc);
    rtc->reg[index] = value;
    if (is_time(index) && running)
        time_store(rtc);
}

static void claim_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct rtc *rtc = (struct rtc *)ctx;

    memset(data, 0xff, len);
    if (len != 1 || off != 1)
        return;
    loop_lock(rtc->loop);
    *(uint8_t *)data = reg_read(rtc, rtc->index);
    loop_unlock(rtc->loop);
}

static void claim_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct rtc *rtc = (struct rtc *)ctx;
    const uint8_t value = *(const uint8_t *)data;

    if (len != 1)
        return;
    loop_lock(rtc->loop);
    if (off == 0)
        rtc->index = value & INDEX_MASK;
    else
        reg_write(rtc, rtc->index, value);
    loop_unlock(rtc->loop);
}

static const struct bus_ops rtc_claim_ops = {.read = claim_read, .write = claim_write};

void rtc_reset(struct rtc *rtc)
{
    rtc->index = 0;
    rtc->reg[REG_B] &= (uint8_t)~B_INTERRUPTS;
    if (rtc->reg[REG_B] & B_SET)
        b_write(rtc, rtc->reg[REG_B] & (uint8_t)~B_SET);
}

struct rtc *rtc_new(struct bus *bus, struct loop *loop, const struct rtc_config *config,
                    struct err *err)
{
    struct rtc *rtc = calloc(1, sizeof(*rtc));
    int ret;

    if (!rtc) {
        err_set(err, ENOMEM, "no memory for the clock");
        return NULL;
    }
    rtc->loop = loop;
    rtc->bus = bus;
    rtc->now = config->now ? config->now : host_now;
    rtc->reg[REG_A] = A_DEFAULT;
    rtc->reg[REG_B] = B_24H;
    rtc->reg[REG_D] = D_VALID;
    rtc->claim = (struct bus_claim){.name = "rtc",
                                    .space = BUS_PIO,
                                    .prio = BUS_PRIO_PLATFORM,
                                    .size = RTC_PORTS,
                                    .ops = &rtc_claim_ops,
                                    .ctx = rtc};
    ret = bus_map(bus, &rtc->claim, config->port);
    if (ret < 0) {
        err_errno(err, -ret, "cannot place the clock at 0x%x", config->port);
        free(rtc);
        return NULL;
    }
    return rtc;
}

void rtc_free(struct rtc *rtc)
{
    if (!rtc)
        return;
    bus_unmap(rtc->bus, &rtc->claim);
    free(rtc);
}
