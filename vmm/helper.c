// SPDX-License-Identifier: MIT
/*
 * Owns the way to the helper: its start, messages, and who may wait for it. Refuses to do what it
 * does.
 */
#include "vmm/helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/helper-internal.h"
#include "vmm/sandbox-internal.h"

struct helper {
    int sock, resolv;
    pid_t pid;
    pthread_mutex_t lock; /* leaf: one question and its answer */
};

static struct helper *the_helper; /* usock's and libslirp's questions come without a context */

/* ---- messages ---- */

/* #syscalls:io,main,user sendmsg recvmsg */
int64_t helper_put(int sock, const void *head, size_t head_len, const void *more, size_t more_len,
                   const int *fd, unsigned fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(HELPER_FDS * sizeof(int))] = {0};
    struct iovec iov[] = {{(void *)(uintptr_t)head, head_len}, {(void *)(uintptr_t)more, more_len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = more_len ? 2 : 1};
    ssize_t n;

    if (fds) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fds * sizeof(int));
        memcpy(CMSG_DATA(c), fd, fds * sizeof(int));
    }
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void fds_close(int fd[HELPER_FDS])
{
    for (unsigned i = 0; i < HELPER_FDS; i++) {
        if (fd[i] >= 0)
            close(fd[i]);
        fd[i] = -1;
    }
}

int64_t helper_get(int sock, void *head, size_t head_len, void *more, size_t more_len,
                   int fd[HELPER_FDS])
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(HELPER_FDS * sizeof(int))] = {0};
    struct iovec iov[] = {{head, head_len}, {more, more_len}};
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = more_len ? 2 : 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;

    for (unsigned i = 0; i < HELPER_FDS; i++)
        fd[i] = -1;
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fd, CMSG_DATA(c), min_u64(c->cmsg_len - CMSG_LEN(0), HELPER_FDS * sizeof(int)));
    if (!(msg.msg_flags & MSG_CTRUNC))
        return n;
    fds_close(fd); /* some of a message's descriptors are none */
    return -EMFILE;
}

/* Ask and hear: bytes of the answer, and as many descriptors as it says. -EMFILE: they did not all
 * come, for there is no room for them here; none is left open. -ECONNREFUSED: the helper is gone.
 */
static int64_t answer_get(int sock, const struct helper_ask *ask, struct helper_answer *a,
                          void *more, size_t more_len, int fd[HELPER_FDS])
{
    int64_t n = helper_put(sock, ask, sizeof(*ask), NULL, 0, NULL, 0);
    unsigned came = 0;

    if (n >= 0)
        n = helper_get(sock, a, sizeof(*a), more, more_len, fd);
    if (n == -EMFILE)
        return n;
    if (n < (int64_t)sizeof(*a))
        return -ECONNREFUSED;
    for (unsigned i = 0; i < HELPER_FDS; i++)
        came += fd[i] >= 0;
    if (came == a->fds)
        return n;
    fds_close(fd);
    return -EMFILE;
}

/* One number, and a descriptor if that is 0 and there is one: the descriptor, or the number. */
static int number_ask(int sock, const struct helper_ask *ask)
{
    struct helper_answer a;
    int fd[HELPER_FDS];
    const int64_t n = answer_get(sock, ask, &a, NULL, 0, fd);

    if (n < 0)
        return (int)n;
    return a.ret < 0 || fd[0] < 0 ? a.ret : fd[0];
}

/* ---- questions ---- */

/* On a device's loop, which must not wait while somebody else's question takes its time. */
static int outside_connect(const char *path)
{
    struct helper_ask ask = {.op = HELPER_CONNECT};
    int ret;

    memcpy(ask.path, path, min_u64(strlen(path), sizeof(ask.path) - 1));
    if (pthread_mutex_trylock(&the_helper->lock))
        return -EAGAIN;
    ret = number_ask(the_helper->sock, &ask);
    pthread_mutex_unlock(&the_helper->lock);
    return ret;
}

static void outside_remove(const char *path, dev_t dev, ino_t ino)
{
    struct helper_ask ask = {.op = HELPER_REMOVE, .dev = dev, .ino = ino};

    memcpy(ask.path, path, min_u64(strlen(path), sizeof(ask.path) - 1));
    pthread_mutex_lock(&the_helper->lock);
    number_ask(the_helper->sock, &ask);
    pthread_mutex_unlock(&the_helper->lock);
}

/* #syscalls:file sendmsg recvmsg */
int helper_picture(const char *dir, const char *name)
{
    struct helper_ask ask = {.op = HELPER_PICTURE};
    int ret;

    (void)dir; /* it knows */
    memcpy(ask.path, name, min_u64(strlen(name), sizeof(ask.path) - 1));
    pthread_mutex_lock(&the_helper->lock);
    ret = number_ask(the_helper->sock, &ask);
    pthread_mutex_unlock(&the_helper->lock);
    return ret;
}

