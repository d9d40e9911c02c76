/* SPDX-License-Identifier: MIT */
/* What the tests of the console back end share: a front end that counts, and two ends to play. */
#ifndef TESTS_UNIT_CON_RIG_H
#define TESTS_UNIT_CON_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "devices/backend/con-tty.h"

enum { GOT_MAX = 1 << 16 };

/* A front end that takes `room` bytes. */
struct rig {
    struct loop *loop;
    struct chr *chr;
    struct con_tty_config config;
    size_t room, got_len;
    uint8_t got[GOT_MAX];
    unsigned breaks, resizes, writables, quits;
};

static inline size_t front_room(void *arg)
{
    return ((struct rig *)arg)->room;
}

static inline void front_input(void *arg, const uint8_t *data, size_t len)
{
    struct rig *r = arg;

    assert_true(len && len <= r->room);
    assert_true(len <= GOT_MAX - r->got_len);
    memcpy(r->got + r->got_len, data, len);
    r->got_len += len;
    r->room -= len;
}

static inline void front_break(void *arg)
{
    ((struct rig *)arg)->breaks++;
}

static inline void front_resized(void *arg)
{
    ((struct rig *)arg)->resizes++;
}

static inline void front_writable(void *arg)
{
    ((struct rig *)arg)->writables++;
}

static const struct chr_front front = {.room = front_room,
                                       .input = front_input,
                                       .line_break = front_break,
                                       .resized = front_resized,
                                       .writable = front_writable};

static inline void on_quit(void *arg)
{
    ((struct rig *)arg)->quits++;
}

static const struct con_tty_key keys[] = {{'x', "end the machine", on_quit}, {0, NULL, NULL}};

static inline bool rig_try(struct rig *r, int in_fd, int out_fd)
{
    memset(r, 0, sizeof(*r));
    r->loop = loop_new("test", NULL);
    r->config = (struct con_tty_config){in_fd, out_fd, keys, r};
    r->chr = con_tty_new(r->loop, &r->config, NULL);
    chr_set_front(r->chr, &front, r);
    return r->chr != NULL;
}

static inline void rig_open(struct rig *r, int in_fd, int out_fd)
{
    assert_true(rig_try(r, in_fd, out_fd));
}

static inline void rig_close(struct rig *r)
{
    chr_free(r->chr);
    loop_free(r->loop);
}

/* Turn the loop until nothing happens for 30 ms. Returns false if it never comes to rest. */
static inline bool rest(struct rig *r)
{
    for (int i = 0; i < 100000; i++)
        if (!loop_turn(r->loop, 30))
            return true;
    return false;
}

static inline void give_room(struct rig *r, size_t room)
{
    r->room += room;
    chr_more(r->chr);
}

static inline void put_all(int fd, const void *data, size_t len)
{
    assert_int_equal(write(fd, data, len), len);
}

/* What can be read now, without waiting. */
static inline size_t take(int fd, void *to, size_t max)
{
    size_t n = 0;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    while (n < max && poll(&pfd, 1, 0) == 1) {
        const ssize_t more = read(fd, (char *)to + n, max - n);

        if (more <= 0)
            break;
        n += (size_t)more;
    }
    return n;
}

#endif
