// SPDX-License-Identifier: MIT
/* Owns base64, both ways. */
#include "vmm/base/base64.h"

#include <stdlib.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t n)
{
    const uint8_t *from = (const uint8_t *)data;
    char *text = malloc(n / 3 * 4 + 5), *to = text;

    if (!text)
        return NULL;
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t have = n - i < 3 ? (uint32_t)(n - i) : 3;
        uint32_t v = (uint32_t)from[i] << 16;

        v |= have > 1 ? (uint32_t)from[i + 1] << 8 : 0;
        v |= have > 2 ? from[i + 2] : 0;
        *to++ = letters[v >> 18];
        *to++ = letters[v >> 12 & 63];
        *to++ = letters[v >> 6 & 63];
        *to++ = letters[v & 63];
        if (have < 3)
            to[-1] = '=';
        if (have < 2)
            to[-2] = '=';
    }
    *to = '\0';
    return text;
}

/* Four letters, of which the last `pad` are '='. false: they are not what they should be. */
static int group_decode(const char *from, unsigned pad, uint8_t *to)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        const char *at = strchr(letters, from[i]);

        if (i >= 4 - pad ? from[i] != '=' : !at)
            return 0;
        v = v << 6 | (i >= 4 - pad ? 0 : (uint32_t)(at - letters));
    }
    for (unsigned i = 0; i < 3 - pad; i++)
        to[i] = (uint8_t)(v >> (16 - 8 * i));
    return 1;
}

void *base64_decode(const char *text, size_t *n)
{
    const size_t len = strlen(text);
    unsigned pad = 0;
    uint8_t *data;

    if (len % 4)
        return NULL;
    while (pad < 2 && len && text[len - 1 - pad] == '=')
        pad++;
    data = malloc(len / 4 * 3 + 1);
    for (size_t i = 0; data && i < len; i += 4) {
        if (!group_decode(text + i, i + 4 == len ? pad : 0, data + i / 4 * 3)) {
            free(data);
            return NULL;
        }
    }
    *n = len / 4 * 3 - pad;
    return data;
}
