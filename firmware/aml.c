// SPDX-License-Identifier: MIT
/*
 * Owns the encoding of AML and of resource descriptors. Refuses to know what machine is described.
 */
#include "firmware/aml.h"

#include <string.h>

enum {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    PREFIX_BYTE = 0x0a,
    PREFIX_WORD = 0x0b,
    PREFIX_DWORD = 0x0c,
    PREFIX_STRING = 0x0d,
    PREFIX_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    PREFIX_DUAL_NAME = 0x2e,
    PREFIX_MULTI_NAME = 0x2f,
    PREFIX_EXT = 0x5b,
    EXT_DEVICE = 0x82,
    OP_IF = 0xa0,
    METHOD_SERIALIZED = 0x08,
    NAME_SEG = 4,
};

enum {
    RES_IO = 0x47,
    RES_END = 0x79,
    RES_MEMORY32_FIXED = 0x86,
    RES_ADDRESS32 = 0x87,
    RES_ADDRESS16 = 0x88,
    RES_EXT_IRQ = 0x89,
    RES_ADDRESS64 = 0x8a,
    RES_TYPE_MEMORY = 0,
    RES_TYPE_IO = 1,
    RES_TYPE_BUS = 2,
    RES_WINDOW = 0x0c,        /* producer, minimum and maximum fixed */
    RES_IO_ENTIRE = 0x03,     /* both ISA and non-ISA ranges */
    RES_MEMORY_RW = 0x01,     /* not cacheable: any kind of BAR may be put there */
    RES_IRQ_EDGE_HIGH = 0x03, /* consumer, edge, active high, exclusive */
};

void aml_init(struct aml *a, uint8_t *buf, size_t size)
{
    *a = (struct aml){.buf = buf, .size = size};
}

void aml_bytes(struct aml *a, const void *data, size_t n)
{
    if (a->overflow || n > a->size - a->len) {
        a->overflow = true;
        return;
    }
    if (n)
        memcpy(a->buf + a->len, data, n);
    a->len += n;
}

static void put_le(struct aml *a, uint64_t v, size_t n)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    aml_bytes(a, bytes, n);
}

void aml_u8(struct aml *a, uint8_t v)
{
    put_le(a, v, 1);
}

void aml_u16(struct aml *a, uint16_t v)
{
    put_le(a, v, 2);
}

void aml_u32(struct aml *a, uint32_t v)
{
    put_le(a, v, 4);
}

void aml_u64(struct aml *a, uint64_t v)
{
    put_le(a, v, 8);
}

void aml_zeros(struct aml *a, size_t n)
{
    if (a->overflow || n > a->size - a->len) {
        a->overflow = true;
        return;
    }
    memset(a->buf + a->len, 0, n);
    a->len += n;
}

void aml_align(struct aml *a, size_t align)
{
    aml_zeros(a, (align - (a->len & (align - 1))) & (align - 1));
}

void aml_op(struct aml *a, enum aml_op op)
{
    aml_u8(a, (uint8_t)op);
}

static void put_segment(struct aml *a, const char *seg, size_t n)
{
    if (!n || n > NAME_SEG)
        a->overflow = true;
    for (size_t i = 0; i < NAME_SEG; i++)
        aml_u8(a, i < n ? (uint8_t)seg[i] : '_');
}

void aml_path(struct aml *a, const char *path)
{
    uint8_t segments = 1;

    if (*path == '\\')
        aml_u8(a, (uint8_t)*path++);
    for (const char *p = path; *p; p++)
        segments = (uint8_t)(segments + (*p == '.'));
    if (segments == 2)
        aml_u8(a, PREFIX_DUAL_NAME);
    if (segments > 2) {
        aml_u8(a, PREFIX_MULTI_NAME);
        aml_u8(a, segments);
    }
    for (; segments; segments--) {
        const size_t n = strcspn(path, ".");

        put_segment(a, path, n);
        path += n + (path[n] == '.');
    }
}

void aml_int(struct aml *a, uint64_t v)
{
    static const struct {
        uint64_t max;
        uint8_t prefix, bytes;
    } form[] = {
        {UINT8_MAX, PREFIX_BYTE, 1},
        {UINT16_MAX, PREFIX_WORD, 2},
        {UINT32_MAX, PREFIX_DWORD, 4},
        {UINT64_MAX, PREFIX_QWORD, 8},
    };
    size_t i = 0;

    if (v <= 1) {
        aml_u8(a, v ? OP_ONE : OP_ZERO);
        return;
    }
    while (v > form[i].max)
        i++;
    aml_u8(a, form[i].prefix);
    put_le(a, v, form[i].bytes);
}

void aml_string(struct aml *a, const char *text)
{
    aml_u8(a, PREFIX_STRING);
    aml_bytes(a, text, strlen(text) + 1);
}

static uint32_t hex_digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits, four hex digits; stored most significant byte first. */
void aml_eisaid(struct aml *a, const char *id)
{
    uint32_t v = 0;

    if (strlen(id) != 7) {
        a->overflow = true;
        return;
    }
    for (int i = 0; i < 3; i++)
        v = v << 5 | (uint32_t)(id[i] - 'A' + 1);
    for (int i = 3; i < 7; i++)
        v = v << 4 | hex_digit(id[i]);
    aml_u8(a, PREFIX_DWORD);
    aml_u32(a, __builtin_bswap32(v));
}

void aml_buffer(struct aml *a, const struct aml *content)
{
    size_t mark;

    a->overflow |= content->overflow;
    aml_u8(a, OP_BUFFER);
    mark = a->len;
    aml_int(a, content->len);
    aml_bytes(a, content->buf, content->len);
    aml_end(a, mark);
}

