// SPDX-License-Identifier: MIT
/*
 * Owns the child without rights: its limits, its system call filter, its end. Knows nothing of
 * what the child works on.
 */
#include "firmware/disk-jail.h"

#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/bits.h"

/* Sanitizers reserve address space without end, and tell on standard error what they find. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(undefined_behavior_sanitizer) || __has_feature(memory_sanitizer)
#define JAIL_SANITIZED 1
#endif
#endif
#ifndef JAIL_SANITIZED
#define JAIL_SANITIZED 0
#endif

#define EXIT_NO_JAIL 99 /* of a child that could not give its rights up */

/* The hard limit is slack above max: for RLIMIT_CPU, whose soft one ends us under its own name */
static int limit_set(int what, uint64_t max, uint64_t slack)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now))
        return -errno;
    /* an inherited limit may be lower, and cannot be raised */
    struct rlimit l = {
        .rlim_cur = (rlim_t)min_u64(max, now.rlim_max),
        .rlim_max = (rlim_t)min_u64(max + slack, now.rlim_max),
    };
    return setrlimit((__rlimit_resource_t)what, &l) ? -errno : 0;
}

/* What the fork brought along; counted by RLIMIT_AS as if it were the child's own */
static uint64_t memory_now(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    int n = fscanf(f, "%llu", &pages);
    fclose(f);
    return n == 1 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static int limits_set(const struct jail *j)
{
    int r = limit_set(RLIMIT_CORE, 0, 0);
    r = r ? r : limit_set(RLIMIT_CPU, j->cpu_s, 1);
    r = r ? r : limit_set(RLIMIT_FSIZE, j->file_max, 0);
    r = r ? r : limit_set(RLIMIT_STACK, 8 * MIB, 0);
    if (!JAIL_SANITIZED && !r)
        r = limit_set(RLIMIT_AS, memory_now() + j->memory, 0);
    /* last: nothing can be opened from here on */
    return r ? r : limit_set(RLIMIT_NOFILE, 0, 0);
}

static void fds_close(const struct jail *j, int out_fd)
{
    int keep[] = {j->read_fd, j->write_fd[0], j->write_fd[1], out_fd, JAIL_SANITIZED ? 2 : -1};
    for (unsigned from = 0; from <= (unsigned)INT32_MAX;) {
        unsigned next = (unsigned)INT32_MAX + 1;
        for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
            if (keep[i] >= 0 && (unsigned)keep[i] >= from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        /* where the kernel has no close_range the filter keeps other files out of reach */
        if (next > from)
            close_range(from, next - 1, 0);
        from = next + 1;
    }
}

static int allow_plain(scmp_filter_ctx ctx)
{
    static const int calls[] = {
        SCMP_SYS(brk),          SCMP_SYS(munmap),        SCMP_SYS(mremap),
        SCMP_SYS(madvise),      SCMP_SYS(close),         SCMP_SYS(exit),
        SCMP_SYS(exit_group),   SCMP_SYS(futex),         SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
        SCMP_SYS(getrandom),    SCMP_SYS(sysinfo),       SCMP_SYS(restart_syscall),
        SCMP_SYS(getuid),       SCMP_SYS(geteuid),       SCMP_SYS(getgid),
        SCMP_SYS(getegid),
    };
    static const int sanitizer_calls[] = {
        SCMP_SYS(sigaltstack), SCMP_SYS(sched_yield), SCMP_SYS(rt_sigaction),
        SCMP_SYS(getpid),      SCMP_SYS(gettid),      SCMP_SYS(getrlimit),
        SCMP_SYS(prlimit64),   SCMP_SYS(tgkill),      SCMP_SYS(nanosleep),
    };
    int r = 0;
    for (size_t i = 0; !r && i < ARRAY_SIZE(calls); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; JAIL_SANITIZED && !r && i < ARRAY_SIZE(sanitizer_calls); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, sanitizer_calls[i], 0);
    return r;
}

/* Memory, never code */
static int allow_memory(scmp_filter_ctx ctx)
{
    int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                             SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    return r ? r
             : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static struct scmp_arg_cmp fd_arg(enum scmp_compare op, int fd)
{
    return (struct scmp_arg_cmp){.arg = 0, .op = op, .datum_a = (uint32_t)fd};
}

static int allow_files(scmp_filter_ctx ctx, const struct jail *j, int out_fd)
{
    static const int reads[] = {SCMP_SYS(read),  SCMP_SYS(pread64),   SCMP_SYS(lseek),
                                SCMP_SYS(fstat), SCMP_SYS(fadvise64), SCMP_SYS(newfstatat)};
    const int writes[] = {out_fd, j->write_fd[0], j->write_fd[1], JAIL_SANITIZED ? 2 : -1};
    int r = 0;
    for (size_t i = 0; !r && i < ARRAY_SIZE(reads); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, reads[i], 1, fd_arg(SCMP_CMP_EQ, j->read_fd));
    for (size_t i = 0; !r && i < ARRAY_SIZE(writes); i++)
        if (writes[i] >= 0)
            r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                 fd_arg(SCMP_CMP_EQ, writes[i]));
    return r;
}

/* What libraries try and can do without: they are told no instead of ended */
static int refuse_softly(scmp_filter_ctx ctx, const struct jail *j)
{
    static const int calls[] = {SCMP_SYS(openat),    SCMP_SYS(open),  SCMP_SYS(access),
                                SCMP_SYS(readlink),  SCMP_SYS(statx), SCMP_SYS(readlinkat),
                                SCMP_SYS(faccessat), SCMP_SYS(stat),  SCMP_SYS(faccessat2)};
    int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 0);
    for (size_t i = 0; !r && i < ARRAY_SIZE(calls); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), calls[i], 0);
    return r ? r
             : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 1,
                                fd_arg(SCMP_CMP_NE, j->read_fd));
}

