// SPDX-License-Identifier: MIT
/*
 * Owns the choice between --kernel and the image, and what is added to the command line. Refuses
 * to parse: firmware/ does.
 */
#include "vmm/bootfiles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "firmware/cmdline.h"
#include "firmware/disk.h"
#include "vmm/base/bits.h"

/* Does text have a word that begins like this? */
static bool has_word(const char *text, const char *start)
{
    const size_t n = strlen(start);

    for (const char *p = text; p && *p; p += strcspn(p, " ")) {
        p += strspn(p, " ");
        if (strncmp(p, start, n) == 0)
            return true;
    }
    return false;
}

/*
 * The terminal shows what the kernel calls its console. A word is added where nothing says which
 * one that is, and where the image says something else than --console virtio.
 */
static const char *console_word(const struct config *config, const char *base)
{
    const bool chosen = has_word(config->append, "console=");

    if (config->console == CONSOLE_VIRTIO)
        return chosen ? NULL : "console=hvc0";
    return chosen || has_word(base, "console=") ? NULL : "console=ttyS0";
}

static int cmdline_make(const struct config *config, const char *base, char *out, size_t size,
                        struct err *err)
{
    const char *console = console_word(config, base);
    const struct cmdline_part part[] = {
        {"the boot entry", base, base ? strlen(base) : 0},
        {"the console", console, console ? strlen(console) : 0},
        {"--append", config->append, config->append ? strlen(config->append) : 0},
    };
    int ret = cmdline_join(part, ARRAY_SIZE(part), out, size, err);

    return ret < 0 ? ret : 0;
}

/* Names and descriptors of the two files; fd -1: open by name. */
struct source {
    const char *kernel, *initrd;
    int kernel_fd, initrd_fd;
    const char *cmdline;
};

static int source_load(const struct source *src, const struct config *config,
                       const struct board *board, const struct gmem *mem, struct load_entry *entry,
                       struct err *err)
{
    struct load_file kernel = {.data = NULL}, initrd = {.data = NULL};
    struct load_result result;
    char cmdline[CMDLINE_MAX + 1];
    int ret = cmdline_make(config, src->cmdline, cmdline, sizeof(cmdline), err);

    if (ret == 0)
        ret = load_file_read(src->kernel, src->kernel_fd, LOAD_KERNEL_MAX, &kernel, err);
    if (ret == 0 && src->initrd)
        ret = load_file_read(src->initrd, src->initrd_fd, LOAD_INITRD_MAX, &initrd, err);
    if (ret == 0)
        ret = load_kernel(&kernel, src->initrd ? &initrd : NULL, cmdline, board, mem, &result, err);
    if (ret == 0) {
        *entry = result.entry;
        log_msg(LOG_INFO, "booting %s%s%s, command line: %s", src->kernel,
                src->initrd ? " with " : "", src->initrd ? src->initrd : "", cmdline);
    }
    load_file_free(&kernel);
    load_file_free(&initrd);
    return ret;
}

int bootfiles_load(const struct config *config, const struct board *board, const struct gmem *mem,
                   struct load_entry *entry, struct err *err)
{
    struct disk_boot boot;
    struct source src = {config->kernel, config->initrd, -1, -1, NULL};
    int ret;

    if (config->kernel)
        return source_load(&src, config, board, mem, entry, err);
    ret = disk_boot_find(config->disk[0].path, -1, &boot, err);
    if (ret < 0)
        return ret;
    src = (struct source){boot.kernel_path, boot.initrd_fd >= 0 ? boot.initrd_path : NULL,
                          boot.kernel_fd, boot.initrd_fd, boot.cmdline};
    log_msg(LOG_INFO, "%s: %s", config->disk[0].path, boot.source);
    ret = source_load(&src, config, board, mem, entry, err);
    disk_boot_free(&boot);
    return ret;
}

int bootfiles_info(const char *image, struct err *err)
{
    struct disk_boot boot;
    int ret = disk_boot_find(image, -1, &boot, err);

    if (ret < 0)
        return ret;
    printf("source:  %s\n", boot.source);
    printf("title:   %s\n", boot.title);
    printf("kernel:  %s (%llu bytes)\n", boot.kernel_path, (unsigned long long)boot.kernel_size);
    printf("initrd:  %s", boot.initrd_fd >= 0 ? boot.initrd_path : "none");
    if (boot.initrd_fd >= 0)
        printf(" (%llu bytes)", (unsigned long long)boot.initrd_size);
    printf("\ncmdline: %s\n", boot.cmdline);
    disk_boot_free(&boot);
    return fflush(stdout) ? err_errno(err, errno, "standard output") : 0;
}
