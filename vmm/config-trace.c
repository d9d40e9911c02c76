// SPDX-License-Identifier: MIT
/*
 * Owns the words of --trace. Refuses to open the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/trace.h"
#include "vmm/config-internal.h"

static int trace_dma(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct config *)conf)->trace_groups |= TRACE_DMA;
    return 0;
}

static int trace_exits(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct config *)conf)->trace_groups |= TRACE_EXITS;
    return 0;
}

static int trace_replay(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct config *)conf)->trace_groups |= TRACE_DMA | TRACE_REPLAY;
    return 0;
}

const struct opt config_trace_opts[] = {
    {"dma", NULL, "record the place in guest memory of every buffer, too", trace_dma, false},
    {"exits", NULL, "record every exit of a processor from the guest, and how long it took",
     trace_exits, false},
    {"replay", NULL,
     "record what 'vmm trace replay' needs: dma, and the first bytes of what devices read; the "
     "guest waits rather than that a record is lost",
     trace_replay, false},
    {NULL, NULL, NULL, NULL, false},
};

int config_trace(void *conf, const char *value, struct err *err)
{
    struct config *config = (struct config *)conf;
    const size_t size = strlen(value) + 1;
    const char *rest;

    free(config->trace);
    config->trace = malloc(size);
    config->trace_groups = TRACE_BASE;
    if (!config->trace)
        return err_errno(err, ENOMEM, "%s", value);
    opts_first(value, config->trace, size, &rest);
    if (!config->trace[0])
        return err_set(err, EINVAL, "the file name is missing: FILE comes first");
    return rest ? opts_parse_list(config_trace_opts, "--trace", rest, conf, err) : 0;
}
