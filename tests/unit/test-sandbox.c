// SPDX-License-Identifier: MIT
/*
 * The sandbox from inside: in a thread of each kind, what is not on its list ends the process with
 * a line that names it, and what is goes on; each layer by itself, in a child.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<glib.h>)
#include <glib.h>
#endif

#include "devices/backend/net-slirp.h"
#include "vmm/base/bits.h"
#include "vmm/base/loop.h"
#include "vmm/sandbox-internal.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { GOOD = 42 };

static char said[4096]; /* by the child on standard error */

/* The status of a child that does fn. */
static int child(void (*fn)(int arg), int arg)
{
    int fds[2], status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        fn(arg);
        _exit(GOOD);
    }
    close(fds[1]);
    while (n < sizeof(said) - 1 && (got = read(fds[0], said + n, sizeof(said) - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- system calls ---- */

static void do_open(void)
{
    syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static void do_socket(void)
{
    socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_exec(void)
{
    char *argv[] = {(char *)(uintptr_t) "true", NULL};

    /* A build with --coverage wraps the function. */
    syscall(SYS_execve, "/bin/true", argv, argv + 1);
}

static void do_code(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_code_later(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at != MAP_FAILED)
        mprotect(at, 4096, PROT_READ | PROT_EXEC);
}

/* Keys into the user's shell. */
static void do_type(void)
{
    ioctl(0, TIOCSTI, "x");
}

static void do_deaf(void)
{
    signal(SIGSYS, SIG_IGN);
}

static void do_signal(void)
{
    syscall(SYS_tgkill, 0x7ffffff0, 0x7ffffff0, SIGWINCH); /* nobody */
}

static void do_fork(void)
{
    syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void do_ptrace(void)
{
    syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void do_stat(void)
{
    struct stat st;

    syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0);
}

static const struct {
    const char *call;
    void (*fn)(void);
} planted[] = {
    {"openat", do_open},       {"socket", do_socket},   {"execve", do_exec},
    {"mmap", do_code},         {"ioctl", do_type},      {"mprotect", do_code_later},
    {"rt_sigaction", do_deaf}, {"tgkill", do_signal},   {"clone", do_fork},
    {"ptrace", do_ptrace},     {"newfstatat", do_stat},
};

static void *thread_fn(void *arg)
{
    ((void (*)(void))arg)();
    return NULL;
}

/* As the product does it: the filters are made, then threads begin, then main closes. */
static void in_kind(enum thread_kind kind, void (*fn)(void))
{
    struct thread t = {.kind = kind,
                       .name = "planted",
                       .stack = 256 * 1024,
                       .fn = thread_fn,
                       .arg = (void *)(uintptr_t)fn};
    struct err err = {""};

    threads_hold();
    if (kind != THREAD_MAIN && thread_start(&t) != 0)
        _exit(1);
    if (sandbox_filters_make(&err) < 0 || sandbox_filters_catch(&err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        _exit(2);
    }
    threads_on_enter(sandbox_filter_enter);
    if (threads_release() != 0)
        _exit(3);
    if (kind == THREAD_MAIN) {
        sandbox_filter_enter(THREAD_MAIN, "planted");
        fn();
    } else {
        thread_join(&t);
    }
}

static enum thread_kind the_kind;

static void plant(int i)
{
    in_kind(the_kind, planted[i].fn);
}

static void (*the_fn)(void);

static void plant_one(int arg)
{
    (void)arg;
    in_kind(the_kind, the_fn);
}

static void planted_end(enum thread_kind kind)
{
    the_kind = kind;
    for (unsigned i = 0; i < ARRAY_SIZE(planted); i++) {
        char want[100];
        const int status = child(plant, (int)i);

        snprintf(want, sizeof(want), "vmm: sandbox: thread planted (%s) called %s",
                 thread_kind_name[kind], planted[i].call);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS || !strstr(said, want))
            fail_msg("%s in %s: status 0x%x, '%s'", planted[i].call, thread_kind_name[kind], status,
                     said);
    }
}

#define PLANTED(name, kind)               \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        if (SANITIZED)                    \
            skip();                       \
        planted_end(kind);                \
    }

PLANTED(main, THREAD_MAIN)
PLANTED(vcpu, THREAD_VCPU)
PLANTED(io, THREAD_IO)
PLANTED(user, THREAD_USER)
PLANTED(file, THREAD_FILE)
PLANTED(window, THREAD_WINDOW)

static void do_inet(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

/* The helper opens files and talks to this host's programs; it runs none, and reaches no further.
 */
static void test_helper(void **state)
{
    static const struct {
        const char *call;
        void (*fn)(void);
    } bad[] = {{"execve", do_exec},         {"socket", do_inet},   {"mmap", do_code},
               {"mprotect", do_code_later}, {"ptrace", do_ptrace}, {"ioctl", do_type}},
      good[] = {{"openat", do_open}, {"socket", do_socket}, {"newfstatat", do_stat}};

    (void)state;
    if (SANITIZED)
        skip();
    the_kind = THREAD_HELPER;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        char want[100];

        the_fn = bad[i].fn;
        snprintf(want, sizeof(want), "thread planted (helper) called %s", bad[i].call);
        if (!WIFSIGNALED(child(plant_one, 0)) || !strstr(said, want))
            fail_msg("%s: '%s'", bad[i].call, said);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        the_fn = good[i].fn;
        if (!WIFEXITED(child(plant_one, 0)))
            fail_msg("%s: '%s'", good[i].call, said);
    }
}

/* What every thread does. */
static void do_usual(void)
{
    void *mem[64];

    for (unsigned i = 0; i < ARRAY_SIZE(mem); i++)
        mem[i] = malloc((size_t)1 << (i % 24));
    for (unsigned i = 0; i < ARRAY_SIZE(mem); i++)
        free(mem[i]);
    log_msg(LOG_ERROR, "usual %s", strerror(EIO));
    clock_ns();
}

static void usual(int kind)
{
    in_kind((enum thread_kind)kind, do_usual);
}

/* The child goes on and ends in its own time. */
static void test_usual(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    for (int kind = 0; kind < THREAD_KINDS; kind++) {
        const int status = child(usual, kind);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != GOOD || !strstr(said, "usual Input"))
            fail_msg("%s: status 0x%x, '%s'", thread_kind_name[kind], status, said);
    }
}

/* As the issue has them; far fewer would be a table that was not made. */
static void test_counts(void **state)
{
    (void)state;
    assert_in_range(sandbox_filter_calls(THREAD_VCPU), 15, 30);
    assert_in_range(sandbox_filter_calls(THREAD_IO), 15, 50);
    assert_in_range(sandbox_filter_calls(THREAD_USER), 15, 50);
    assert_in_range(sandbox_filter_calls(THREAD_FILE), 15, 50);
    assert_in_range(sandbox_filter_calls(THREAD_MAIN), 15, 70);
}

/* ---- name servers ---- */

static int resolv_give(void)
{
    return -ENOENT;
}

static int resolv_file(void)
{
    const int fd = memfd_create("resolv", MFD_CLOEXEC);

    if (write(fd, "nameserver 192.0.2.1\n", 21) != 21)
        _exit(4);
    return fd;
}

static int resolv_fd;

static int resolv_open(void)
{
    lseek(resolv_fd, 0, SEEK_SET);
    return fcntl(resolv_fd, F_DUPFD_CLOEXEC, 0);
}

static void do_resolv(void)
{
    char line[64] = "";
    struct stat st;
    FILE *f;

    for (unsigned i = 0; i < 3; i++) {
        if (stat("/etc/resolv.conf", &st) < 0 || st.st_size != 21)
            log_msg(LOG_ERROR, "no stat");
        f = fopen("/etc/resolv.conf", "re");
        if (!f || !fgets(line, sizeof(line), f))
            log_msg(LOG_ERROR, "no file");
        if (f)
            fclose(f);
    }
    log_msg(LOG_ERROR, "%s", line);
}

static void resolv_user(int kind)
{
    resolv_fd = resolv_file();
    sandbox_on_resolv(resolv_open);
    in_kind((enum thread_kind)kind, do_resolv);
}

static void resolv_none(int kind)
{
    sandbox_on_resolv(resolv_give);
    in_kind((enum thread_kind)kind, do_resolv);
}

static void test_resolv(void **state)
{
    int status;

    (void)state;
    if (SANITIZED || !net_slirp_built) /* nobody has such a thread then */
        skip();
    status = child(resolv_user, THREAD_USER);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == GOOD);
    assert_non_null(strstr(said, "nameserver 192.0.2.1"));
    assert_null(strstr(said, "no "));
    status = child(resolv_user, THREAD_IO); /* nobody else gets it */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = child(resolv_none, THREAD_USER);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == GOOD);
    assert_non_null(strstr(said, "no stat"));
}

#if __has_include(<glib.h>)
/* A guest's odd packets make libslirp complain by way of GLib, which looks at files to do so. */
static void do_complain(void)
{
    g_log("Slirp", G_LOG_LEVEL_CRITICAL, "odd packet");
}

static void complain(int kind)
{
    const struct net_slirp_conf conf = {.mtu = 0};
    struct err err = {""};
    struct loop *loop = loop_new("net", &err);

    log_set_level(LOG_DEBUG);
    if (!loop || !net_slirp_open(&conf, "net", loop, &err))
        _exit(5);
    in_kind((enum thread_kind)kind, do_complain);
}

static void test_complaint(void **state)
{
    int status;

    (void)state;
    if (SANITIZED)
        skip();
    status = child(complain, THREAD_USER);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != GOOD || !strstr(said, "Slirp: odd packet"))
        fail_msg("status 0x%x, '%s'", status, said);
}
#else
static void test_complaint(void **state)
{
    (void)state;
    skip();
}
#endif

/* ---- what can be seen and reached ---- */

static void expect(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "not so: %s\n", what);
    _exit(1);
}

