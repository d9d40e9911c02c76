// SPDX-License-Identifier: MIT
/*
 * fill MIB: writes so much memory of its own, every word another, and looks whether it is all
 * there. For guests.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
    const size_t n = argc == 2 ? (size_t)atoi(argv[1]) * ((1 << 20) / sizeof(uint64_t)) : 0;
    uint64_t *word;

    if (n == 0)
        return 2;
    word =
        mmap(NULL, n * sizeof(*word), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (word == MAP_FAILED) {
        perror("fill");
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        word[i] = i * 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < n; i++)
        if (word[i] != i * 0x9e3779b97f4a7c15) {
            printf("word %zu is another\n", i);
            return 1;
        }
    return 0;
}
