// SPDX-License-Identifier: MIT
/*
 * Owns the words of `vmm run`: one row per option. Refuses to open anything.
 */
#include "vmm/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

#define MEM_DEFAULT (512 * MIB)
#define MEM_MIN     (64 * MIB)

/* ---- words of --disk ---- */

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

/* What it may be is virtio's to say; here it only must fit. */
static int interface_word(char out[CONFIG_WORD_MAX + 1], const char *value, struct err *err)
{
    if (strlen(value) > CONFIG_WORD_MAX)
        return err_set(err, EINVAL, "'%s' is not an interface", value);
    memcpy(out, value, strlen(value) + 1);
    return 0;
}

static int disk_interface(void *conf, const char *value, struct err *err)
{
    return interface_word(((struct config_disk *)conf)->interface, value, err);
}

static int console_interface(void *conf, const char *value, struct err *err)
{
    return interface_word(((struct config *)conf)->console_interface, value, err);
}

const struct opt config_console_opts[] = {
    {"interface", "modern|transitional|legacy", "the virtio interfaces of hvc0, as for --disk",
     console_interface, false},
    {NULL, NULL, NULL, NULL, false},
};

const struct opt config_disk_opts[] = {
    {"ro", NULL, "read-only; others may read the image at the same time", disk_ro, false},
    {"snapshot", NULL, "the guest's writes are thrown away at the end, the image stays untouched",
     disk_snapshot, false},
    {"serial", "TEXT", "what the guest sees as the disk's serial number, at most 20 characters",
     disk_serial, false},
    {"blk_size", "512|4096", "the size of the blocks that the disk says it has; 512 is the default",
     disk_block_size, false},
    {"interface", "modern|transitional|legacy",
     "which virtio interfaces this disk has: 1.x only, both (the default), or 0.9 only",
     disk_interface, false},
    {NULL, NULL, NULL, NULL, false},
};

/* ---- options of run ---- */

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

static int opt_disk(void *conf, const char *value, struct err *err)
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
    return rest ? opts_parse_list(config_disk_opts, path, rest, disk, err) : 0;
}

/* A word out of a list, as its index. */
static int word_index(const char *const *words, unsigned n, const char *value, const char *list,
                      struct err *err)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(words[i], value) == 0)
            return (int)i;
    return err_set(err, EINVAL, "'%s' is not one of %s", value, list);
}

static int opt_net(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {"none"};
    int i = word_index(words, 1, value, "none (this version has no network device yet)", err);

    (void)conf; /* none is what the machine has without the option, too */
    return i < 0 ? i : 0;
}

static int opt_console(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {[CONSOLE_SERIAL] = "serial", [CONSOLE_VIRTIO] = "virtio"};
    struct config *config = (struct config *)conf;
    char word[16];
    const char *rest;
    int i;

    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%s' is not one of serial, virtio", value);
    i = word_index(words, ARRAY_SIZE(words), word, "serial, virtio", err);
    if (i < 0)
        return i;
    config->console = (enum config_console)i;
    if (!rest)
        return 0;
    if (i != CONSOLE_VIRTIO)
        return err_set(err, EINVAL, "only virtio takes further words");
    return opts_parse_list(config_console_opts, "virtio", rest, config, err);
}

static int opt_kernel(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->kernel = value;
    return 0;
}

static int opt_initrd(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->initrd = value;
    return 0;
}

static int opt_append(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->append = value;
    return 0;
}

static int opt_mem(void *conf, const char *value, struct err *err)
{
    uint64_t size;
    int ret = opts_size(value, &size, err);

    if (ret < 0)
        return ret;
    if (size < MEM_MIN || size % MIB)
        return err_set(err, EINVAL, "'%s': a machine has at least 64M, in whole MiB", value);
    ((struct config *)conf)->mem = size;
    return 0;
}

static int opt_cpus(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    int ret = opts_number(value, 1, 4096, &n, err);

    if (ret == 0)
        ((struct config *)conf)->cpus = (unsigned)n;
    return ret;
}

