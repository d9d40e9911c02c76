// SPDX-License-Identifier: MIT
/* prove [SIZE...]: all rings of these sizes (1 to 4), both layouts. Prints how many cases. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/prove/prove.h"

int main(int argc, char **argv)
{
    static const uint16_t all[] = {1, 2, 3, 4};
    const int n = argc > 1 ? argc - 1 : 4;

    for (int i = 0; i < n; i++) {
        const uint16_t size = argc > 1 ? (uint16_t)atoi(argv[i + 1]) : all[i];

        if (size < 1 || size > 4) {
            fprintf(stderr, "usage: prove [SIZE...], 1 to 4\n");
            return 1;
        }
        if ((size & (size - 1)) == 0)
            printf("split ring of %u: %llu cases\n", size, (unsigned long long)prove_split(size));
        fflush(stdout);
        printf("packed ring of %u: %llu cases\n", size, (unsigned long long)prove_packed(size));
        fflush(stdout);
    }
    return 0;
}
