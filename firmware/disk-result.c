// SPDX-License-Identifier: MIT
/*
 * Owns the form of the child's answer and all checks on it. Both ends are one program, so numbers
 * are as the machine has them. Knows nothing of disks.
 */
#include "firmware/disk-result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x746f6f62u

struct head {
    uint32_t magic;
    int32_t status;
    uint64_t kernel_size, initrd_size;
    uint32_t len[DISK_STRINGS];
};

static const size_t string_max[DISK_STRINGS] = {
    [DISK_CMDLINE] = DISK_MAX_CMDLINE,    [DISK_TITLE] = DISK_MAX_STRING,
    [DISK_SOURCE] = DISK_MAX_STRING,      [DISK_KERNEL_PATH] = DISK_MAX_STRING,
    [DISK_INITRD_PATH] = DISK_MAX_STRING, [DISK_ERROR] = sizeof(struct err),
};

size_t disk_result_max(void)
{
    size_t sum = sizeof(struct head);
    for (unsigned i = 0; i < DISK_STRINGS; i++)
        sum += string_max[i];
    return sum;
}

static int write_all(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)data + done, len - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int disk_result_send(int fd, const struct disk_result *r)
{
    struct head h = {MAGIC, r->status, r->kernel_size, r->initrd_size, {0}};
    for (unsigned i = 0; i < DISK_STRINGS; i++) {
        size_t len = r->string[i] ? strlen(r->string[i]) : 0;
        if (len > string_max[i]) {
            static const struct disk_result too_long = {
                .status = -E2BIG,
                .string[DISK_ERROR] = "the command line or a name in its boot entry is too long",
            };
            return disk_result_send(fd, &too_long);
        }
        h.len[i] = (uint32_t)len;
    }
    int e = write_all(fd, &h, sizeof(h));
    for (unsigned i = 0; i < DISK_STRINGS && !e; i++)
        e = write_all(fd, r->string[i], h.len[i]);
    return e;
}

static int head_check(const struct head *h, size_t left)
{
    if (h->magic != MAGIC || h->status > 0 || h->status < -4095)
        return -EBADMSG;
    for (unsigned i = 0; i < DISK_STRINGS; i++) {
        if (h->len[i] > string_max[i] || h->len[i] > left)
            return -EBADMSG;
        left -= h->len[i];
    }
    return left ? -EBADMSG : 0;
}

/* Whatever a terminal or the kernel's parser could take for an order becomes harmless. */
static void clean(char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];
        if (c == '\t' || c == '\n' || c == '\r')
            *s = ' ';
        else if (c < 0x20 || c == 0x7f)
            *s = '?';
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0) /* U+0080...: C1 controls */
            s[0] = s[1] = '?';
    }
}

static int strings_take(const struct head *h, const char *at, char *to[DISK_STRINGS])
{
    for (unsigned i = 0; i < DISK_STRINGS; i++) {
        if (memchr(at, '\0', h->len[i]))
            return -EBADMSG;
        to[i] = strndup(at, h->len[i]);
        if (!to[i])
            return -ENOMEM;
        clean(to[i]);
        at += h->len[i];
    }
    return 0;
}

int disk_result_take(const void *data, size_t len, const char *image, struct disk_boot *b,
                     struct err *err)
{
    struct head h;
    char *s[DISK_STRINGS] = {0};
    int r = -EBADMSG;
    if (len >= sizeof(h)) {
        memcpy(&h, data, sizeof(h));
        r = head_check(&h, len - sizeof(h));
    }
    if (!r)
        r = strings_take(&h, (const char *)data + sizeof(h), s);
    if (r) {
        err_set(err, -r, "%s: its reader gave no usable answer; use --kernel", image);
    } else if (h.status) {
        r = err_set(err, -h.status, "%s: %s; use --kernel", image, s[DISK_ERROR]);
    } else {
        b->kernel_size = h.kernel_size;
        b->initrd_size = h.initrd_size;
        char **const to[] = {&b->cmdline, &b->title, &b->source, &b->kernel_path, &b->initrd_path};
        for (unsigned i = 0; i < DISK_ERROR; i++) {
            *to[i] = s[i];
            s[i] = NULL;
        }
    }
    for (unsigned i = 0; i < DISK_STRINGS; i++)
        free(s[i]);
    return r;
}
