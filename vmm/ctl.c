// SPDX-License-Identifier: MIT
/*
 * Owns what people type after `vmm ctl` and what they read afterwards. Refuses to know what a
 * machine is: it only talks to one.
 */
#include "vmm/ctl.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/attach.h"
#include "vmm/base/bits.h"
#include "vmm/base/err.h"
#include "vmm/base/opts.h"
#include "vmm/control-client.h"
#include "vmm/control-path.h"
#include "vmm/screendump.h"

enum {
    ASK_SECONDS = 30,
    LIST_SECONDS = 2,
    STATUS_FAILED = 1,
    HELP_COLUMN = 24,
    STATS_TRIES = 20,
    STATS_WAIT_US = 50000
};

static int fail(const struct err *err)
{
    log_msg(LOG_ERROR, "%s", err->text);
    return STATUS_FAILED;
}

/* ---- what is printed for people ---- */

/* The text of that name, whatever answered. */
static const char *text_of(const json_t *from, const char *name)
{
    const char *text = json_string_value(json_object_get(from, name));

    return text ? text : "unknown";
}

static void print_status(const json_t *ret)
{
    puts(text_of(ret, "status"));
}

static double mib(const json_t *from, const char *name)
{
    return (double)json_integer_value(json_object_get(from, name)) / (double)MIB;
}

static void print_resize(const json_t *ret)
{
    printf("%s has %" JSON_INTEGER_FORMAT " bytes\n", text_of(ret, "device"),
           json_integer_value(json_object_get(ret, "size")));
}

static void print_balloon(const json_t *ret)
{
    const json_t *stats = json_object_get(ret, "stats");

    if (!json_object_size(ret))
        return; /* the answer to a new target */
    printf("the guest has %.1f MiB of %.1f MiB; its target is %.1f MiB\n", mib(ret, "actual"),
           mib(ret, "memory"), mib(ret, "target"));
    printf("given to the host so far: %.1f MiB\n", mib(ret, "discarded"));
    if (!json_is_true(json_object_get(ret, "driver")))
        puts("no driver in the guest serves the balloon");
    if (stats)
        printf("in the guest: %.1f MiB free, %.1f MiB available, %.1f MiB in caches\n",
               mib(stats, "stat-free-memory"), mib(stats, "stat-available-memory"),
               mib(stats, "stat-disk-caches"));
}

/* ---- questions that take more than one ---- */

static json_int_t updates_of(const json_t *balloon)
{
    return json_integer_value(json_object_get(balloon, "stats-updates"));
}

/* With statistics of now, if the guest gives them soon. */
static json_t *ask_balloon(struct control_client *client, json_t *args, struct err *err)
{
    struct err none;
    json_t *now, *polled;
    json_int_t before;

    if (json_object_size(args))
        return control_client_ask(client, "balloon", args, err);
    now = control_client_ask(client, "query-balloon", NULL, err);
    polled = now ? control_client_ask(client, "balloon_poll", NULL, &none) : NULL;
    before = updates_of(now);
    for (unsigned i = 0; polled && now && updates_of(now) == before && i < STATS_TRIES; i++) {
        usleep(STATS_WAIT_US);
        json_decref(now);
        now = control_client_ask(client, "query-balloon", NULL, err);
    }
    json_decref(polled);
    return now;
}

/* ---- words behind a command ---- */

static int fill_resize(char *const *word, unsigned n, json_t *args, struct err *err)
{
    uint64_t size;

    if (n > 1 && opts_size(word[1], &size, err) < 0)
        return -EINVAL;
    if (n > 1)
        json_object_set_new(args, "size", json_integer((json_int_t)min_u64(size, INT64_MAX)));
    if (json_object_set_new(args, "device", json_string(word[0])) < 0)
        return err_set(err, EINVAL, "'%s' is not the name of a disk", word[0]);
    return 0;
}

static int fill_balloon(char *const *word, unsigned n, json_t *args, struct err *err)
{
    uint64_t size;
    int ret = n ? opts_size(word[0], &size, err) : 0;

    if (n && ret == 0)
        json_object_set_new(args, "value", json_integer((json_int_t)min_u64(size, INT64_MAX)));
    return ret;
}

static int fill_announce(char *const *word, unsigned n, json_t *args, struct err *err)
{
    json_t *names = n ? json_pack("[s]", word[0]) : NULL;

    if (n && json_object_set_new(args, "interfaces", names) < 0)
        return err_set(err, EINVAL, "'%s' is not the name of a network card", word[0]);
    return 0;
}

static int fill_keys(char *const *word, unsigned n, json_t *args, struct err *err)
{
    (void)n;
    if (json_object_set_new(args, "keys", json_string(word[0])) < 0)
        return err_set(err, EINVAL, "'%s' is not the name of a key", word[0]);
    return 0;
}

