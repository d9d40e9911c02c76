// SPDX-License-Identifier: MIT
/*
 * Owns reading ext2/3/4 volumes with libext2fs, through an I/O manager that can only read and only
 * inside of its volume. The library opens no file. A journal that was not replayed is not looked
 * at, as boot loaders do it. Knows nothing of what the files mean.
 */
#include "firmware/disk-fs.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POUR_CHUNK ((unsigned)(256 * KIB))

struct image {
    const struct disk_volume *v;
    struct disk_window window; /* the library asks block by block */
};

static errcode_t image_read(io_channel io, unsigned long long block, int count, void *data)
{
    struct image *im = io->private_data;
    uint64_t unit = (uint64_t)io->block_size;
    /* a negative count is one in bytes */
    uint64_t len = count < 0 ? (uint64_t) - (int64_t)count : (uint64_t)count * unit;
    if (block > im->v->size / unit)
        return EXT2_ET_SHORT_READ;
    uint64_t off = block * unit;
    return disk_window_read(&im->window, im->v, off, data, len) ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t image_read_short(io_channel io, unsigned long block, int count, void *data)
{
    return image_read(io, block, count, data);
}

static errcode_t image_write(io_channel io, unsigned long block, int count, const void *data)
{
    (void)io, (void)block, (void)count, (void)data;
    return EXT2_ET_RO_FILSYS;
}

static errcode_t image_set_blksize(io_channel io, int size)
{
    if (size <= 0)
        return EXT2_ET_CORRUPT_SUPERBLOCK;
    io->block_size = size;
    return 0;
}

static errcode_t image_flush(io_channel io)
{
    (void)io;
    return 0;
}

static errcode_t image_close(io_channel io)
{
    struct image *im = io->private_data;
    if (im)
        disk_window_free(&im->window);
    free(im);
    free(io->name);
    free(io);
    return 0;
}

static errcode_t image_open(const char *name, int flags, io_channel *channel);

static struct struct_io_manager image_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "disk image",
    .open = image_open,
    .close = image_close,
    .set_blksize = image_set_blksize,
    .read_blk = image_read_short,
    .read_blk64 = image_read,
    .write_blk = image_write,
    .flush = image_flush,
};

/* name is the volume's address in hexadecimal: the library passes nothing else on */
static errcode_t image_open(const char *name, int flags, io_channel *channel)
{
    if (flags & IO_FLAG_RW)
        return EXT2_ET_RO_FILSYS;
    struct struct_io_channel *io = calloc(1, sizeof(*io));
    if (!io)
        return EXT2_ET_NO_MEMORY;
    struct image *im = calloc(1, sizeof(*im));
    io->private_data = im;
    io->name = strdup(name);
    if (!im || !io->name) {
        image_close(io);
        return EXT2_ET_NO_MEMORY;
    }
    io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    io->manager = &image_manager;
    io->block_size = 1024;
    io->refcount = 1;
    im->v = (const struct disk_volume *)(uintptr_t)strtoull(name, NULL, 16);
    *channel = io;
    return 0;
}

static int errno_of(errcode_t e)
{
    static const struct {
        errcode_t from;
        int to;
    } map[] = {
        {0, 0},
        {EXT2_ET_FILE_NOT_FOUND, -ENOENT},
        {EXT2_ET_NO_DIRECTORY, -ENOTDIR},
        {EXT2_ET_NO_MEMORY, -ENOMEM},
        {EXT2_ET_UNSUPP_FEATURE, -EOPNOTSUPP},
        {EXT2_ET_RO_UNSUPP_FEATURE, -EOPNOTSUPP},
    };
    for (size_t i = 0; i < ARRAY_SIZE(map); i++)
        if (map[i].from == e)
            return map[i].to;
    return -EUCLEAN;
}

static int ext4_open(struct disk_volume *v)
{
    char name[32];
    ext2_filsys fs;
    snprintf(name, sizeof(name), "%llx", (unsigned long long)(uintptr_t)v);
    int r = errno_of(ext2fs_open2(name, NULL, EXT2_FLAG_64BITS | EXT2_FLAG_IGNORE_CSUM_ERRORS, 0, 0,
                                  &image_manager, &fs));
    if (r == 0)
        v->state = fs;
    return r;
}

static void ext4_close(struct disk_volume *v)
{
    ext2fs_free(v->state);
}

static int inode_read(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode)
{
    /* 0 and numbers past the end would read other structures as an inode */
    if (!ino || ino > fs->super->s_inodes_count)
        return -EUCLEAN;
    return errno_of(ext2fs_read_inode(fs, ino, inode));
}

/* The target of the symbolic link ino, not NUL-terminated: its length or -errno. */
static int link_read(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode, char *to,
                     size_t room)
{
    uint64_t size = EXT2_I_SIZE(inode);
    if (!size || size > room)
        return -ENAMETOOLONG;
    if (ext2fs_is_fast_symlink(inode)) {
        if (size > sizeof(inode->i_block))
            return -EUCLEAN;
        memcpy(to, inode->i_block, size);
        return (int)size;
    }
    ext2_file_t f;
    unsigned got = 0;
    int r = errno_of(ext2fs_file_open(fs, ino, 0, &f));
    if (r)
        return r;
    r = errno_of(ext2fs_file_read(f, to, (unsigned)size, &got));
    ext2fs_file_close(f);
    return r ? r : got == size ? (int)size : -EUCLEAN;
}