void aml_name(struct aml *a, const char *name)
{
    aml_u8(a, OP_NAME);
    aml_path(a, name);
}

void aml_name_int(struct aml *a, const char *name, uint64_t v)
{
    aml_name(a, name);
    aml_int(a, v);
}

void aml_name_string(struct aml *a, const char *name, const char *text)
{
    aml_name(a, name);
    aml_string(a, text);
}

void aml_name_eisaid(struct aml *a, const char *name, const char *id)
{
    aml_name(a, name);
    aml_eisaid(a, id);
}

void aml_name_buffer(struct aml *a, const char *name, const struct aml *content)
{
    aml_name(a, name);
    aml_buffer(a, content);
}

size_t aml_scope(struct aml *a, const char *path)
{
    aml_u8(a, OP_SCOPE);
    const size_t mark = a->len;
    aml_path(a, path);
    return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
    aml_u8(a, PREFIX_EXT);
    aml_u8(a, EXT_DEVICE);
    const size_t mark = a->len;
    aml_path(a, name);
    return mark;
}

size_t aml_method(struct aml *a, const char *name, unsigned args)
{
    aml_u8(a, OP_METHOD);
    const size_t mark = a->len;
    aml_path(a, name);
    aml_u8(a, (uint8_t)(METHOD_SERIALIZED | (args & 7)));
    return mark;
}

size_t aml_package(struct aml *a, uint8_t elements)
{
    aml_u8(a, OP_PACKAGE);
    const size_t mark = a->len;
    aml_u8(a, elements);
    return mark;
}

size_t aml_if(struct aml *a)
{
    aml_u8(a, OP_IF);
    return a->len;
}

/* PkgLength counts its own bytes: 6 bits in one byte, else 4 bits and 8 more per further byte. */
static size_t pkg_length(uint8_t out[4], size_t content)
{
    size_t n = 1;

    if (content + 1 < 0x40) {
        out[0] = (uint8_t)(content + 1);
        return 1;
    }
    do {
        n++;
    } while (n <= 4 && content + n >= (size_t)1 << (8 * n - 4));
    if (n > 4)
        return 0;
    content += n;
    out[0] = (uint8_t)((n - 1) << 6 | (content & 0xf));
    for (size_t i = 1; i < n; i++)
        out[i] = (uint8_t)(content >> (8 * i - 4));
    return n;
}

void aml_end(struct aml *a, size_t mark)
{
    uint8_t length[4];
    const size_t content = a->len - mark;
    size_t n;

    if (a->overflow)
        return;
    n = pkg_length(length, content);
    aml_zeros(a, n);
    if (!n || a->overflow) {
        a->overflow = true;
        return;
    }
    memmove(a->buf + mark + n, a->buf + mark, content);
    memcpy(a->buf + mark, length, n);
}

void aml_res_io(struct aml *r, uint16_t port, uint8_t count)
{
    aml_u8(r, RES_IO);
    aml_u8(r, 1); /* all 16 address bits are decoded */
    aml_u16(r, port);
    aml_u16(r, port);
    aml_u8(r, 1);
    aml_u8(r, count);
}

void aml_res_irq_edge(struct aml *r, uint32_t gsi)
{
    aml_u8(r, RES_EXT_IRQ);
    aml_u16(r, 6);
    aml_u8(r, RES_IRQ_EDGE_HIGH);
    aml_u8(r, 1);
    aml_u32(r, gsi);
}

void aml_res_memory32(struct aml *r, uint32_t base, uint32_t size)
{
    aml_u8(r, RES_MEMORY32_FIXED);
    aml_u16(r, 9);
    aml_u8(r, RES_MEMORY_RW);
    aml_u32(r, base);
    aml_u32(r, size);
}

/* Granularity, minimum, maximum, translation, length: each of width bytes. */
static void put_window(struct aml *r, uint8_t kind, size_t width, uint8_t type, uint8_t flags,
                       uint64_t base, uint64_t size)
{
    if (!size)
        return;
    aml_u8(r, kind);
    aml_u16(r, (uint16_t)(3 + 5 * width));
    aml_u8(r, type);
    aml_u8(r, RES_WINDOW);
    aml_u8(r, flags);
    put_le(r, 0, width);
    put_le(r, base, width);
    put_le(r, base + size - 1, width);
    put_le(r, 0, width);
    put_le(r, size, width);
}

void aml_res_bus_window(struct aml *r, uint8_t first, uint8_t last)
{
    put_window(r, RES_ADDRESS16, 2, RES_TYPE_BUS, 0, first, (uint64_t)last - first + 1);
}

void aml_res_io_window(struct aml *r, uint16_t base, uint32_t size)
{
    put_window(r, RES_ADDRESS16, 2, RES_TYPE_IO, RES_IO_ENTIRE, base, size);
}

void aml_res_mem32_window(struct aml *r, uint32_t base, uint32_t size)
{
    put_window(r, RES_ADDRESS32, 4, RES_TYPE_MEMORY, RES_MEMORY_RW, base, size);
}

void aml_res_mem64_window(struct aml *r, uint64_t base, uint64_t size)
{
    put_window(r, RES_ADDRESS64, 8, RES_TYPE_MEMORY, RES_MEMORY_RW, base, size);
}

void aml_res_end(struct aml *r)
{
    aml_u8(r, RES_END);
    aml_u8(r, 0); /* no checksum */
}
