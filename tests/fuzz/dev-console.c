// SPDX-License-Identifier: MIT
/* Owns the target of the console with its ports and their control queues. */
#include <errno.h>
#include <string.h>

#include "devices/console.h"
#include "tests/fuzz/dev-use.h"
#include "tests/fuzz/targets.h"

enum { PORTS = 3, INPUT = 64 };

/* A stream that throws away what it gets. */
struct sink {
    struct chr chr;
    bool blocked, gone;
    struct chr_size size;
};

static struct sink sinks[PORTS + 1];

static struct sink *sink_of(struct chr *chr)
{
    return container_of(chr, struct sink, chr);
}

static int64_t sink_put(struct chr *chr, const void *data, size_t len)
{
    (void)data;
    if (sink_of(chr)->gone)
        return -EIO;
    return sink_of(chr)->blocked ? -EAGAIN : (int64_t)len;
}

static bool sink_size(struct chr *chr, struct chr_size *size)
{
    *size = sink_of(chr)->size;
    return true;
}

static const struct chr_ops sink_ops = {.put = sink_put, .size = sink_size};

static void *make_conf(struct bench *b)
{
    static struct console_port_conf port[PORTS];
    static struct console_conf conf;
    static const char *const names[PORTS] = {"org.test.1", "org.test.2", "x"};

    for (unsigned i = 0; i <= PORTS; i++) {
        sinks[i] = (struct sink){.size = {80, 25}};
        if (chr_init(&sinks[i].chr, "sink", &sink_ops, b->loop, 4096, NULL) < 0)
            fuzz_fail("no memory");
    }
    for (unsigned i = 0; i < PORTS; i++)
        port[i] = (struct console_port_conf){names[i], &sinks[i + 1].chr};
    chr_set_open(&sinks[PORTS].chr, false); /* one that others come to */
    conf = (struct console_conf){&sinks[0].chr, port, PORTS};
    return &conf;
}

static void free_conf(struct bench *b)
{
    (void)b;
    for (unsigned i = 0; i <= PORTS; i++)
        chr_done(&sinks[i].chr);
}

static const struct bench_kind kind = {&console_type, "console0", make_conf, free_conf};

static void input(struct chr *chr, struct fuzz_in *in)
{
    size_t n;
    const uint8_t *bytes = fuzz_bytes(in, fuzz_u8(in) % INPUT, &n);

    n = min_u64(n, chr_room(chr));
    if (n)
        chr_input(chr, bytes, n);
}

static void on_host(struct bench *b, struct fuzz_in *in)
{
    const uint8_t what = fuzz_u8(in);
    struct sink *s = &sinks[what / 8 % (PORTS + 1)];

    loop_lock(b->loop);
    if (what % 8 < 3)
        input(&s->chr, in);
    else if (what % 8 == 3)
        s->blocked = !s->blocked;
    else if (what % 8 == 4)
        s->gone = !s->gone;
    else if (what % 8 == 5)
        chr_set_open(&sinks[PORTS].chr, what & 0x80);
    else if (what % 8 == 6)
        s->size.cols ^= what;
    if (what % 8 == 6)
        chr_resized(&s->chr);
    if (!s->blocked)
        chr_put_ready(&s->chr);
    loop_unlock(b->loop);
}

static void calm(struct bench *b)
{
    loop_lock(b->loop);
    for (unsigned i = 0; i <= PORTS; i++) {
        sinks[i].blocked = sinks[i].gone = false;
        chr_put_ready(&sinks[i].chr);
    }
    loop_unlock(b->loop);
}

static void works(struct bench *b)
{
    dq_xfer(&b->d.q[1], "hello", 5, NULL, 0);
}

enum { CTRL_RX = 2, CTRL_TX = 3 };

static const struct fuzz_request requests[] = {
    {CTRL_RX, 0, 64, 0, ""},
    {CTRL_RX, 0, 64, 0, ""},
    {CTRL_RX, 0x70, 64, 0, ""},
    FUZZ_REQUEST(CTRL_TX, 0, "\0\0\0\0\0\0\1\0"), /* DEVICE_READY */
    FUZZ_REQUEST(CTRL_TX, 0, "\0\0\0\0\3\0\1\0"), /* PORT_READY, 0 */
    FUZZ_REQUEST(CTRL_TX, 0, "\1\0\0\0\3\0\1\0"), /* ... 1 */
    FUZZ_REQUEST(CTRL_TX, 0, "\1\0\0\0\6\0\1\0"), /* PORT_OPEN, 1 */
    FUZZ_REQUEST(CTRL_TX, 0, "\3\0\0\0\6\0\1\0"),
    {0, 0, 32, 0, ""},
    {4, 0, 32, 0, ""},
    FUZZ_REQUEST(1, 0, "to the console"),
    FUZZ_REQUEST(5, 0, "to a port"),
    FUZZ_REQUEST(CTRL_TX, 0, "\1\0\0\0\6\0\0\0"),
};

const struct fuzz_dev fuzz_dev_console = {
    .kind = &kind,
    .op = use_ops,
    .n_ops = ARRAY_SIZE(use_ops),
    .request = requests,
    .n_requests = ARRAY_SIZE(requests),
    .host = on_host,
    .calm = calm,
    .works = works,
};

static void run(const uint8_t *data, size_t len)
{
    device_run(&fuzz_dev_console, data, len);
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_dev_seeds(&fuzz_dev_console, "", to);
}

const struct fuzz_target fuzz_console = {"console", 4096, run, seeds};
