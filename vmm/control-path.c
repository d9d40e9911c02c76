// SPDX-License-Identifier: MIT
/*
 * Owns the places of control sockets: which directory, whose, what a dead process left. Refuses to
 * know what is said through them.
 */
#include "vmm/control-path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOCK_TRIES = 40, LOCK_WAIT_US = 50000, BACKLOG = 16 };

static int text_set(char out[CONTROL_PATH_MAX], struct err *err, const char *dir, const char *name)
{
    const int n = snprintf(out, CONTROL_PATH_MAX, "%s%s%s", dir, *name ? "/" : "", name);

    if (n >= CONTROL_PATH_MAX)
        return err_set(err, ENAMETOOLONG,
                       "control socket %.120s...: longer than the %d bytes of a socket's address; "
                       "take a shorter name, or --control PATH",
                       dir, CONTROL_PATH_MAX - 1);
    return 0;
}

/* A directory of this user. Links do not count where somebody else could have made them. */
static bool dir_is_mine(const char *dir, bool follow)
{
    struct stat st;

    if ((follow ? stat(dir, &st) : lstat(dir, &st)) < 0 || !S_ISDIR(st.st_mode))
        return false;
    return st.st_uid == geteuid();
}

static int dir_make(const char *dir, bool create, struct err *err)
{
    struct stat st;

    if (create && mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_errno(err, errno, "cannot make %s for the control socket", dir);
    if (lstat(dir, &st) < 0)
        return err_errno(err, errno, "%s", dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(err, EPERM,
                       "%s is not a directory that only this user can enter: remove it, or say "
                       "where the control socket is to be with --control PATH",
                       dir);
    return 0;
}

int control_dir(char dir[CONTROL_PATH_MAX], bool create, struct err *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char usual[32];
    int ret;

    snprintf(usual, sizeof(usual), "/run/user/%u", geteuid());
    if (!runtime || runtime[0] != '/' || !dir_is_mine(runtime, true))
        runtime = dir_is_mine(usual, true) ? usual : NULL;
    if (runtime) {
        ret = text_set(dir, err, runtime, "vmm");
    } else {
        snprintf(usual, sizeof(usual), "/tmp/vmm-%u", geteuid());
        ret = text_set(dir, err, usual, "");
    }
    return ret < 0 ? ret : dir_make(dir, create, err);
}

int control_path(const char *name, bool create, char path[CONTROL_PATH_MAX], struct err *err)
{
    char dir[CONTROL_PATH_MAX];
    int ret;

    if (strchr(name, '/'))
        return text_set(path, err, name, "");
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, EINVAL, "'%s' is not the name of a machine", name);
    ret = control_dir(dir, create, err);
    return ret < 0 ? ret : text_set(path, err, dir, name);
}

static void address_set(struct sockaddr_un *to, const char *path)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(to->sun_path, path, strlen(path) + 1); /* text_set() has checked the length */
}

/* The descriptor that holds the lock of path's directory, or -errno. */
static int dir_lock(const char *path, struct err *err)
{
    char dir[CONTROL_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd;

    snprintf(dir, sizeof(dir), "%.*s", slash && slash > path ? (int)(slash - path) : 1,
             slash ? path : ".");
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "control socket %s: cannot open its directory", path);
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        usleep(LOCK_WAIT_US);
    }
    close(fd);
    return err_set(err, EAGAIN, "control socket %s: another process keeps its directory locked",
                   path);
}

/* Does a living process listen at path? A full queue of connections is a living one too. */
static bool path_lives(const char *path)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un to;
    bool lives;

    if (fd < 0)
        return true;
    address_set(&to, path);
    lives = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EAGAIN;
    close(fd);
    return lives;
}

/* With the directory locked: make room for a socket at path. */
static int path_clear(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "control socket %s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, EEXIST,
                       "control socket %s: something else is there; give another --control PATH",
                       path);
    if (path_lives(path))
        return err_set(err, EADDRINUSE,
                       "a machine with the control socket %s runs already: see 'vmm list'", path);
    if (unlink(path) < 0)
        return err_errno(err, errno, "control socket %s: cannot remove the old one", path);
    return 0;
}

static int socket_listen(const char *path, struct err *err)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un at;
    int ret;

    if (fd < 0)
        return err_errno(err, errno, "control socket");
    address_set(&at, path);
    /* the mode of the descriptor becomes that of the file: nobody else can connect meanwhile */
    if (fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    ret = err_errno(err, errno, "control socket %s", path);
    close(fd);
    return ret;
}

int control_listen(const char *path, struct err *err)
{
    const int lock = dir_lock(path, err);
    int ret;

    if (lock < 0)
        return lock;
    ret = path_clear(path, err);
    if (ret == 0)
        ret = socket_listen(path, err);
    close(lock);
    return ret;
}

int control_connect(const char *path, unsigned seconds, struct err *err)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = seconds};
    struct sockaddr_un to;
    int ret;

    if (fd < 0)
        return err_errno(err, errno, "control socket");
    address_set(&to, path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* counts for connect too */
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    ret = err_errno(err, errno, "%s", path);
    close(fd);
    return ret;
}
