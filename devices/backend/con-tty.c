// SPDX-License-Identifier: MIT
/*
 * Owns the way between standard input and output and a front end: keys, window size, end of input.
 * Refuses to know what a serial port or a virtio console is, and how a terminal is made raw.
 */
#include "devices/backend/con-tty.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/backend/con-stream.h"
#include "devices/backend/tty-mode.h"
#include "vmm/base/bits.h"

enum { IN_BYTES = 4096, KEY_ESCAPE = 0x01 };

#define STALL_NS  UINT64_C(500000000) /* a guest that takes nothing for so long does not read */
#define SETTLE_NS UINT64_C(20000000)  /* a window that is being dragged changes all the time */
#define BACKGROUND_NS                                                           \
    UINT64_C(1000000000) /* how often to see whether the terminal is ours again \
                          */

struct con_tty {
    struct chr chr;
    struct con_stream in, out;
    const struct con_tty_key *keys;
    void *keys_arg;
    int wake; /* eventfd: SIGWINCH, SIGCONT */
    struct loop_fd *in_src, *out_src, *wake_src;
    struct loop_timer *timer, *stall;
    struct loop_work pump; /* for input that cannot be waited for because it is always ready */
    bool timer_armed, stall_armed, in_armed, in_ended;
    bool moved;      /* the front end took something since stall was armed */
    bool stalled;    /* buf is full and nobody reads: what is typed is lost, but for the keys */
    bool holds_mode; /* tty-mode.h */
    bool background; /* the terminal is somebody else's now */
    bool escaped;    /* the last key was Ctrl-A */
    bool delivering; /* a front end asks for more while it is being given some */
    struct chr_size size;
    size_t off, len; /* what waits in buf for room */
    uint8_t buf[IN_BYTES];
};

static struct con_tty *tty_of(struct chr *chr)
{
    return container_of(chr, struct con_tty, chr);
}

static void timer_arm(struct con_tty *t, uint64_t ns)
{
    if (t->timer_armed)
        return;
    t->timer_armed = true;
    loop_timer_set(t->timer, ns);
}

/* ---- keys ---- */

static void help_line(struct con_tty *t, const char *key, const char *help)
{
    char line[128];
    const int n = snprintf(line, sizeof(line), "  Ctrl-A %-7s %s\r\n", key, help);

    if (n > 0)
        chr_write(&t->chr, line, (size_t)min_u64((uint64_t)n, sizeof(line) - 1));
}

static void help_show(struct con_tty *t)
{
    static const char head[] = "\r\nKeys of vmm:\r\n";

    chr_write(&t->chr, head, sizeof(head) - 1);
    for (const struct con_tty_key *k = t->keys; k && k->key; k++)
        help_line(t, (char[]){k->key, '\0'}, k->help);
    help_line(t, "b", "send a break");
    help_line(t, "h", "this help");
    help_line(t, "Ctrl-A", "send Ctrl-A itself");
}

/* The key after Ctrl-A. Returns whether Ctrl-A itself is to be sent. */
static bool key_command(struct con_tty *t, uint8_t key)
{
    const int lower = tolower(key);

    if (key == KEY_ESCAPE || lower == 'a')
        return true;
    if (lower == 'h' || lower == '?')
        help_show(t);
    if (lower == 'b')
        chr_break(&t->chr);
    for (const struct con_tty_key *k = t->keys; k && k->key; k++)
        if (k->key == lower)
            k->fn(t->keys_arg);
    return false;
}

/* Take commands out of n bytes; returns how many are left. */
static size_t keys_filter(struct con_tty *t, uint8_t *p, size_t n)
{
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        const uint8_t key = p[i];
        const bool second = t->escaped;

        t->escaped = !second && key == KEY_ESCAPE;
        if (t->escaped || (second && !key_command(t, key)))
            continue;
        p[left++] = second ? KEY_ESCAPE : key;
    }
    return left;
}

/* ---- input ---- */

static void in_deliver(struct con_tty *t)
{
    if (t->delivering)
        return;
    t->delivering = true;
    while (t->off < t->len) {
        const size_t n = (size_t)min_u64(chr_room(&t->chr), t->len - t->off);

        if (!n)
            break;
        chr_input(&t->chr, t->buf + t->off, n);
        t->off += n;
        t->moved = true;
        t->stalled = false;
    }
    t->delivering = false;
    if (t->off == t->len)
        t->off = t->len = 0;
}

