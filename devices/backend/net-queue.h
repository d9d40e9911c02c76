/* SPDX-License-Identifier: MIT */
/*
 * Frames that wait for a front end, first in first out, at most so many; and moving bytes between
 * a frame in one piece and one in many.
 */
#ifndef DEVICES_BACKEND_NET_QUEUE_H
#define DEVICES_BACKEND_NET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct net_queue_frame;

/* Zero-initialised but for max. */
struct net_queue {
    struct net_queue_frame *head, *tail;
    unsigned n, max; /* frames */
};

/* Append a copy of a frame without header. false: the queue is full, or memory is short. */
bool net_queue_put(struct net_queue *queue, const void *frame, size_t len);

/* Take the first frame off into iov, an empty header before it: what net_ops.receive returns. */
int64_t net_queue_get(struct net_queue *queue, const struct iovec *iov, unsigned n);

/* Forget all frames. */
void net_queue_clear(struct net_queue *queue);

/* The bytes of n pieces. */
size_t net_iov_size(const struct iovec *iov, unsigned n);

/* Copy between data and the pieces from byte at on, as much as there is; returns the bytes. */
size_t net_iov_put(const struct iovec *iov, unsigned n, size_t at, const void *data, size_t len);
size_t net_iov_get(const struct iovec *iov, unsigned n, size_t at, void *data, size_t len);

#endif