static int fill_text(char *const *word, unsigned n, json_t *args, struct err *err)
{
    (void)n;
    if (json_object_set_new(args, "text", json_string(word[0])) < 0)
        return err_set(err, EINVAL, "the text is not UTF-8");
    return 0;
}

static int fill_screendump(char *const *word, unsigned n, json_t *args, struct err *err)
{
    uint64_t screen = 0;
    const int ret = n > 1 ? opts_number(word[1], 0, DISPLAY_SCREENS - 1, &screen, err) : 0;

    if (ret < 0)
        return ret;
    json_object_set_new(args, "screen", json_integer((json_int_t)screen));
    if (json_object_set_new(args, "file", json_string(word[0])) < 0)
        return err_set(err, EINVAL, "'%s' is no name of a file", word[0]);
    return 0;
}

/* ---- commands ---- */

struct ctl_command {
    const char *word, *args, *help;
    const char *execute; /* or: */
    json_t *(*ask)(struct control_client *client, json_t *args, struct err *err);
    unsigned min, max; /* words behind it */
    int (*fill)(char *const *word, unsigned n, json_t *args, struct err *err);
    void (*print)(const json_t *ret); /* NULL: nothing to say */
};

static const struct ctl_command commands[] = {
    {"status", "", "print whether it is running or paused", "query-status", NULL, 0, 0, NULL,
     print_status},
    {"stop", "", "pause it: no processor runs until 'cont'", "stop", NULL, 0, 0, NULL, NULL},
    {"cont", "", "let it run on", "cont", NULL, 0, 0, NULL, NULL},
    {"powerdown", "", "press its power button; the guest decides what that means",
     "system_powerdown", NULL, 0, 0, NULL, NULL},
    {"reset", "", "restart it at once, as with a reset button", "system_reset", NULL, 0, 0, NULL,
     NULL},
    {"quit", "", "end it at once, as if its plug were pulled", "quit", NULL, 0, 0, NULL, NULL},
    {"resize", "DISK [SIZE]",
     "make a disk's file larger; without SIZE: the guest is told of the size that it has now",
     "block_resize", NULL, 1, 2, fill_resize, print_resize},
    {"balloon", "[SIZE]",
     "how much memory the guest is to have, 256M say; without SIZE: what it has", NULL, ask_balloon,
     0, 1, fill_balloon, print_balloon},
    {"announce", "[CARD]",
     "the guest tells the network where it is; without CARD (net0, say): by all its cards",
     "announce-self", NULL, 0, 1, fill_announce, NULL},
    {"console", "", "attach this terminal to its console; Ctrl-A x leaves it", NULL, attach_console,
     0, 0, NULL, NULL},
    {"send-key", "KEYS", "press keys together on the guest's keyboard: ctrl-alt-f2", "send-key",
     NULL, 1, 1, fill_keys, NULL},
    {"type", "TEXT", "type a text on the guest's keyboard, which has the US layout", "type", NULL,
     1, 1, fill_text, NULL},
    {"screendump", "FILE [SCREEN]",
     "write what a screen shows, the first one (0) unless told, as a PNG file", NULL,
     screendump_ask, 1, 2, fill_screendump, NULL},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};

void ctl_help(FILE *to)
{
    for (const struct ctl_command *c = commands; c->word; c++)
        fprintf(to, "  %s%s%-*s %s\n", c->word, c->args[0] ? " " : "",
                HELP_COLUMN - (int)strlen(c->word) - (c->args[0] != 0), c->args, c->help);
}

void ctl_man(FILE *to)
{
    for (const struct ctl_command *c = commands; c->word; c++)
        fprintf(to, ".TP\n.B %s\n.I %s\n%s.\n", c->word, c->args, c->help);
}

void ctl_words(FILE *to)
{
    for (const struct ctl_command *c = commands; c->word; c++)
        fprintf(to, " %s", c->word);
}

static const struct ctl_command *command_find(const char *word)
{
    for (const struct ctl_command *c = commands; c->word; c++)
        if (strcmp(c->word, word) == 0)
            return c;
    return NULL;
}

