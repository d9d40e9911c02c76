// SPDX-License-Identifier: MIT
/*
 * Owns the image as a file: what may be opened, its lock, its size, and the choice of an engine.
 * Refuses to look into it, and knows nothing of requests.
 *
 * The lock is one byte far behind any data, of the open-file kind: it goes away with the last
 * descriptor, whatever happens to the process, and tools that lock other ranges are not disturbed.
 * On network file systems it is as good as the server's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "devices/backend/blk-engine.h"
#include "devices/backend/blk-overlay.h"
#include "devices/backend/blk.h"
#include "vmm/base/bits.h"

#define LOCK_AT (INT64_C(1) << 62)

enum { BUSY_TRIES = 50, BUSY_PAUSE_NS = 10000000 };

/* Before it is opened, too: opening some devices has effects, and a FIFO would wait. */
static int kind_check(const char *path, const struct stat *st, struct err *err)
{
    if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
        return 0;
    if (S_ISDIR(st->st_mode))
        return err_set(err, EISDIR, "disk %s is a folder; give an image file or a block device",
                       path);
    return err_set(err, EINVAL, "disk %s is neither a file nor a block device", path);
}

static int open_error(const struct blk_open *o, bool writes, int code, struct err *err)
{
    const char *hint = "";

    if (writes && (code == EROFS || code == EACCES || code == EPERM))
        hint = " for writing (add ,ro or ,snapshot to leave it unchanged)";
    if (code == EBUSY)
        hint = ": the host has it mounted or in use";
    return err_errno(err, code, "cannot open disk %s%s", o->path, hint);
}

/* The open, checked image, or -errno. */
static int image_open(const struct blk_open *o, bool writes, struct stat *st, struct err *err)
{
    int flags = (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const int direct = o->cache == BLK_CACHE_DIRECT ? O_DIRECT : 0;
    int fd, ret;

    if (stat(o->path, st) < 0)
        return open_error(o, false, errno, err);
    ret = kind_check(o->path, st, err);
    if (ret)
        return ret;
    if (writes && S_ISBLK(st->st_mode))
        flags |= O_EXCL; /* not one that the host has mounted */
    fd = open(o->path, flags | direct);
    if (fd < 0 && errno == EINVAL && direct)
        return err_set(err, EINVAL,
                       "disk %s: its file system has no direct I/O; use cache=writeback", o->path);
    if (fd < 0)
        return open_error(o, writes, errno, err);
    /* What the name stands for may have changed since; and io_uring does not wait where the file
     * says that nobody shall. */
    ret = fstat(fd, st) < 0 || fcntl(fd, F_SETFL, (flags & O_ACCMODE) | direct) < 0
              ? open_error(o, false, errno, err)
              : kind_check(o->path, st, err);
    if (ret) {
        close(fd);
        return ret;
    }
    return fd;
}

/* H10: one writer, or any number of readers. */
static int image_lock(int fd, const char *path, bool writes, struct err *err)
{
    struct flock lock = {
        .l_type = writes ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_AT, .l_len = 1};
    int ret;

    do
        ret = fcntl(fd, F_OFD_SETLK, &lock);
    while (ret < 0 && errno == EINTR);
    if (!ret)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return err_errno(err, errno, "cannot lock disk %s", path);
    if (writes)
        return err_set(err, EBUSY,
                       "disk %s is in use by another process: no exclusive lock (to only read it, "
                       "add ,ro or ,snapshot)",
                       path);
    return err_set(err, EBUSY, "disk %s is being written by another process: no shared lock", path);
}

/* The kernel may hold on to the file for a while after it was closed.
 * #syscalls:main fcntl */
static void image_unlock(int fd)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = LOCK_AT, .l_len = 1};

    fcntl(fd, F_OFD_SETLK, &lock);
}

static int image_size(int fd, const char *path, uint64_t *size, struct err *err)
{
    struct stat st;
    uint64_t bytes;

    if (fstat(fd, &st) < 0)
        return err_errno(err, errno, "cannot get the size of disk %s", path);
    bytes = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        return err_errno(err, errno, "cannot get the size of disk %s", path);
    *size = bytes - bytes % BLK_SECTOR;
    if (!*size)
        return err_set(err, EINVAL,
                       "disk %s is empty: it has %" PRIu64 " bytes, less than a sector", path,
                       bytes);
    if (*size != bytes)
        log_msg(LOG_WARN, "disk %s: its last %" PRIu64 " bytes are no full sector and not used",
                path, bytes - *size);
    return 0;
}

