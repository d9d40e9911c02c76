// SPDX-License-Identifier: MIT
/*
 * Owns what `vmm top` is asked for, and asking the machine again and again. Refuses to know what
 * devices are (top-table.c) and what a terminal is (top-screen.c).
 */
#include "vmm/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/control-client.h"
#include "vmm/ctl.h"
#include "vmm/top-screen.h"
#include "vmm/top-table.h"

enum { PERIOD_MS = 1000, FIRST_MS = 250, CTRL_C = 3, CTRL_D = 4 };

struct top {
    const char *name;
    bool once, json;
    struct control_client client;
    json_t *now, *before;
};

static int opt_once(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct top *)conf)->once = true;
    return 0;
}

static int opt_json(void *conf, const char *value, struct err *err)
{
    (void)value, (void)err;
    ((struct top *)conf)->json = true;
    return 0;
}

static int opt_name(void *conf, const char *word, struct err *err)
{
    struct top *top = (struct top *)conf;

    if (top->name)
        return err_set(err, EINVAL, "one machine at a time: %s or %s", top->name, word);
    top->name = word;
    return 0;
}

const struct opt top_opts[] = {
    {"--once", NULL, "print what was counted since the machine was started, and end", opt_once,
     false},
    {"--json", NULL,
     "for programs: what query-virtio answers (docs/query-virtio.md), one line each second",
     opt_json, false},
    {NULL, NULL, NULL, NULL, false},
};

/* The next answer; the one before stays for comparison. */
static int ask(struct top *top, struct err *err)
{
    json_t *got = control_client_ask(&top->client, "query-virtio", NULL, err);

    if (!got)
        return -EIO;
    json_decref(top->before);
    top->before = top->now;
    top->now = got;
    return 0;
}

static const char *status_ask(struct top *top, char buf[32])
{
    struct err err;
    json_t *got = control_client_ask(&top->client, "query-status", NULL, &err);
    const char *status = json_string_value(json_object_get(got, "status"));

    snprintf(buf, 32, "%s", status ? status : "gone");
    json_decref(got);
    return buf;
}

/* ---- for programs, and once ---- */

static bool print_json(const struct top *top)
{
    json_dumpf(top->now, stdout, JSON_COMPACT);
    putchar('\n');
    return fflush(stdout) == 0 && !ferror(stdout);
}

static int print_once(struct top *top, struct err *err)
{
    const int ret = ask(top, err);

    if (ret < 0)
        return ret;
    if (!top->json)
        top_table(top->now, NULL, stdout);
    else if (!print_json(top))
        return err_errno(err, errno, "standard output");
    return 0;
}

/* Until nobody reads it any more. */
static int print_lines(struct top *top, struct err *err)
{
    int ret = ask(top, err);

    while (ret == 0 && print_json(top)) {
        usleep(PERIOD_MS * 1000);
        ret = ask(top, err);
    }
    return ret;
}

/* ---- for people ---- */

static void draw(struct top *top)
{
    const time_t now = time(NULL);
    struct tm tm = {0};
    char status[32], clock[16], *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    if (!to)
        return;
    localtime_r(&now, &tm);
    strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    fprintf(to, "%s  %s is %s; per second; q ends\n\n", clock, top->name, status_ask(top, status));
    top_table(top->now, top->before, to);
    if (fclose(to) == 0)
        screen_draw(text);
    free(text);
}

static bool is_end(enum screen_event event, char key)
{
    return event == SCREEN_END ||
           (event == SCREEN_KEY && (key == 'q' || key == 'Q' || key == CTRL_C || key == CTRL_D));
}

static int watch(struct top *top, struct err *err)
{
    int ret = ask(top, err);
    uint64_t next = clock_ns() + FIRST_MS * UINT64_C(1000000);
    char key = 0;

    if (ret == 0)
        ret = screen_open(err);
    if (ret < 0)
        return ret;
    for (;;) {
        const uint64_t now = clock_ns();
        enum screen_event event;

        if (now >= next) {
            next = now + PERIOD_MS * UINT64_C(1000000);
            ret = ask(top, err);
            if (ret < 0)
                break;
        }
        if (top->before)
            draw(top);
        event = screen_wait((unsigned)((next - min_u64(next, clock_ns())) / 1000000) + 1, &key);
        if (is_end(event, key))
            break;
    }
    screen_close();
    return ret;
}

int top_main(int argc, char **argv)
{
    struct top top = {.name = NULL};
    struct err err = {""};
    int ret = opts_parse(top_opts, argc, argv, &top, opt_name, &err);

    if (ret == 0 && !top.name)
        ret = err_set(&err, EINVAL, "usage: vmm top NAME [--once] [--json]");
    if (ret == 0)
        ret = ctl_connect(top.name, &top.client, &err);
    if (ret == 0) {
        if (top.once)
            ret = print_once(&top, &err);
        else
            ret = top.json ? print_lines(&top, &err) : watch(&top, &err);
        control_client_close(&top.client);
        json_decref(top.now);
        json_decref(top.before);
    }
    if (ret < 0)
        log_msg(LOG_ERROR, "%s", err.text);
    return ret < 0;
}
