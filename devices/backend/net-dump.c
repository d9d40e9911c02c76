// SPDX-License-Identifier: MIT
/*
 * Owns the file of frames and the thread that writes it. Two buffers: one is filled under the lock
 * while the other is written without it. A file that cannot be written further ends with its last
 * whole frame, and that is told once.
 */
#include "devices/backend/net-dump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "devices/backend/net-queue.h"
#include "devices/backend/net.h"
#include "vmm/base/bits.h"
#include "vmm/base/thread.h"

enum {
    BUFFER_BYTES = 1024 * 1024,
    STACK_BYTES = 64 * 1024,
    LINGER_MS = 200, /* at the end, for a pipe that is full */
    PIPE_MS = 100,   /* how often a full pipe is tried */
    PCAP_MAGIC_NS = 0xa1b23c4d,
    PCAP_ETHERNET = 1,
};

/* The format is in the order of the host that writes it. */
struct pcap_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, max_bytes, link_type;
};

struct pcap_frame {
    uint32_t seconds, nanoseconds;
    uint32_t bytes, bytes_on_wire;
};

struct net_dump {
    const char *name;
    int fd;
    bool regular;
    struct thread thread;
    pthread_mutex_t lock; /* leaf: what follows up to lost */
    pthread_cond_t cond;
    uint8_t *fill; /* the buffer that is filled */
    size_t used;
    bool stopping;
    uint64_t lost, lost_told;
    uint8_t *write;   /* the thread's */
    off_t whole;      /* bytes of the file that are whole frames */
    bool broken;      /* the thread's: nothing more is written */
    _Atomic bool off; /* ... and nobody needs to hand over more */
};

/* ---- the thread ---- */

static bool pipe_wait(struct net_dump *d)
{
    struct pollfd pfd = {.fd = d->fd, .events = POLLOUT};
    bool stopping;

    pthread_mutex_lock(&d->lock);
    stopping = d->stopping;
    pthread_mutex_unlock(&d->lock);
    return poll(&pfd, 1, stopping ? LINGER_MS : PIPE_MS) > 0 || !stopping;
}

/* 0 or -errno; *done bytes are written either way. */
static int bytes_write(struct net_dump *d, const uint8_t *data, size_t len, size_t *done)
{
    for (*done = 0; *done < len;) {
        const ssize_t n = write(d->fd, data + *done, len - *done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && pipe_wait(d))
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        *done += (size_t)n;
    }
    return 0;
}

/* How much of the first len bytes of a buffer are whole frames. */
static size_t whole_bytes(const struct net_dump *d, size_t len)
{
    size_t at = 0, next = d->whole ? 0 : sizeof(struct pcap_head);
    struct pcap_frame frame;

    while (next <= len) {
        at = next;
        if (len - at < sizeof(frame))
            break;
        memcpy(&frame, d->write + at, sizeof(frame));
        next = at + sizeof(frame) + frame.bytes;
    }
    return at;
}

static void dump_broken(struct net_dump *d, int code)
{
    char why[96];

    d->broken = true;
    d->off = true;
    if (d->regular && ftruncate(d->fd, d->whole) < 0)
        code = errno;
    log_msg(LOG_WARN, "%s: the dump of frames ends here: %s", d->name,
            strerror_r(code, why, sizeof(why)));
}

static void buffer_write(struct net_dump *d, size_t len)
{
    size_t done;
    int ret;

    if (d->broken)
        return;
    ret = bytes_write(d, d->write, len, &done);
    d->whole += (off_t)(ret < 0 ? whole_bytes(d, done) : len);
    if (ret < 0)
        dump_broken(d, -ret);
}

