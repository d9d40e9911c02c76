// SPDX-License-Identifier: MIT
/*
 * Owns how command lines are joined and what may stand in one. Refuses to know what words mean.
 */
#include "firmware/cmdline.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "vmm/base/bits.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    const unsigned char u = (unsigned char)c;

    return (u < 0x20 && u != '\t') || u == 0x7f;
}

static int part_check(const struct cmdline_part *part, struct err *err)
{
    for (size_t i = 0; i < part->len; i++)
        if (is_control(part->text[i]))
            return err_set(err, EINVAL,
                           "the command line from %s has a control character (code %u, at "
                           "position %zu); it must be one line of text",
                           part->what, (unsigned char)part->text[i], i);
    return 0;
}

static struct cmdline_part part_trim(const struct cmdline_part *part)
{
    struct cmdline_part p = *part;

    while (p.len && is_blank(p.text[p.len - 1]))
        p.len--;
    while (p.len && is_blank(*p.text)) {
        p.text++;
        p.len--;
    }
    return p;
}

/* Room for the part, a space before it and the NUL after it? */
static bool part_fits(size_t have, size_t len, size_t size)
{
    return have < size && range_ok(have + (have > 0), len, size - 1);
}

int cmdline_join(const struct cmdline_part *part, size_t n, char *out, size_t size, struct err *err)
{
    size_t have = 0;

    if (!size)
        return err_set(err, E2BIG, "there is no room for a command line");
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const struct cmdline_part p = part_trim(&part[i]);
        const int ret = part_check(&p, err);

        if (ret < 0 || !part_fits(have, p.len, size)) {
            out[0] = '\0';
            return ret < 0 ? ret
                           : err_set(err, E2BIG,
                                     "the command line is too long with the %zu bytes of %s: "
                                     "the limit is %zu bytes; shorten it",
                                     p.len, p.what, size - 1);
        }
        if (!p.len)
            continue;
        if (have)
            out[have++] = ' ';
        memcpy(out + have, p.text, p.len);
        have += p.len;
        out[have] = '\0';
    }
    return (int)have;
}