static int filter_load(const struct jail *j, int out_fd)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!ctx)
        return -ENOMEM;
    int r = allow_plain(ctx);
    r = r ? r : allow_memory(ctx);
    r = r ? r : allow_files(ctx, j, out_fd);
    r = r ? r : refuse_softly(ctx, j);
    /* sets no_new_privs, too */
    r = r ? r : seccomp_load(ctx);
    seccomp_release(ctx);
    return r;
}

/* The parent's handlers must not run here, nor may its blocked signals keep us alive. */
static void signals_reset(void)
{
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_run(const struct jail *j, int out_fd, pid_t parent) __attribute__((noreturn));

static void child_run(const struct jail *j, int out_fd, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_NO_JAIL);
    signals_reset();
    fds_close(j, out_fd);
    if (limits_set(j) || filter_load(j, out_fd))
        _exit(EXIT_NO_JAIL);
    _exit(j->work(j, out_fd));
}

/* Until the child closes its end: 0, -ETIMEDOUT, -EMSGSIZE or another -errno */
static int answer_read(int fd, const struct jail *j, char *answer, size_t *len)
{
    uint64_t end = clock_ns() + (uint64_t)j->wall_ms * 1000000;
    for (*len = 0;;) {
        uint64_t now = clock_ns();
        if (now >= end)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, (int)((end - now) / 1000000 + 1));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n <= 0)
            continue;
        ssize_t got = read(fd, answer + *len, j->answer_max + 1 - *len);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        *len += got > 0 ? (size_t)got : 0;
        if (*len > j->answer_max)
            return -EMSGSIZE;
    }
}

static int end_judge(const struct jail *j, const char *image, int status, struct err *err)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (!sig && !code)
        return 0;
    if (code == EXIT_NO_JAIL)
        return err_set(err, EPERM,
                       "%s: cannot start a reader without rights (seccomp missing?); "
                       "use --kernel",
                       image);
    if (sig == SIGXCPU)
        return err_set(err, ETIMEDOUT,
                       "%s: looking for a boot configuration took more than %u s "
                       "of processor time; use --kernel",
                       image, j->cpu_s);
    if (sig)
        return err_set(err, EBADMSG,
                       "%s: its reader was ended by signal %d (%s); the image may be "
                       "damaged or hostile; use --kernel",
                       image, sig, sigdescr_np(sig));
    return err_set(err, EBADMSG,
                   "%s: its reader failed with status %d; the image may be damaged "
                   "or hostile; use --kernel",
                   image, code);
}

static int child_wait(pid_t pid, const struct jail *j, const char *image, int fd, char *answer,
                      size_t *len, struct err *err)
{
    int read_status = answer_read(fd, j, answer, len);
    /* a child that closed its end but lingers, too; one that is ending keeps its own status */
    int status = 0;
    struct pollfd gone = {.fd = -1};
    if (read_status == 0)
        for (int ms = 0; ms < 100 && waitpid(pid, &status, WNOHANG) == 0; ms++)
            poll(&gone, 1, 1);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (read_status == -ETIMEDOUT)
        return err_set(err, ETIMEDOUT,
                       "%s: looking for a boot configuration took more than %u ms; "
                       "use --kernel",
                       image, j->wall_ms);
    if (read_status)
        return err_set(err, EBADMSG, "%s: its reader gave no usable answer; use --kernel", image);
    return end_judge(j, image, status, err);
}

static pid_t child_start(const struct jail *j, const int pipe_fd[2])
{
    sigset_t all, old;
    pid_t parent = getpid();
    /* a handler of ours must not run in the child before it is reset there */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid_t pid = fork();
    if (pid == 0)
        child_run(j, pipe_fd[1], parent);
    int e = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = e;
    return pid;
}

int jail_run(const struct jail *j, const char *image, void **answer, size_t *len, struct err *err)
{
    int fd[2];
    char *buf = malloc(j->answer_max + 1);
    if (!buf)
        return err_set(err, ENOMEM, "%s: no memory to read it", image);
    if (pipe2(fd, O_CLOEXEC)) {
        free(buf);
        return err_errno(err, errno, "%s: no pipe for its reader", image);
    }
    pid_t pid = child_start(j, fd);
    int r = pid < 0 ? err_errno(err, errno, "%s: cannot start its reader", image) : 0;
    close(fd[1]);
    if (!r)
        r = child_wait(pid, j, image, fd[0], buf, len, err);
    close(fd[0]);
    if (r)
        free(buf);
    else
        *answer = buf;
    return r;
}
