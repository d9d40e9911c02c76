/* SPDX-License-Identifier: MIT */
/* Between the files of the sandbox: the layers, each by itself. Before threads run. */
#ifndef VMM_SANDBOX_INTERNAL_H
#define VMM_SANDBOX_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/base/err.h"
#include "vmm/base/thread.h"

/* What came of a layer, as words for the log. */
struct sandbox_report {
    char have[400], lack[400];
};

void sandbox_have(struct sandbox_report *report, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void sandbox_lack(struct sandbox_report *report, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* As many open files as the user may have, up to 4096. Main thread, before devices are made. */
void sandbox_files(void);

/* Limits that cannot be raised again. */
void sandbox_limits(struct sandbox_report *report);

/* Namespaces of its own and an empty root folder; host_net: sockets are made later; host_ipc:
 * memory is shared with the desktop. */
void sandbox_root(bool host_net, bool host_ipc, struct sandbox_report *report);

/* No file can be opened by name, no port bound or connected to. Needs no_new_privs. */
void sandbox_landlock(bool host_net, struct sandbox_report *report);

/* No capabilities, no new privileges. */
void sandbox_caps(struct sandbox_report *report);

/* Make the filters of all kinds; no other threads run. 0 or -errno with err filled. */
int sandbox_filters_make(struct err *err);

/* Catch what they stop, after everybody else who handles signals. Likewise. */
int sandbox_filters_catch(struct err *err);

/* Lay the filter of that kind on the calling thread. The process ends where that fails. */
void sandbox_filter_enter(enum thread_kind kind, const char *name);

/* The same in the helper process, if filters were made; false: they were not. SIGSYS is open. */
bool sandbox_filter_helper(void);

/* How many system calls it lets through. */
size_t sandbox_filter_calls(enum thread_kind kind);

/*
 * libslirp looks for name servers in /etc/resolv.conf whenever it changes. In threads of a
 * user-mode network this is asked instead: the open file, or -errno. Async-signal-safe; NULL: none.
 */
void sandbox_on_resolv(int (*fn)(void));

#endif
