// SPDX-License-Identifier: MIT
/*
 * Owns the filters of system calls: which a kind of thread may use is said by comments beside the
 * functions that need them (vmm/sandbox-table), how far is said here. What is not on the list ends
 * the process: the thread is told by SIGSYS, tells who it was and what it called, and dies of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "devices/backend/con-tty.h"
#include "vmm/base/bits.h"
#include "vmm/sandbox-internal.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of SIGSYS */
#endif

enum { CALLS = 512, NAME_BYTES = 40, CODE_MAX = 512 /* instructions */ };

struct table_call_list {
    const int *call;
    size_t n;
};

struct table_ioctl_list {
    const uint32_t *command;
    size_t n;
};

#include <sandbox-table.h>

/* Made once, by a child: its libraries and their memory go with it. */
struct made {
    int error; /* errno value */
    struct {
        uint32_t n;
        struct sock_filter code[CODE_MAX];
    } filter[THREAD_KINDS];
    char name[CALLS][NAME_BYTES]; /* of system calls, for the line */
};

static struct {
    struct made *made;
    int (*resolv)(void);
} sandbox;

static _Thread_local struct {
    enum thread_kind kind;
    char name[THREAD_NAME];
} me;

size_t sandbox_filter_calls(enum thread_kind kind)
{
    return table_call[kind].n;
}

void sandbox_on_resolv(int (*fn)(void))
{
    sandbox.resolv = fn;
}

/* ---- how far ---- */

struct whom {
    enum thread_kind kind;
    pid_t process;
};

/* libseccomp's macros for these leave a member out, which not all compilers like. */
static struct scmp_arg_cmp arg_is(enum scmp_compare op, uint64_t value)
{
    return (struct scmp_arg_cmp){.arg = 0, .op = op, .datum_a = value};
}

static struct scmp_arg_cmp arg_mask(unsigned arg, uint64_t mask, uint64_t value)
{
    return (struct scmp_arg_cmp){
        .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* Memory, never code. */
static int allow_no_code(scmp_filter_ctx ctx, int call, const struct whom *who)
{
    (void)who;
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, arg_mask(2, PROT_EXEC, 0));
}

/* What libraries that read file systems ask a disk; the reader of boot files may not even that. */
static int allow_disk_ioctl(scmp_filter_ctx ctx, int call)
{
    static const uint32_t type[] = {0x12 /* BLK... */, 0x53 /* CDROM... */};
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(type); i++)
        ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, arg_mask(1, 0xff00, type[i] << 8));
    return ret;
}

static int allow_ioctl(scmp_filter_ctx ctx, int call, const struct whom *who)
{
    int ret = who->kind == THREAD_HELPER ? allow_disk_ioctl(ctx, call) : 0;

    for (size_t i = 0; ret == 0 && i < table_ioctl[who->kind].n; i++)
        ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
                               arg_mask(1, UINT32_MAX, table_ioctl[who->kind].command[i]));
    return ret;
}

/* Whatever else is caught, what ends us is not. (The comparison is one of 64 bits, the kernel takes
 * 32: what is not equal may be the same.) */
static int allow_other_signals(scmp_filter_ctx ctx, int call, const struct whom *who)
{
    if (who->kind == THREAD_HELPER) /* its children begin with no handlers at all */
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, arg_is(SCMP_CMP_LT, SIGSYS));
}

static int allow_own_threads(scmp_filter_ctx ctx, int call, const struct whom *who)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
                            arg_is(SCMP_CMP_EQ, (scmp_datum_t)who->process));
}

/* Of what is open; a name is not looked up, but by the helper. */
static int allow_open_files(scmp_filter_ctx ctx, int call, const struct whom *who)
{
    if (who->kind == THREAD_HELPER)
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
                            arg_mask(3, AT_EMPTY_PATH, AT_EMPTY_PATH));
}

