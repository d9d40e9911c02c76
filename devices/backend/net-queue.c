// SPDX-License-Identifier: MIT
/*
 * Owns frames on their way to a front end. Refuses to look into them.
 */
#include "devices/backend/net-queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/net.h"
#include "vmm/base/bits.h"

struct net_queue_frame {
    struct net_queue_frame *next;
    size_t len;
    uint8_t data[];
};

bool net_queue_put(struct net_queue *queue, const void *frame, size_t len)
{
    struct net_queue_frame *f = NULL;

    if (queue->n < queue->max)
        f = malloc(sizeof(*f) + len);
    if (!f)
        return false;
    f->next = NULL;
    f->len = len;
    memcpy(f->data, frame, len);
    if (queue->tail)
        queue->tail->next = f;
    else
        queue->head = f;
    queue->tail = f;
    queue->n++;
    return true;
}

static void queue_drop(struct net_queue *queue)
{
    struct net_queue_frame *f = queue->head;

    queue->head = f->next;
    if (!queue->head)
        queue->tail = NULL;
    queue->n--;
    free(f);
}

int64_t net_queue_get(struct net_queue *queue, const struct iovec *iov, unsigned n)
{
    static const uint8_t header[NET_HEADER];
    size_t len;

    if (!queue->head)
        return -EAGAIN;
    len = queue->head->len;
    net_iov_put(iov, n, 0, header, sizeof(header));
    net_iov_put(iov, n, sizeof(header), queue->head->data, len);
    queue_drop(queue);
    return (int64_t)(sizeof(header) + len);
}

void net_queue_clear(struct net_queue *queue)
{
    while (queue->head)
        queue_drop(queue);
}

size_t net_iov_size(const struct iovec *iov, unsigned n)
{
    size_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

size_t net_iov_put(const struct iovec *iov, unsigned n, size_t at, const void *data, size_t len)
{
    const uint8_t *from = (const uint8_t *)data;
    size_t done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        size_t take;

        if (at >= iov[i].iov_len) {
            at -= iov[i].iov_len;
            continue;
        }
        take = (size_t)min_u64(iov[i].iov_len - at, len - done);
        memcpy((uint8_t *)iov[i].iov_base + at, from + done, take);
        done += take;
        at = 0;
    }
    return done;
}

size_t net_iov_get(const struct iovec *iov, unsigned n, size_t at, void *data, size_t len)
{
    uint8_t *to = (uint8_t *)data;
    size_t done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        size_t take;

        if (at >= iov[i].iov_len) {
            at -= iov[i].iov_len;
            continue;
        }
        take = (size_t)min_u64(iov[i].iov_len - at, len - done);
        memcpy(to + done, (const uint8_t *)iov[i].iov_base + at, take);
        done += take;
        at = 0;
    }
    return done;
}
