// SPDX-License-Identifier: MIT
/*
 * Owns the words of --disk. Refuses to open the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/config-internal.h"

static int disk_ro(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config_disk *)conf)->read_only = true;
    return 0;
}

static int disk_snapshot(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config_disk *)conf)->snapshot = true;
    return 0;
}

static int disk_serial(void *conf, const char *value, struct err *err)
{
    struct config_disk *disk = (struct config_disk *)conf;

    if (strlen(value) > CONFIG_SERIAL_MAX)
        return err_set(err, EINVAL, "'%s' is longer than the %d bytes that a driver can read",
                       value, CONFIG_SERIAL_MAX);
    for (const char *p = value; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            return err_set(err, EINVAL, "only printable ASCII is possible");
    memcpy(disk->serial, value, strlen(value) + 1);
    return 0;
}

static int disk_block_size(void *conf, const char *value, struct err *err)
{
    const bool small = strcmp(value, "512") == 0;

    if (!small && strcmp(value, "4096") != 0)
        return err_set(err, EINVAL, "'%s' is not one of 512, 4096", value);
    ((struct config_disk *)conf)->block_size = small ? 512 : 4096;
    return 0;
}

static int disk_queues(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    int ret = opts_number(value, 1, CONFIG_QUEUES_MAX, &n, err);

    if (ret == 0)
        ((struct config_disk *)conf)->queues = (unsigned)n;
    return ret;
}

static int disk_cache(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {
        [CACHE_WRITEBACK] = "writeback", [CACHE_DIRECT] = "direct", [CACHE_UNSAFE] = "unsafe"};
    int i = config_word(words, ARRAY_SIZE(words), value, "direct, writeback, unsafe", err);

    if (i < 0)
        return i;
    ((struct config_disk *)conf)->cache = (enum config_cache)i;
    return 0;
}

static int disk_discard(void *conf, const char *value, struct err *err)
{
    bool on;
    const int ret = config_on_off(value, &on, err);

    ((struct config_disk *)conf)->discard = on;
    ((struct config_disk *)conf)->no_discard = !on;
    return ret;
}

static int disk_prealloc(void *conf, const char *value, struct err *err)
{
    return config_on_off(value, &((struct config_disk *)conf)->prealloc, err);
}

static int disk_werror(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {
        [WERROR_REPORT] = "report", [WERROR_ENOSPC] = "enospc", [WERROR_STOP] = "stop"};
    int i = config_word(words, ARRAY_SIZE(words), value, "report, enospc, stop", err);

    if (i < 0)
        return i;
    ((struct config_disk *)conf)->werror = (enum config_werror)i;
    return 0;
}

static int disk_rerror(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {"report", "stop"};
    const int i = config_word(words, ARRAY_SIZE(words), value, "report, stop", err);

    if (i < 0)
        return i;
    ((struct config_disk *)conf)->rerror_stop = i == 1;
    return 0;
}

const struct opt config_disk_opts[] = {
    {"ro", NULL, "read-only; others may read the image at the same time", disk_ro, false},
    {"snapshot", NULL, "the guest's writes are thrown away at the end, the image stays untouched",
     disk_snapshot, false},
    {"serial", "TEXT", "what the guest sees as the disk's serial number, at most 20 characters",
     disk_serial, false},
    {"blk_size", "512|4096",
     "the size of the blocks that the disk says it has; 512 is the default, or with cache=direct "
     "what the host's storage asks for",
     disk_block_size, false},
    {"queues", "N", "request queues, 1 to 16; the default is one for each processor, but at most 4",
     disk_queues, false},
    {"cache", "writeback|direct|unsafe",
     "writeback (the default) uses the host's page cache and syncs the image when the guest "
     "flushes; direct goes around the page cache; unsafe does not sync: fast, and the image is "
     "worthless after a crash of the host",
     disk_cache, false},
    {"discard", "on|off",
     "on (the default): what the guest discards (TRIM) is freed on the host, the image gets holes; "
     "off: the disk does not offer it, and the image stays as large as it is",
     disk_discard, false},
    {"prealloc", "on|off",
     "on: all the space that the image can need is reserved before the guest starts, so that the "
     "host cannot run out of it later; then discard is off. off is the default",
     disk_prealloc, false},
    {"werror", "report|enospc|stop",
     "when the host refuses a write: report (the default) is an I/O error for the guest; enospc "
     "pauses the machine for want of space, stop whatever the reason, and what was refused is "
     "tried again at 'vmm ctl NAME cont'",
     disk_werror, false},
    {"rerror", "report|stop",
     "when the host refuses a read: report (the default) is an I/O error for the guest; stop "
     "pauses "
     "the machine, and it is tried again at 'vmm ctl NAME cont'",
     disk_rerror, false},
    {NULL, NULL, NULL, NULL, false},
};

static int disk_add(struct config *config, const char *path, struct config_disk **out)
{
    struct config_disk *more = realloc(config->disk, (config->n_disks + 1) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    config->disk = more;
    *out = &more[config->n_disks];
    **out = (struct config_disk){.path = strdup(path)};
    if (!(*out)->path)
        return -ENOMEM;
    config->n_disks++;
    return 0;
}

static int disk_words(struct config_disk *disk, const char *words, struct err *err)
{
    const int ret = config_words(config_disk_opts, disk, &disk->virtio, disk->path, words, err);

    if (ret == 0 && disk->prealloc && disk->discard)
        return err_set(err, EINVAL,
                       "prealloc=on contradicts discard=on: what is discarded is not reserved any "
                       "more; leave one out");
    return ret;
}

int config_disk(void *conf, const char *value, struct err *err)
{
    char path[4096];
    const char *rest;
    struct config_disk *disk;
    int ret = opts_first(value, path, sizeof(path), &rest);

    if (ret < 0)
        return err_set(err, E2BIG, "the file name is longer than %zu bytes", sizeof(path) - 1);
    if (!path[0])
        return err_set(err, EINVAL, "the file name is missing: FILE comes first");
    ret = disk_add((struct config *)conf, path, &disk);
    if (ret < 0)
        return err_errno(err, -ret, "%s", path);
    return rest ? disk_words(disk, rest, err) : 0;
}
