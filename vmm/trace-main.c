// SPDX-License-Identifier: MIT
/*
 * Owns the words behind `vmm trace`. Refuses to do what they say.
 */
#include "vmm/trace-main.h"

#include <string.h>

#include "vmm/base/err.h"
#include "vmm/trace-diff.h"
#include "vmm/trace-perfetto.h"
#include "vmm/trace-replay.h"
#include "vmm/trace-show.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} words[] = {
    {"show", trace_show}, {"perfetto", trace_perfetto},
    {"diff", trace_diff}, {"replay", trace_replay},
    {NULL, NULL},
};

int trace_main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;

    for (unsigned i = 0; word && words[i].name; i++)
        if (strcmp(words[i].name, word) == 0)
            return words[i].run(argc - 1, argv + 1);
    if (word)
        log_msg(LOG_ERROR, "vmm trace: '%s' is unknown; there are show, perfetto, diff and replay",
                word);
    else
        log_msg(LOG_ERROR, "usage: vmm trace show FILE [OPTIONS], or perfetto FILE OUT, diff A B, "
                           "replay FILE");
    return 1;
}
