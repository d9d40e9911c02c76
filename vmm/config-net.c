// SPDX-License-Identifier: MIT
/*
 * Owns the words of --net.
 */
#include "vmm/config-internal.h"

int config_net(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {"none"};
    int i = config_word(words, 1, value, "none (this version has no network device yet)", err);

    (void)conf; /* none is what the machine has without the option, too */
    return i < 0 ? i : 0;
}
