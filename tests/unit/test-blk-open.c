// SPDX-License-Identifier: MIT
/* Disk images as files: what may be opened, who may open it at the same time, what it then is. */
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/blk-image.h"

enum { SIZE = 1 << 20 };

static void test_open_plain(void **state)
{
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){0});
    assert_int_equal(blk_size(m.be), SIZE);
    assert_false(blk_read_only(m.be));
    print_message("engine: %s\n", blk_engine_name(m.be));
    image_done(&m);
}

static void refuse(const char *path, int code, const char *word)
{
    struct image m;
    struct blk_open o = {.path = path};

    image_make(&m, 512);
    assert_int_equal(blk_backend_open(&o, m.loop, &m.be, &m.err), -code);
    if (!strstr(m.err.text, path) || !strstr(m.err.text, word))
        fail_msg("message: %s", m.err.text);
    image_done(&m);
}

static void test_open_refuses_what_is_no_image(void **state)
{
    char fifo[] = "/tmp/test-blk-fifo-XXXXXX";

    (void)state;
    refuse("/nonexistent/x.img", ENOENT, "No such file");
    refuse("/tmp", EISDIR, "folder");
    refuse("/dev/null", EINVAL, "neither");
    assert_non_null(mkdtemp(fifo));
    rmdir(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    refuse(fifo, EINVAL, "neither"); /* and does not wait for a writer */
    unlink(fifo);
}

static void test_open_size_is_whole_sectors(void **state)
{
    static const size_t empty[] = {0, 1, 511};
    struct image m;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
        image_make(&m, empty[i]);
        assert_int_equal(image_try(&m, (struct blk_open){0}), -EINVAL);
        assert_non_null(strstr(m.err.text, "less than a sector"));
        image_done(&m);
    }
    image_make(&m, 1024 + 511);
    image_open(&m, (struct blk_open){0});
    assert_int_equal(blk_size(m.be), 1024);
    image_done(&m);
}

/* H14: also a file that its permissions or its mount protect is not opened read-only in silence. */
static void test_H14_read_only_mount_is_refused(void **state)
{
    char dir[] = "/tmp/test-blk-ro-XXXXXX";
    struct image m;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    if (mount("none", dir, "tmpfs", 0, NULL) < 0) {
        rmdir(dir);
        skip();
    }
    image_make(&m, 512);
    unlink(m.path);
    snprintf(m.path, sizeof(m.path), "%s/img", dir);
    fd = open(m.path, O_CREAT | O_RDWR, 0600);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    close(fd);
    assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    assert_int_equal(image_try(&m, (struct blk_open){0}), -EROFS);
    assert_non_null(strstr(m.err.text, ",ro"));
    assert_non_null(strstr(m.err.text, m.path));
    image_open(&m, (struct blk_open){.read_only = true});
    image_close(&m);
    image_open(&m, (struct blk_open){.snapshot = true});
    image_done(&m);
    umount(dir);
    rmdir(dir);
}

/* ---- H01: space that is reserved ---- */

static const struct blk_open reserved = {.prealloc = true};

/* A file without content on a file system of its own with little space; false: not possible. */
static bool small_make(struct image *m, char *dir, off_t size)
{
    int fd;

    assert_non_null(mkdtemp(dir));
    if (mount("none", dir, "tmpfs", 0, "size=2m") < 0) {
        rmdir(dir);
        return false;
    }
    image_make(m, 512);
    unlink(m->path);
    snprintf(m->path, sizeof(m->path), "%s/img", dir);
    fd = open(m->path, O_CREAT | O_RDWR, 0600);
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
    return true;
}

static void small_done(struct image *m, const char *dir)
{
    image_done(m);
    umount(dir);
    rmdir(dir);
}

static off_t image_space(const struct image *m)
{
    struct stat st;

    assert_int_equal(stat(m->path, &st), 0);
    return st.st_blocks * 512;
}

static void test_H01_prealloc_reserves(void **state)
{
    char dir[] = "/tmp/test-blk-small-XXXXXX";
    uint8_t back[512];
    struct image m;

    (void)state;
    if (!small_make(&m, dir, SIZE))
        skip();
    assert_int_equal(image_space(&m), 0);
    image_open(&m, reserved);
    assert_int_equal(image_space(&m), SIZE);
    assert_int_equal(blk_limits(m.be)->discard, 0);
    assert_int_equal(ask_read(&m, SIZE - 512, back, 512), 0);
    assert_int_equal(back[511], 0);
    loop_lock(m.loop);
    assert_int_equal(blk_backend_grow(m.be, SIZE * 3 / 2, &m.err), 0);
    assert_int_equal(blk_backend_resize(m.be, &m.err), 0);
    assert_int_equal(image_space(&m), SIZE * 3 / 2);
    assert_int_equal(blk_backend_grow(m.be, 4 * SIZE, &m.err), -ENOSPC);
    assert_non_null(strstr(m.err.text, "cannot reserve the 4194304 bytes"));
    assert_int_equal(truncate(m.path, 4 * SIZE), 0);
    assert_int_equal(blk_backend_resize(m.be, &m.err), -ENOSPC);
    loop_unlock(m.loop);
    assert_int_equal(blk_size(m.be), SIZE * 3 / 2);
    small_done(&m, dir);
}

