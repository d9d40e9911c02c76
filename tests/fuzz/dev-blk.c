// SPDX-License-Identifier: MIT
/* Owns the target of the block device: an image in memory, on a host that can be slow and fail. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/blk.h"
#include "tests/fuzz/dev-use.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/blk-script.h"

enum { IMAGE = 64 << 10, HEADER = 16, ANSWERS = 8 };

static int image_fd = -1;

static void *make_conf(struct bench *b)
{
    static struct blk_conf conf;
    struct blk_backend *be;
    char path[64];
    struct err err;

    memset(&host, 0, sizeof(host));
    image_fd = memfd_create("fuzz", MFD_CLOEXEC);
    assert_true(image_fd >= 0);
    assert_int_equal(ftruncate(image_fd, IMAGE), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", image_fd);
    if (blk_backend_open(&(struct blk_open){.path = path, .engine = &scripted}, b->loop, &be,
                         &err) < 0)
        fuzz_fail("%s", err.text);
    conf = (struct blk_conf){.backend = be, .serial = "fuzz", .queues = 2};
    return &conf;
}

static void free_conf(struct bench *b)
{
    (void)b;
    close(image_fd);
}

static const struct bench_kind kind = {&blk_type, "disk0", make_conf, free_conf};

static void resize(struct bench *b, off_t size)
{
    struct err err;

    if (ftruncate(image_fd, size) == 0)
        blk_resize(b->dev, &err);
}

static void answers(struct fuzz_in *in)
{
    static const int64_t what[] = {REAL, -EIO, -ENOSPC, -EINTR, -EAGAIN, -EINVAL, 0, 1, 512, 700};
    int64_t list[ANSWERS];
    const unsigned n = fuzz_u8(in) % ANSWERS;

    for (unsigned i = 0; i < n; i++)
        list[i] = what[fuzz_u8(in) % ARRAY_SIZE(what)];
    script(n, list);
}

static void on_host(struct bench *b, struct fuzz_in *in)
{
    const uint8_t what = fuzz_u8(in);

    loop_lock(b->loop);
    if (what % 4 == 0) {
        host.hold = !host.hold;
        loop_post(b->loop, &host.work);
    } else if (what % 4 == 1) {
        resize(b, (off_t)fuzz_u8(in) * BLK_SECTOR);
    } else {
        answers(in);
    }
    loop_unlock(b->loop);
}

static void calm(struct bench *b)
{
    loop_lock(b->loop);
    script(0, (const int64_t[]){0});
    host.hold = false;
    loop_post(b->loop, &host.work);
    resize(b, IMAGE);
    loop_unlock(b->loop);
}

/* A read of the first sector. */
static void works(struct bench *b)
{
    uint8_t header[HEADER] = {0}, in[BLK_SECTOR + 1];

    memset(in, 0xff, sizeof(in));
    if (dq_xfer(&b->d.q[0], header, sizeof(header), in, sizeof(in)) != sizeof(in) || in[BLK_SECTOR])
        fuzz_fail("disk: status %u", in[BLK_SECTOR]);
}

#define HEAD(type, sector) \
    type "\0\0\0"          \
         "\0\0\0\0" sector "\0\0\0\0\0\0\0"
#define RANGE(sectors, flags) "\2\0\0\0\0\0\0\0" sectors "\0\0\0" flags "\0\0\0"

static const struct fuzz_request requests[] = {
    FUZZ_REQUEST(0, 513, HEAD("\0", "\1")),
    FUZZ_REQUEST(0, 1, HEAD("\1", "\2") "0123456789abcdef0123456789abcdef"),
    FUZZ_REQUEST(1, 1, HEAD("\4", "\0")),
    FUZZ_REQUEST(1, 21, HEAD("\10", "\0")),
    FUZZ_REQUEST(0, 1, HEAD("\13", "\0") RANGE("\10", "\0")),
    FUZZ_REQUEST(0, 1, HEAD("\15", "\0") RANGE("\10", "\1")),
    FUZZ_REQUEST(0, 1, HEAD("\77", "\0")),
    FUZZ_REQUEST(0, 1, "\0\0"),
    {0, 0x33, 4097, 16, HEAD("\0", "\0")},
};

const struct fuzz_dev fuzz_dev_blk = {
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
    device_run(&fuzz_dev_blk, data, len);
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_dev_seeds(&fuzz_dev_blk, "", to);
}

const struct fuzz_target fuzz_blk = {"blk", 4096, run, seeds};
