// SPDX-License-Identifier: MIT
/* As much of a flattened device tree as it takes to find a property of a node. */
#include "guest.h"

enum { FDT_STRUCT = 8, FDT_STRINGS = 12 };
enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4, FDT_END = 9 };
enum { DEPTH_MAX = 16 };

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t text_size(const uint8_t *s)
{
    uint32_t n = 0;

    while (s[n])
        n++;
    return n + 1;
}

/* A step through the structure block; *at behind it. What it was, with a property's name and value.
 */
static uint32_t step(const uint8_t *fdt, uint32_t *at, const char **name, struct fdt_prop *prop)
{
    const uint32_t token = be32(fdt + *at);

    *at += 4;
    if (token == FDT_BEGIN_NODE) {
        *at = (*at + text_size(fdt + *at) + 3) & ~UINT32_C(3);
    } else if (token == FDT_PROP) {
        *prop = (struct fdt_prop){fdt + *at + 8, be32(fdt + *at)};
        *name = (const char *)fdt + be32(fdt + FDT_STRINGS) + be32(fdt + *at + 4);
        *at = (*at + 8 + prop->len + 3) & ~UINT32_C(3);
    }
    return token;
}

static bool holds(struct fdt_prop prop, const char *text)
{
    for (uint32_t i = 0; i < prop.len; i += text_size(prop.data + i))
        if (text_is((const char *)prop.data + i, text))
            return true;
    return false;
}

uint32_t fdt_node(const void *fdt, const char *name, const char *text)
{
    const uint8_t *p = (const uint8_t *)fdt;
    uint32_t at = be32(p + FDT_STRUCT), node[DEPTH_MAX] = {0}, token;
    unsigned depth = 0;

    for (;;) {
        const uint32_t here = at;
        struct fdt_prop prop = {NULL, 0};
        const char *is = "";

        token = step(p, &at, &is, &prop);
        if (token == FDT_BEGIN_NODE && depth + 1 < DEPTH_MAX)
            node[++depth] = here;
        else if (token == FDT_END_NODE && depth)
            depth--;
        else if (token == FDT_PROP && text_is(is, name) && holds(prop, text))
            return node[depth];
        else if (token != FDT_PROP && token != FDT_NOP)
            return 0;
    }
}

/* Properties stand before the nodes inside. */
struct fdt_prop fdt_prop(const void *fdt, uint32_t node, const char *name)
{
    const uint8_t *p = (const uint8_t *)fdt;
    struct fdt_prop prop = {NULL, 0};
    const char *is = "";
    uint32_t token;

    step(p, &node, &is, &prop);
    do {
        token = step(p, &node, &is, &prop);
        if (token == FDT_PROP && text_is(is, name))
            return prop;
    } while (token == FDT_PROP || token == FDT_NOP);
    return (struct fdt_prop){NULL, 0};
}

uint32_t fdt_cell(struct fdt_prop prop, unsigned i)
{
    return i < prop.len / 4 ? be32(prop.data + i * 4) : 0;
}

uint64_t fdt_cell2(struct fdt_prop prop, unsigned i)
{
    return (uint64_t)fdt_cell(prop, i) << 32 | fdt_cell(prop, i + 1);
}
