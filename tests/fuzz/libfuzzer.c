// SPDX-License-Identifier: MIT
/*
 * Owns the way from libFuzzer to a target: --target=NAME says which one. libFuzzer hands words that
 * begin with two dashes on to the processes that it starts, and does not look at them itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char word[] = "--target=";

    for (int i = 1; i < *argc; i++)
        if (strncmp((*argv)[i], word, strlen(word)) == 0)
            target = fuzz_target_find((*argv)[i] + strlen(word));
    if (!target) {
        fputs("usage: libfuzzer --target=NAME [OPTIONS OF LIBFUZZER] [CORPUS]\n", stderr);
        exit(EXIT_FAILURE);
    }
    fuzz_quiet();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len <= target->max_len)
        target->run(data, len);
    return 0;
}