static void no_caps(int arg)
{
    struct sandbox_report r = {"", ""};
    char line[200];
    FILE *f;

    (void)arg;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sandbox_caps(&r);
    f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "CapEff", 6) == 0 || strncmp(line, "CapPrm", 6) == 0)
            expect(strtoull(line + 7, NULL, 16) == 0, line);
    expect(r.have[0] && !r.lack[0], r.lack);
}

static void landlocked(int arg)
{
    struct sandbox_report r = {"", ""};
    const int fd = memfd_create("before", 0);

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sandbox_landlock(arg, &r);
    if (r.lack[0])
        return; /* this kernel has none */
    expect(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES, "open");
    expect(mkdir("/tmp/vmm-landlocked", 0700) < 0, "mkdir");
    expect(ftruncate(fd, 100) == 0, "ftruncate of what was open");
}

/* Without the namespaces nothing changes, and that is told; with them there is no file. */
static void rootless(int uid)
{
    struct sandbox_report r = {"", ""};
    const int fd = open("/etc/passwd", O_RDONLY);
    char byte;

    if (uid && (setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) < 0 ||
                setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0))
        return;                         /* not root: the first run is this one */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as a program started by that user */
    sandbox_root(false, false, &r);
    fprintf(stderr, "%s; not: %s\n", r.have, r.lack);
    expect(r.have[0] || r.lack[0], "a word about it");
    expect(read(fd, &byte, 1) == 1, "what is open stays");
    if (!strstr(r.have, "empty root"))
        return;
    expect(open("/etc/passwd", O_RDONLY) < 0 && errno == ENOENT, "no files");
    expect(open("/x", O_CREAT | O_RDWR, 0600) < 0, "none can be made");
    expect(open("..", O_PATH) >= 0 && access("../etc", F_OK) < 0, "no way out");
    expect(!uid || strstr(r.have, "user"), "a user's namespaces");
    expect(!uid || (geteuid() == (uid_t)uid && getegid() == (gid_t)uid), "the same user there");
}