/* A walk along a path: what is left of it, with links put in place as they are met. */
struct walk {
    ext2_filsys fs;
    ext2_ino_t at;
    unsigned links;
    char rest[DISK_MAX_PATH * 2], target[DISK_MAX_PATH];
};

static int walk_link(struct walk *w, ext2_ino_t ino, struct ext2_inode *inode, const char *behind)
{
    if (++w->links > DISK_MAX_LINKS)
        return -ELOOP;
    int len = link_read(w->fs, ino, inode, w->target, sizeof(w->target));
    if (len < 0)
        return len;
    size_t left = strlen(behind);
    if ((size_t)len + 1 + left + 1 > sizeof(w->rest))
        return -ENAMETOOLONG;
    memmove(w->rest + len + 1, behind, left + 1);
    memcpy(w->rest, w->target, (size_t)len);
    w->rest[len] = '/';
    if (w->rest[0] == '/')
        w->at = EXT2_ROOT_INO;
    return 0;
}

/* One component off the front; 1: the path has ended */
static int walk_step(struct walk *w)
{
    const char *name = w->rest + strspn(w->rest, "/");
    size_t len = strcspn(name, "/");
    if (!len)
        return 1;
    const char *behind = name + len;
    ext2_ino_t ino;
    struct ext2_inode inode;
    int r = len > EXT2_NAME_LEN ? -ENAMETOOLONG
                                : errno_of(ext2fs_lookup(w->fs, w->at, name, (int)len, NULL, &ino));
    if (!r)
        r = inode_read(w->fs, ino, &inode);
    if (r)
        return r;
    if (LINUX_S_ISLNK(inode.i_mode))
        return walk_link(w, ino, &inode, behind);
    w->at = ino;
    memmove(w->rest, behind, strlen(behind) + 1);
    return 0;
}

static int path_find(struct disk_volume *v, const char *path, ext2_ino_t *ino,
                     struct ext2_inode *inode)
{
    if (strlen(path) >= DISK_MAX_PATH)
        return -ENAMETOOLONG;
    struct walk *w = malloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->fs = v->state;
    w->at = EXT2_ROOT_INO;
    w->links = 0;
    strcpy(w->rest, path);
    int r;
    do
        r = walk_step(w);
    while (r == 0);
    *ino = w->at;
    free(w);
    return r < 0 ? r : inode_read(v->state, *ino, inode);
}

static int ext4_stat(struct disk_volume *v, const char *path, struct disk_stat *st)
{
    ext2_ino_t ino;
    struct ext2_inode inode;
    int r = path_find(v, path, &ino, &inode);
    if (r)
        return r;
    st->kind = LINUX_S_ISREG(inode.i_mode)   ? DISK_FILE
               : LINUX_S_ISDIR(inode.i_mode) ? DISK_DIR
                                             : DISK_OTHER;
    st->size = EXT2_I_SIZE(&inode);
    return 0;
}

static int file_pour(ext2_file_t f, char *chunk, struct disk_sink *sink)
{
    for (;;) {
        unsigned got = 0;
        int r = errno_of(ext2fs_file_read(f, chunk, POUR_CHUNK, &got));
        if (r || !got)
            return r;
        r = sink->put(sink, chunk, got);
        if (r)
            return r;
    }
}

static int ext4_pour(struct disk_volume *v, const char *path, struct disk_sink *sink)
{
    ext2_ino_t ino;
    struct ext2_inode inode;
    ext2_file_t f;
    int r = path_find(v, path, &ino, &inode);
    if (!r)
        r = errno_of(ext2fs_file_open(v->state, ino, 0, &f));
    if (r)
        return r;
    char *chunk = malloc(POUR_CHUNK);
    r = chunk ? file_pour(f, chunk, sink) : -ENOMEM;
    free(chunk);
    ext2fs_file_close(f);
    return r;
}

struct listing {
    struct disk_names *names;
    int result;
};

static int listing_entry(struct ext2_dir_entry *entry, int offset, int blocksize, char *buf,
                         void *private)
{
    (void)offset, (void)blocksize, (void)buf;
    struct listing *l = private;
    char name[EXT2_NAME_LEN + 1];
    size_t len = (size_t)ext2fs_dirent_name_len(entry);
    memcpy(name, entry->name, len);
    name[len] = '\0';
    l->result = l->names->add(l->names, name);
    return l->result ? DIRENT_ABORT : 0;
}

static int ext4_list(struct disk_volume *v, const char *path, struct disk_names *names)
{
    ext2_ino_t ino;
    struct ext2_inode inode;
    int r = path_find(v, path, &ino, &inode);
    if (r)
        return r;
    struct listing l = {.names = names};
    r = errno_of(ext2fs_dir_iterate(v->state, ino, 0, NULL, listing_entry, &l));
    return r ? r : l.result;
}

const struct disk_fs_ops disk_ext4_ops = {
    .open = ext4_open,
    .close = ext4_close,
    .stat = ext4_stat,
    .pour = ext4_pour,
    .list = ext4_list,
};
