// SPDX-License-Identifier: MIT
/*
 * Owns the file: its header, the thread that empties rings into it, what was lost on the way, and
 * what ticks mean. Refuses to know what records are about.
 *
 * The writer takes note of where all rings end, then of the time, and then converts up to there:
 * ticks become nanoseconds on the line through that moment and the one before.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "vmm/base/bits.h"
#include "vmm/base/thread.h"
#include "vmm/base/trace-internal.h"

enum {
    RING_BYTES = 4 << 20, /* 10 ms at ten million records a second */
    OUT_WORDS = 32768,
    STACK_SIZE = 256 * 1024,
    TURN_NS = 5000000,
    SOME = 32, /* records that the producer gets the room of at once */
};

struct anchor {
    uint64_t ticks, ns;
};

static struct {
    pthread_mutex_t lock; /* leaf: of the file's tail (out), n_rings and ring */
    int fd;
    int error; /* of the first write that failed */
    uint64_t *out;
    unsigned n_out;
    struct trace_ring *ring[TRACE_RINGS];
    unsigned n_rings;
    size_t ring_bytes;
    _Atomic uint64_t lost; /* by threads without a ring */
    uint64_t lost_told;
    _Atomic bool stopping;
    struct thread thread;
    struct anchor to; /* the latest */
    double slope;     /* nanoseconds a tick since the one before */
    char path[256];
} w = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

_Atomic unsigned trace_session;
bool trace_tsc;
static _Atomic bool waits;

bool trace_waits(void)
{
    return atomic_load_explicit(&waits, memory_order_relaxed);
}

void trace_lose(void)
{
    atomic_fetch_add(&w.lost, 1);
}

uint64_t trace_lost(void)
{
    uint64_t n = atomic_load(&w.lost);

    pthread_mutex_lock(&w.lock);
    for (unsigned i = 0; i < w.n_rings; i++)
        n += atomic_load_explicit(&w.ring[i]->lost, memory_order_relaxed);
    pthread_mutex_unlock(&w.lock);
    return n;
}

/* ---- time ---- */

/* Does the counter run at one speed, the same on all processors? */
static bool tsc_steady(void)
{
#ifdef __x86_64__
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & BIT32(8));
#else
    return false;
#endif
}

static struct anchor anchor_now(void)
{
    const uint64_t ticks = trace_ticks();

    return (struct anchor){ticks, trace_tsc ? clock_ns() : ticks};
}

static void anchor_next(void)
{
    const struct anchor from = w.to;

    w.to = anchor_now();
    w.slope = w.to.ticks > from.ticks
                  ? (double)(w.to.ns - from.ns) / (double)(w.to.ticks - from.ticks)
                  : 1;
}

static uint64_t ticks_ns(uint64_t ticks)
{
    return w.to.ns + (uint64_t)(int64_t)((double)(int64_t)(ticks - w.to.ticks) * w.slope);
}

/* ---- into the file, locked ---- */

static void out_flush(void)
{
    const uint8_t *at = (const uint8_t *)w.out;
    size_t left = w.n_out * sizeof(w.out[0]);

    w.n_out = 0;
    while (left && !w.error) {
        const ssize_t n = write(w.fd, at, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            w.error = errno;
            atomic_store(&trace_groups, 0); /* no use to go on */
            log_msg(LOG_ERROR, "trace %s: %s; recording ends here", w.path, strerror(w.error));
            return;
        }
        at += n;
        left -= (size_t)n;
    }
}

static void out_record(const uint64_t *word, unsigned n)
{
    if (w.n_out + n > OUT_WORDS)
        out_flush();
    for (unsigned i = 0; i < n; i++)
        w.out[w.n_out++] = htole64(word[i]);
}

static void out_numbers(enum trace_point point, unsigned thread, const uint64_t *value, unsigned n)
{
    uint64_t word[TRACE_HEAD_WORDS + TRACE_FIELDS];

    word[0] = trace_word(TRACE_HEAD_WORDS + n, point, thread, TRACE_NONE, TRACE_NO_QUEUE);
    word[1] = clock_ns();
    memcpy(word + TRACE_HEAD_WORDS, value, n * sizeof(word[0]));
    out_record(word, TRACE_HEAD_WORDS + n);
}