/* Some kernels let a write-protected device be opened for writing. */
static int device_check(int fd, const struct blk_open *o, const struct stat *st, struct err *err)
{
    int protected = 0;

    if (!S_ISBLK(st->st_mode) || ioctl(fd, BLKROGET, &protected) < 0 || !protected)
        return 0;
    return open_error(o, true, EROFS, err);
}

/* H01: no write needs more space than is there. What the file has is left as it is. */
static int image_reserve(struct blk_backend *be, uint64_t size, struct err *err)
{
    int ret;

    if (!be->prealloc)
        return 0;
    do
        ret = fallocate(be->fd[BLK_IMAGE], FALLOC_FL_KEEP_SIZE, 0, (off_t)min_u64(size, INT64_MAX));
    while (ret < 0 && errno == EINTR);
    if (ret == 0)
        return 0;
    if (errno == EOPNOTSUPP)
        return err_set(err, EOPNOTSUPP,
                       "disk %s: its file system reserves no space; leave prealloc=on out",
                       be->path);
    return err_errno(err, errno, "disk %s: cannot reserve the %" PRIu64 " bytes of prealloc=on",
                     be->path, size);
}

static int prealloc_check(const struct blk_open *o, const struct stat *st, struct err *err)
{
    if (!o->prealloc)
        return 0;
    if (o->read_only || o->snapshot)
        return err_set(err, EINVAL,
                       "disk %s: prealloc=on is for what the guest writes, and that does not go "
                       "there with ro or snapshot; leave one out",
                       o->path);
    if (!S_ISREG(st->st_mode))
        return err_set(err, EINVAL,
                       "disk %s is a block device: its space is its own, leave prealloc=on out",
                       o->path);
    return 0;
}

static int engine_open(struct blk_backend *be, const struct blk_engine *engine, struct err *err)
{
    be->engine = engine;
    be->fd[BLK_TEMP] = be->overlay ? blk_overlay_fd(be->overlay) : -1;
    if (!engine) {
        be->engine = &blk_uring;
        if (!be->engine->open(be, NULL))
            return 0;
        be->engine = &blk_pool;
    }
    return be->engine->open(be, err);
}

