// SPDX-License-Identifier: MIT
/*
 * Owns the header of an arm64 Image, and gzip. Refuses to know where initrd and device tree go.
 */
#include "firmware/linux-arm64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "vmm/base/le.h"

enum {
    AT_TEXT_OFFSET = 8,
    AT_IMAGE_SIZE = 16,
    AT_MAGIC = 56,
    HEADER = 64,
    GZIP_WINDOW = 15 + 16, /* zlib: the largest, with gzip's header */
    GROW = 16 << 20,
};

/* Of a kernel before 3.17, whose header does not say its size. */
#define OLD_TEXT_OFFSET UINT64_C(0x80000)
#define OLD_BSS         (16 * MIB)

bool linux_arm64_is(const struct load_file *file)
{
    return file->size >= HEADER && memcmp(file->data + AT_MAGIC, "ARM\x64", 4) == 0;
}

bool linux_arm64_is_gzip(const struct load_file *file)
{
    return file->size >= 2 && file->data[0] == 0x1f && file->data[1] == 0x8b;
}

/* ---- gzip ---- */

static int room_make(z_stream *z, uint8_t **data, uint64_t *size)
{
    uint8_t *more;

    if (z->avail_out)
        return 0;
    if (*size >= LOAD_KERNEL_MAX)
        return -EFBIG;
    more = realloc(*data, *size + GROW);
    if (!more)
        return -ENOMEM;
    z->next_out = more + *size;
    z->avail_out = GROW;
    *data = more;
    *size += GROW;
    return 0;
}

/* Z_STREAM_END, another of zlib's, or -EFBIG, -ENOMEM, which are none of them. */
static int stream_read(z_stream *z, uint8_t **data, uint64_t *size)
{
    int got = Z_OK;

    while (got == Z_OK) {
        const int room = room_make(z, data, size);

        if (room < 0)
            return room;
        got = inflate(z, Z_NO_FLUSH);
    }
    return got;
}

int linux_arm64_unzip(const struct load_file *file, struct load_file *out, struct err *err)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)file->data, .avail_in = (uInt)file->size};
    uint8_t *data = NULL;
    uint64_t size = 0;
    int got;

    if (file->size > UINT32_MAX || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return load_refuse(file, err, "it cannot be unpacked here");
    got = stream_read(&z, &data, &size);
    size -= z.avail_out;
    inflateEnd(&z);
    if (got == Z_STREAM_END && size) {
        *out = (struct load_file){.name = file->name, .data = data, .size = size};
        return 0;
    }
    free(data);
    if (got == -EFBIG)
        return load_refuse(file, err, "unpacked it has more than %llu MiB",
                           (unsigned long long)(LOAD_KERNEL_MAX / MIB));
    if (got == -ENOMEM)
        return err_set(err, ENOMEM, "no memory to unpack %s", file->name);
    return load_refuse(file, err, "its gzip data are damaged");
}

/* ---- Image ---- */

/* The header's flags do not matter: a big-endian kernel makes the processor so by itself, the size
 * of pages is the processor's business, and the place is right for all. */
int linux_arm64_load(const struct load_job *job, uint64_t ram, uint64_t end,
                     struct load_result *out, struct err *err)
{
    const struct load_file *file = job->kernel;
    uint64_t offset = le64_load(file->data + AT_TEXT_OFFSET);
    uint64_t size = le64_load(file->data + AT_IMAGE_SIZE);

    if (!size) {
        offset = OLD_TEXT_OFFSET;
        size = file->size + OLD_BSS;
    }
    if (size < file->size)
        return load_refuse(file, err, "image_size (0x%llx) is less than the file's",
                           (unsigned long long)size);
    if (offset % 4 || !range_ok(offset, size, end - ram))
        return load_refuse(file, err,
                           "text_offset 0x%llx and image_size 0x%llx do not fit into the %llu MiB "
                           "of RAM; raise --mem, or the file is damaged",
                           (unsigned long long)offset, (unsigned long long)size,
                           (unsigned long long)((end - ram) / MIB));
    out->kernel_gpa = ram + offset;
    out->kernel_size = size;
    out->entry.pc = out->kernel_gpa;
    return load_write(job, out->kernel_gpa, file->data, file->size, "the kernel", err);
}
