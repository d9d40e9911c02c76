// SPDX-License-Identifier: MIT
/* Reading files whole (HOSTILE Z07), and files that are no kernel at all. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/load.h"
#include "tests/unit/fake-guest.h"

static char work_dir[64];
static char path[128];

/* What happens to the file at the first read: set by a test, done once. */
static void (*on_read)(int fd);

/* Stands before libc's, so that a file can change at the worst moment. */
ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
    void (*const hook)(int) = on_read;

    on_read = NULL;
    if (hook)
        hook(fd);
    return syscall(SYS_pread64, fd, buf, n, at);
}

static int dir_make(void **state)
{
    (void)state;
    snprintf(work_dir, sizeof(work_dir), "%s/test-load.XXXXXX",
             access("build", W_OK) == 0 ? "build" : "/tmp");
    if (!mkdtemp(work_dir))
        return -1;
    snprintf(path, sizeof(path), "%s/file", work_dir);
    return 0;
}

static int dir_remove(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(work_dir);
}

static void file_put(const char *text, size_t n)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    close(fd);
}

static void read_refused(const char *name, uint64_t limit, const char *word)
{
    struct load_file file = {.name = "untouched"};
    struct err err = {""};

    assert_true(load_file_read(name, -1, limit, &file, &err) < 0);
    assert_string_equal(file.name, "untouched");
    if (!strstr(err.text, name) || !strstr(err.text, word))
        fail_msg("\"%s\" lacks %s", err.text, word);
}

static void test_file_read(void **state)
{
    struct load_file file;
    struct err err;
    int fd;

    (void)state;
    file_put("kernel", 6);
    assert_int_equal(load_file_read(path, -1, 6, &file, &err), 0);
    assert_int_equal(file.size, 6);
    assert_memory_equal(file.data, "kernel", 6);
    load_file_free(&file);
    load_file_free(&file);

    fd = open(path, O_RDONLY);
    assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
    assert_int_equal(load_file_read("the image's kernel", fd, 6, &file, &err), 0);
    assert_memory_equal(file.data, "kernel", 6);
    assert_string_equal(file.name, "the image's kernel");
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
    load_file_free(&file);
    close(fd);
    unlink(path);
}

static void test_Z07_not_a_regular_file(void **state)
{
    (void)state;
    read_refused("/dev/zero", 100, "character device");
    read_refused(work_dir, 100, "directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    read_refused(path, 100, "pipe");
    unlink(path);
    read_refused(path, 100, "No such file");
    file_put("", 0);
    read_refused(path, 100, "empty");
    file_put("1234567", 7);
    read_refused(path, 6, "at most 6");
    unlink(path);
}

static void file_grow(int fd)
{
    (void)fd;
    file_put("123456789", 9);
}

static void file_shrink(int fd)
{
    (void)fd;
    file_put("123", 3);
}

static void test_Z07_size_changes(void **state)
{
    (void)state;
    file_put("123456", 6);
    on_read = file_grow;
    read_refused(path, 100, "changed its size");
    file_put("123456", 6);
    on_read = file_shrink;
    read_refused(path, 100, "changed its size");
    unlink(path);
}

static void test_other_files_are_named(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *word;
    } row[] = {{"\x1f\x8b\x08", 3, "gzip"},
               {"070701000", 9, "initramfs"},
               {"\x28\xb5\x2f\xfd", 4, "zstd"},
               {"", 0, "too short"},
               {"MZ", 2, "too short"}};
    struct fake_guest g;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        const struct load_file kernel = {"file", (const uint8_t *)row[i].bytes, row[i].n};
        struct load_result r;
        struct err err = {""};

        assert_int_equal(load_kernel(&kernel, NULL, "", &g.board, &g.mem, &r, &err), -EINVAL);
        assert_non_null(strstr(err.text, row[i].word));
    }
    fake_guest_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_read),
        cmocka_unit_test(test_Z07_not_a_regular_file),
        cmocka_unit_test(test_Z07_size_changes),
        cmocka_unit_test(test_other_files_are_named),
    };

    return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
