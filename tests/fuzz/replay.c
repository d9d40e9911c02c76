// SPDX-License-Identifier: MIT
/*
 * Owns a program that runs inputs without libFuzzer, in any build, and one that writes seeds:
 *   replay DIR [TARGET]       every file in DIR/TARGET, of one target or of all; TAP on output
 *   replay TARGET FILE...     these inputs
 *   replay --seeds DIR        write the seeds of all targets to DIR/TARGET/
 *   replay --list             names of targets and the bytes that their inputs have at most
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static void die(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(EXIT_FAILURE);
}

static void input_run(const struct fuzz_target *t, const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = (uint8_t *)malloc((size_t)t->max_len + 1), *copy;
    size_t n;

    if (!f || !data)
        die(path);
    n = fread(data, 1, t->max_len, f);
    fclose(f);
    fprintf(stderr, "# %s\n", path);  /* the last one, where it ends there */
    copy = (uint8_t *)malloc(n + !n); /* exactly as large, for the sanitizer */
    if (!copy)
        die(path);
    memcpy(copy, data, n);
    free(data);
    t->run(copy, n);
    free(copy);
}

static int named(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void corpus_run(const struct fuzz_target *t, const char *dir)
{
    struct dirent **list;
    char path[1024];
    int n;

    snprintf(path, sizeof(path), "%s/%s", dir, t->name);
    n = scandir(path, &list, named, alphasort);
    if (n < 0)
        die(path);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s/%s", dir, t->name, list[i]->d_name);
        input_run(t, path);
        free(list[i]);
    }
    free(list);
    printf("%s - fuzz/%s: %d inputs\n", n ? "ok" : "not ok", t->name, n);
    fflush(stdout);
}

static void seeds_write(const struct fuzz_target *t, const char *dir)
{
    struct fuzz_seeds to;

    mkdir(dir, 0777);
    snprintf(to.dir, sizeof(to.dir), "%s/%s", dir, t->name);
    if (mkdir(to.dir, 0777) < 0 && errno != EEXIST)
        die(to.dir);
    t->seeds(&to);
}

static int all(int argc, char **argv)
{
    const bool seeds = argc > 2 && strcmp(argv[1], "--seeds") == 0;
    const bool list = strcmp(argv[1], "--list") == 0;
    const char *only = !seeds && argc > 2 ? argv[2] : NULL;

    for (const struct fuzz_target *const *t = fuzz_targets; *t; t++) {
        if (only && strcmp(only, (*t)->name) != 0)
            continue;
        if (list)
            printf("%s %u\n", (*t)->name, (*t)->max_len);
        else if (seeds)
            seeds_write(*t, argv[2]);
        else
            corpus_run(*t, argv[1]);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct fuzz_target *t = argc > 2 ? fuzz_target_find(argv[1]) : NULL;

    if (argc < 2) {
        fputs("usage: replay DIR [TARGET] | TARGET FILE... | --seeds DIR | --list\n", stderr);
        return EXIT_FAILURE;
    }
    fuzz_quiet();
    if (!t)
        return all(argc, argv);
    for (int i = 2; i < argc; i++)
        input_run(t, argv[i]);
    return EXIT_SUCCESS;
}
