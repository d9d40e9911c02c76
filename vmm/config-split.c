// SPDX-License-Identifier: MIT
/*
 * Owns the question whose option a word is: a command's own or that of the machines that it boots.
 * Refuses to know any of them.
 */
#include "vmm/config-split.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"

static bool name_is(const char *name, const char *word)
{
    const size_t len = strlen(name);

    return strncmp(name, word, len) == 0 && (word[len] == '\0' || word[len] == '=');
}

static const struct opt *opt_find(const struct opt *table, const char *word)
{
    for (; table->name; table++)
        if (name_is(table->name, word))
            return table;
    return NULL;
}

static int word_refused(const struct config_refused *refused, const char *word, struct err *err)
{
    for (; refused->name; refused++)
        if (name_is(refused->name, word))
            return err_set(err, EINVAL, "%s: %s", refused->name, refused->why);
    return 0;
}

int config_split(const struct opt *own, const struct config_refused *refused, void *conf, int argc,
                 char **argv, char **run, int *n_run, struct err *err)
{
    char **mine = calloc((size_t)argc + 1, sizeof(*mine));
    int n_mine = 1, ret = 0;

    *n_run = 0;
    if (!mine)
        return err_errno(err, ENOMEM, "options");
    mine[0] = argv[0];
    for (int i = 1; i < argc; i++) {
        const struct opt *found = opt_find(own, argv[i]);
        const struct opt *opt = found ? found : opt_find(config_run_opts, argv[i]);
        const bool two = opt && opt_needs_value(opt) && !strchr(argv[i], '=') && i + 1 < argc;

        if (!found && (ret = word_refused(refused, argv[i], err)) < 0)
            break;
        for (int last = i + two; i <= last; i++)
            *(found ? &mine[n_mine++] : &run[(*n_run)++]) = argv[i];
        i--;
    }
    if (ret == 0)
        ret = opts_parse(own, n_mine, mine, conf, NULL, err);
    free(mine);
    return ret;
}