static void define_locked(enum trace_point point, unsigned thread, uint16_t source,
                          const uint64_t *value, size_t n, const void *bytes, size_t len)
{
    uint64_t word[TRACE_WORDS_MAX];
    unsigned words = TRACE_HEAD_WORDS + (unsigned)n;

    if (w.fd < 0 || n + (bytes != NULL) != trace_fields(point))
        return;
    if (n)
        memcpy(word + TRACE_HEAD_WORDS, value, n * sizeof(word[0]));
    if (bytes) {
        len = min_u64(len, TRACE_BYTES_MAX);
        word[words++] = len;
        words += trace_bytes_words(word + words, bytes, len);
    }
    word[0] = trace_word(words, point, thread, source, TRACE_NO_QUEUE);
    word[1] = clock_ns();
    out_record(word, words);
}

void trace_define(enum trace_point point, uint16_t source, const uint64_t *value, size_t n,
                  const void *bytes, size_t len)
{
    pthread_mutex_lock(&w.lock);
    define_locked(point, 0, source, value, n, bytes, len);
    pthread_mutex_unlock(&w.lock);
}

/* ---- rings ---- */

static struct trace_ring *ring_map(void)
{
    struct trace_ring *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->word = mmap(NULL, w.ring_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->word == MAP_FAILED) {
        free(r);
        return NULL;
    }
    r->mask = w.ring_bytes / sizeof(r->word[0]) - 1;
    return r;
}

struct trace_ring *trace_ring_new(const char *name, uint64_t cpu)
{
    struct trace_ring *r = NULL;

    pthread_mutex_lock(&w.lock);
    if (w.fd >= 0 && w.n_rings < TRACE_RINGS)
        r = ring_map();
    if (r) {
        r->id = (uint8_t)(w.n_rings + 1); /* 0 is the file's own */
        w.ring[w.n_rings++] = r;
        define_locked(TRACE_THREAD, r->id, TRACE_NONE, &cpu, 1, name, strlen(name));
    }
    pthread_mutex_unlock(&w.lock);
    return r;
}

/* One record from the ring, its time made into nanoseconds. */
static unsigned ring_record(const struct trace_ring *r, uint64_t tail)
{
    const unsigned n = (uint16_t)r->word[tail & r->mask] / 8;
    uint64_t *out;

    if (w.n_out + n > OUT_WORDS)
        out_flush();
    out = w.out + w.n_out;
    for (unsigned i = 0; i < n; i++)
        out[i] = htole64(r->word[(tail + i) & r->mask]);
    out[1] = htole64(ticks_ns(r->word[(tail + 1) & r->mask]));
    w.n_out += n;
    return n;
}

static void ring_drain(struct trace_ring *r, uint64_t head)
{
    const uint64_t lost = atomic_load_explicit(&r->lost, memory_order_relaxed) - r->lost_told;
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    for (unsigned i = 1; tail != head; i++) {
        tail += ring_record(r, tail);
        if (i % SOME == 0 || tail == head)
            atomic_store_explicit(&r->tail, tail, memory_order_release);
    }
    if (!lost)
        return;
    out_numbers(TRACE_LOST, r->id, &lost, 1);
    r->lost_told += lost;
}

static void rings_drain(void)
{
    uint64_t head[TRACE_RINGS];
    uint64_t lost;
    unsigned n;

    pthread_mutex_lock(&w.lock);
    n = w.n_rings;
    for (unsigned i = 0; i < n; i++)
        head[i] = atomic_load_explicit(&w.ring[i]->head, memory_order_acquire);
    anchor_next();
    for (unsigned i = 0; i < n; i++)
        ring_drain(w.ring[i], head[i]);
    lost = atomic_load(&w.lost) - w.lost_told;
    if (lost)
        out_numbers(TRACE_LOST, 0, &lost, 1);
    w.lost_told += lost;
    out_flush();
    pthread_mutex_unlock(&w.lock);
}

static void rings_free(void)
{
    for (unsigned i = 0; i < w.n_rings; i++) {
        munmap(w.ring[i]->word, w.ring_bytes);
        free(w.ring[i]);
    }
    w.n_rings = 0;
}