/* The helper's are those of programs on this host. */
static int allow_sockets(scmp_filter_ctx ctx, int call, const struct whom *who)
{
    const int family = who->kind == THREAD_HELPER ? AF_UNIX : AF_INET;
    int ret =
        seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, arg_is(SCMP_CMP_EQ, (scmp_datum_t)family));

    if (ret == 0 && who->kind != THREAD_HELPER)
        ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, arg_is(SCMP_CMP_EQ, AF_INET6));
    return ret;
}

static const struct {
    int call;
    int (*allow)(scmp_filter_ctx ctx, int call, const struct whom *who);
} allow_partly[] = {
    {SCMP_SYS(mmap), allow_no_code},       {SCMP_SYS(mprotect), allow_no_code},
    {SCMP_SYS(ioctl), allow_ioctl},        {SCMP_SYS(rt_sigaction), allow_other_signals},
    {SCMP_SYS(tgkill), allow_own_threads}, {SCMP_SYS(newfstatat), allow_open_files},
    {SCMP_SYS(socket), allow_sockets},
};

static int call_allow(scmp_filter_ctx ctx, int call, const struct whom *who)
{
    for (size_t i = 0; i < ARRAY_SIZE(allow_partly); i++)
        if (allow_partly[i].call == call)
            return allow_partly[i].allow(ctx, call, who);
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
}

/* ---- making ---- */

/* The kernel's form of it: in each thread one system call is left to be done. */
static int filter_export(scmp_filter_ctx ctx, struct made *made, enum thread_kind kind)
{
    struct sock_filter *code = made->filter[kind].code;
    const size_t room = sizeof(made->filter[kind].code);
    const int fd = memfd_create("filter", MFD_CLOEXEC);
    int ret = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
    const ssize_t got = ret < 0 ? 0 : pread(fd, code, room, 0);

    if (ret == 0 && (got <= 0 || (size_t)got == room))
        ret = -EFBIG;
    if (fd >= 0)
        close(fd);
    made->filter[kind].n = (uint32_t)((size_t)got / sizeof(*code));
    return ret;
}

static int filter_make(struct made *made, const struct whom *who)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
    const struct table_call_list *list = &table_call[who->kind];
    int ret = ctx ? 0 : -ENOMEM;

    if (ret == 0)
        ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (size_t i = 0; ret == 0 && i < list->n; i++)
        ret = call_allow(ctx, list->call[i], who);
    if (ret == 0)
        ret = filter_export(ctx, made, who->kind);
    if (ctx)
        seccomp_release(ctx);
    return ret;
}

/* In the child. */
static void all_make(struct made *made, pid_t process)
{
    int ret = 0;

    for (unsigned kind = 0; ret == 0 && kind < THREAD_KINDS; kind++)
        ret = filter_make(made, &(const struct whom){(enum thread_kind)kind, process});
    for (int call = 0; ret == 0 && call < CALLS; call++) {
        const char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

        snprintf(made->name[call], NAME_BYTES, "%s", name ? name : "");
    }
    made->error = -ret;
}