static int command_unknown(const char *word, struct err *err)
{
    char list[200] = "";
    size_t n = 0;

    for (const struct ctl_command *c = commands; c->word && n < sizeof(list); c++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", c->word);
    return err_set(err, EINVAL, "unknown command '%s'; there are %s", word, list);
}

/* Take --json out of the words. */
static bool json_wanted(int *argc, char **argv)
{
    int to = 1;
    const int before = *argc;

    for (int i = 1; i < *argc; i++)
        if (strcmp(argv[i], "--json") != 0)
            argv[to++] = argv[i];
    *argc = to;
    return to < before;
}

int ctl_connect(const char *name, struct control_client *client, struct err *err)
{
    char path[CONTROL_PATH_MAX];
    int ret = control_path(name, false, path, err);

    if (ret == 0)
        ret = control_client_open(client, path, ASK_SECONDS, err);
    if (ret == -ENOENT || ret == -ECONNREFUSED)
        return err_set(err, ENOENT, "no machine '%s' runs; 'vmm list' shows those that do", name);
    return ret;
}

static int command_run(const struct ctl_command *c, const char *name, char *const *word, unsigned n,
                       bool raw, struct err *err)
{
    struct control_client client;
    json_t *args = json_object(), *ret = NULL;
    int got = args ? 0 : err_errno(err, ENOMEM, "%s", c->word);

    if (got == 0 && c->fill)
        got = c->fill(word, n, args, err);
    if (got < 0)
        goto out;
    got = ctl_connect(name, &client, err);
    if (got < 0)
        goto out;
    ret = c->ask ? c->ask(&client, args, err) : control_client_ask(&client, c->execute, args, err);
    control_client_close(&client);
    if (!ret) {
        got = -EIO;
        goto out;
    }
    if (raw) {
        json_dumpf(ret, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (c->print) {
        c->print(ret);
    }
out:
    json_decref(ret);
    json_decref(args);
    return got;
}

int ctl_main(int argc, char **argv)
{
    const bool raw = json_wanted(&argc, argv);
    const struct ctl_command *c;
    struct err err = {""};
    unsigned n;

    if (argc < 3) {
        err_set(&err, EINVAL, "usage: vmm ctl [--json] NAME COMMAND; see 'vmm help'");
        return fail(&err);
    }
    c = command_find(argv[2]);
    if (!c) {
        command_unknown(argv[2], &err);
        return fail(&err);
    }
    n = (unsigned)argc - 3;
    if (n < c->min || n > c->max) {
        err_set(&err, EINVAL, "usage: vmm ctl NAME %s%s%s", c->word, c->args[0] ? " " : "",
                c->args);
        return fail(&err);
    }
    return command_run(c, argv[1], argv + 3, n, raw, &err) < 0 ? fail(&err) : 0;
}

/* ---- list ---- */

/* One row, or NULL: nobody lives there. */
static json_t *machine_row(const char *dir, const char *name)
{
    char path[CONTROL_PATH_MAX];
    struct control_client client;
    json_t *status, *row;
    struct err err;
    int ret;

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return NULL;
    ret = control_client_open(&client, path, LIST_SECONDS, &err);
    if (ret == -ECONNREFUSED || ret == -ENOENT) /* killed, or it ended just now */
        return NULL;
    status = control_client_ask(&client, "query-status", NULL, &err);
    row = json_pack("{s:s,s:i,s:s,s:s}", "name", name, "pid", control_client_pid(&client), "status",
                    status ? text_of(status, "status") : "hung", "socket", path);
    json_decref(status);
    control_client_close(&client);
    return row;
}

static int is_socket(const struct dirent *entry)
{
    return entry->d_type == DT_SOCK || entry->d_type == DT_UNKNOWN;
}

static json_t *machines(struct err *err)
{
    char dir[CONTROL_PATH_MAX];
    struct dirent **entry;
    json_t *list = json_array();
    int n, ret = control_dir(dir, false, err);

    if (ret == -ENOENT)
        return list; /* no machine ever ran */
    n = ret < 0 ? ret : scandir(dir, &entry, is_socket, alphasort);
    if (n < 0) {
        if (ret == 0)
            err_errno(err, errno, "%s", dir);
        json_decref(list);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        json_t *row = machine_row(dir, entry[i]->d_name);

        if (row)
            json_array_append_new(list, row);
        free(entry[i]);
    }
    free(entry);
    return list;
}

static void machines_print(const json_t *list)
{
    size_t i;
    json_t *row;

    if (!json_array_size(list)) {
        fputs("no machine runs\n", stderr);
        return;
    }
    printf("%-24s %8s  %s\n", "NAME", "PID", "STATUS");
    json_array_foreach((json_t *)list, i, row)
    {
        printf("%-24s %8" JSON_INTEGER_FORMAT "  %s\n",
               json_string_value(json_object_get(row, "name")),
               json_integer_value(json_object_get(row, "pid")),
               json_string_value(json_object_get(row, "status")));
    }
}

int list_main(int argc, char **argv)
{
    const bool raw = json_wanted(&argc, argv);
    struct err err = {""};
    json_t *list;

    if (argc != 1) {
        err_set(&err, EINVAL, "usage: vmm list [--json]");
        return fail(&err);
    }
    list = machines(&err);
    if (!list)
        return fail(&err);
    if (raw) {
        json_dumpf(list, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        machines_print(list);
    }
    json_decref(list);
    return 0;
}
