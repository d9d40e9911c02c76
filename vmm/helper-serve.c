// SPDX-License-Identifier: MIT
/*
 * Owns the helper's side: what it is asked is checked against the options, and done. Refuses to
 * believe who asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/backend/display-png.h"
#include "vmm/base/bits.h"
#include "vmm/helper-internal.h"
#include "vmm/sandbox-internal.h"

/*
 * Messages, names of files, and the child that reads boot files: its start, and what it may do
 * under a list of its own (firmware/disk-jail.c), or is refused there.
 * #syscalls:helper poll ppoll recvmsg sendmsg close fcntl exit_group kill clock_gettime write read
 * #syscalls:helper openat open newfstatat fstat lseek pread64 unlink unlinkat memfd_create
 * #syscalls:helper socket connect ioctl clone pipe2 wait4 prctl getppid set_robust_list prlimit64
 * #syscalls:helper close_range seccomp fadvise64 getrandom sysinfo gettimeofday getuid geteuid
 * #syscalls:helper getgid getegid access faccessat faccessat2 readlink readlinkat stat statx
 */

struct server {
    const struct config *config;
    const char *control;
};

static void answer_number(int sock, int ret, int fd)
{
    const struct helper_answer a = {.ret = ret, .fds = fd >= 0};

    helper_put(sock, &a, sizeof(a), NULL, 0, &fd, fd >= 0);
    if (fd >= 0)
        close(fd);
}

static void boot_do(const struct server *s, int sock, const struct helper_ask *ask)
{
    struct err err = {""};
    struct bootfiles files;
    const int ret = bootfiles_open(s->config, &files, &err);
    const char *const text[HELPER_TEXTS] = {ret < 0 ? err.text : files.kernel, files.initrd,
                                            files.cmdline, files.source};
    const int fd[] = {files.kernel_fd, files.initrd_fd};
    struct helper_answer a = {.ret = ret,
                              .fds = (files.kernel_fd >= 0) + (files.initrd_fd >= 0 ? 1u : 0u)};
    char *all = malloc(HELPER_TEXT_MAX);
    size_t at = 0;

    (void)ask;
    for (unsigned i = 0; all && i < HELPER_TEXTS; i++) {
        const size_t len = text[i] ? strlen(text[i]) : 0;

        if (!text[i] || len > HELPER_TEXT_MAX - at)
            continue;
        memcpy(all + at, text[i], len);
        a.len[i] = (uint32_t)len;
        a.has |= 1u << i;
        at += len;
    }
    helper_put(sock, &a, sizeof(a), all, at, fd, a.fds);
    free(all);
    bootfiles_close(&files);
}

/* Is it the place of a socket that we made? */
static bool path_ours(const struct server *s, const char *path)
{
    const struct config *c = s->config;

    if (s->control && strcmp(path, s->control) == 0)
        return true;
    if (c->console_to.kind == CONFIG_SOCKET && strcmp(path, c->console_to.path) == 0)
        return true;
    for (unsigned i = 0; i < c->n_ports; i++)
        if (c->port[i].to.kind == CONFIG_SOCKET && strcmp(path, c->port[i].to.path) == 0)
            return true;
    return false;
}

static void remove_do(const struct server *s, int sock, const struct helper_ask *ask)
{
    struct stat st;
    const bool ok = path_ours(s, ask->path) && lstat(ask->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
                    st.st_dev == ask->dev && st.st_ino == ask->ino;

    answer_number(sock, ok && unlink(ask->path) == 0 ? 0 : -ENOENT, -1);
}

static void connect_do(const struct server *s, int sock, const struct helper_ask *ask)
{
    const struct config *c = s->config;
    int fd = -EPERM;

    for (unsigned i = 0; i < c->n_nets; i++) {
        if (c->net[i].kind != CONFIG_NET_PASST || strcmp(c->net[i].socket, ask->path) != 0)
            continue;
        fd = usock_connect(ask->path);
        break;
    }
    answer_number(sock, fd < 0 ? fd : 0, fd);
}

static void picture_do(const struct server *s, int sock, const struct helper_ask *ask)
{
    const struct config_display *c = &s->config->display;
    int fd = -EPERM;

    if (c->kind == CONFIG_DISPLAY_PNG && display_png_is_name(ask->path))
        fd = display_png_create(c->dir, ask->path);
    answer_number(sock, fd < 0 ? fd : 0, fd);
}

/* Without servers that name an interface: to find its number libslirp would need a socket. */
static int resolv_copy(void)
{
    const int fd = memfd_create("resolv.conf", MFD_CLOEXEC);
    FILE *from = fopen("/etc/resolv.conf", "re");
    char line[512];

    while (fd >= 0 && from && fgets(line, sizeof(line), from))
        if (!strchr(line, '%') && write(fd, line, strlen(line)) < 0)
            break;
    if (from)
        fclose(from);
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static void resolv_do(const struct server *s, int sock, const struct helper_ask *ask)
{
    const int fd = resolv_copy();

    (void)s, (void)ask;
    answer_number(sock, fd < 0 ? -errno : 0, fd);
}

static void (*const todo[])(const struct server *s, int sock, const struct helper_ask *ask) = {
    [HELPER_BOOT] = boot_do,     [HELPER_REMOVE] = remove_do,   [HELPER_CONNECT] = connect_do,
    [HELPER_RESOLV] = resolv_do, [HELPER_PICTURE] = picture_do,
};

/* false: nobody is there any more. */
static bool ask_serve(const struct server *s, int sock)
{
    struct helper_ask ask;
    int fd[HELPER_FDS];
    const int64_t n = helper_get(sock, &ask, sizeof(ask), NULL, 0, fd);

    for (unsigned i = 0; i < HELPER_FDS; i++)
        if (fd[i] >= 0)
            close(fd[i]);
    if (n != (int64_t)sizeof(ask) || ask.op >= ARRAY_SIZE(todo))
        return false;
    ask.path[sizeof(ask.path) - 1] = '\0';
    todo[ask.op](s, sock, &ask);
    return true;
}

/* The log is all that it shares with us beside the sockets. */
static void fds_settle(int sock[2])
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    /* out of the way first: one may have the other's number */
    sock[0] = fcntl(sock[0], F_DUPFD, 10);
    sock[1] = fcntl(sock[1], F_DUPFD, 10);
    dup2(sock[0], 3);
    dup2(sock[1], 4);
    sock[0] = 3;
    sock[1] = 4;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    fcntl(4, F_SETFD, FD_CLOEXEC);
    if (close_range(5, ~0u, 0) < 0) /* before Linux 5.9 */
        for (int i = 5; i < (int)sysconf(_SC_OPEN_MAX); i++)
            close(i);
}

void helper_serve(const struct config *config, const char *control, const int sock[2])
{
    const struct server s = {config, control};
    int own[] = {sock[0], sock[1]};
    sigset_t all;

    sigfillset(&all);        /* keys and signals to the group are not for us */
    sigdelset(&all, SIGSYS); /* but that of the filter */
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "vmm-helper");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fds_settle(own);
    sandbox_filter_helper();
    for (;;) {
        struct pollfd fds[] = {{.fd = own[0], .events = POLLIN}, {.fd = own[1], .events = POLLIN}};

        if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
            _exit(0);
        for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
            if (fds[i].revents && !ask_serve(&s, own[i]))
                _exit(0);
    }
}
