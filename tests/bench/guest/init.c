// SPDX-License-Identifier: MIT
/*
 * First process of a guest that is measured, the same under every hypervisor: loads the virtio
 * modules, runs its phases on /dev/vda and, where it has a network, with TCP; says what each took,
 * and powers off. Lines for the host:
 *   BENCH init                              reached
 *   BENCH begin NAME                        then it sleeps, so that the host can read counters
 *   BENCH end NAME SECONDS REQUESTS BYTES IOS
 *       SECONDS by the guest's clock, without the sleep; IOS: what the kernel made of the requests
 *   BENCH done | BENCH fail TEXT
 * Kernel command line: bench.NAME=REQUESTS instead of the default, 0 to leave a phase out;
 * bench.net=1: there is a network.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <net/if.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

enum { DEPTH_MAX = 32, KIB = 1024, MIB = 1024 * KIB, PAUSE_MS = 60, WAIT_MS = 5000 };

enum kind { IDLE, RANDOM_READ, READ, WRITE, WRITE_SYNC, TCP_OUT, TCP_IN };

/* The other end is tests/bench/peer.py: what comes to SINK is counted and then answered with a
 * byte, from SOURCE comes as much as anybody takes. */
#define NET_ADDRESS "10.77.0.2"
#define NET_MASK    "255.255.255.0"
#define NET_PEER    "10.77.0.1"
enum { PORT_SINK = 5001, PORT_SOURCE = 5002 };

static const struct phase {
    const char *name;
    enum kind kind;
    unsigned depth, block, requests;
} phases[] = {
    {"idle", IDLE, 1, 0, 1},
    {"warm", READ, 1, MIB, 16},
    {"rr1", RANDOM_READ, 1, 4 * KIB, 400},
    {"rr16", RANDOM_READ, 16, 4 * KIB, 1600},
    {"sr", READ, 1, MIB, 96},
    {"sw", WRITE, 1, MIB, 96},
    {"sync", WRITE_SYNC, 1, 4 * KIB, 100},
    {"tx", TCP_OUT, 1, 64 * KIB, 512},
    {"rx", TCP_IN, 1, 64 * KIB, 512},
};

static char cmdline[4096];
static char *buffer;
static int disk;
static uint64_t disk_size, seed = 88172645463325252u;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    char line[200];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    line[n++] = '\n';
    if (write(1, line, (size_t)n) < 0)
        return;
}

static void pause_ms(unsigned ms)
{
    const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&ts, NULL);
}

