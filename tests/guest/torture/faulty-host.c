// SPDX-License-Identifier: MIT
/*
 * Preloaded into vmm: a host whose storage fails. It has no io_uring, so that threads do the
 * calls below. FAULTY_HOST says how: words of seed=N, eio=N, short=N, eintr=N (one write in N),
 * sync=N (the Nth fdatasync fails, once), lie=N (one write in N is said to be done and is not).
 * FAULTY_COUNTS is a file that is given one byte for each fault: its first letter.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    unsigned seed, eio, cut, eintr, sync, lie;
} set;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned syncs;
static int counts = -1;

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);

static unsigned word(const char *text, const char *name)
{
    const char *at = text ? strstr(text, name) : NULL;

    return at ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
}

__attribute__((constructor)) static void faulty_init(void)
{
    const char *how = getenv("FAULTY_HOST"), *file = getenv("FAULTY_COUNTS");

    set.seed = word(how, "seed=");
    set.eio = word(how, "eio=");
    set.cut = word(how, "short=");
    set.eintr = word(how, "eintr=");
    set.sync = word(how, "sync=");
    set.lie = word(how, "lie=");
    if (file)
        counts = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
    (void)entries;
    (void)ring;
    (void)flags;
    return -ENOSYS;
}

/* Is it the turn of a fault that comes once in n times? */
static int turn(unsigned n, char letter)
{
    int yes = n && rand_r(&set.seed) % (int)n == 0;

    if (yes && counts >= 0 && write(counts, &letter, 1) != 1)
        counts = -1;
    return yes;
}

static ssize_t pwritev_real(int fd, const struct iovec *iov, int n, off_t off)
{
    return syscall(SYS_pwritev, fd, iov, n, off, 0);
}

static size_t bytes(const struct iovec *iov, int n)
{
    size_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* The first half of the first piece. */
static ssize_t write_short(int fd, const struct iovec *iov, off_t off)
{
    const struct iovec half = {iov->iov_base, (iov->iov_len + 1) / 2};

    return pwritev_real(fd, &half, 1, off);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
    int eio, eintr, cut, lie;

    pthread_mutex_lock(&lock);
    eio = turn(set.eio, 'e');
    eintr = !eio && turn(set.eintr, 'i');
    cut = !eio && !eintr && turn(set.cut, 's');
    lie = !eio && !eintr && !cut && turn(set.lie, 'l');
    pthread_mutex_unlock(&lock);
    if (eio || eintr) {
        errno = eio ? EIO : EINTR;
        return -1;
    }
    if (lie)
        return (ssize_t)bytes(iov, n);
    return cut ? write_short(fd, iov, off) : pwritev_real(fd, iov, n, off);
}

int fdatasync(int fd)
{
    int fail;

    pthread_mutex_lock(&lock);
    fail = set.sync && ++syncs == set.sync;
    if (fail)
        turn(1, 'f');
    pthread_mutex_unlock(&lock);
    if (!fail)
        return (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}