static struct loop *turned;

static void turn_again(void *arg)
{
    loop_post_later(turned, (struct loop_work *)arg);
}

/* What event loops do, work for later turns included. */
static void do_turns(void)
{
    struct loop_work work = {.fn = turn_again, .arg = &work};

    loop_post(turned, &work);
    for (unsigned i = 0; i < 4; i++)
        expect(loop_turn(turned, 0) == 1, "a turn");
    loop_cancel(turned, &work);
}

static void turns(int kind)
{
    struct err err;

    turned = loop_new("turned", &err);
    expect(turned, "a loop");
    loop_set_kind(turned, (enum thread_kind)kind);
    in_kind((enum thread_kind)kind, do_turns);
}

static void test_turns(void **state)
{
    static const enum thread_kind kinds[] = {THREAD_IO, THREAD_USER};

    (void)state;
    if (SANITIZED)
        skip();
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        const int status = child(turns, (int)kinds[i]);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != GOOD)
            fail_msg("%s: status 0x%x, '%s'", thread_kind_name[kinds[i]], status, said);
    }
}

/* Not dumpable, its files in /proc are root's: no map can be written, and that is told. */
static void no_map(int uid)
{
    struct sandbox_report r = {"", ""};

    if (setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) < 0 ||
        setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0)
        return;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    sandbox_root(false, false, &r);
    fprintf(stderr, "%s; not: %s\n", r.have, r.lack);
    expect(!strstr(r.have, "user") || strstr(r.lack, "this user in the namespace ("), "the map");
}