/* Unaligned transfers of an image with large direct blocks: the same file, by its descriptor. */
static int plain_open(struct blk_backend *be, bool writes, struct err *err)
{
    char path[64];

    if (!be->direct || be->limits.logical == BLK_SECTOR)
        return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", be->fd[BLK_IMAGE]);
    be->fd[BLK_PLAIN] = open(path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (be->fd[BLK_PLAIN] >= 0)
        return 0;
    return err_errno(err, errno, "cannot open disk %s once more (by %s)", be->path, path);
}

static int backend_fill(struct blk_backend *be, const struct blk_open *o, struct err *err)
{
    bool writes = !o->read_only && !o->snapshot;
    struct stat st;
    int ret = image_open(o, writes, &st, err);

    if (ret < 0)
        return ret;
    be->fd[BLK_IMAGE] = ret;
    be->read_only = o->read_only;
    be->device = S_ISBLK(st.st_mode);
    be->direct = o->cache == BLK_CACHE_DIRECT;
    be->unsafe = o->cache == BLK_CACHE_UNSAFE;
    be->no_discard = o->no_discard || o->prealloc;
    be->prealloc = o->prealloc;
    be->werror = o->werror;
    be->rerror_stop = o->rerror_stop;
    ret = prealloc_check(o, &st, err);
    if (!ret && writes)
        ret = device_check(be->fd[BLK_IMAGE], o, &st, err);
    if (!ret)
        ret = image_lock(be->fd[BLK_IMAGE], o->path, writes, err);
    if (!ret)
        ret = image_size(be->fd[BLK_IMAGE], o->path, &be->size, err);
    if (!ret)
        ret = image_reserve(be, be->size, err);
    if (ret)
        return ret;
    if (o->snapshot && !o->read_only) {
        be->overlay = blk_overlay_new(be->size, err);
        if (!be->overlay)
            return -EIO;
    }
    blk_limits_get(be);
    ret = plain_open(be, writes, err);
    return ret ? ret : engine_open(be, o->engine, err);
}

static void backend_free(struct blk_backend *be)
{
    blk_overlay_free(be->overlay);
    if (be->fd[BLK_PLAIN] >= 0)
        close(be->fd[BLK_PLAIN]);
    if (be->fd[BLK_IMAGE] >= 0) {
        image_unlock(be->fd[BLK_IMAGE]);
        close(be->fd[BLK_IMAGE]);
    }
    free(be->path);
    free(be);
}

static int open_once(const struct blk_open *o, struct loop *loop, struct blk_backend **out,
                     struct err *err)
{
    struct blk_backend *be = calloc(1, sizeof(*be));
    int ret;

    if (!be)
        return err_errno(err, ENOMEM, "disk %s", o->path);
    blk_init(be);
    be->loop = loop;
    be->fd[BLK_IMAGE] = be->fd[BLK_TEMP] = be->fd[BLK_PLAIN] = -1;
    be->path = strdup(o->path);
    ret = be->path ? backend_fill(be, o, err) : err_errno(err, ENOMEM, "disk %s", o->path);
    if (ret) {
        backend_free(be);
        return ret;
    }
    *out = be;
    return 0;
}

/*
 * The kernel holds on to an image, and its lock, until the last transfer of a process that was
 * killed has ended: which is right, but no reason to turn away who starts it anew.
 */
int blk_backend_open(const struct blk_open *o, struct loop *loop, struct blk_backend **out,
                     struct err *err)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    int ret = open_once(o, loop, out, err);

    for (unsigned i = 0; ret == -EBUSY && i < BUSY_TRIES; i++) {
        nanosleep(&pause, NULL);
        ret = open_once(o, loop, out, err);
    }
    return ret;
}

void blk_backend_close(struct blk_backend *be)
{
    if (!be)
        return;
    if (be->in_flight)
        bug("disk closed with requests in flight");
    be->engine->close(be);
    loop_cancel(be->loop, &be->ready_work);
    if (be->errors > 1)
        log_msg(LOG_ERROR, "%s: %" PRIu64 " requests failed in all", be->path, be->errors);
    backend_free(be);
}

/*
 * The file may have become larger.
 * #syscalls:main fstat newfstatat fallocate
 * #ioctls:main BLKGETSIZE64
 */
int blk_backend_resize(struct blk_backend *be, struct err *err)
{
    uint64_t size;
    int ret = image_size(be->fd[BLK_IMAGE], be->path, &size, err);

    if (ret < 0)
        return ret;
    ret = image_reserve(be, size, err);
    if (ret < 0)
        return ret;
    ret = be->overlay ? blk_overlay_grow(be->overlay, size) : 0;
    if (ret < 0)
        return err_errno(err, -ret, "cannot make the snapshot of disk %s larger", be->path);
    be->size = size;
    return 0;
}

/* #syscalls:main fstat newfstatat fallocate ftruncate */
int blk_backend_grow(struct blk_backend *be, uint64_t size, struct err *err)
{
    struct stat st;
    int ret;

    if (be->read_only || be->overlay)
        return err_set(err, EROFS, "disk %s: nothing is written to its file, so it cannot grow",
                       be->path);
    if (fstat(be->fd[BLK_IMAGE], &st) < 0)
        return err_errno(err, errno, "disk %s", be->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EINVAL,
                       "disk %s is not a file: make it larger by its own means, then say resize "
                       "without a size",
                       be->path);
    if (size < (uint64_t)st.st_size || size % BLK_SECTOR)
        return err_set(err, EINVAL,
                       "disk %s has %" PRIu64 " bytes: it can only grow, in whole sectors of %d",
                       be->path, (uint64_t)st.st_size, BLK_SECTOR);
    ret = image_reserve(be, size, err);
    if (ret < 0)
        return ret;
    if (ftruncate(be->fd[BLK_IMAGE], (off_t)min_u64(size, INT64_MAX)) < 0)
        return err_errno(err, errno, "disk %s cannot grow", be->path);
    return 0;
}