/* #syscalls:file clock_nanosleep write */
static void *writer_main(void *arg)
{
    const struct timespec turn = {.tv_nsec = TURN_NS};

    (void)arg;
    while (!atomic_load(&w.stopping)) {
        nanosleep(&turn, NULL);
        rings_drain();
    }
    return NULL;
}

/* ---- open and close ---- */

static void header_out(unsigned groups)
{
    struct timespec wall;
    struct trace_header h = {.magic = TRACE_MAGIC,
                             .version = le32_make(TRACE_VERSION),
                             .bytes = le32_make(sizeof(h)),
                             .start_ns = le64_make(clock_ns()),
                             .groups = le32_make(groups),
                             .points = le32_make(TRACE_POINTS)};
    uint64_t word[sizeof(h) / 8];

    clock_gettime(CLOCK_REALTIME, &wall);
    h.start_wall = le64_make((uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec);
    trace_bytes_words(word, &h, sizeof(h));
    out_record(word, ARRAY_SIZE(word));
}

static int writer_start(void)
{
    w.thread = (struct thread){
        .kind = THREAD_FILE, .name = "trace", .stack = STACK_SIZE, .fn = writer_main};
    return -thread_start(&w.thread);
}

static void file_close(void)
{
    close(w.fd);
    w.fd = -1;
    free(w.out);
    w.out = NULL;
    rings_free();
}

/* Somebody's disk is not overwritten because of a slip: only nothing, or another trace. */
static int file_open(const char *path, struct err *err)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    char magic[sizeof(TRACE_MAGIC) - 1];
    struct stat st;
    int ret = 0;

    if (fd < 0)
        return err_errno(err, errno, "trace %s", path);
    if (fstat(fd, &st) < 0)
        ret = err_errno(err, errno, "trace %s", path);
    else if (!S_ISREG(st.st_mode))
        ret = err_set(err, EINVAL, "trace %s is not a regular file", path);
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        ret = err_set(err, EBUSY, "trace %s: another machine writes it; give another file", path);
    else if (st.st_size && (read(fd, magic, sizeof(magic)) != (ssize_t)sizeof(magic) ||
                            memcmp(magic, TRACE_MAGIC, sizeof(magic)) != 0))
        ret = err_set(err, EEXIST, "trace %s: the file exists and is no trace; it stays as it is",
                      path);
    else if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        ret = err_errno(err, errno, "trace %s", path);
    if (ret == 0)
        return fd;
    close(fd);
    return ret;
}

int trace_open(const char *path, unsigned groups, size_t ring_bytes, struct err *err)
{
    int ret;

    if (w.fd >= 0)
        return err_set(err, EBUSY, "trace %s: a trace is being recorded already", path);
    w.out = malloc(OUT_WORDS * sizeof(w.out[0]));
    if (!w.out)
        return err_errno(err, ENOMEM, "trace %s", path);
    ret = file_open(path, err);
    if (ret < 0) {
        free(w.out);
        return ret;
    }
    w.fd = ret;
    strncpy(w.path, path, sizeof(w.path) - 1);
    w.ring_bytes = ring_bytes ? ring_bytes : RING_BYTES;
    w.error = 0;
    w.n_out = 0;
    w.lost = w.lost_told = 0;
    trace_tsc = tsc_steady();
    w.to = anchor_now();
    atomic_store(&w.stopping, false);
    atomic_store(&waits, groups & TRACE_REPLAY);
    atomic_fetch_add(&trace_session, 1);
    header_out(groups);
    trace_known_define();
    ret = writer_start();
    if (ret < 0) {
        file_close();
        return err_errno(err, -ret, "trace %s", path);
    }
    atomic_store(&trace_groups, groups | TRACE_BASE);
    return 0;
}

bool trace_close(void)
{
    uint64_t lost;

    if (w.fd < 0)
        return true;
    atomic_store(&trace_groups, 0);
    atomic_store(&w.stopping, true);
    thread_join(&w.thread);
    rings_drain();
    lost = trace_lost();
    pthread_mutex_lock(&w.lock);
    out_numbers(TRACE_END, 0, &lost, 1);
    out_flush();
    file_close();
    pthread_mutex_unlock(&w.lock);
    if (lost)
        log_msg(LOG_WARN, "trace %s: %llu records were lost: its disk is slower than the guest",
                w.path, (unsigned long long)lost);
    return w.error == 0;
}
