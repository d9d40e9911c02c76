// SPDX-License-Identifier: MIT
/* Owns the words of --lint. Refuses to know rules. */
#include <stddef.h>

#include "vmm/config-internal.h"

static int lint_error(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct config *)conf)->lint_error = true;
    return 0;
}

static int lint_advice(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct config *)conf)->lint_advice = true;
    return 0;
}

const struct opt config_lint_opts[] = {
    {"error", NULL, "exit status 3 if there was a finding", lint_error, false},
    {"advice", NULL, "tell, too, what a driver should accept and does not", lint_advice, false},
    {NULL, NULL, NULL, NULL, false},
};

int config_lint(void *conf, const char *value, struct err *err)
{
    ((struct config *)conf)->lint = true;
    return value ? opts_parse_list(config_lint_opts, "--lint", value, conf, err) : 0;
}
