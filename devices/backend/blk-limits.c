// SPDX-License-Identifier: MIT
/*
 * Owns what the host says about the storage behind an image: block sizes, alignment, whether space
 * can be given back. Refuses to change anything, and to act on what it finds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "devices/backend/blk-engine.h"
#include "vmm/base/bits.h"

enum { PAGE = 4096 };

/* A number from the queue of block device dev, or of the disk that the partition dev is on. */
static bool queue_number(dev_t dev, const char *name, uint64_t *value)
{
    static const char *const where[] = {"", "../"};

    for (unsigned i = 0; i < ARRAY_SIZE(where); i++) {
        unsigned long long v;
        char path[128];
        FILE *f;
        int n;

        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev), minor(dev),
                 where[i], name);
        f = fopen(path, "re");
        if (!f)
            continue;
        n = fscanf(f, "%llu", &v);
        fclose(f);
        *value = v;
        return n == 1;
    }
    return false;
}

static uint32_t queue_or(dev_t dev, const char *name, uint32_t otherwise)
{
    uint64_t v;

    return queue_number(dev, name, &v) && v <= UINT32_MAX ? (uint32_t)v : otherwise;
}

/* Punching behind the end changes nothing, and tells whether it could be done before. */
static bool file_has_holes(int fd, const struct stat *st)
{
    const off_t behind = (off_t)align_up((uint64_t)st->st_size, PAGE);

    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, behind, PAGE) == 0;
}

static void file_limits(struct blk_backend *be, const struct stat *st)
{
    struct blk_limits *l = &be->limits;
    const uint32_t block = (uint32_t)st->st_blksize;

    /* File systems over a network name what they like to transfer, not what they keep. */
    l->physical = is_pow2(block) && block >= BLK_SECTOR && block <= PAGE ? block : PAGE;
    l->io_min = l->physical;
    if (be->read_only || be->no_discard)
        return;
    if (be->overlay || file_has_holes(be->fd[BLK_IMAGE], st))
        l->discard = l->physical;
    l->zero_unmaps = l->discard != 0;
}

static void device_limits(struct blk_backend *be, const struct stat *st)
{
    const int fd = be->fd[BLK_IMAGE];
    struct blk_limits *l = &be->limits;
    unsigned physical = 0, min = 0, opt = 0;
    int offset = 0;

    if (ioctl(fd, BLKPBSZGET, &physical) == 0 && is_pow2(physical))
        l->physical = (uint32_t)max_u64(physical, BLK_SECTOR);
    if (ioctl(fd, BLKALIGNOFF, &offset) == 0 && offset > 0)
        l->align_offset = (uint32_t)offset;
    if (ioctl(fd, BLKIOMIN, &min) == 0)
        l->io_min = min;
    if (ioctl(fd, BLKIOOPT, &opt) == 0)
        l->io_opt = opt;
    if (be->read_only || be->no_discard)
        return;
    if (be->overlay || queue_or(st->st_rdev, "discard_max_bytes", 0))
        l->discard = be->overlay ? PAGE : queue_or(st->st_rdev, "discard_granularity", 0);
    l->discard = l->discard ? (uint32_t)max_u64(l->discard, l->physical) : 0;
    l->zero_unmaps = be->overlay || queue_or(st->st_rdev, "write_zeroes_unmap_max_hw_bytes",
                                             queue_or(st->st_rdev, "write_zeroes_max_bytes", 0));
}

/* Where the kernel does not say: what the disk under the file system takes, or a page. */
static uint32_t direct_unit(const struct blk_backend *be, const struct stat *st)
{
    int unit = 0;

    if (be->device && ioctl(be->fd[BLK_IMAGE], BLKSSZGET, &unit) == 0 && unit > 0)
        return (uint32_t)unit;
    return queue_or(st->st_dev, "logical_block_size", PAGE);
}

/*
 * More than a sector is made a page: then a page of the page cache, through which unaligned
 * transfers go, never has a part that a direct transfer may change meanwhile.
 */
static void direct_limits(struct blk_backend *be, const struct stat *st)
{
    uint32_t unit = direct_unit(be, st);

    be->mem_align = unit;
#ifdef STATX_DIOALIGN
    struct statx x;

    if (statx(be->fd[BLK_IMAGE], "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) == 0 &&
        (x.stx_mask & STATX_DIOALIGN) && x.stx_dio_offset_align) {
        be->mem_align = x.stx_dio_mem_align;
        unit = x.stx_dio_offset_align;
    }
#endif
    if (!is_pow2(be->mem_align) || be->mem_align > PAGE)
        be->mem_align = PAGE;
    be->limits.logical = unit > BLK_SECTOR ? (uint32_t)max_u64(unit, PAGE) : BLK_SECTOR;
}

void blk_limits_get(struct blk_backend *be)
{
    struct stat st;

    be->limits = (struct blk_limits){.logical = BLK_SECTOR, .physical = BLK_SECTOR};
    if (fstat(be->fd[BLK_IMAGE], &st) < 0)
        return;
    (be->device ? device_limits : file_limits)(be, &st);
    if (be->direct)
        direct_limits(be, &st);
}
