// SPDX-License-Identifier: MIT
/* Reading, writing and flushing real files, with either engine. */
#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/blk-image.h"

enum { SIZE = 1 << 20 };

static const struct blk_engine *const engines[] = {&blk_uring, &blk_pool};

static void check_pattern(const uint8_t *data, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != image_byte(at + i))
            fail_msg("byte %zu is %u, not %u", (size_t)at + i, data[i], image_byte(at + i));
}

/* ---- I/O ---- */

static void io_basic(const struct blk_engine *engine)
{
    static uint8_t data[65536], back[65536];
    struct image m;

    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    assert_int_equal(ask_read(&m, 4096, data, sizeof(data)), 0);
    check_pattern(data, 4096, sizeof(data));
    memset(data, 0xa5, sizeof(data));
    assert_int_equal(ask_write(&m, 512, data, 1024), 0);
    assert_int_equal(ask_io(&m, BLK_WRITE, true, SIZE - 512, data, 512), 0);
    assert_int_equal(ask_flush(&m), 0);
    image_peek(&m, 0, back, 4096);
    check_pattern(back, 0, 512);
    assert_memory_equal(back + 512, data, 1024);
    check_pattern(back + 1536, 1536, 4096 - 1536);
    image_peek(&m, SIZE - 512, back, 512);
    assert_memory_equal(back, data, 512);
    assert_true(m.batches > 0);
    image_done(&m);
}

/* Pieces of any size, empty ones included; the bytes around them stay. */
static void io_pieces(const struct blk_engine *engine)
{
    static uint8_t data[8192];
    struct ask a = {
        .io = {.op = BLK_READ, .offset = 512, .n_iov = 5},
        .iov = {{data, 1}, {data + 1, 510}, {data, 0}, {data + 1000, 1}, {data + 2000, 1024}}};
    struct image m;

    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    memset(data, 0, sizeof(data));
    ask_submit(&m, &a);
    assert_int_equal(ask_wait(&m, &a), 0);
    check_pattern(data, 512, 511);
    check_pattern(data + 1000, 1023, 1);
    check_pattern(data + 2000, 1024, 1024);
    assert_int_equal(data[511] | data[999] | data[1001] | data[1999] | data[3024], 0);
    image_done(&m);
}

/* B26: more pieces than the host takes at once, and not a sector in the first of them. */
static void io_many_pieces(const struct blk_engine *engine)
{
    enum { N = 5120 };
    static uint8_t data[N];
    static struct iovec iov[N];
    struct ask a = {.io = {.op = BLK_READ, .offset = 1024, .iov = iov, .n_iov = N}};
    struct image m;

    for (unsigned i = 0; i < N; i++)
        iov[i] = (struct iovec){data + i, 1};
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    ask_submit(&m, &a);
    assert_int_equal(ask_wait(&m, &a), 0);
    check_pattern(data, 1024, N);
    image_done(&m);
}

static void io_limits(const struct blk_engine *engine)
{
    uint8_t data[1024] = {0};
    struct image m;

    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    assert_int_equal(ask_read(&m, SIZE, data, 512), -EIO);
    assert_int_equal(ask_read(&m, SIZE - 512, data, 1024), -EIO);
    assert_int_equal(ask_read(&m, UINT64_MAX - 511, data, 1024), -EIO);
    assert_int_equal(ask_read(&m, 1, data, 512), -EIO);
    assert_int_equal(ask_read(&m, 0, data, 511), -EIO);
    assert_int_equal(ask_read(&m, SIZE, data, 0), 0);
    assert_int_equal(blk_errors(m.be), 0); /* none of them the host's */
    image_close(&m);
    image_open(&m, (struct blk_open){.engine = engine, .read_only = true});
    assert_int_equal(ask_write(&m, 0, data, 512), -EROFS);
    assert_int_equal(ask_read(&m, 0, data, 512), 0);
    assert_int_equal(ask_flush(&m), 0);
    image_done(&m);
}

/* H05: the image shrinks under us; what is gone reads as an error, not as old bytes. */
static void io_shrunk(const struct blk_engine *engine)
{
    uint8_t data[4096];
    struct image m;

    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    assert_int_equal(truncate(m.path, 8192 + 100), 0);
    assert_int_equal(ask_read(&m, 4096, data, 4096), 0);
    assert_int_equal(ask_read(&m, 8192, data, 512), -EIO);
    assert_int_equal(ask_read(&m, 65536, data, 512), -EIO);
    assert_int_equal(ask_read(&m, 6144, data, 4096), -EIO); /* begins before the end */
    assert_int_equal(blk_errors(m.be), 3);
    image_done(&m);
}

