// SPDX-License-Identifier: MIT
/*
 * Owns the order in which rights are given up, and what is told about it. Refuses to know how each
 * layer works (sandbox-root.c, sandbox-filter.c) and what is needed later (helper.c).
 */
#include "vmm/sandbox.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "vmm/base/bits.h"
#include "vmm/base/thread.h"
#include "vmm/base/trace.h"
#include "vmm/sandbox-internal.h"

/* Sanitizers open files, start threads and ask the kernel for what nobody else does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(undefined_behavior_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { ARENAS = 64, MMAP_BYTES = 128 * 1024 };

static bool wanted, filtered;
static int filter_status;
static struct err filter_error;

static void words_add(char *to, size_t size, const char *fmt, va_list ap)
{
    const size_t have = strlen(to);

    if (have + 2 < size && have)
        strcpy(to + have, ", ");
    vsnprintf(to + strlen(to), size - strlen(to), fmt, ap);
}

void sandbox_have(struct sandbox_report *report, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    words_add(report->have, sizeof(report->have), fmt, ap);
    va_end(ap);
}

void sandbox_lack(struct sandbox_report *report, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    words_add(report->lack, sizeof(report->lack), fmt, ap);
    va_end(ap);
}

void sandbox_begin(const struct config *config)
{
    sandbox_files();
    wanted = config->sandbox != CONFIG_SANDBOX_OFF;
    if (!wanted)
        log_msg(LOG_WARN, "sandbox: off, by --sandbox off");
    if (wanted && SANITIZED && config->sandbox != CONFIG_SANDBOX_ON) {
        wanted = false;
        log_msg(LOG_INFO, "sandbox: off, this vmm was built with a sanitizer");
    }
    if (!wanted)
        return;
    threads_hold();
    /* first of all: a child makes them, and there is little yet that it has to copy */
    filter_status = sandbox_filters_make(&filter_error);
}

bool sandbox_wanted(void)
{
    return wanted;
}

/* What libraries do once, the first time that they are asked, with files. */
static void libraries_prime(void)
{
    char name[THREAD_NAME] = "main";

    mallopt(M_ARENA_MAX, ARENAS); /* else malloc() looks how many processors there are */
    /* free() looks at the host's policy before it makes a thread's heap smaller: it never does */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    tzset();             /* gmtime_r(), timegm(): the time zone's file */
    json_object_seed(0); /* the first object: /dev/urandom */
    (void)strerror(EPERM);
    pthread_getname_np(pthread_self(), name, sizeof(name));
    trace_thread(name, TRACE_NO_CPU); /* its first record: its name */
}

/* Sockets of a user-mode network are made as the guest asks for them. */
static bool needs_host_net(const struct config *config)
{
    for (unsigned i = 0; i < config->n_nets; i++)
        if (config->net[i].kind == CONFIG_NET_USER)
            return true;
    return false;
}

static int filters_prepare(const struct config *config, struct sandbox_report *report,
                           struct err *err)
{
    if (filter_status == 0)
        filter_status = sandbox_filters_catch(&filter_error);
    filtered = filter_status == 0;
    if (filtered) {
        sandbox_have(report, "system calls by lists (vcpu %zu, io %zu)",
                     sandbox_filter_calls(THREAD_VCPU), sandbox_filter_calls(THREAD_IO));
        threads_on_enter(sandbox_filter_enter);
        return 0;
    }
    if (config->sandbox == CONFIG_SANDBOX_ON)
        return err_set(err, -filter_status, "--sandbox on: %s", filter_error.text);
    log_msg(LOG_WARN, "sandbox: no filter of system calls: %s", filter_error.text);
    return 0;
}

int sandbox_enter(const struct config *config, struct err *err)
{
    const bool host_net = needs_host_net(config);
    struct sandbox_report report = {"", ""};
    int ret;

    if (!wanted)
        return 0;
    libraries_prime();
    sandbox_limits(&report);
    sandbox_root(host_net, config->display.kind == CONFIG_DISPLAY_SDL, &report);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        sandbox_have(&report, "no new privileges");
    else
        sandbox_lack(&report, "no new privileges (%s)", strerror(errno));
    sandbox_landlock(host_net, &report);
    sandbox_caps(&report);
    ret = filters_prepare(config, &report, err);
    if (ret < 0)
        return ret;
    log_msg(LOG_INFO, "sandbox: %s%s%s", report.have, report.lack[0] ? "; not here: " : "",
            report.lack);
    ret = threads_release();
    return ret ? err_errno(err, ret, "cannot start a thread") : 0;
}

void sandbox_close(void)
{
    if (wanted && filtered)
        sandbox_filter_enter(THREAD_MAIN, "main");
}
