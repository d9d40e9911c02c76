/* SPDX-License-Identifier: MIT */
/*
 * The MC146818 clock with its 128 bytes of memory, at two ports.
 */
#ifndef DEVICES_PLATFORM_RTC_H
#define DEVICES_PLATFORM_RTC_H

#include <stdint.h>
#include <time.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"

enum { RTC_PORTS = 2, RTC_CENTURY = 0x32 /* its register, for the FADT */ };

struct rtc;

struct rtc_config {
    uint16_t port;                    /* of the index register, usually 0x70 */
    void (*now)(struct timespec *ts); /* the wall clock; NULL: the host's, UTC */
};

/*
 * Claim the ports. The clock shows the wall clock in UTC (H29: nothing else depends on it) plus
 * what the guest set it off by. It counts; alarms and periodic interrupts are registers only and
 * never fire. The index is masked to 7 bits; only byte accesses mean anything (X04). NULL with err
 * filled.
 */
struct rtc *rtc_new(struct bus *bus, struct loop *loop, const struct rtc_config *config,
                    struct err *err);

/* Give the ports back. NULL is fine. */
void rtc_free(struct rtc *rtc);

/* A reset of the machine: the battery keeps time and memory, interrupt enables go. Locked. */
void rtc_reset(struct rtc *rtc);

#endif