static void test_H01_prealloc_finds_no_room(void **state)
{
    char dir[] = "/tmp/test-blk-small-XXXXXX";
    struct image m;

    (void)state;
    if (!small_make(&m, dir, 3 * SIZE))
        skip();
    assert_int_equal(image_try(&m, reserved), -ENOSPC);
    assert_non_null(strstr(m.err.text, m.path));
    assert_non_null(strstr(m.err.text, "prealloc=on"));
    small_done(&m, dir);
}

/* What is in the image stays; and of what is not written to nothing is reserved. */
static void test_H01_prealloc_of_an_image(void **state)
{
    uint8_t back[512];
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, reserved);
    assert_int_equal(ask_read(&m, 4096, back, 512), 0);
    assert_int_equal(back[7], image_byte(4096 + 7));
    image_close(&m);
    assert_int_equal(image_try(&m, (struct blk_open){.prealloc = true, .read_only = true}),
                     -EINVAL);
    assert_int_equal(image_try(&m, (struct blk_open){.prealloc = true, .snapshot = true}), -EINVAL);
    assert_non_null(strstr(m.err.text, "leave one out"));
    image_done(&m);
}

/* ---- H10: locks ---- */

/* In a process of its own: does opening the image work? 0 or an errno value. */
static int open_elsewhere(struct image *m, struct blk_open o, char *text, size_t size)
{
    int p[2], status;
    pid_t pid;
    ssize_t n;

    assert_int_equal(pipe(p), 0);
    pid = fork();
    if (!pid) {
        struct image other = *m;

        for (int fd = 3; fd < 64; fd++) /* as a process that never had them */
            if (fd != p[1])
                close(fd);
        other.loop = loop_new("other", NULL);
        status = -image_try(&other, o);
        n = write(p[1], other.err.text, sizeof(other.err.text));
        _exit(n < 0 ? 255 : status);
    }
    close(p[1]);
    n = read(p[0], text, size);
    assert_true(n > 0);
    close(p[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void test_H10_locks(void **state)
{
    static const struct {
        struct blk_open mine, theirs;
        int expect;
    } rows[] = {
        {{0}, {0}, EBUSY},
        {{0}, {.read_only = true}, EBUSY},
        {{0}, {.snapshot = true}, EBUSY},
        {{.read_only = true}, {0}, EBUSY},
        {{.snapshot = true}, {0}, EBUSY},
        {{.read_only = true}, {.read_only = true}, 0},
        {{.read_only = true}, {.snapshot = true}, 0},
        {{.snapshot = true}, {.snapshot = true}, 0},
    };
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct blk_open theirs = rows[i].theirs;
        char text[512];

        theirs.engine = &blk_pool;
        image_open(&m, rows[i].mine);
        assert_int_equal(open_elsewhere(&m, theirs, text, sizeof(text)), rows[i].expect);
        if (rows[i].expect) {
            assert_non_null(strstr(text, m.path));
            assert_non_null(strstr(text, "another process"));
        }
        image_close(&m);
        assert_int_equal(open_elsewhere(&m, theirs, text, sizeof(text)), 0); /* gone with it */
    }
    image_done(&m);
}

static void test_H10_same_process_too(void **state)
{
    struct image m, twice;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){0});
    twice = m;
    assert_int_equal(image_try(&twice, (struct blk_open){0}), -EBUSY);
    assert_int_equal(image_try(&twice, (struct blk_open){.read_only = true}), -EBUSY);
    image_done(&m);
}

/* W01: what a guest writes at the start never changes what the image is. */
static void test_W01_raw_stays_raw(void **state)
{
    uint8_t data[512] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3}, back[512];
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){0});
    assert_int_equal(ask_write(&m, 0, data, 512), 0);
    image_close(&m);
    image_open(&m, (struct blk_open){0});
    assert_int_equal(blk_size(m.be), SIZE);
    assert_int_equal(ask_read(&m, 0, back, 512), 0);
    assert_memory_equal(back, data, 512);
    image_done(&m);
}

/* H13: the file that was opened is used, whatever its name stands for now. */
static void test_H13_file_replaced(void **state)
{
    uint8_t data[512] = {0};
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){0});
    unlink(m.path);
    assert_int_equal(ask_write(&m, 512, data, 512), 0);
    assert_int_equal(ask_read(&m, 0, data, 512), 0);
    assert_int_equal(data[100], image_byte(100));
    image_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_plain),
        cmocka_unit_test(test_open_refuses_what_is_no_image),
        cmocka_unit_test(test_open_size_is_whole_sectors),
        cmocka_unit_test(test_H14_read_only_mount_is_refused),
        cmocka_unit_test(test_H01_prealloc_reserves),
        cmocka_unit_test(test_H01_prealloc_finds_no_room),
        cmocka_unit_test(test_H01_prealloc_of_an_image),
        cmocka_unit_test(test_H10_locks),
        cmocka_unit_test(test_H10_same_process_too),
        cmocka_unit_test(test_W01_raw_stays_raw),
        cmocka_unit_test(test_H13_file_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