/* H07: a limit on file sizes, met by a sparse image. */
static void io_file_limit(const struct blk_engine *engine)
{
    struct rlimit old, low;
    uint8_t data[4096] = {1};
    struct image m;

    signal(SIGXFSZ, SIG_IGN);
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 65536;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(ask_write(&m, 65536, data, 4096), -EFBIG);
    assert_int_equal(ask_write(&m, 65536 - 2048, data, 4096), -EFBIG); /* short, then refused */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(ask_write(&m, 65536, data, 4096), 0);
    image_done(&m);
}

/* H01: a full file system. Errors for what finds no room, and for nothing else; with room again all
 * is well. */
static void io_no_space(const struct blk_engine *engine)
{
    char dir[] = "/tmp/test-blk-full-XXXXXX";
    static uint8_t data[65536];
    struct image m;
    int fd;

    assert_non_null(mkdtemp(dir));
    if (mount("none", dir, "tmpfs", 0, "size=128k") < 0) {
        rmdir(dir);
        skip();
    }
    memset(data, 0x5a, sizeof(data));
    image_make(&m, 512);
    unlink(m.path);
    snprintf(m.path, sizeof(m.path), "%s/img", dir);
    fd = open(m.path, O_CREAT | O_RDWR, 0600);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    close(fd);
    image_open(&m, (struct blk_open){.engine = engine});
    assert_int_equal(ask_write(&m, 0, data, 65536), 0);
    assert_int_equal(ask_write(&m, 65536, data, 65536), 0);
    assert_int_equal(ask_write(&m, 131072, data, 4096), -ENOSPC);
    assert_int_equal(ask_write(&m, 131072 - 2048, data, 4096), -ENOSPC); /* short, then refused */
    assert_int_equal(blk_errors(m.be), 2);
    assert_int_equal(ask_write(&m, 4096, data, 4096), 0); /* has its room already */
    assert_int_equal(ask_flush(&m), 0);
    memset(data, 0, 4096);
    assert_int_equal(ask_read(&m, 65536, data, 4096), 0);
    assert_true(data[0] == 0x5a && data[4095] == 0x5a);
    assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT, "size=1m"), 0);
    assert_int_equal(ask_write(&m, 131072, data, 4096), 0);
    image_done(&m);
    umount(dir);
    rmdir(dir);
}

/* H04: a flush, and a stable write, asks the kernel: for a pipe it says that this cannot be done.
 */
static void io_flush_is_real(const struct blk_engine *engine)
{
    struct image m;
    int p[2];

    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    assert_int_equal(ask_flush(&m), 0);
    assert_int_equal(pipe(p), 0);
    m.be->engine->close(m.be); /* it may hold on to files as it found them */
    assert_int_equal(dup2(p[1], m.be->fd[BLK_IMAGE]), m.be->fd[BLK_IMAGE]);
    assert_int_equal(m.be->engine->open(m.be, &m.err), 0);
    assert_int_equal(ask_flush(&m), -EINVAL);
    close(p[0]);
    close(p[1]);
    image_done(&m);
}

/* More at once than any ring holds. */
static void io_flood(const struct blk_engine *engine)
{
    enum { N = 2000 };
    static struct ask ask[N];
    static uint8_t data[N][512];
    struct image m;

    memset(ask, 0, sizeof(ask));
    memset(data, 0, sizeof(data));
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine});
    loop_lock(m.loop);
    for (unsigned i = 0; i < N; i++) {
        ask[i].iov[0] = (struct iovec){data[i], 512};
        ask[i].io = (struct blk_io){.op = BLK_READ,
                                    .offset = (uint64_t)i * 512,
                                    .iov = ask[i].iov,
                                    .n_iov = 1,
                                    .done = ask_done};
        blk_submit(m.be, &ask[i].io);
    }
    blk_commit(m.be);
    loop_unlock(m.loop);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(ask_wait(&m, &ask[i]), 0);
        check_pattern(data[i], (uint64_t)i * 512, 512);
    }
    image_done(&m);
}

/* ---- H11, I4: killed at any instant ---- */

