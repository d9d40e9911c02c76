// SPDX-License-Identifier: MIT
/*
 * Owns the setup header and boot_params. Refuses to know other formats, and to guess: a header
 * that contradicts itself, its file or the machine is refused with the name of the field.
 * The header is copied once, then decided upon. Field names are those of boot.rst.
 */
#include "firmware/linux-x86.h"

#include <string.h>

#include "firmware/cpu-x86.h"
#include "vmm/base/le.h"

enum {
    SECTOR = 512,
    /* setup header: the same offsets in the file and in boot_params */
    AT_SETUP_SECTS = 0x1f1,
    AT_SYSSIZE = 0x1f4,
    AT_VID_MODE = 0x1fa,
    AT_BOOT_FLAG = 0x1fe,
    AT_JUMP = 0x200,
    AT_HEADER = 0x202,
    AT_VERSION = 0x206,
    AT_TYPE_OF_LOADER = 0x210,
    AT_LOADFLAGS = 0x211,
    AT_CODE32_START = 0x214,
    AT_RAMDISK_IMAGE = 0x218,
    AT_RAMDISK_SIZE = 0x21c,
    AT_EXT_LOADER_VER = 0x226,
    AT_EXT_LOADER_TYPE = 0x227,
    AT_CMD_LINE_PTR = 0x228,
    AT_INITRD_ADDR_MAX = 0x22c,
    AT_KERNEL_ALIGNMENT = 0x230,
    AT_RELOCATABLE_KERNEL = 0x234,
    AT_XLOADFLAGS = 0x236,
    AT_CMDLINE_SIZE = 0x238,
    AT_HARDWARE_SUBARCH = 0x23c,
    AT_SETUP_DATA = 0x250,
    AT_PREF_ADDRESS = 0x258,
    AT_INIT_SIZE = 0x260,
    HEADER_END_LEAST = 0x268, /* version 2.12 */
    HEADER_END_MOST = 0x290,  /* boot_params has no more room */
    /* boot_params only: those of screen_info, and others */
    AT_ORIG_VIDEO_ISVGA = 0x00f,
    AT_LFB_WIDTH = 0x012,
    AT_LFB_HEIGHT = 0x014,
    AT_LFB_DEPTH = 0x016,
    AT_LFB_BASE = 0x018,
    AT_LFB_SIZE = 0x01c,
    AT_LFB_LINELENGTH = 0x024,
    AT_LFB_COLOURS = 0x026, /* size and position: red, green, blue, reserved */
    AT_LFB_PAGES = 0x032,
    AT_ACPI_RSDP_ADDR = 0x070,
    AT_EXT_RAMDISK_IMAGE = 0x0c0,
    AT_EXT_RAMDISK_SIZE = 0x0c4,
    AT_E820_ENTRIES = 0x1e8,
    AT_E820_TABLE = 0x2d0,
    E820_ENTRY_SIZE = 20,
    BOOT_PARAMS_SIZE = 4096,
};

enum {
    BOOT_FLAG = 0xaa55,
    JUMP_SHORT = 0xeb,
    VERSION_LEAST = 0x020c,
    LOADED_HIGH = 1 << 0,
    KASLR_FLAG = 1 << 1,
    CAN_USE_HEAP = 1 << 7,
    XLF_KERNEL_64 = 1 << 0,
    SETUP_SECTS_DEFAULT = 4,
    ENTRY64_OFFSET = 0x200,
    LOADER_UNDEFINED = 0xff,
    VID_MODE_NORMAL = 0xffff,
    VIDEO_TYPE_EFI = 0x70, /* "a linear frame buffer that firmware has set up" */
};

struct bzimage {
    const struct load_file *file;
    uint8_t header[HEADER_END_MOST];
    uint64_t header_end;
    uint64_t code_at, code_size; /* the protected-mode part, in the file */
    uint64_t load, takes;        /* where it goes, and what it takes there while it starts */
};

static uint16_t field16(const struct bzimage *bz, unsigned at)
{
    return le16_load(bz->header + at);
}

static uint32_t field32(const struct bzimage *bz, unsigned at)
{
    return le32_load(bz->header + at);
}

static int magic_check(struct bzimage *bz, struct err *err)
{
    const struct load_file *file = bz->file;

    if (file->size < HEADER_END_LEAST)
        return load_refuse(file, err, "%llu bytes are too short for a Linux kernel",
                           (unsigned long long)file->size);
    memcpy(bz->header, file->data, min_u64(file->size, sizeof(bz->header)));
    if (field16(bz, AT_BOOT_FLAG) != BOOT_FLAG)
        return load_refuse(file, err, "not a kernel: boot_flag is 0x%04x, not 0xaa55",
                           field16(bz, AT_BOOT_FLAG));
    if (memcmp(bz->header + AT_HEADER, "HdrS", 4) != 0)
        return load_refuse(file, err, "not a Linux kernel: header is not \"HdrS\"");
    return 0;
}

