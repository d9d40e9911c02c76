// SPDX-License-Identifier: MIT
/*
 * Owns a driver's notes about its requests, which are the same for every ring. Refuses to know
 * rings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/driver/driver.h"
#include "vmm/base/bits.h"

uint64_t ring_alloc(struct drv *d, uint64_t size, uint64_t align)
{
    const uint64_t at = align_up(d->ring_next, align);

    assert_true(range_ok(at, size, d->ring_end));
    d->ring_next = at + size;
    return at;
}

void book_free(struct dq *q)
{
    free(q->next);
    free(q->line);
    free(q->in_len);
    free(q->table);
    free(q->table_len);
    free(q->span);
    free(q->cookie);
}

void book_alloc(struct dq *q)
{
    book_free(q);
    q->next = (uint16_t *)calloc(q->size, sizeof(*q->next));
    q->line = (uint16_t *)calloc(q->size, sizeof(*q->line));
    q->in_len = (uint32_t *)calloc(q->size, sizeof(*q->in_len));
    q->table = (uint64_t *)calloc(q->size, sizeof(*q->table));
    q->table_len = (uint16_t *)calloc(q->size, sizeof(*q->table_len));
    q->span = (uint16_t *)calloc(q->size, sizeof(*q->span));
    q->cookie = (void **)calloc(q->size, sizeof(*q->cookie));
    assert_true(q->next && q->line && q->in_len && q->table && q->table_len && q->span);
    assert_non_null(q->cookie);
    q->area_size = q->size;
}

void book_open(struct dq *q)
{
    q->avail_idx = q->published = q->used_idx = q->free_head = 0;
    q->free_tail = (uint16_t)(q->size - 1);
    q->n_free = q->size;
    q->avail_wrap = q->used_wrap = true;
    q->added = q->line_first = q->n_line = 0;
    q->in_batch = q->quiet = false;
    for (unsigned i = 0; i < q->size; i++) {
        q->next[i] = (uint16_t)(i + 1);
        q->cookie[i] = NULL;
    }
}

uint64_t book_table(struct dq *q, uint16_t id, unsigned n)
{
    if (q->table_len[id] < n) {
        q->table[id] = ring_alloc(q->d, (uint64_t)n * VIRTQ_DESC_BYTES, VIRTQ_DESC_ALIGN);
        q->table_len[id] = (uint16_t)n;
    }
    return q->table[id];
}

void book_add(struct dq *q, uint16_t id, const struct chain *c, void *cookie)
{
    uint32_t in = 0;

    for (unsigned i = 0; i < c->n; i++)
        in += c->buf[i].write ? c->buf[i].len : 0;
    q->in_len[id] = in;
    q->cookie[id] = cookie;
    q->line[(q->line_first + q->n_line) % q->size] = id;
    q->n_line++;
}

struct used book_take(struct dq *q, struct used entry)
{
    struct used u = entry;

    assert_true(u.id < q->size); /* no device may invent one */
    if (q->in_order) {
        assert_true(q->n_line > 0);
        u.id = q->line[q->line_first];
        q->in_batch = u.id != entry.id;
        if (q->in_batch)
            u.len = q->in_len[u.id]; /* 2.7.9-d2 */
    }
    q->line_first = (uint16_t)((q->line_first + 1) % q->size);
    q->n_line--;
    u.cookie = q->cookie[u.id];
    return u;
}