/* Write numbered records, say which have been acknowledged, for ever. */
static void write_records(struct image *m, const struct blk_engine *engine, int out)
{
    uint32_t data[128] = {0};

    m->loop = loop_new("child", NULL);
    image_open(m, (struct blk_open){.engine = engine});
    for (uint32_t i = 1;; i = i % (SIZE / 512 - 1) + 1) {
        data[0] = i;
        if (ask_io(m, BLK_WRITE, i % 64 == 0, (uint64_t)i * 512, data, 512) ||
            write(out, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void io_killed(const struct blk_engine *engine)
{
    uint32_t acked = 0, back[128], got;
    struct image m;
    int p[2];
    pid_t pid;

    image_make(&m, SIZE);
    assert_int_equal(pipe(p), 0);
    pid = fork();
    if (!pid)
        write_records(&m, engine, p[1]);
    close(p[1]);
    while (acked < 200 && read(p[0], &got, sizeof(got)) == sizeof(got))
        acked = got;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    image_open(&m, (struct blk_open){.engine = engine}); /* the lock is gone, now */
    while (read(p[0], &got, sizeof(got)) == sizeof(got))
        acked = got;
    close(p[0]);
    for (uint32_t i = 1; i <= acked; i++) {
        assert_int_equal(ask_read(&m, (uint64_t)i * 512, back, 512), 0);
        assert_int_equal(back[0], i);
    }
    image_done(&m);
}

/* ---- with a loop that runs, and a thread that submits meanwhile ---- */

struct late {
    struct ask ask;
    struct loop *loop;
};

static void late_done(struct blk_io *io, int result)
{
    struct late *l = container_of(io, struct late, ask.io);

    l->ask.result = result;
    l->ask.ended = true;
    loop_wake(l->loop);
}

static void io_running_loop(const struct blk_engine *engine)
{
    enum { N = 64 };
    static uint8_t data[N][4096];
    static struct late late[N];
    struct image m;

    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = engine, .snapshot = true});
    assert_int_equal(loop_start(m.loop, &m.err), 0);
    for (unsigned round = 0; round < 20; round++) {
        loop_lock(m.loop);
        for (unsigned i = 0; i < N; i++) {
            struct ask *a = &late[i].ask;

            late[i] = (struct late){.loop = m.loop};
            a->iov[0] = (struct iovec){data[i], 4096};
            a->io = (struct blk_io){.op = round % 2 ? BLK_READ : BLK_WRITE,
                                    .iov = a->iov,
                                    .offset = i * 4096,
                                    .n_iov = 1,
                                    .done = late_done};
            blk_submit(m.be, &a->io);
        }
        blk_commit(m.be);
        for (unsigned i = 0; i < N; i++)
            while (!late[i].ask.ended)
                assert_true(loop_wait(m.loop, clock_ns() + UINT64_C(10000000000)));
        loop_unlock(m.loop);
        for (unsigned i = 0; i < N; i++)
            assert_int_equal(late[i].ask.result, 0);
    }
    loop_stop(m.loop);
    image_done(&m);
}

static void each_engine(void (*fn)(const struct blk_engine *engine))
{
    for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
        fn(engines[i]);
}

static void test_io(void **state)
{
    (void)state;
    each_engine(io_basic);
    each_engine(io_pieces);
    each_engine(io_limits);
}

static void test_B26_pieces_beyond_iov_max(void **state)
{
    (void)state;
    each_engine(io_many_pieces);
}

static void test_H04_flush_is_real(void **state)
{
    (void)state;
    each_engine(io_flush_is_real);
}

static void test_H05_image_shrinks(void **state)
{
    (void)state;
    each_engine(io_shrunk);
}

static void test_H01_no_space(void **state)
{
    (void)state;
    each_engine(io_no_space);
}

static void test_H07_file_size_limit(void **state)
{
    (void)state;
    each_engine(io_file_limit);
}

static void test_flood(void **state)
{
    (void)state;
    each_engine(io_flood);
}

static void test_H11_killed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        each_engine(io_killed);
}

static void test_running_loop(void **state)
{
    (void)state;
    each_engine(io_running_loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_B26_pieces_beyond_iov_max),
        cmocka_unit_test(test_H04_flush_is_real),
        cmocka_unit_test(test_H05_image_shrinks),
        cmocka_unit_test(test_H01_no_space),
        cmocka_unit_test(test_H07_file_size_limit),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_H11_killed),
        cmocka_unit_test(test_running_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
