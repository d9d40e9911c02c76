// SPDX-License-Identifier: MIT
/*
 * Preloaded into vmm: a host that refuses. FAULTY_CALLS says what, as words:
 * thread=N       the Nth thread cannot be made (EAGAIN)
 * run=N,errno=E  every Nth KVM_RUN fails with errno E, before the guest runs
 * open=PATH,errno=E  that file cannot be opened
 * seccomp=1      the kernel has no filters of system calls
 * At the end it tells how often the guests' clocks were told of a pause.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int create_fn(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
typedef int ioctl_fn(int fd, unsigned long request, ...);
typedef long syscall_fn(long number, ...);
typedef int open_fn(const char *path, int flags, ...);

static struct {
    create_fn *create;
    ioctl_fn *ioctl;
    open_fn *open;
    syscall_fn *syscall;
} real;
static struct {
    int thread, run, error, seccomp;
    char open[64];
} set;
static atomic_int threads, runs, clocks;

static int word(const char *text, const char *name)
{
    const char *at = text ? strstr(text, name) : NULL;

    return at ? atoi(at + strlen(name)) : 0;
}

__attribute__((constructor)) static void faulty_init(void)
{
    const char *how = getenv("FAULTY_CALLS"), *path = how ? strstr(how, "open=") : NULL;

    real.create = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
    real.ioctl = (ioctl_fn *)dlsym(RTLD_NEXT, "ioctl");
    real.open = (open_fn *)dlsym(RTLD_NEXT, "open");
    real.syscall = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
    set.seccomp = word(how, "seccomp=");
    set.thread = word(how, "thread=");
    set.run = word(how, "run=");
    set.error = word(how, "errno=");
    if (path && strcspn(path + 5, ",") < sizeof(set.open))
        memcpy(set.open, path + 5, strcspn(path + 5, ","));
}

__attribute__((destructor)) static void clocks_tell(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    /* It may be that nobody reads. */
    if (clocks && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT))
        dprintf(STDERR_FILENO, "KVM_KVMCLOCK_CTRL: %d\n", clocks);
}

int pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    if (set.thread && ++threads == set.thread)
        return EAGAIN;
    return real.create(id, attr, fn, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    clocks += request == KVM_KVMCLOCK_CTRL;
    if (request == KVM_RUN && set.run && ++runs % set.run == 0) {
        errno = set.error;
        return -1;
    }
    return real.ioctl(fd, request, arg);
}

long syscall(long number, ...)
{
    va_list ap;
    long arg[6];

    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        arg[i] = va_arg(ap, long);
    va_end(ap);
    if (set.seccomp && number == SYS_seccomp) {
        errno = ENOSYS;
        return -1;
    }
    return real.syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

static int open_maybe(const char *path, int flags, int mode)
{
    if (!set.open[0] || strcmp(path, set.open) != 0)
        return real.open(path, flags, mode);
    errno = set.error;
    return -1;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    return open_maybe(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    return open_maybe(path, flags, mode);
}