static int opt_modern_only(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config *)conf)->modern_only = true;
    return 0;
}

static int opt_snapshot(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config *)conf)->snapshot = true;
    return 0;
}

static int opt_no_reboot(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config *)conf)->no_reboot = true;
    return 0;
}

static int opt_name(void *conf, const char *value, struct err *err)
{
    if (strlen(value) > CONFIG_NAME_MAX)
        return err_set(err, EINVAL, "'%s' is longer than %d bytes", value, CONFIG_NAME_MAX);
    for (const char *p = value; *p; p++)
        if (*p <= 0x20 || *p > 0x7e || *p == '/')
            return err_set(err, EINVAL, "'%s': no blanks, slashes or special characters", value);
    ((struct config *)conf)->name = value;
    return 0;
}

static int opt_log(void *conf, const char *value, struct err *err)
{
    int i = word_index(log_level_name, LOG_LEVELS, value, "error, warn, info, debug", err);

    if (i < 0)
        return i;
    ((struct config *)conf)->log = (enum log_level)i;
    return 0;
}

const struct opt config_run_opts[] = {
    {"--disk", "FILE[,ro][,snapshot][,serial=TEXT][,blk_size=N][,interface=WORD]",
     "a disk: a raw image file or a block device; the first one is booted from unless --kernel is "
     "given; may be repeated; a comma in FILE is written twice",
     opt_disk, true},
    {"--net", "none", "no network device (there is none in this version yet)", opt_net, false},
    {"--console", "serial|virtio[,interface=WORD]",
     "what the terminal is connected to: the serial port ttyS0 (default) or the virtio console "
     "hvc0",
     opt_console, false},
    {"--kernel", "FILE",
     "boot this kernel (bzImage, or ELF with a PVH entry) instead of the disk's", opt_kernel,
     false},
    {"--initrd", "FILE", "initial RAM disk for --kernel", opt_initrd, false},
    {"--append", "TEXT", "add this to the kernel's command line", opt_append, false},
    {"--mem", "SIZE", "RAM, from 64M; 512M is the default", opt_mem, false},
    {"--cpus", "N", "processors, from 1 (the default) to what KVM allows", opt_cpus, false},
    {"--modern-only", NULL,
     "virtio 1.x only, in the whole machine: no device has the legacy interface", opt_modern_only,
     false},
    {"--snapshot", NULL, "throw away what the guest writes to any disk", opt_snapshot, false},
    {"--no-reboot", NULL, "end instead of restarting when the guest asks for a restart",
     opt_no_reboot, false},
    {"--name", "TEXT", "a name for the machine, shown in messages and process lists", opt_name,
     false},
    {"--log", "error|warn|info|debug", "how much to tell on standard error; warn is the default",
     opt_log, false},
    {NULL, NULL, NULL, NULL, false},
};

static int config_check(const struct config *config, struct err *err)
{
    if (config->initrd && !config->kernel)
        return err_set(err, EINVAL,
                       "--initrd needs --kernel: a disk image is booted with its own initrd");
    if (!config->kernel && !config->n_disks)
        return err_set(err, EINVAL,
                       "nothing to boot: give --disk IMAGE, or --kernel FILE; see 'vmm help'");
    for (unsigned i = 0; i < config->n_disks; i++)
        if (config->disk[i].read_only && config->disk[i].snapshot)
            return err_set(err, EINVAL, "--disk %s: ro and snapshot exclude each other",
                           config->disk[i].path);
    return 0;
}

int config_parse(struct config *config, int argc, char *const *argv, struct err *err)
{
    int ret;

    *config = (struct config){.mem = MEM_DEFAULT, .cpus = 1, .log = LOG_WARN};
    ret = opts_parse(config_run_opts, argc, argv, config, NULL, err);
    return ret < 0 ? ret : config_check(config, err);
}

void config_free(struct config *config)
{
    for (unsigned i = 0; i < config->n_disks; i++)
        free(config->disk[i].path);
    free(config->disk);
    config->disk = NULL;
    config->n_disks = 0;
}
