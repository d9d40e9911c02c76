// SPDX-License-Identifier: MIT
/* Owns the target of the memory balloon. */
#include <string.h>

#include "devices/balloon.h"
#include "tests/fuzz/dev-use.h"
#include "tests/fuzz/targets.h"

enum { TARGET_STEP = 1 << 20 };

static void *make_conf(struct bench *b)
{
    static const struct balloon_conf conf = {.deflate_on_oom = true, .reporting = true};

    (void)b;
    return (void *)(uintptr_t)&conf;
}

static const struct bench_kind kind = {&balloon_type, "balloon0", make_conf, NULL};

static void on_host(struct bench *b, struct fuzz_in *in)
{
    const uint8_t what = fuzz_u8(in);
    struct balloon_info info;
    struct err err;

    loop_lock(b->loop);
    if (what % 4 == 0)
        balloon_resize(b->dev, (uint64_t)fuzz_u8(in) * TARGET_STEP, &err);
    else if (what % 4 == 1)
        balloon_stats_ask(b->dev, &err);
    balloon_query(b->dev, &info);
    loop_unlock(b->loop);
    if (info.target > info.memory)
        fuzz_fail("balloon: target beyond memory");
}

/* A page there and back. */
static void works(struct bench *b)
{
    uint8_t page[4];

    order_store(ORDER_LITTLE, page, sizeof(page), RAM_LOW1 / 4096);
    dq_xfer(&b->d.q[0], page, sizeof(page), NULL, 0);
    dq_xfer(&b->d.q[1], page, sizeof(page), NULL, 0);
}

enum { INFLATE, DEFLATE, STATS, REPORTING = 3 };

static const struct fuzz_request requests[] = {
    FUZZ_REQUEST(INFLATE, 0, "\0\x10\0\0\1\x10\0\0\xff\xff\xff\xff"),
    FUZZ_REQUEST(DEFLATE, 0, "\0\x10\0\0"),
    FUZZ_REQUEST(STATS, 0, "\4\0\0\0\0\0\1\0\0\0\5\0\0\0\0\0\2\0\0\0"),
    {REPORTING, 0x10, 8192, 0, ""},
    {REPORTING + 1, 0x10, 8192, 0, ""},
};

const struct fuzz_dev fuzz_dev_balloon = {
    .kind = &kind,
    .op = use_ops,
    .n_ops = ARRAY_SIZE(use_ops),
    .request = requests,
    .n_requests = ARRAY_SIZE(requests),
    .host = on_host,
    .works = works,
};

static void run(const uint8_t *data, size_t len)
{
    device_run(&fuzz_dev_balloon, data, len);
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_dev_seeds(&fuzz_dev_balloon, "", to);
}

const struct fuzz_target fuzz_balloon = {"balloon", 4096, run, seeds};