/* In a signal handler of a thread that holds libslirp's lock: one at a time. */
static int resolv_ask(void)
{
    const struct helper_ask ask = {.op = HELPER_RESOLV};

    return number_ask(the_helper->resolv, &ask);
}

static char *text_take(const struct helper_answer *a, unsigned i, const char **at, size_t *left)
{
    const size_t len = min_u64(a->len[i], *left);
    char *text = a->has >> i & 1 ? strndup(*at, len) : NULL;

    *at += len;
    *left -= len;
    return text;
}

static int boot_take(const struct helper_answer *a, const char *all, size_t left, const int *fd,
                     struct bootfiles *files, struct err *err)
{
    char **const text[HELPER_TEXTS] = {&files->kernel, &files->initrd, &files->cmdline,
                                       &files->source};

    *files = (struct bootfiles){.kernel_fd = fd[0], .initrd_fd = fd[1]};
    for (unsigned i = 0; i < HELPER_TEXTS; i++)
        *text[i] = text_take(a, i, &all, &left);
    if (a->ret < 0)
        err_set(err, -a->ret, "%s", files->kernel ? files->kernel : "no boot files");
    else if (files->kernel_fd >= 0 && files->kernel && (files->initrd_fd < 0 || files->initrd))
        return 0;
    else
        err_set(err, EIO, "the helper process gave no boot files");
    bootfiles_close(files);
    return a->ret < 0 ? a->ret : -EIO;
}

int helper_bootfiles(struct helper *helper, struct bootfiles *files, struct err *err)
{
    const struct helper_ask ask = {.op = HELPER_BOOT};
    char *all = malloc(HELPER_TEXT_MAX);
    struct helper_answer a;
    int fd[HELPER_FDS];
    int64_t n;
    int ret;

    *files = (struct bootfiles){.kernel_fd = -1, .initrd_fd = -1};
    if (!all)
        return err_errno(err, ENOMEM, "boot files");
    pthread_mutex_lock(&helper->lock);
    n = answer_get(helper->sock, &ask, &a, all, HELPER_TEXT_MAX, fd);
    pthread_mutex_unlock(&helper->lock);
    if (n == -EMFILE)
        ret = err_errno(err, EMFILE, "cannot take the boot files from the helper process");
    else if (n < 0)
        ret = err_set(err, EIO, "the helper process, which finds boot files, is gone");
    else
        ret = boot_take(&a, all, (size_t)n - sizeof(a), fd, files, err);
    free(all);
    return ret;
}

/* ---- start and end ---- */

static const struct usock_outside by_helper = {outside_connect, outside_remove};

static void child_run(const struct config *config, const char *control, const int sock[2],
                      pid_t parent) __attribute__((noreturn));

static void child_run(const struct config *config, const char *control, const int sock[2],
                      pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    helper_serve(config, control, sock);
}

static int child_start(struct helper *helper, const struct config *config, const char *control,
                       struct err *err)
{
    const int kind = SOCK_SEQPACKET | SOCK_CLOEXEC;
    int main[2] = {-1, -1}, resolv[2] = {-1, -1};
    const pid_t parent = getpid();
    pid_t pid = -1;

    if (socketpair(AF_UNIX, kind, 0, main) == 0 && socketpair(AF_UNIX, kind, 0, resolv) == 0)
        pid = fork();
    if (pid == 0)
        child_run(config, control, (const int[]){main[1], resolv[1]}, parent);
    if (pid < 0)
        err_errno(err, errno, "cannot start the helper process (--sandbox off does without)");
    close(main[1]);
    close(resolv[1]);
    helper->sock = main[0];
    helper->resolv = resolv[0];
    helper->pid = pid;
    return pid < 0 ? -EIO : 0;
}

struct helper *helper_start(const struct config *config, const char *control, struct err *err)
{
    struct helper *helper = calloc(1, sizeof(*helper));

    if (!helper) {
        err_errno(err, ENOMEM, "helper process");
        return NULL;
    }
    pthread_mutex_init(&helper->lock, NULL);
    the_helper = helper;
    if (child_start(helper, config, control, err) < 0) {
        helper_free(helper);
        return NULL;
    }
    usock_set_outside(&by_helper);
    sandbox_on_resolv(resolv_ask);
    return helper;
}

/* #syscalls:main wait4 */
void helper_free(struct helper *helper)
{
    if (!helper)
        return;
    usock_set_outside(NULL);
    sandbox_on_resolv(NULL);
    the_helper = NULL;
    close(helper->sock);
    close(helper->resolv);
    while (helper->pid > 0 && waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    pthread_mutex_destroy(&helper->lock);
    free(helper);
}
