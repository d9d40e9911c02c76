/* SPDX-License-Identifier: MIT */
/* Between the two files of tracing: trace.c fills rings, trace-write.c empties them. */
#ifndef VMM_BASE_TRACE_INTERNAL_H
#define VMM_BASE_TRACE_INTERNAL_H

#include "vmm/base/trace-file.h"
#include "vmm/base/trace.h"

enum {
    TRACE_RINGS = 250, /* threads that can record; further ones only count what they lose */
    TRACE_HEAD_WORDS = TRACE_HEAD_BYTES / 8,
    TRACE_WORDS_MAX = TRACE_HEAD_WORDS + TRACE_FIELDS + TRACE_BYTES_MAX / 8,
    TRACE_THREAD_NAME = 16,
};

/*
 * One producer, one consumer. Indices count words and never wrap; records in it are as in the file,
 * but in the host's order and with the ticks of a faster clock for a time.
 */
struct trace_ring {
    _Atomic uint64_t head; /* the producer's */
    uint64_t tail_seen;    /* by the producer */
    _Atomic uint64_t lost; /* the producer counts */
    uint64_t mask;
    uint64_t *word;
    uint8_t id;
    uint8_t pad[64];       /* what the consumer writes is on another line */
    _Atomic uint64_t tail; /* the consumer's */
    uint64_t lost_told;
};

/* The ring of a new thread, known as id from now on. NULL: too many, or no memory. */
struct trace_ring *trace_ring_new(const char *name, uint64_t cpu);

/* A number that is another one at every trace_open(): rings of an earlier one are gone. */
extern _Atomic unsigned trace_session;

/* A record was lost by a thread that has no ring. */
void trace_lose(void);

/* May a record be lost, or is its thread to wait for room? */
bool trace_waits(void);

/* Tell the file what is known already: sources and tables. */
void trace_known_define(void);

/* The first word of a record. */
static inline uint64_t trace_word(unsigned words, unsigned point, unsigned thread, uint16_t source,
                                  uint16_t queue)
{
    return (uint64_t)words * 8 | (uint64_t)point << 16 | (uint64_t)thread << 24 |
           (uint64_t)source << 32 | (uint64_t)queue << 48;
}

/* Store bytes in words so that they lie in the file as they are; returns the number of words. */
static inline unsigned trace_bytes_words(uint64_t *word, const void *bytes, size_t len)
{
    const uint8_t *b = (const uint8_t *)bytes;
    unsigned n = 0;

    for (size_t at = 0; at < len; at += 8, n++)
        word[n] = order_load(ORDER_LITTLE, b + at, len - at < 8 ? (unsigned)(len - at) : 8);
    return n;
}

/* Ticks: as cheap as the processor has them. Only trace-write.c knows what they mean. */
extern bool trace_tsc;

static inline uint64_t trace_ticks(void)
{
#ifdef __x86_64__
    if (trace_tsc)
        return __builtin_ia32_rdtsc();
#endif
    return clock_ns();
}

#endif