static int version_check(struct bzimage *bz, struct err *err)
{
    const uint16_t version = field16(bz, AT_VERSION);

    if (version < VERSION_LEAST)
        return load_refuse(bz->file, err,
                           "boot protocol version %u.%02u is too old: the 64-bit entry needs 2.12 "
                           "(Linux 3.8 or newer)",
                           version >> 8, version & 0xff);
    if (bz->header[AT_JUMP] != JUMP_SHORT)
        return load_refuse(bz->file, err, "jump starts with 0x%02x, not 0xeb", bz->header[AT_JUMP]);
    bz->header_end = (uint64_t)AT_HEADER + bz->header[AT_JUMP + 1];
    if (bz->header_end < HEADER_END_LEAST || bz->header_end > HEADER_END_MOST ||
        bz->header_end > bz->file->size)
        return load_refuse(bz->file, err, "jump puts the end of the setup header at 0x%llx",
                           (unsigned long long)bz->header_end);
    return 0;
}

static int flags_check(struct bzimage *bz, struct err *err)
{
    if (!(field16(bz, AT_XLOADFLAGS) & XLF_KERNEL_64))
        return load_refuse(bz->file, err,
                           "xloadflags has no 64-bit entry point; use a 64-bit (amd64) kernel");
    if (!(bz->header[AT_LOADFLAGS] & LOADED_HIGH))
        return load_refuse(bz->file, err, "loadflags has no LOADED_HIGH: a zImage, not a bzImage");
    return 0;
}

static int size_check(struct bzimage *bz, struct err *err)
{
    const uint8_t sects = bz->header[AT_SETUP_SECTS];
    const uint64_t size = bz->file->size, claimed = (uint64_t)field32(bz, AT_SYSSIZE) * 16;

    bz->code_at = ((uint64_t)(sects ? sects : SETUP_SECTS_DEFAULT) + 1) * SECTOR;
    if (bz->code_at >= size)
        return load_refuse(bz->file, err, "setup_sects (%u) lies beyond the end of the file",
                           sects);
    bz->code_size = min_u64(claimed, size - bz->code_at);
    if (claimed > size - bz->code_at)
        return load_refuse(bz->file, err,
                           "syssize says %llu bytes of code, the file has %llu; it is cut short",
                           (unsigned long long)claimed, (unsigned long long)(size - bz->code_at));
    if (claimed <= ENTRY64_OFFSET)
        return load_refuse(bz->file, err, "syssize (%llu bytes) leaves no 64-bit entry point",
                           (unsigned long long)claimed);
    return 0;
}

static int address_check(struct bzimage *bz, struct err *err)
{
    const uint32_t alignment = field32(bz, AT_KERNEL_ALIGNMENT);

    bz->load = le64_load(bz->header + AT_PREF_ADDRESS);
    bz->takes = field32(bz, AT_INIT_SIZE);
    if (!is_pow2(alignment))
        return load_refuse(bz->file, err, "kernel_alignment (0x%x) is not a power of two",
                           alignment);
    if (bz->load < KERNEL_LOWEST || bz->load >= 4 * GIB)
        return load_refuse(bz->file, err, "pref_address (0x%llx) is not between 1 MiB and 4 GiB",
                           (unsigned long long)bz->load);
    if (bz->header[AT_RELOCATABLE_KERNEL] && bz->load % alignment)
        return load_refuse(bz->file, err,
                           "pref_address (0x%llx) is not aligned to kernel_alignment (0x%x)",
                           (unsigned long long)bz->load, alignment);
    if (bz->takes < bz->code_size)
        return load_refuse(bz->file, err, "init_size (0x%llx) is less than the kernel's own size",
                           (unsigned long long)bz->takes);
    return 0;
}

/*
 * A relocatable kernel that is put lower than pref_address moves itself up to it, so a machine too
 * small for pref_address is too small.
 */
static int ram_check(const struct bzimage *bz, const struct memmap *map, struct err *err)
{
    if (range_ok(bz->load, bz->takes, map->kernel_end))
        return 0;
    return load_refuse(
        bz->file, err,
        "pref_address 0x%llx and init_size 0x%llx need RAM up to %llu MiB, and there "
        "are %llu MiB; raise --mem",
        (unsigned long long)bz->load, (unsigned long long)bz->takes,
        (unsigned long long)((bz->load + bz->takes + MIB - 1) / MIB),
        (unsigned long long)(map->kernel_end / MIB));
}

static int bzimage_check(struct bzimage *bz, const struct memmap *map, struct err *err)
{
    static int (*const check[])(struct bzimage *, struct err *) = {
        magic_check, version_check, flags_check, size_check, address_check,
    };

    for (size_t i = 0; i < ARRAY_SIZE(check); i++) {
        const int ret = check[i](bz, err);

        if (ret < 0)
            return ret;
    }
    return ram_check(bz, map, err);
}