/* #syscalls:file write poll ppoll ftruncate */
static void *dump_main(void *arg)
{
    struct net_dump *d = (struct net_dump *)arg;
    uint64_t lost = 0;
    size_t len;

    pthread_mutex_lock(&d->lock);
    while (d->used || !d->stopping) {
        if (!d->used) {
            pthread_cond_wait(&d->cond, &d->lock);
            continue;
        }
        uint8_t *const full = d->fill;

        d->fill = d->write;
        d->write = full;
        len = d->used;
        d->used = 0;
        lost = d->lost - d->lost_told;
        d->lost_told = d->lost;
        pthread_mutex_unlock(&d->lock);
        if (lost)
            log_msg(LOG_WARN, "%s: %llu frames are missing from the dump: it is written too slowly",
                    d->name, (unsigned long long)lost);
        buffer_write(d, len);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- set-up ---- */

static int file_open(struct net_dump *d, const char *path, struct err *err)
{
    struct stat st;

    /* a pipe is opened for both, which does not wait for its reader */
    const bool fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);

    d->fd =
        open(path, (fifo ? O_RDWR : O_WRONLY | O_CREAT | O_TRUNC) | O_NONBLOCK | O_CLOEXEC, 0600);
    if (d->fd < 0 || fstat(d->fd, &st) < 0)
        return err_errno(err, errno, "%s: cannot write the dump of frames to %s", d->name, path);
    d->regular = S_ISREG(st.st_mode);
    return 0;
}

static int writer_start(struct net_dump *d, struct err *err)
{
    int ret;

    d->thread = (struct thread){
        .kind = THREAD_FILE, .name = "net-dump", .stack = STACK_BYTES, .fn = dump_main, .arg = d};
    ret = thread_start(&d->thread);
    if (ret)
        return err_errno(err, ret, "%s: cannot start the thread that writes the dump", d->name);
    return 0;
}

static void dump_free(struct net_dump *d)
{
    if (d->fd >= 0)
        close(d->fd);
    pthread_cond_destroy(&d->cond);
    pthread_mutex_destroy(&d->lock);
    free(d->fill);
    free(d->write);
    free(d);
}

struct net_dump *net_dump_open(const char *path, const char *name, struct err *err)
{
    static const struct pcap_head head = {.magic = PCAP_MAGIC_NS,
                                          .major = 2,
                                          .minor = 4,
                                          .max_bytes = NET_FRAME_MAX,
                                          .link_type = PCAP_ETHERNET};
    struct net_dump *d = calloc(1, sizeof(*d));

    if (!d) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    d->name = name;
    d->fd = -1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->cond, NULL);
    d->fill = malloc(BUFFER_BYTES);
    d->write = malloc(BUFFER_BYTES);
    if (!d->fill || !d->write)
        err_errno(err, ENOMEM, "%s", name);
    else if (file_open(d, path, err) == 0) {
        memcpy(d->fill, &head, sizeof(head));
        d->used = sizeof(head);
        if (writer_start(d, err) == 0)
            return d;
    }
    dump_free(d);
    return NULL;
}

/* ---- frames ---- */

/* Locked; there is room. */
static void frame_put(struct net_dump *d, const struct iovec *iov, unsigned n, size_t len)
{
    struct pcap_frame frame = {.bytes_on_wire = (uint32_t)len};
    uint8_t *const at = d->fill + d->used;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    frame.seconds = (uint32_t)now.tv_sec;
    frame.nanoseconds = (uint32_t)now.tv_nsec;
    frame.bytes = (uint32_t)net_iov_get(iov, n, NET_HEADER, at + sizeof(frame),
                                        (size_t)min_u64(len, NET_FRAME_MAX));
    memcpy(at, &frame, sizeof(frame));
    d->used += sizeof(frame) + frame.bytes;
}

void net_dump_frame(struct net_dump *d, const struct iovec *iov, unsigned n, size_t len)
{
    bool first;

    if (!d || d->off || len <= NET_HEADER)
        return;
    len -= NET_HEADER;
    pthread_mutex_lock(&d->lock);
    first = d->used == 0;
    if (BUFFER_BYTES - d->used < sizeof(struct pcap_frame) + min_u64(len, NET_FRAME_MAX))
        d->lost++;
    else
        frame_put(d, iov, n, len);
    pthread_mutex_unlock(&d->lock);
    if (first)
        pthread_cond_signal(&d->cond);
}

void net_dump_close(struct net_dump *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    pthread_mutex_unlock(&d->lock);
    pthread_cond_signal(&d->cond);
    thread_join(&d->thread);
    dump_free(d);
}
