// SPDX-License-Identifier: MIT
/*
 * Owns the words of --console: what the terminal is connected to.
 */
#include <errno.h>

#include "vmm/base/bits.h"
#include "vmm/config-internal.h"

static int console_interface(void *conf, const char *value, struct err *err)
{
    return config_interface(((struct config *)conf)->console_interface, value, err);
}

const struct opt config_console_opts[] = {
    {"interface", "modern|transitional|legacy", "the virtio interfaces of hvc0, as for --disk",
     console_interface, false},
    {NULL, NULL, NULL, NULL, false},
};

int config_console(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {[CONSOLE_SERIAL] = "serial", [CONSOLE_VIRTIO] = "virtio"};
    struct config *config = (struct config *)conf;
    char word[16];
    const char *rest;
    int i;

    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%s' is not one of serial, virtio", value);
    i = config_word(words, ARRAY_SIZE(words), word, "serial, virtio", err);
    if (i < 0)
        return i;
    config->console = (enum config_console)i;
    if (!rest)
        return 0;
    if (i != CONSOLE_VIRTIO)
        return err_set(err, EINVAL, "only virtio takes further words");
    return opts_parse_list(config_console_opts, "virtio", rest, config, err);
}
