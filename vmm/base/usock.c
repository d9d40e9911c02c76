// SPDX-License-Identifier: MIT
/*
 * Owns how a named socket is made beside others who may do the same: what a dead process left, a
 * living owner, modes. Refuses to know what is said through it.
 */
#include "vmm/base/usock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOCK_TRIES = 40, LOCK_WAIT_US = 50000, BACKLOG = 16 };

static const struct usock_outside *outside;

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    memcpy(at.sun_path, path, strlen(path) + 1);
    return at;
}

/* Its directory, locked until the descriptor is closed; -1 where nobody may open it to lock it. */
static int dir_lock(const char *path)
{
    char dir[USOCK_PATH_MAX + 1] = ".";
    const char *slash = strrchr(path, '/');
    int fd;

    if (slash)
        snprintf(dir, sizeof(dir), "%.*s", slash > path ? (int)(slash - path) : 1, path);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        usleep(LOCK_WAIT_US);
    }
    close(fd);
    return -EAGAIN;
}

/* A full queue of connections has an owner, too. */
static bool is_alive(const char *path)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const struct sockaddr_un to = address(path);
    bool alive;

    if (fd < 0)
        return true;
    alive = connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 || errno != ECONNREFUSED;
    close(fd);
    return alive;
}

static int path_clear(const char *what, const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "%s: %s", what, path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, EEXIST,
                       "%s: %s is there already and is not a socket; remove it or "
                       "give another path",
                       what, path);
    if (is_alive(path))
        return err_set(err, EADDRINUSE,
                       "%s: another program listens at %s; end it or give another "
                       "path",
                       what, path);
    if (unlink(path) < 0)
        return err_errno(err, errno, "%s: cannot remove the old socket %s", what, path);
    return 0;
}

static int socket_make(struct usock *s, const char *what, struct err *err)
{
    const struct sockaddr_un at = address(s->path);
    struct stat st;

    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* bind() gives the file the mode of the descriptor: never open to others, not even at first */
    if (s->fd < 0 || fchmod(s->fd, 0600) < 0 ||
        bind(s->fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(s->fd, BACKLOG) < 0 ||
        lstat(s->path, &st) < 0)
        return err_errno(err, errno, "%s: cannot make the socket %s", what, s->path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return 0;
}

int usock_listen(struct usock *s, const char *what, const char *path, struct err *err)
{
    int lock, ret;

    *s = (struct usock){.fd = -1};
    if (strlen(path) > USOCK_PATH_MAX)
        return err_set(err, ENAMETOOLONG,
                       "%s: %.60s...: longer than the %d bytes of a socket's "
                       "address; give a shorter path",
                       what, path, USOCK_PATH_MAX);
    memcpy(s->path, path, strlen(path) + 1);
    lock = dir_lock(path);
    if (lock == -EAGAIN)
        return err_set(err, EAGAIN, "%s: another process keeps the directory of %s locked", what,
                       path);
    ret = path_clear(what, path, err);
    if (ret == 0)
        ret = socket_make(s, what, err);
    if (lock >= 0)
        close(lock);
    return ret;
}

void usock_close(struct usock *s)
{
    if (s->fd < 0)
        return;
    if (s->ino)
        usock_remove(s->path, s->dev, s->ino);
    close(s->fd);
    s->fd = -1;
}

void usock_set_outside(const struct usock_outside *ops)
{
    outside = ops;
}

int usock_connect(const char *path)
{
    struct sockaddr_un to;
    int fd, ret;

    if (outside)
        return outside->connect(path);
    if (strlen(path) > USOCK_PATH_MAX)
        return -ENAMETOOLONG;
    to = address(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    ret = -errno;
    close(fd);
    return ret;
}

void usock_remove(const char *path, dev_t dev, ino_t ino)
{
    struct stat st;

    if (outside)
        outside->remove(path, dev, ino);
    else if (lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
        unlink(path);
}
