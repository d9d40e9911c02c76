// SPDX-License-Identifier: MIT
/*
 * Owns grub's variables and its environment block file. Knows no script.
 */
#include <errno.h>
#include <string.h>

#include "firmware/grub.h"

static struct grub_var *var_find(const struct grub_vars *vars, const char *name)
{
    struct grub_var *v = vars->first;
    while (v && strcmp(v->name, name) != 0)
        v = v->next;
    return v;
}

int grub_vars_set(struct grub_vars *vars, struct disk_mem *mem, const char *name, const char *value)
{
    struct grub_var *v = var_find(vars, name);
    const char *copy = disk_mem_dup(mem, value, strlen(value));
    if (!copy)
        return -ENOMEM;
    if (v) {
        v->value = copy;
        return 0;
    }
    if (vars->count >= GRUB_MAX_VARS)
        return -E2BIG;
    v = disk_mem_alloc(mem, sizeof(*v));
    if (!v)
        return -ENOMEM;
    *v = (struct grub_var){vars->first, disk_mem_dup(mem, name, strlen(name)), copy};
    if (!v->name)
        return -ENOMEM;
    vars->first = v;
    vars->count++;
    return 0;
}

void grub_vars_unset(struct grub_vars *vars, const char *name)
{
    struct grub_var *v = var_find(vars, name);
    if (v)
        v->value = NULL;
}

const char *grub_vars_get(const struct grub_vars *vars, const char *name)
{
    const struct grub_var *v = var_find(vars, name);
    return v ? v->value : NULL;
}

static bool is_wanted(const struct grub_words *only, const char *name)
{
    for (unsigned i = 0; only && i < only->count; i++)
        if (!strcmp(only->word[i], name))
            return true;
    return !only || !only->count;
}

static int line_load(struct grub_vars *vars, struct disk_mem *mem, char *line,
                     const struct grub_words *only)
{
    char *equals = strchr(line, '=');
    if (*line == '#' || !equals)
        return 0;
    *equals = '\0';
    return is_wanted(only, line) ? grub_vars_set(vars, mem, line, equals + 1) : 0;
}

int grub_vars_load(struct grub_vars *vars, struct disk_mem *mem, const char *text, size_t len,
                   const struct grub_words *only)
{
    char *line = disk_mem_alloc(mem, len + 1);
    if (!line)
        return -ENOMEM;
    size_t out = 0;
    int r = 0;
    for (size_t i = 0; i < len && !r; i++) {
        if (text[i] == '\\' && i + 1 < len) {
            line[out++] = text[++i]; /* also a newline that belongs to the value */
        } else if (text[i] != '\n') {
            line[out++] = text[i];
        } else {
            line[out] = '\0';
            r = line_load(vars, mem, line, only);
            out = 0;
        }
    }
    return r;
}
