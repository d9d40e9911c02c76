// SPDX-License-Identifier: MIT
/*
 * Owns the points, the names that records refer to, and the way of a record into its thread's ring.
 * Refuses to know where rings are emptied to.
 */
#include "vmm/base/trace.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/base/bits.h"
#include "vmm/base/regs.h"
#include "vmm/base/trace-internal.h"

enum { SOURCES = 1024, TABLES = 64, WAIT_NS = 50000 };

const struct trace_info trace_info[TRACE_POINTS] = {
#define X(point, name, class, group, ...) \
    [TRACE_##point] = {name, TRACE_CLASS_##class, TRACE_##group, {__VA_ARGS__}},
#include "vmm/base/trace.list"
#undef X
};

const char *const trace_class_name[TRACE_CLASSES] = {
    [TRACE_CLASS_FILE] = "file", [TRACE_CLASS_REGISTER] = "register",
    [TRACE_CLASS_PCI] = "pci",   [TRACE_CLASS_STATE] = "state",
    [TRACE_CLASS_RING] = "ring", [TRACE_CLASS_INTERRUPT] = "interrupt",
    [TRACE_CLASS_DMA] = "dma",   [TRACE_CLASS_EXIT] = "exit",
};

/* How many values each point has, for the check in every record. */
static const uint8_t n_fields[TRACE_POINTS] = {
#define X(point, name, class, group, ...)                                                     \
    [TRACE_##point] =                                                                         \
        (uint8_t)(sizeof((const struct trace_field[]){{NULL, TRACE_AS_DEC}, ##__VA_ARGS__}) / \
                      sizeof(struct trace_field) -                                            \
                  1),
#include "vmm/base/trace.list"
#undef X
};

unsigned trace_fields(enum trace_point point)
{
    return n_fields[point];
}

_Atomic unsigned trace_groups;

/* ---- what the calling thread knows ---- */

static _Thread_local struct {
    struct trace_ring *ring;
    unsigned session; /* of the ring */
    char name[TRACE_THREAD_NAME];
    bool named;
    uint64_t cpu;
    /* The access that it is in. */
    bool inside;
    unsigned left; /* bytes of it that were not told yet */
    uint16_t source;
    uint64_t place;
} me;

void trace_thread(const char *name, uint64_t cpu)
{
    snprintf(me.name, sizeof(me.name), "%s", name);
    me.named = true;
    me.cpu = cpu;
}

static struct trace_ring *ring_first(unsigned session)
{
    if (!me.named) {
        char name[TRACE_THREAD_NAME] = "thread";

        pthread_getname_np(pthread_self(), name, sizeof(name));
        trace_thread(name, TRACE_NO_CPU);
    }
    me.ring = trace_ring_new(me.name, me.cpu);
    me.session = session;
    return me.ring;
}

static inline struct trace_ring *ring_mine(void)
{
    const unsigned session = atomic_load_explicit(&trace_session, memory_order_relaxed);

    return __builtin_expect(me.session == session, 1) ? me.ring : ring_first(session);
}

/* ---- into the ring ---- */

static inline bool ring_has_room(struct trace_ring *r, uint64_t head, unsigned words)
{
    if (head + words - r->tail_seen <= r->mask + 1)
        return true;
    r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
    return head + words - r->tail_seen <= r->mask + 1;
}

/* The writer never waits for anybody but the file, so this ends.
 * #syscalls:vcpu,io,user clock_nanosleep */
static bool ring_wait(struct trace_ring *r, uint64_t head, unsigned words)
{
    const struct timespec nap = {.tv_nsec = WAIT_NS};

    while (!ring_has_room(r, head, words)) {
        if (!trace_waits() || !trace_on(TRACE_GROUPS))
            return false;
        nanosleep(&nap, NULL);
    }
    return true;
}

static void ring_lose(struct trace_ring *r)
{
    const uint64_t n = atomic_load_explicit(&r->lost, memory_order_relaxed);

    atomic_store_explicit(&r->lost, n + 1, memory_order_relaxed);
}

/* Where a record of this many words may be written, or NULL. */
static inline struct trace_ring *ring_take(unsigned words, uint64_t *head)
{
    struct trace_ring *r = ring_mine();

    if (!r) {
        trace_lose();
        return NULL;
    }
    *head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (ring_has_room(r, *head, words) || ring_wait(r, *head, words))
        return r;
    ring_lose(r);
    return NULL;
}

void trace_emit(enum trace_point point, uint16_t source, uint16_t queue, const uint64_t *value,
                size_t n)
{
    const unsigned words = TRACE_HEAD_WORDS + (unsigned)n;
    struct trace_ring *r;
    uint64_t head, at;

    if (n != n_fields[point] && bug("a record that is not as its trace point"))
        return;
    r = ring_take(words, &head);
    if (!r)
        return;
    at = head & r->mask;
    if (at + words > r->mask + 1) { /* around the end */
        r->word[at] = trace_word(words, point, r->id, source, queue);
        r->word[(at + 1) & r->mask] = trace_ticks();
        for (unsigned i = 1; i <= n; i++)
            r->word[(at + 1 + i) & r->mask] = value[i];
    } else {
        uint64_t *to = r->word + at;

        to[0] = trace_word(words, point, r->id, source, queue);
        to[1] = trace_ticks();
        for (unsigned i = 1; i <= n; i++)
            to[1 + i] = value[i];
    }
    atomic_store_explicit(&r->head, head + words, memory_order_release);
}

void trace_emit_bytes(enum trace_point point, uint16_t source, uint16_t queue,
                      const uint64_t *value, size_t n, const void *bytes, size_t len)
{
    uint64_t payload[TRACE_BYTES_MAX / 8];
    struct trace_ring *r;
    unsigned more, words;
    uint64_t head;

    if (n + 1 != n_fields[point] && bug("a record that is not as its trace point"))
        return;
    len = min_u64(len, TRACE_BYTES_MAX);
    more = trace_bytes_words(payload, bytes, len);
    words = TRACE_HEAD_WORDS + (unsigned)n + 1 + more;
    r = ring_take(words, &head);
    if (!r)
        return;
    r->word[head & r->mask] = trace_word(words, point, r->id, source, queue);
    r->word[(head + 1) & r->mask] = trace_ticks();
    for (unsigned i = 0; i < n; i++)
        r->word[(head + 2 + i) & r->mask] = value[i];
    r->word[(head + 2 + n) & r->mask] = len;
    for (unsigned i = 0; i < more; i++)
        r->word[(head + 3 + n + i) & r->mask] = payload[i];
    atomic_store_explicit(&r->head, head + words, memory_order_release);
}

/* ---- names ---- */

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static char source_name[SOURCES][TRACE_NAME_MAX + 1]; /* 0 is nobody */
static _Atomic unsigned n_sources = 1;
static const struct regs *_Atomic table[TABLES]; /* 0 is none */
static _Atomic unsigned n_tables = 1;

static void source_define(unsigned i)
{
    trace_define(TRACE_SOURCE, (uint16_t)i, NULL, 0, source_name[i], strlen(source_name[i]));
}

static unsigned source_find(const char *name)
{
    unsigned i = 1;

    while (i < n_sources && strncmp(source_name[i], name, TRACE_NAME_MAX) != 0)
        i++;
    return i;
}

uint16_t trace_source(const char *name)
{
    unsigned i;

    pthread_mutex_lock(&names_lock);
    i = source_find(name);
    if (i == n_sources && i < SOURCES) {
        snprintf(source_name[i], sizeof(source_name[i]), "%s", name);
        n_sources++;
        source_define(i);
    }
    pthread_mutex_unlock(&names_lock);
    return (uint16_t)(i < SOURCES ? i : TRACE_NONE);
}

static void table_define(unsigned i)
{
    const struct regs *regs = table[i];
    const uint64_t value[] = {i, regs->size};

    trace_define(TRACE_TABLE, TRACE_NONE, value, ARRAY_SIZE(value), regs->name, strlen(regs->name));
    for (unsigned r = 0; r < regs->n; r++) {
        const struct reg *row = &regs->row[r];
        const uint64_t at[] = {i, row->off, row->size};

        trace_define(TRACE_ROW, TRACE_NONE, at, ARRAY_SIZE(at), row->name, strlen(row->name));
    }
}

static unsigned table_find(const struct regs *regs)
{
    const unsigned n = atomic_load_explicit(&n_tables, memory_order_acquire);

    for (unsigned i = 1; i < n; i++)
        if (atomic_load_explicit(&table[i], memory_order_relaxed) == regs)
            return i;
    return 0;
}

/* The table's number; 0 if there are too many. */
static unsigned table_number(const struct regs *regs)
{
    unsigned i = table_find(regs);

    if (i)
        return i;
    pthread_mutex_lock(&names_lock);
    i = table_find(regs);
    if (!i && n_tables < TABLES) {
        i = n_tables;
        atomic_store(&table[i], regs);
        atomic_store_explicit(&n_tables, i + 1, memory_order_release);
        table_define(i);
    }
    pthread_mutex_unlock(&names_lock);
    return i;
}

void trace_known_define(void)
{
    pthread_mutex_lock(&names_lock);
    for (unsigned i = 1; i < n_sources; i++)
        source_define(i);
    for (unsigned i = 1; i < n_tables; i++)
        table_define(i);
    pthread_mutex_unlock(&names_lock);
}

/* ---- accesses ---- */

void trace_access_begin(uint16_t source, unsigned bar, uint64_t off, unsigned len)
{
    me.inside = true;
    me.left = len;
    me.source = source;
    me.place = (uint64_t)bar << 32 | (uint32_t)off;
}

static void access_tell(bool write, uint64_t where, const void *data, unsigned len, uint64_t place)
{
    const uint64_t value[] = {0, where, len, order_load(ORDER_LITTLE, data, len), place};

    trace_emit(write ? TRACE_WRITE : TRACE_READ, me.source, TRACE_NO_QUEUE, value,
               ARRAY_SIZE(value) - 1);
    me.left -= len;
}

/* Two tables may share one access, each a part; or both get all of it, and the first is told. */
void trace_access_regs(const struct regs *regs, bool write, uint64_t off, const void *data,
                       unsigned len)
{
    const uint64_t number = me.inside && len <= me.left ? table_number(regs) : 0;

    if (!number)
        return;
    access_tell(write, number << 32 | (uint32_t)off, data, len, me.place);
    me.place += len;
}

void trace_access_end(bool write, const void *data, unsigned len)
{
    if (me.inside && len && len == me.left && len <= 8)
        access_tell(write, 0, data, len, me.place);
    me.inside = false;
}
