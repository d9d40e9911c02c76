// SPDX-License-Identifier: MIT
/* Owns the target of the network device with its control queue, on a network in memory. */
#include "tests/device/net-bench.h"
#include "tests/fuzz/dev-use.h"
#include "tests/fuzz/targets.h"

enum { PAIRS = 2, FRAME = 2048, WAITING = 32 };

static void sent(void)
{
}

static void *make_conf(struct bench *b)
{
    static const struct net_case with_pairs = {.pairs = PAIRS, .mtu = 1500, .speed = 1000};
    void *conf;

    b->arg = &with_pairs;
    conf = fake_conf(b);
    fake.sent = sent;
    return conf;
}

static const struct bench_kind kind = {&net_type, "net0", make_conf, fake_conf_free};

/* A frame with a header as hosts make them, or nearly so. */
static void arrive(struct bench *b, struct fuzz_in *in)
{
    uint8_t header[HDR] = {0}, frame[FRAME] = {0};
    const uint8_t how = fuzz_u8(in);
    const uint32_t len = (uint32_t)fuzz_num(in, 2) % FRAME;
    size_t n;
    const uint8_t *bytes;

    if (how & 1)
        for (unsigned i = 0; i < HDR; i++)
            header[i] = fuzz_u8(in);
    if (how & 2)
        memcpy(frame, fake_mac, NET_MAC);
    bytes = fuzz_bytes(in, how / 4 % 64, &n);
    memcpy(frame + (how & 2 ? NET_MAC : 0), bytes, n);
    if (frames_in(b) < WAITING)
        frame_arrive(b, how >> 7, header, frame, len);
}

static void link_set(struct bench *b, bool up)
{
    loop_lock(b->loop);
    net_link(&fake.net, up);
    loop_unlock(b->loop);
}

static void on_host(struct bench *b, struct fuzz_in *in)
{
    const uint8_t what = fuzz_u8(in);

    if (what % 8 < 4) {
        arrive(b, in);
        return;
    }
    if (what % 8 == 4)
        link_set(b, what >> 3 & 1);
    loop_lock(b->loop);
    if (what % 8 == 5)
        fake.blocked = !fake.blocked;
    else if (what % 8 == 6)
        fake.broken = !fake.broken;
    else if (what % 8 == 7)
        net_announce(b->dev);
    if (!fake.blocked)
        net_sendable(&fake.net, what >> 7);
    loop_unlock(b->loop);
}

static void calm(struct bench *b)
{
    link_set(b, true);
    loop_lock(b->loop);
    fake.blocked = fake.broken = false;
    for (unsigned i = 0; i < PAIRS; i++)
        net_sendable(&fake.net, i);
    while (fake.n_in)
        free(fake.in[--fake.n_in].bytes);
    loop_unlock(b->loop);
}

static void works(struct bench *b)
{
    fake.sent = NULL;
    net_works(b);
    fake.sent = sent;
}

#define HEAD12 "\0\0\0\0\0\0\0\0\0\0\0\0"
#define MACS   "\x52\x54\0\x12\x34\x56\x52\x54\0\1\2\3\x88\xb5"

enum { CTRL = 2 * PAIRS };

static const struct fuzz_request requests[] = {
    {0, 0x10, 1600, 0, ""},
    {2, 0x30, 1600, 0, ""},
    FUZZ_REQUEST(1, 0, HEAD12 MACS "a frame"),
    FUZZ_REQUEST(1, 0, "\1\1\x36\0\x64\0\x22\0\x10\0\0\0" MACS "with a checksum and segments"),
    FUZZ_REQUEST(3, 0, HEAD12 MACS),
    FUZZ_REQUEST(CTRL, 1, "\0\0\1"),                               /* promiscuous */
    FUZZ_REQUEST(CTRL, 1, "\1\1\x52\x54\0\x12\x34\x57"),           /* address */
    FUZZ_REQUEST(CTRL, 1, "\1\0\1\0\0\0\x52\x54\0\1\2\3\0\0\0\0"), /* table */
    FUZZ_REQUEST(CTRL, 1, "\2\0\1\0"),                             /* VLAN */
    FUZZ_REQUEST(CTRL, 1, "\3\0"),                                 /* announced */
    FUZZ_REQUEST(CTRL, 1, "\4\0\2\0"),                             /* pairs */
    FUZZ_REQUEST(CTRL, 1, "\5\0\0\0\0\0\0\0\0\0"),                 /* offloads */
    FUZZ_REQUEST(CTRL, 1, "\6\0\x10\0\0\0\1\0\0\0"),               /* coalescing */
    FUZZ_REQUEST(CTRL, 1,
                 "\4\1\x3f\0\0\0\0\0\0\0\1\0\1\0\4"
                 "0123456789"),                                  /* RSS */
    FUZZ_REQUEST(CTRL, 1, "\4\2\x3f\0\0\0\0\0\0\0\0\0\0\4keys"), /* hash */
};

const struct fuzz_dev fuzz_dev_net = {
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
    device_run(&fuzz_dev_net, data, len);
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_dev_seeds(&fuzz_dev_net, "", to);
}

const struct fuzz_target fuzz_net = {"net", 4096, run, seeds};
