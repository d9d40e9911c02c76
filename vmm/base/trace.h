/* SPDX-License-Identifier: MIT */
/*
 * Tracing: who did what to a device, in what order. A place in the code says TRACE(POINT, ...) and
 * costs one branch on a global while nobody records. While somebody does, the record goes into a
 * ring of the calling thread; a thread of trace.c's own writes the rings to a file. The points are
 * data (trace.list), the file is described in docs/trace-format.md.
 *
 * This layer does not know what a device is: a source is a small number with a name.
 */
#ifndef VMM_BASE_TRACE_H
#define VMM_BASE_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"

/* What is recorded, as bits. */
enum trace_group {
    TRACE_ALWAYS = 0x0, /* the file's own, by trace_define() only */
    TRACE_BASE = 0x1,
    TRACE_DMA = 0x2,    /* the places in guest memory of every buffer */
    TRACE_EXITS = 0x4,  /* VM exits */
    TRACE_REPLAY = 0x8, /* what else a replay needs of guest memory; nothing may be lost */
    TRACE_GROUPS = 0xf,
};

enum trace_class {
    TRACE_CLASS_FILE,
    TRACE_CLASS_REGISTER,
    TRACE_CLASS_PCI,
    TRACE_CLASS_STATE,
    TRACE_CLASS_RING,
    TRACE_CLASS_INTERRUPT,
    TRACE_CLASS_DMA,
    TRACE_CLASS_EXIT,
    TRACE_CLASSES
};

/* How a field is printed. All but the bytes of the last two are 64-bit numbers. */
enum trace_how {
    TRACE_AS_DEC,
    TRACE_AS_HEX,
    TRACE_AS_BOOL,
    TRACE_AS_CPU,      /* TRACE_NO_CPU: not a vCPU's */
    TRACE_AS_REGISTER, /* table << 32 | offset; table 0: none, see place */
    TRACE_AS_PLACE,    /* BAR << 32 | offset; BAR TRACE_BAR_CONFIG: configuration space */
    TRACE_AS_PCI,      /* offset in configuration space */
    TRACE_AS_STATUS,   /* device_status */
    TRACE_AS_IRQ,      /* enum trace_irq */
    TRACE_AS_VECTOR,   /* 0xffff: none */
    TRACE_AS_EXIT,     /* the number of a VM exit's kind */
    TRACE_AS_TEXT,
    TRACE_AS_BYTES,
};

enum trace_irq { TRACE_IRQ_INTX, TRACE_IRQ_MSIX };

enum {
    TRACE_NONE = 0,          /* no source */
    TRACE_NO_QUEUE = 0xffff, /* concerns no queue */
    TRACE_BAR_CONFIG = 0xff,
    TRACE_NAME_MAX = 31,    /* bytes of a source's name */
    TRACE_FIELDS = 8,       /* most that a point has */
    TRACE_BYTES_MAX = 4096, /* of TEXT and BYTES fields; more is cut */
};

#define TRACE_NO_CPU UINT64_MAX

enum trace_point {
#define X(point, ...) TRACE_##point,
#include "vmm/base/trace.list"
#undef X
    TRACE_POINTS
};

/* TRACE_IN_POP and so on: the group of a point. */
enum {
#define X(point, name, class, group, ...) TRACE_IN_##point = TRACE_##group,
#include "vmm/base/trace.list"
#undef X
};

struct trace_field {
    const char *name;
    enum trace_how how;
};

struct trace_info {
    const char *name;
    enum trace_class class;
    enum trace_group group;
    struct trace_field field[TRACE_FIELDS + 1]; /* ends with a NULL name */
};

extern const struct trace_info trace_info[TRACE_POINTS];
extern const char *const trace_class_name[TRACE_CLASSES];

/* How many fields a point has. */
unsigned trace_fields(enum trace_point point);

/* ---- for places in the code ---- */

/* The groups that are recorded now. */
extern _Atomic unsigned trace_groups;

static inline bool trace_on(unsigned group)
{
    return __builtin_expect(atomic_load_explicit(&trace_groups, memory_order_relaxed) & group, 0);
}

/* TRACE(POP, dev->trace, vq->index, id, out, in): one value for each field of the point. Any
 * thread; the order of records is that of the calls where one lock covers them. */
#define TRACE(point, source, queue, ...)                                                       \
    do {                                                                                       \
        if (trace_on(TRACE_IN_##point))                                                        \
            trace_emit(TRACE_##point, (source), (queue), (const uint64_t[]){0, ##__VA_ARGS__}, \
                       sizeof((const uint64_t[]){0, ##__VA_ARGS__}) / sizeof(uint64_t) - 1);   \
    } while (0)

/* value[0] is not looked at; n values follow it. */
void trace_emit(enum trace_point point, uint16_t source, uint16_t queue, const uint64_t *value,
                size_t n);

/* A point whose last field is TEXT or BYTES; value (n of them) are the fields before. Ask
 * trace_on() first. */
void trace_emit_bytes(enum trace_point point, uint16_t source, uint16_t queue,
                      const uint64_t *value, size_t n, const void *bytes, size_t len);

/*
 * The number of the source with this name, the same for the same name; whether tracing is on does
 * not matter. TRACE_NONE when there are too many. The name is copied, and cut.
 */
uint16_t trace_source(const char *name);

/* The calling thread's name, and its vCPU or TRACE_NO_CPU. Before it records anything. */
void trace_thread(const char *name, uint64_t cpu);

/*
 * An access to a register block, between begin and end on the same thread: what regs.c finds there
 * is recorded with source and place; what it does not, end() records without a name, unless len is
 * 0. Call them while trace_on(TRACE_BASE) only; end() without begin() does nothing.
 */
void trace_access_begin(uint16_t source, unsigned bar, uint64_t off, unsigned len);
void trace_access_end(bool write, const void *data, unsigned len);

struct regs;
void trace_access_regs(const struct regs *regs, bool write, uint64_t off, const void *data,
                       unsigned len);

/* ---- for those who record ---- */

/*
 * Write what groups name to path, which is made or overwritten. ring_bytes: room of every thread's
 * ring, a power of two; 0 for the default. A ring that is full loses records, which are counted in
 * the file; with TRACE_REPLAY among the groups its thread waits instead. 0 or -errno with err
 * filled. Main thread; one at a time.
 */
int trace_open(const char *path, unsigned groups, size_t ring_bytes, struct err *err);

/* A record about the file itself; never lost, nothing happens when nobody records. Any thread. */
void trace_define(enum trace_point point, uint16_t source, const uint64_t *value, size_t n,
                  const void *bytes, size_t len);

/* Write all that was recorded, close the file. false, logged: something could not be written. The
 * other threads that recorded have ended, or do nothing that is traced. */
bool trace_close(void);

/* Records lost so far. */
uint64_t trace_lost(void);

#endif
