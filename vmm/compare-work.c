// SPDX-License-Identifier: MIT
/*
 * Owns the options of machines that are booted again and again, and the folder for what their
 * boots leave behind. Refuses to know why they are booted.
 */
#include "vmm/compare-work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ADDED = 10 }; /* words that are put in here */

int compare_work_config(const struct compare_work *w, const char *who, struct config *config,
                        struct err *err)
{
    const int ret = config_parse(config, w->n_run + 1, w->run - 1, err);

    if (ret == 0 && config->console_to.kind != CONFIG_TTY)
        return err_set(err, EINVAL, "--console to=: %s has to see the console; leave it out", who);
    return ret;
}

/* ---- the folder ---- */

static int path_join(char out[PATH_MAX], const char *dir, const char *name, struct err *err)
{
    if (snprintf(out, PATH_MAX, "%s%s", dir, name) >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "TMPDIR %.60s... is too long", dir);
    return 0;
}

int compare_work_make(struct compare_work *w, const char *who, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char dir[PATH_MAX], name[40];
    int fd;

    tmp = tmp && *tmp ? tmp : "/tmp";
    /* commas are doubled behind --trace; names made here have none, folders may */
    if (strchr(tmp, ','))
        return err_set(err, EINVAL, "TMPDIR %s: no commas", tmp);
    snprintf(name, sizeof(name), "/vmm-%.20s.XXXXXX", who);
    if (path_join(dir, tmp, name, err) < 0 || path_join(w->trace, dir, "/trace", err) < 0 ||
        path_join(w->errors, dir, "/errors", err) < 0)
        return -ENAMETOOLONG;
    if (!mkdtemp(dir))
        return err_errno(err, errno, "a folder for traces, %s", tmp);
    path_join(w->dir, dir, "", err);
    path_join(w->trace, dir, "/trace", err);
    path_join(w->errors, dir, "/errors", err);
    fd = open(w->errors, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "%s", w->errors);
    close(fd);
    return 0;
}

void compare_work_remove(const struct compare_work *w)
{
    if (!w->dir[0])
        return;
    unlink(w->trace);
    unlink(w->errors);
    rmdir(w->dir);
}

void compare_work_clear(const struct compare_work *w)
{
    unlink(w->trace);
    if (truncate(w->errors, 0) < 0)
        unlink(w->errors);
}

static bool run_has(const struct compare_work *w, const char *word)
{
    for (int i = 0; i < w->n_run; i++)
        if (strcmp(w->run[i], word) == 0)
            return true;
    return false;
}

/* Words of run that an option takes at i; 0: it is another one. */
static int run_takes(const struct compare_work *w, int i, const char *option)
{
    const size_t len = strlen(option);

    if (strncmp(w->run[i], option, len) != 0)
        return 0;
    return w->run[i][len] == '=' ? 1 : (w->run[i][len] ? 0 : 2);
}

static void word_add(char **argv, unsigned *n, const char *word)
{
    argv[(*n)++] = (char *)(uintptr_t)word;
}

char **compare_work_words(const struct compare_work *w, const char *const *added, struct err *err)
{
    unsigned n_added = 0, n = 0;
    char **argv;

    while (added[n_added])
        n_added++;
    argv = calloc((size_t)w->n_run + n_added + ADDED, sizeof(*argv));
    if (!argv) {
        err_errno(err, ENOMEM, "options");
        return NULL;
    }
    word_add(argv, &n, "vmm");
    word_add(argv, &n, "run");
    for (int i = 0; i < w->n_run; i++) {
        const int takes = w->append ? run_takes(w, i, "--append") : 0;

        if (!takes)
            word_add(argv, &n, w->run[i]);
        i += takes > 1;
    }
    word_add(argv, &n, "--control");
    word_add(argv, &n, "off");
    if (!run_has(w, "--snapshot"))
        word_add(argv, &n, "--snapshot");
    if (w->to_end && !run_has(w, "--no-reboot"))
        word_add(argv, &n, "--no-reboot");
    for (unsigned i = 0; i < 2 && w->append; i++)
        word_add(argv, &n, i ? w->append : "--append");
    for (unsigned i = 0; i < n_added; i++)
        word_add(argv, &n, added[i]);
    return argv;
}

void compare_work_errors(const struct compare_work *w)
{
    FILE *f = fopen(w->errors, "re");
    char line[400];

    while (f && fgets(line, sizeof(line), f))
        fprintf(stderr, "  %s", line);
    if (f)
        fclose(f);
}
