// SPDX-License-Identifier: MIT
/*
 * Owns which signals end the program. Refuses to know what the end takes.
 */
#include "vmm/base/ends.h"

#include "vmm/base/bits.h"

void ends_choose(sigset_t *set)
{
    static const int may_be_ignored[] = {SIGINT, SIGHUP};
    struct sigaction was;

    sigemptyset(set);
    sigaddset(set, SIGTERM);
    for (unsigned i = 0; i < ARRAY_SIZE(may_be_ignored); i++)
        if (sigaction(may_be_ignored[i], NULL, &was) < 0 || was.sa_handler != SIG_IGN)
            sigaddset(set, may_be_ignored[i]);
}