static void off(void)
{
    pause_ms(PAUSE_MS);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

static void fail(const char *what)
{
    say("BENCH fail %s: %s", what, strerror(errno));
    off();
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned param(const char *name, unsigned otherwise)
{
    char key[40];
    const char *at;

    snprintf(key, sizeof(key), "bench.%s=", name);
    at = strstr(cmdline, key);
    return at ? (unsigned)strtoul(at + strlen(key), NULL, 10) : otherwise;
}

/* ---- start ---- */

static void mounts(void)
{
    int fd;

    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    fd = open("/proc/cmdline", O_RDONLY);
    if (fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) < 0)
        fail("/proc/cmdline");
    close(fd);
}

static void module_load(const char *name)
{
    char path[200];
    int fd;

    snprintf(path, sizeof(path), "/modules/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
        fail(path);
    close(fd);
}

static void modules_load(void)
{
    FILE *list = fopen("/modules/list", "r");
    char name[128];

    if (!list)
        fail("/modules/list");
    while (fscanf(list, "%127s", name) == 1)
        module_load(name);
    fclose(list);
}

static void disk_open(void)
{
    for (unsigned i = 0; (disk = open("/dev/vda", O_RDWR | O_DIRECT)) < 0 && i < WAIT_MS / 10; i++)
        pause_ms(10);
    if (disk < 0 || ioctl(disk, BLKGETSIZE64, &disk_size) < 0)
        fail("/dev/vda");
    buffer =
        mmap(NULL, DEPTH_MAX * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        fail("memory");
}

/* ---- phases ---- */

static uint64_t random_block(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static void request_make(const struct phase *p, struct iocb *cb, unsigned slot, unsigned i)
{
    const uint64_t blocks = disk_size / p->block;
    const bool wr = p->kind == WRITE || p->kind == WRITE_SYNC;
    const uint64_t at = p->kind == RANDOM_READ ? random_block(blocks) : i % blocks;

    *cb = (struct iocb){.aio_lio_opcode = wr ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
                        .aio_fildes = (uint32_t)disk,
                        .aio_buf = (uintptr_t)(buffer + (size_t)slot * p->block),
                        .aio_nbytes = p->block,
                        .aio_offset = (int64_t)(at * p->block),
                        .aio_data = slot};
}

/* Depth 1: read() and write() themselves, the shortest way that a program has. */
static void run_one_by_one(const struct phase *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct iocb cb;
        ssize_t got;

        request_make(p, &cb, 0, i);
        if (cb.aio_lio_opcode == IOCB_CMD_PREAD)
            got = pread(disk, buffer, p->block, cb.aio_offset);
        else
            got = pwrite(disk, buffer, p->block, cb.aio_offset);
        if (got != (ssize_t)p->block || (p->kind == WRITE_SYNC && fdatasync(disk) < 0))
            fail(p->name);
    }
}

/* Always depth in flight; what came back together goes out again with one call. */
static void run_deep(const struct phase *p, unsigned n)
{
    static struct iocb cb[DEPTH_MAX];
    struct io_event ev[DEPTH_MAX];
    struct iocb *list[DEPTH_MAX];
    aio_context_t ctx = 0;
    unsigned sent = 0, done = 0;
    long ready = p->depth;

    if (syscall(SYS_io_setup, p->depth, &ctx) != 0)
        fail("io_setup");
    for (unsigned i = 0; i < p->depth; i++)
        ev[i].data = i;
    while (done < n) {
        long k = 0;

        for (long i = 0; i < ready && sent < n; i++, sent++) {
            list[k++] = &cb[ev[i].data];
            request_make(p, &cb[ev[i].data], (unsigned)ev[i].data, sent);
        }
        if (k && syscall(SYS_io_submit, ctx, k, list) != k)
            fail("io_submit");
        ready = syscall(SYS_io_getevents, ctx, 1L, (long)p->depth, ev, NULL);
        for (long i = 0; i < ready; i++)
            if (ev[i].res != (int64_t)p->block)
                fail(p->name);
        done += ready > 0 ? (unsigned)ready : 0;
    }
    syscall(SYS_io_destroy, ctx);
}

/* ---- the network ---- */

static struct sockaddr_in address(const char *text, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    inet_pton(AF_INET, text, &a.sin_addr);
    return a;
}

static void net_up(void)
{
    const struct sockaddr_in own = address(NET_ADDRESS, 0), mask = address(NET_MASK, 0);
    struct ifreq req = {.ifr_name = "eth0"};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(&req.ifr_addr, &own, sizeof(own));
    if (fd < 0 || ioctl(fd, SIOCSIFADDR, &req) < 0)
        fail("the address of eth0");
    memcpy(&req.ifr_netmask, &mask, sizeof(mask));
    if (ioctl(fd, SIOCSIFNETMASK, &req) < 0)
        fail("the mask of eth0");
    req.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
        fail("eth0 up");
    close(fd);
}

static int peer_connect(unsigned port)
{
    const struct sockaddr_in peer = address(NET_PEER, port);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) < 0)
        fail("no connection to the host");
    return fd;
}

/* All of it has arrived when the other end says so. */
static void tcp_out(int fd, const struct phase *p, unsigned n)
{
    for (uint64_t left = (uint64_t)n * p->block; left;) {
        const ssize_t put = write(fd, buffer, left < p->block ? left : p->block);

        if (put <= 0)
            fail(p->name);
        left -= (uint64_t)put;
    }
    if (shutdown(fd, SHUT_WR) < 0 || read(fd, buffer, 1) != 1)
        fail(p->name);
}

static void tcp_in(int fd, const struct phase *p, unsigned n)
{
    for (uint64_t left = (uint64_t)n * p->block; left;) {
        const ssize_t got = read(fd, buffer, left < p->block ? left : p->block);

        if (got <= 0)
            fail(p->name);
        left -= (uint64_t)got;
    }
}

static bool on_net(const struct phase *p)
{
    return p->kind == TCP_OUT || p->kind == TCP_IN;
}

/* ---- running them ---- */

/* Reads, writes and flushes that the disk has completed. */
static unsigned long long disk_ios(void)
{
    FILE *f = fopen("/sys/block/vda/stat", "r");
    unsigned long long v[17] = {0};

    for (unsigned i = 0; f && i < 17 && fscanf(f, "%llu", &v[i]) == 1; i++)
        ;
    if (f)
        fclose(f);
    return v[0] + v[4] + v[15];
}

static void phase_run(const struct phase *p)
{
    const unsigned n = param(p->name, p->requests);
    unsigned long long ios;
    double start, end;
    int fd = -1;

    if (!n || (on_net(p) && !param("net", 0)))
        return;
    if (on_net(p))
        fd = peer_connect(p->kind == TCP_OUT ? PORT_SINK : PORT_SOURCE);
    say("BENCH begin %s", p->name);
    pause_ms(PAUSE_MS);
    ios = disk_ios();
    start = now();
    if (p->kind == IDLE)
        ;
    else if (p->kind == TCP_OUT)
        tcp_out(fd, p, n);
    else if (p->kind == TCP_IN)
        tcp_in(fd, p, n);
    else if (p->depth == 1)
        run_one_by_one(p, n);
    else
        run_deep(p, n);
    end = now();
    if (fd >= 0)
        close(fd);
    say("BENCH end %s %.6f %u %llu %llu", p->name, end - start, n, (unsigned long long)n * p->block,
        disk_ios() - ios);
    pause_ms(PAUSE_MS);
}

int main(void)
{
    say("BENCH init");
    mounts();
    modules_load();
    disk_open();
    memset(buffer, 0x5a, DEPTH_MAX * MIB);
    if (param("net", 0))
        net_up();
    for (unsigned i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        phase_run(&phases[i]);
    say("BENCH done");
    off();
    return 0;
}
