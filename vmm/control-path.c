// SPDX-License-Identifier: MIT
/*
 * Owns the places of control sockets: which directory, and whose. Refuses to know what is said
 * through them.
 */
#include "vmm/control-path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

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
