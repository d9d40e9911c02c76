// SPDX-License-Identifier: MIT
/*
 * Owns how options are written, checked and explained. Refuses to know what any of them means.
 */
#include "vmm/base/opts.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

enum { OPTS_MAX = 64, WORD_MAX = 4096, HELP_COLUMN = 30, HELP_WIDTH = 80 };

static const struct opt *opt_find(const struct opt *table, const char *name, size_t len)
{
    for (const struct opt *o = table; o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

/* How many characters two words share at their start: enough to guess what was meant. */
static size_t common_prefix(const char *a, const char *b)
{
    size_t n = 0;

    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

static int unknown(const struct opt *table, const char *name, const char *where, struct err *err)
{
    const struct opt *best = NULL;
    size_t most = strncmp(name, "--", 2) == 0 ? 3 : 1;

    for (const struct opt *o = table; o->name; o++) {
        const size_t n = common_prefix(o->name, name);

        if (n >= most + (best != NULL)) {
            best = o;
            most = n;
        }
    }
    if (best)
        return err_set(err, EINVAL, "%sunknown option %s; did you mean %s?", where, name,
                       best->name);
    return err_set(err, EINVAL, "%sunknown option %s; see 'vmm help'", where, name);
}

/* Prefix err's sentence with what it is about. */
static int about(struct err *err, int ret, const char *where, const char *name)
{
    struct err inner;

    if (!err || ret >= 0)
        return ret;
    if (!*where && strncmp(err->text, name, strlen(name)) == 0)
        return ret; /* its words have said it */
    inner = *err;
    return err_set(err, -ret, "%s%s%s: %.1200s", where, *where ? "," : "", name, inner.text);
}

static int opt_apply(const struct opt *o, const char *value, void *conf, const char *where,
                     struct err *err)
{
    if (opt_needs_value(o) && (!value || !*value))
        return err_set(err, EINVAL, "%s%s%s needs a value: %s%s%s", where, *where ? "," : "",
                       o->name, o->name, *where ? "=" : " ", o->arg);
    if (!o->arg && value)
        return err_set(err, EINVAL, "%s%s%s takes no value", where, *where ? "," : "", o->name);
    return about(err, o->set(conf, value, err), where, o->name);
}

static int seen_check(const struct opt *table, const struct opt *o, bool *seen, struct err *err)
{
    const size_t i = (size_t)(o - table);

    if (i >= OPTS_MAX)
        return err_set(err, E2BIG, "the table of options is too long");
    if (seen[i] && !o->repeats)
        return err_set(err, EINVAL, "%s is given twice", o->name);
    seen[i] = true;
    return 0;
}

int opts_parse(const struct opt *table, int argc, char *const *argv, void *conf,
               int (*positional)(void *conf, const char *word, struct err *err), struct err *err)
{
    bool seen[OPTS_MAX] = {false};

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = strchr(word, '=');
        const size_t len = value ? (size_t)(value - word) : strlen(word);
        const struct opt *o;
        int ret;

        if (word[0] != '-') {
            if (!positional)
                return err_set(err, EINVAL, "what is '%s'? Options begin with --; see 'vmm help'",
                               word);
            ret = positional(conf, word, err);
            if (ret < 0)
                return ret;
            continue;
        }
        o = opt_find(table, word, len);
        if (!o)
            return unknown(table, word, "", err);
        ret = seen_check(table, o, seen, err);
        if (ret < 0)
            return ret;
        if (value)
            value++;
        else if (opt_needs_value(o) && i + 1 < argc)
            value = argv[++i];
        ret = opt_apply(o, value, conf, "", err);
        if (ret < 0)
            return ret;
    }
    return 0;
}

int opts_first(const char *text, char *out, size_t size, const char **rest)
{
    size_t n = 0;

    *rest = NULL;
    for (; *text; text++) {
        if (text[0] == ',' && text[1] != ',') {
            *rest = text + 1;
            break;
        }
        if (text[0] == ',')
            text++;
        if (n + 1 >= size)
            return -E2BIG;
        out[n++] = *text;
    }
    out[n] = '\0';
    return 0;
}

/* One word of a list. */
static int word_apply(const struct opt *table, void *conf, bool *seen, const char *option,
                      char *word, struct err *err)
{
    char *value = strchr(word, '=');
    const struct opt *o = opt_find(table, word, value ? (size_t)(value - word) : strlen(word));
    char where[64];
    int ret;

    snprintf(where, sizeof(where), "%s: ", option);
    if (!o)
        return unknown(table, word, where, err);
    ret = seen_check(table, o, seen, err);
    return ret < 0 ? ret : opt_apply(o, value ? value + 1 : NULL, conf, option, err);
}

static bool word_in(const struct opt *table, const char *word)
{
    return table && opt_find(table, word, strcspn(word, "="));
}

int opts_parse_lists(const struct opt *table, void *conf, const struct opt *shared,
                     void *shared_conf, const char *option, const char *text, struct err *err)
{
    bool seen[2][OPTS_MAX] = {{false}};
    char word[WORD_MAX];
    int ret = 0;

    while (ret == 0 && text) {
        bool other;

        if (opts_first(text, word, sizeof(word), &text) < 0)
            return err_set(err, E2BIG, "%s: a word is longer than %d characters", option,
                           WORD_MAX - 1);
        other = word_in(shared, word);
        ret = word_apply(other ? shared : table, other ? shared_conf : conf, seen[other], option,
                         word, err);
    }
    return ret;
}

int opts_parse_list(const struct opt *table, const char *option, const char *text, void *conf,
                    struct err *err)
{
    return opts_parse_lists(table, conf, NULL, NULL, option, text, err);
}

/* Print text from column on, breaking between words. */
static void wrap(FILE *to, const char *text, int column, int at)
{
    while (*text) {
        const int len = (int)strcspn(text, " ");

        if (at > column && at + 1 + len > HELP_WIDTH) {
            fprintf(to, "\n%*s", column, "");
            at = column;
        }
        at += fprintf(to, "%s%.*s", at > column ? " " : "", len, text);
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

/* What stands between an option and its value. */
static const char *opt_link(const struct opt *o)
{
    if (!opt_needs_value(o))
        return "";
    return strncmp(o->name, "--", 2) == 0 ? " " : "=";
}

void opts_help(const struct opt *table, FILE *to)
{
    for (const struct opt *o = table; o->name; o++) {
        const char *link = opt_link(o);
        int n = fprintf(to, "  %s%s%s", o->name, o->arg ? link : "", o->arg ? o->arg : "");

        if (n >= HELP_COLUMN) {
            fputc('\n', to);
            n = 0;
        }
        fprintf(to, "%*s", HELP_COLUMN - n, "");
        wrap(to, o->help, HELP_COLUMN, HELP_COLUMN);
    }
}

/* Text for troff: backslashes and leading dots are its own. */
static void man_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '-')
            fputc('\\', to);
        fputc(*text, to);
    }
}

void opts_man(const struct opt *table, FILE *to)
{
    for (const struct opt *o = table; o->name; o++) {
        fputs(".TP\n.B ", to);
        man_text(to, o->name);
        if (o->arg) {
            fputs(opt_link(o), to);
            man_text(to, o->arg);
        }
        fputc('\n', to);
        man_text(to, o->help);
        fputs(".\n", to);
    }
}

int opts_number(const char *text, uint64_t min, uint64_t max, uint64_t *value, struct err *err)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || errno || v < min || v > max)
        return err_set(err, EINVAL, "'%s' is not a number from %" PRIu64 " to %" PRIu64, text, min,
                       max);
    *value = v;
    return 0;
}

int opts_size(const char *text, uint64_t *bytes, struct err *err)
{
    static const char units[] = "KMGT";
    const char *unit;
    char *end;
    unsigned long long v;
    unsigned shift = 0;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (end != text && *end && (unit = strchr(units, toupper((unsigned char)*end)))) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (!isdigit((unsigned char)text[0]) || *end || errno || !v || v > UINT64_MAX >> shift)
        return err_set(err, EINVAL, "'%s' is not a size; write 512M or 2G", text);
    *bytes = v << shift;
    return 0;
}
