/* SPDX-License-Identifier: MIT */
/* What the helper is asked and answers: one message each way, on a socket that keeps them apart. */
#ifndef VMM_HELPER_INTERNAL_H
#define VMM_HELPER_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/usock.h"
#include "vmm/helper.h"

enum helper_op { HELPER_BOOT, HELPER_REMOVE, HELPER_CONNECT, HELPER_RESOLV, HELPER_PICTURE };

enum { HELPER_FDS = 2, HELPER_TEXTS = 4, HELPER_TEXT_MAX = 96 * 1024 };

struct helper_ask {
    uint32_t op;
    uint64_t dev, ino;
    char path[USOCK_PATH_MAX + 1];
};

/* Strings follow, one behind the other, each as long as said; of an error the first is its text. */
struct helper_answer {
    int32_t ret;
    uint32_t fds;
    uint32_t has; /* bit per string */
    uint32_t len[HELPER_TEXTS];
};

/* Send or receive one message with at most HELPER_FDS descriptors. Bytes or -errno. Async-signal-
 * safe. Descriptors that are not there are -1. helper_get: -EMFILE when there was no room for all
 * that were sent, and none is left open then. */
int64_t helper_put(int sock, const void *head, size_t head_len, const void *more, size_t more_len,
                   const int *fd, unsigned fds);
int64_t helper_get(int sock, void *head, size_t head_len, void *more, size_t more_len,
                   int fd[HELPER_FDS]);

/* The helper's own life; never returns. Two sockets: ours, and one for HELPER_RESOLV only. */
void helper_serve(const struct config *config, const char *control, const int sock[2])
    __attribute__((noreturn));

#endif