static bool in_full(const struct con_tty *t)
{
    return t->len - t->off == IN_BYTES;
}

/* On a terminal we read ahead, for keys must work while a guest does not read. */
static bool in_wanted(const struct con_tty *t)
{
    if (t->in_ended || t->in_armed || t->background)
        return false;
    if (t->in.tty)
        return !in_full(t) || t->stalled;
    return !t->len && chr_room(&t->chr) > 0;
}

/* Whoever pastes more than fits waits for the guest, but not for one that does not read. */
static void stall_arm(struct con_tty *t)
{
    if (!t->in.tty || t->in_ended || t->stall_armed || t->stalled || !in_full(t))
        return;
    t->moved = false;
    t->stall_armed = true;
    loop_timer_set(t->stall, STALL_NS);
}

static void in_arm(struct con_tty *t)
{
    stall_arm(t);
    if (!in_wanted(t))
        return;
    t->in_armed = true;
    if (!t->in_src)
        loop_post(t->chr.loop, &t->pump);
    else if (loop_fd_mod(t->in_src, EPOLLIN | EPOLLONESHOT) < 0)
        t->in_ended = true;
}

static void in_end(struct con_tty *t)
{
    t->in_ended = true;
    loop_fd_del(t->in_src);
    t->in_src = NULL;
}

static void in_compact(struct con_tty *t)
{
    memmove(t->buf, t->buf + t->off, t->len - t->off);
    t->len -= t->off;
    t->off = 0;
}

static void in_read(struct con_tty *t)
{
    uint8_t data[IN_BYTES];
    size_t room, left;
    int64_t n;

    in_compact(t);
    room = IN_BYTES - t->len;
    n = con_stream_read(&t->in, data, room ? room : sizeof(data));

    if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR)) {
        in_end(t);
        return;
    }
    if (n < 0)
        return;
    left = t->in.tty ? keys_filter(t, data, (size_t)n) : (size_t)n;
    left = (size_t)min_u64(left, room);
    memcpy(t->buf + t->len, data, left);
    t->len += left;
    in_deliver(t);
}

/* Reading in the background would stop us: nobody tells us when we come to the front again. */
static void ground_check(struct con_tty *t)
{
    t->background = t->in.tty && !tty_mode_raw();
    if (t->background)
        timer_arm(t, BACKGROUND_NS);
}

static void in_turn(struct con_tty *t)
{
    t->in_armed = false;
    ground_check(t);
    if (t->background)
        return;
    in_read(t);
    in_arm(t);
}

static void in_ready(void *arg, uint32_t events)
{
    (void)events;
    in_turn((struct con_tty *)arg);
}

static void in_pump(void *arg)
{
    in_turn((struct con_tty *)arg);
}

static void stall_run(void *arg)
{
    struct con_tty *t = (struct con_tty *)arg;

    t->stall_armed = false;
    t->stalled = in_full(t) && !t->moved;
    in_arm(t);
}

static void tty_more(struct chr *chr)
{
    in_deliver(tty_of(chr));
    in_arm(tty_of(chr));
}

/* ---- output ---- */

static void out_ready(void *arg, uint32_t events)
{
    (void)events;
    chr_put_ready(&((struct con_tty *)arg)->chr);
}

static int out_arm(struct con_tty *t)
{
    if (t->out_src)
        return loop_fd_mod(t->out_src, EPOLLOUT | EPOLLONESHOT);
    t->out_src = loop_fd_add(t->chr.loop, t->out.fd, EPOLLOUT | EPOLLONESHOT, out_ready, t);
    return t->out_src ? 0 : -errno;
}

static int64_t tty_put(struct chr *chr, const void *data, size_t len)
{
    struct con_tty *t = tty_of(chr);
    const int64_t n = con_stream_write(&t->out, data, len);
    int ret;

    if (n != -EAGAIN)
        return n;
    ret = out_arm(t);
    return ret < 0 ? ret : -EAGAIN;
}

/* ---- size ---- */

