// SPDX-License-Identifier: MIT
/*
 * Owns the choice between --kernel and the image, and what is added to the command line. Refuses
 * to parse: firmware/ does.
 */
#include "vmm/bootfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/cmdline.h"
#include "firmware/disk.h"
#include "vmm/arch-words.h"
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
    return chosen || has_word(base, "console=") ? NULL : "console=" ARCH_SERIAL;
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

/* ---- finding ---- */

/* Of a file named by an option: opened, read later. -errno with err filled. */
static int file_open(const char *path, char **name, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* no wait for pipes */

    if (fd < 0)
        return err_errno(err, errno, "cannot open %s", path);
    *name = strdup(path);
    return fd;
}

static int named_open(const struct config *config, struct bootfiles *files, struct err *err)
{
    files->kernel_fd = file_open(config->kernel, &files->kernel, err);
    if (files->kernel_fd < 0)
        return files->kernel_fd;
    if (config->initrd)
        files->initrd_fd = file_open(config->initrd, &files->initrd, err);
    return config->initrd && files->initrd_fd < 0 ? files->initrd_fd : 0;
}

/* What was found is moved from boot to files. */
static int image_open(const struct config *config, struct bootfiles *files, struct err *err)
{
    struct disk_boot boot;
    const int ret = disk_boot_find(config->disk[0].path, -1, &boot, err);

    if (ret < 0)
        return ret;
    *files = (struct bootfiles){.kernel_fd = boot.kernel_fd,
                                .initrd_fd = boot.initrd_fd,
                                .kernel = boot.kernel_path,
                                .initrd = boot.initrd_fd >= 0 ? strdup(boot.initrd_path) : NULL,
                                .cmdline = boot.cmdline,
                                .source = boot.source};
    boot.kernel_fd = boot.initrd_fd = -1;
    boot.kernel_path = boot.cmdline = boot.source = NULL;
    disk_boot_free(&boot);
    return 0;
}

int bootfiles_open(const struct config *config, struct bootfiles *files, struct err *err)
{
    int ret;

    *files = (struct bootfiles){.kernel_fd = -1, .initrd_fd = -1};
    ret = (config->kernel ? named_open : image_open)(config, files, err);
    if (ret == 0 && (!files->kernel || (files->initrd_fd >= 0 && !files->initrd)))
        ret = err_errno(err, ENOMEM, "boot files");
    if (ret < 0)
        bootfiles_close(files);
    return ret;
}

void bootfiles_close(struct bootfiles *files)
{
    char *const text[] = {files->kernel, files->initrd, files->cmdline, files->source};

    for (size_t i = 0; i < ARRAY_SIZE(text); i++)
        free(text[i]);
    if (files->kernel_fd >= 0)
        close(files->kernel_fd);
    if (files->initrd_fd >= 0)
        close(files->initrd_fd);
    *files = (struct bootfiles){.kernel_fd = -1, .initrd_fd = -1};
}

/* ---- loading ---- */

/* The device tree, from where the guest will read it, into a file. */
static int tree_dump(const char *path, const struct gmem *mem, const struct load_result *loaded,
                     struct err *err)
{
    const void *tree = gmem_span(mem, gpa(loaded->fdt_gpa), loaded->fdt_size);
    FILE *file;
    bool ok;

    if (!loaded->fdt_size || !tree)
        return err_set(err, EINVAL, "--dump-dtb: there is no device tree");
    file = fopen(path, "we");
    if (!file)
        return err_errno(err, errno, "cannot make %s", path);
    ok = fwrite(tree, loaded->fdt_size, 1, file) == 1;
    ok = fclose(file) == 0 && ok;
    return ok ? 0 : err_errno(err, errno, "cannot write to %s", path);
}

int bootfiles_load(const struct bootfiles *files, const struct config *config,
                   const struct board *board, const struct gmem *mem, struct load_entry *entry,
                   struct err *err)
{
    struct load_file kernel = {.data = NULL}, initrd = {.data = NULL};
    const bool has_initrd = files->initrd_fd >= 0;
    struct load_result result;
    char cmdline[CMDLINE_MAX + 1];
    int ret = cmdline_make(config, files->cmdline, cmdline, sizeof(cmdline), err);

    if (files->source)
        log_msg(LOG_INFO, "%s: %s", config->disk[0].path, files->source);
    if (ret == 0)
        ret = load_file_read(files->kernel, files->kernel_fd, LOAD_KERNEL_MAX, &kernel, err);
    if (ret == 0 && has_initrd)
        ret = load_file_read(files->initrd, files->initrd_fd, LOAD_INITRD_MAX, &initrd, err);
    if (ret == 0)
        ret = load_kernel(&kernel, has_initrd ? &initrd : NULL, cmdline, board, mem, &result, err);
    if (ret == 0 && config->dump_dtb)
        ret = tree_dump(config->dump_dtb, mem, &result, err);
    if (ret == 0) {
        *entry = result.entry;
        log_msg(LOG_INFO, "booting %s%s%s, command line: %s", files->kernel,
                has_initrd ? " with " : "", has_initrd ? files->initrd : "", cmdline);
    }
    load_file_free(&kernel);
    load_file_free(&initrd);
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
