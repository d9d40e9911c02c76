// SPDX-License-Identifier: MIT
/*
 * Preloaded into a hypervisor by tests/bench/startup.py: when it opens /dev/kvm, or first runs a
 * guest, the time is written to a page of the file MARK_FILE, and the thread waits there, without a
 * system call, until whoever measures has looked at the process. MARK_AT: open or run.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct page {
    _Atomic uint64_t at_ns;  /* 0: not yet */
    _Atomic uint64_t cpu_ns; /* of the process, from its fork on */
    _Atomic uint64_t go;     /* told by the other side */
};

static struct page *page;
static int at_open;

int open(const char *path, int flags, ...);
int ioctl(int fd, unsigned long request, ...);

/* By the system call: the functions here are the process's. */
__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MARK_FILE"), *at = getenv("MARK_AT");
    int (*const real)(const char *, int, ...) =
        (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    int fd;

    unsetenv("LD_PRELOAD"); /* its children are not measured */
    if (!path || !at || (fd = real(path, O_RDWR | O_CLOEXEC)) < 0)
        return;
    at_open = strcmp(at, "open") == 0;
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        page = NULL;
    close(fd);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void mark(void)
{
    if (!page || atomic_load(&page->at_ns))
        return;
    atomic_store(&page->cpu_ns, clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    atomic_store(&page->at_ns, clock_ns(CLOCK_MONOTONIC));
    while (!atomic_load(&page->go))
        ;
}

int open(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    mode_t mode = 0;
    va_list args;

    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if (!real)
        real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    if (at_open && strcmp(path, "/dev/kvm") == 0)
        mark();
    return real(path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (!real)
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    if (!at_open && request == KVM_RUN)
        mark();
    return real(fd, request, arg);
}