/* #ioctls:vcpu,io TIOCGWINSZ */
static bool tty_size(struct chr *chr, struct chr_size *size)
{
    const struct con_tty *t = tty_of(chr);
    const int fd = t->out.tty ? t->out.fd : t->in.fd;
    struct winsize ws;

    if (!t->out.tty && !t->in.tty)
        return false;
    if (ioctl(fd, TIOCGWINSZ, &ws) < 0 || !ws.ws_col || !ws.ws_row)
        return false;
    *size = (struct chr_size){.cols = ws.ws_col, .rows = ws.ws_row};
    return true;
}

static void size_check(struct con_tty *t)
{
    struct chr_size now;

    if (!tty_size(&t->chr, &now) || (now.cols == t->size.cols && now.rows == t->size.rows))
        return;
    t->size = now;
    chr_resized(&t->chr);
}

static void wake_ready(void *arg, uint32_t events)
{
    struct con_tty *t = (struct con_tty *)arg;
    uint64_t n;

    (void)events;
    if (read(t->wake, &n, sizeof(n)) == (ssize_t)sizeof(n))
        timer_arm(t, SETTLE_NS);
}

static void timer_run(void *arg)
{
    struct con_tty *t = (struct con_tty *)arg;

    t->timer_armed = false;
    size_check(t);
    if (!t->in.tty || t->in_ended)
        return;
    ground_check(t);
    in_arm(t);
}

/* ---- life ---- */

static void tty_close(struct chr *chr)
{
    struct con_tty *t = tty_of(chr);

    if (t->holds_mode)
        tty_mode_release();
    chr_done(&t->chr);
    loop_cancel(t->chr.loop, &t->pump);
    loop_fd_del(t->in_src);
    loop_fd_del(t->out_src);
    loop_fd_del(t->wake_src);
    loop_timer_del(t->timer);
    loop_timer_del(t->stall);
    con_stream_close(&t->in);
    con_stream_close(&t->out);
    if (t->wake >= 0)
        close(t->wake);
    free(t);
}

static const struct chr_ops tty_ops = {
    .put = tty_put,
    .more = tty_more,
    .size = tty_size,
    .close = tty_close,
};

/* A source that is not armed yet; files that epoll refuses are pumped instead. */
static int in_open(struct con_tty *t, struct err *err)
{
    if (t->in.kind == CON_STREAM_NONE) {
        t->in_ended = true;
        return 0;
    }
    t->in_src = loop_fd_add(t->chr.loop, t->in.fd, EPOLLONESHOT, in_ready, t);
    if (!t->in_src && errno != EPERM)
        return err_errno(err, errno, "cannot watch standard input");
    return 0;
}

static int mode_open(struct con_tty *t, struct err *err)
{
    int ret;

    if (!t->in.tty)
        return 0;
    ret = tty_mode_hold(t->in.fd, t->wake, err);
    if (ret < 0)
        return ret;
    t->holds_mode = true;
    ground_check(t);
    in_arm(t);
    return 0;
}

static int tty_open(struct con_tty *t, struct loop *loop, struct err *err)
{
    t->timer = loop_timer_new(loop, timer_run, t);
    t->stall = loop_timer_new(loop, stall_run, t);
    t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->wake >= 0)
        t->wake_src = loop_fd_add(loop, t->wake, EPOLLIN, wake_ready, t);
    if (!t->timer || !t->stall || !t->wake_src)
        return err_errno(err, errno, "cannot set up the console");
    if (in_open(t, err) < 0)
        return -EIO;
    return mode_open(t, err);
}

struct chr *con_tty_new(struct loop *loop, const struct con_tty_config *config, struct err *err)
{
    struct con_tty *t = calloc(1, sizeof(*t));

    if (!t) {
        err_set(err, ENOMEM, "no memory for the console");
        return NULL;
    }
    t->wake = -1;
    t->keys = config->keys;
    t->keys_arg = config->arg;
    t->pump = (struct loop_work){.fn = in_pump, .arg = t};
    t->in = con_stream_open(config->in_fd, false);
    t->out = con_stream_open(config->out_fd, true);
    con_stream_no_sigpipe();
    if (chr_init(&t->chr, "console", &tty_ops, loop, 0, err) < 0 || tty_open(t, loop, err) < 0) {
        tty_close(&t->chr);
        return NULL;
    }
    tty_size(&t->chr, &t->size);
    return &t->chr;
}

void con_tty_restore(void)
{
    tty_mode_restore();
}