static int child_make(struct made *made, struct err *err)
{
    const pid_t process = getpid();
    int status = 0;
    pid_t child;

    made->error = EIO;
    child = fork();
    if (child == 0) {
        made->error = 0;
        all_make(made, process);
        _exit(made->error ? EXIT_FAILURE : 0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (child < 0)
        return err_errno(err, errno, "cannot make filters of system calls");
    if (status || made->error)
        return err_errno(err, made->error ? made->error : EIO,
                         "cannot make filters of system calls");
    return 0;
}

/* ---- what is stopped ---- */

static char *text_put(char *at, char *end, const char *text)
{
    while (*text && at < end)
        *at++ = *text++;
    return at;
}

static char *number_put(char *at, char *end, unsigned n)
{
    char digits[12];
    unsigned len = 0;

    do
        digits[len++] = (char)('0' + n % 10);
    while (n /= 10);
    while (len && at < end)
        *at++ = digits[--len];
    return at;
}

static void line_tell(int call)
{
    char line[240], *at = line, *const end = line + sizeof(line) - 2;

    at = text_put(at, end, "vmm: sandbox: thread ");
    at = text_put(at, end, me.name);
    at = text_put(at, end, " (");
    at = text_put(at, end, thread_kind_name[me.kind]);
    at = text_put(at, end, ") called ");
    if (call >= 0 && call < CALLS && sandbox.made->name[call][0])
        at = text_put(at, end, sandbox.made->name[call]);
    else
        at = number_put(text_put(at, end, "system call "), end, (unsigned)call);
    at = text_put(at, end,
                  ", which is not on its list; this is a bug in vmm, or somebody broke into it. "
                  "It ends here");
    *at++ = '\r';
    *at++ = '\n';
    if (write(STDERR_FILENO, line, (size_t)(at - line)) < 0)
        return;
}

#if defined(__x86_64__)
static uint64_t *call_result(ucontext_t *at)
{
    return (uint64_t *)&at->uc_mcontext.gregs[REG_RAX];
}
static uint64_t call_arg(const ucontext_t *at, unsigned i)
{
    static const int reg[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10};

    return (uint64_t)at->uc_mcontext.gregs[reg[i]];
}
#elif defined(__aarch64__)
static uint64_t *call_result(ucontext_t *at)
{
    return (uint64_t *)&at->uc_mcontext.regs[0];
}
static uint64_t call_arg(const ucontext_t *at, unsigned i)
{
    return at->uc_mcontext.regs[i];
}
#endif

/* Done for the thread by somebody else? Then it goes on with the result. */
static bool resolv_answer(int call, ucontext_t *at)
{
    int fd;

    if (me.kind != THREAD_USER || !sandbox.resolv ||
        (call != SYS_openat && call != SYS_newfstatat) ||
        strcmp((const char *)(uintptr_t)call_arg(at, 1), "/etc/resolv.conf") != 0)
        return false;
    fd = sandbox.resolv();
    *call_result(at) = (uint64_t)(int64_t)fd;
    if (call == SYS_openat || fd < 0)
        return true;
    *call_result(at) =
        fstat(fd, (struct stat *)(uintptr_t)call_arg(at, 2)) < 0 ? (uint64_t)-ENOENT : 0;
    close(fd);
    return true;
}

/* In here the signal is blocked: one more call that is on no list ends the process for good. */
static void on_stopped(int sig, siginfo_t *info, void *context)
{
    if (info->si_code == SYS_SECCOMP) {
        if (resolv_answer(info->si_syscall, (ucontext_t *)context))
            return;
        line_tell(info->si_syscall);
    }
    con_tty_restore();
    (void)sig;
    syscall(SYS_kill, getpid(), SIGKILL);
}

int sandbox_filters_catch(struct err *err)
{
    struct sigaction act = {.sa_sigaction = on_stopped, .sa_flags = SA_SIGINFO};

    if (sigaction(SIGSYS, &act, NULL) < 0)
        return err_errno(err, errno, "SIGSYS");
    return 0;
}

int sandbox_filters_make(struct err *err)
{
    uint32_t action = SECCOMP_RET_TRAP;
    int ret;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
        return err_errno(err, errno, "the kernel has no filters of system calls");
    sandbox.made = mmap(NULL, sizeof(*sandbox.made), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sandbox.made == MAP_FAILED)
        return err_errno(err, errno, "filters of system calls");
    ret = child_make(sandbox.made, err);
    mprotect(sandbox.made, sizeof(*sandbox.made), PROT_READ);
    return ret;
}

void sandbox_filter_enter(enum thread_kind kind, const char *name)
{
    const struct sock_fprog filter = {(unsigned short)sandbox.made->filter[kind].n,
                                      sandbox.made->filter[kind].code};

    me.kind = kind;
    snprintf(me.name, sizeof(me.name), "%s", name);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0)
        return;
    log_msg(LOG_ERROR, "sandbox: cannot filter the system calls of thread %s: %s", name,
            strerror(errno));
    _exit(EXIT_FAILURE);
}

bool sandbox_filter_helper(void)
{
    struct err err;

    if (!sandbox.made || sandbox.made == MAP_FAILED || sandbox.made->error ||
        sandbox_filters_catch(&err) < 0)
        return false;
    sandbox_filter_enter(THREAD_HELPER, "vmm-helper");
    return true;
}
