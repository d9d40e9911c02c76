/* SPDX-License-Identifier: MIT */
/*
 * From the trace of one boot to its figures: times, exits, and for each device what its driver did
 * with it.
 */
#ifndef VMM_COMPARE_COLLECT_H
#define VMM_COMPARE_COLLECT_H

#include "vmm/compare-sheet.h"
#include "vmm/trace-read.h"

/* What the one who booted knows, in nanoseconds since the process was started; 0: never. */
struct collect_boot {
    uint64_t wall; /* when it was started, nanoseconds since 1970 */
    uint64_t first_output, until, end;
};

/* Adds to figures, whose failed is set if memory was short. */
void compare_collect(const struct trace_file *f, const struct collect_boot *boot,
                     struct figures *to);

/* ---- between the files that do it ---- */

enum section_rank {
    RANK_TIME,
    RANK_EXITS,
    RANK_KVM,
    RANK_IDENTITY,
    RANK_FEATURES,
    RANK_DRIVER,
    RANK_RINGS,
    RANK_REQUESTS,
    RANK_LINT,
    RANK_ACCESSES,
    RANK_REGISTERS
};

enum { SEEN_QUEUES = 64, SEEN_STEPS = SEEN_QUEUES + 16 };

/* Feature registers: the device's bits, the driver's. */
enum seen_side { SEEN_DEVICE, SEEN_DRIVER, SEEN_SIDES };

/* What is known of a device while its records go by. Times as in the trace. */
struct seen {
    uint16_t source;
    char name[FIGURE_DEVICE];
    char type[16];
    char has[48], via[48]; /* interfaces it has; those that drivers used */
    uint64_t offered[2], accepted[2];
    uint64_t bits[SEEN_SIDES][2]; /* as drivers read and wrote them */
    uint32_t select[SEEN_SIDES];
    bool looked;                  /* a driver has read what is offered */
    bool touched, settled, ready; /* a register was accessed; features are settled; DRIVER_OK */
    uint64_t first_touch, driver_ok;
    unsigned n_steps, config_early;
    struct {
        char name[24];
        uint64_t after;
    } step[SEEN_STEPS];
    struct {
        uint64_t size, desc, driver, device; /* size 0: not set up */
    } queue[SEEN_QUEUES];
    struct figures early, lint, accesses, registers;
    struct requests *requests;
};

/* A register, state or PCI record of this device. */
void seen_access(struct seen *s, const struct trace_file *f, const struct trace_rec *rec);
void seen_state(struct seen *s, const struct trace_rec *rec);
/* A define record of this device. */
void seen_define(struct seen *s, const struct trace_file *f, const struct trace_rec *rec,
                 struct figures *to);
/* What came of it all. start: what trace times are to be added to, to count from the process's. */
void seen_figures(struct seen *s, const struct trace_file *f, uint64_t start, struct figures *to);

/* Sizes and memory of its queues. */
void seen_rings(const struct seen *s, struct figures *to);

/* Requests of one device. NULL without memory. */
struct requests *requests_new(void);
void requests_free(struct requests *r);
void requests_take(struct requests *r, const struct trace_rec *rec);
void requests_figures(const struct requests *r, const char *device, struct figures *to);

#endif