static void limited(int arg)
{
    struct sandbox_report r = {"", ""};
    struct rlimit files;

    (void)arg;
    getrlimit(RLIMIT_NOFILE, &files);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){256, files.rlim_max});
    sandbox_files();
    getrlimit(RLIMIT_NOFILE, &files);
    expect(files.rlim_cur == min_u64(files.rlim_max, 4096), "files, raised");
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){256, 1000});
    sandbox_files();
    sandbox_limits(&r);
    expect(strcmp(r.have, "limits") == 0, "limits");
    getrlimit(RLIMIT_NOFILE, &files);
    expect(files.rlim_cur == 1000 && files.rlim_max == 1000, "files, for good");
}

static void test_layers(void **state)
{
    static const struct {
        const char *name;
        void (*fn)(int arg);
        int arg;
    } layer[] = {
        {"capabilities", no_caps, 0}, {"landlock", landlocked, 0}, {"landlock, net", landlocked, 1},
        {"root", rootless, 0},        {"user", rootless, 12345},   {"limits", limited, 0},
        {"no map", no_map, 12345},
    };

    (void)state;
    if (SANITIZED)
        skip();
    for (unsigned i = 0; i < ARRAY_SIZE(layer); i++) {
        const int status = child(layer[i].fn, layer[i].arg);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != GOOD)
            fail_msg("%s: status 0x%x, '%s'", layer[i].name, status, said);
        print_message("# %s: %s", layer[i].name, said[0] ? said : "as wanted\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_main),   cmocka_unit_test(test_vcpu),
        cmocka_unit_test(test_io),     cmocka_unit_test(test_user),
        cmocka_unit_test(test_file),   cmocka_unit_test(test_window),
        cmocka_unit_test(test_usual),  cmocka_unit_test(test_turns),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_resolv),
        cmocka_unit_test(test_layers), cmocka_unit_test(test_complaint),
        cmocka_unit_test(test_helper),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