static void e820_fill(uint8_t *params, const struct memmap *map)
{
    params[AT_E820_ENTRIES] = (uint8_t)map->n;
    for (unsigned i = 0; i < map->n; i++) {
        uint8_t *p = params + AT_E820_TABLE + i * E820_ENTRY_SIZE;

        le64_store(p, map->entry[i].base);
        le64_store(p + 8, map->entry[i].size);
        le32_store(p + 16, map->entry[i].type);
    }
}

/*
 * Firmware's frame buffer. All of Debian's kernels have a driver built in for the kind that EFI
 * announces, those for clouds only that one; it asks nothing of EFI. lfb_size is in bytes then.
 */
static void screen_fill(uint8_t *params, const struct board_screen *s)
{
    static const uint8_t colours[8] = {8, 16, 8, 8, 8, 0, 8, 24};

    if (!s->size)
        return;
    params[AT_ORIG_VIDEO_ISVGA] = VIDEO_TYPE_EFI;
    le16_store(params + AT_LFB_WIDTH, s->width);
    le16_store(params + AT_LFB_HEIGHT, s->height);
    le16_store(params + AT_LFB_DEPTH, 32);
    le32_store(params + AT_LFB_BASE, (uint32_t)s->base);
    le32_store(params + AT_LFB_SIZE, (uint32_t)s->size);
    le16_store(params + AT_LFB_LINELENGTH, s->stride);
    memcpy(params + AT_LFB_COLOURS, colours, sizeof(colours));
    le16_store(params + AT_LFB_PAGES, 1);
}

/* Of the file only the setup header; fields that a loader writes are written, the rest is 0. */
static void params_fill(uint8_t params[BOOT_PARAMS_SIZE], const struct bzimage *bz,
                        const struct load_result *out)
{
    memset(params, 0, BOOT_PARAMS_SIZE);
    memcpy(params + AT_SETUP_SECTS, bz->header + AT_SETUP_SECTS, bz->header_end - AT_SETUP_SECTS);
    le16_store(params + AT_VID_MODE, VID_MODE_NORMAL);
    params[AT_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    params[AT_LOADFLAGS] &= (uint8_t) ~(KASLR_FLAG | CAN_USE_HEAP);
    params[AT_EXT_LOADER_VER] = 0;
    params[AT_EXT_LOADER_TYPE] = 0;
    le32_store(params + AT_CODE32_START, (uint32_t)bz->load);
    le32_store(params + AT_RAMDISK_IMAGE, (uint32_t)out->initrd_gpa);
    le32_store(params + AT_RAMDISK_SIZE, (uint32_t)out->initrd_size);
    le32_store(params + AT_EXT_RAMDISK_IMAGE, (uint32_t)(out->initrd_gpa >> 32));
    le32_store(params + AT_EXT_RAMDISK_SIZE, (uint32_t)(out->initrd_size >> 32));
    le32_store(params + AT_CMD_LINE_PTR, LOW_CMDLINE);
    le32_store(params + AT_HARDWARE_SUBARCH, 0);
    le64_store(params + AT_SETUP_DATA, 0);
    le64_store(params + AT_ACPI_RSDP_ADDR, out->acpi_gpa);
}

static int params_write(const struct load_job *job, const struct bzimage *bz,
                        const struct load_result *out, struct err *err)
{
    uint8_t params[BOOT_PARAMS_SIZE];

    params_fill(params, bz, out);
    e820_fill(params, job->map);
    screen_fill(params, job->screen);
    return load_write(job, LOW_ZERO_PAGE, params, sizeof(params), "boot_params", err);
}

static int entry_make(const struct load_job *job, const struct bzimage *bz,
                      struct load_entry *entry, struct err *err)
{
    if (cpu_x86_tables(job->mem, ENTRY_LINUX64, entry) < 0)
        return load_refuse(bz->file, err, "the boot CPU's tables do not lie in guest RAM");
    entry->rip = bz->load + ENTRY64_OFFSET;
    entry->rsi = LOW_ZERO_PAGE;
    return 0;
}

int linux_x86_load(const struct load_job *job, struct load_result *out, struct err *err)
{
    struct bzimage bz = {.file = job->kernel};
    int ret = bzimage_check(&bz, job->map, err);

    if (ret < 0)
        return ret;
    out->kernel_gpa = bz.load;
    out->kernel_size = bz.takes;
    ret = load_write(job, bz.load, bz.file->data + bz.code_at, bz.code_size, "the kernel", err);
    if (!ret)
        ret = load_cmdline(job, field32(&bz, AT_CMDLINE_SIZE), err);
    if (!ret)
        ret = load_initrd(job, bz.load + bz.takes, (uint64_t)field32(&bz, AT_INITRD_ADDR_MAX) + 1,
                          out, err);
    if (!ret)
        ret = params_write(job, &bz, out, err);
    if (!ret)
        ret = entry_make(job, &bz, &out->entry, err);
    return ret;
}
