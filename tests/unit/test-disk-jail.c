// SPDX-License-Identifier: MIT
/*
 * The reader's jail from both sides: what the child cannot do, and what its parent believes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "firmware/disk-jail.h"
#include "firmware/disk-result.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Threads beside the forking one: a sanitizer's malloc, unlike the C library's, is not fit for it
 */
#define CHURNS (SANITIZED ? 0 : 2)

static struct err err;
static int image_fd, kernel_fd, other_fd;

static int run(int (*work)(const struct jail *j, int out_fd), void **answer, size_t *len)
{
    const struct jail j = {
        .work = work,
        .read_fd = image_fd,
        .write_fd = {kernel_fd, -1},
        .cpu_s = 1,
        .wall_ms = 5000,
        .file_max = 1 << 20,
        .memory = 64 << 20,
        .answer_max = 100,
    };
    err.text[0] = '\0';
    lseek(kernel_fd, 0, SEEK_SET);
    int r = jail_run(&j, "IMAGE", answer, len, &err), status;
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
    return r;
}

static void refused(int (*work)(const struct jail *j, int out_fd), const char *reason)
{
    void *answer;
    size_t len;
    int r = run(work, &answer, &len);
    if (r >= 0 || !strstr(err.text, reason) || !strstr(err.text, "IMAGE: "))
        fail_msg("wanted \"%s\", got %d \"%s\"", reason, r, err.text);
}

static void accepted(int (*work)(const struct jail *j, int out_fd))
{
    void *answer;
    size_t len;
    if (run(work, &answer, &len))
        fail_msg("%s", err.text);
    assert_int_equal(len, 2);
    assert_memory_equal(answer, "ok", 2);
    free(answer);
}

static int say_ok(int fd)
{
    return write(fd, "ok", 2) == 2 ? 0 : 1;
}

static int work_well(const struct jail *j, int out_fd)
{
    char b[4];
    void *p = malloc(8 << 20);
    struct stat st;
    bool good = p && pread(j->read_fd, b, 4, 0) == 4 && !memcmp(b, "disk", 4) &&
                !fstat(j->read_fd, &st) && write(j->write_fd[0], "k", 1) == 1;
    free(p);
    return good ? say_ok(out_fd) : 1;
}

static int work_open(const struct jail *j, int out_fd)
{
    (void)j;
    if (open("/etc/passwd", O_RDONLY) >= 0 || open("/tmp/x", O_WRONLY | O_CREAT, 0600) >= 0)
        return 3;
    return say_ok(out_fd);
}

static int work_memory(const struct jail *j, int out_fd)
{
    char *volatile p = malloc(256 << 20);
    (void)j;
    return p ? 3 : say_ok(out_fd);
}

#define TRY(name, what)                                      \
    static int work_##name(const struct jail *j, int out_fd) \
    {                                                        \
        (void)j;                                             \
        what;                                                \
        return say_ok(out_fd);                               \
    }

TRY(socket, socket(AF_INET, SOCK_STREAM, 0))
TRY(fork, fork())
TRY(exec, execl("/bin/true", "true", (char *)NULL))
TRY(kill, kill(getppid(), SIGTERM))
TRY(write_image, if (pwrite(j->read_fd, "x", 1, 0) < 0) return 3)
TRY(write_other, if (write(other_fd, "x", 1) < 0) return 3)
TRY(read_other, char b; if (read(other_fd, &b, 1) < 0) return 3)
TRY(truncate, if (ftruncate(j->write_fd[0], 0)) return 3)
TRY(unlink, if (unlink("/nowhere")) return 3)
TRY(code, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
TRY(map_image, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, j->read_fd, 0))
TRY(spin, for (volatile int i = 1; i;);)
TRY(linger, close(out_fd); for (volatile int i = 1; i;);)
TRY(trap, __builtin_trap())
TRY(status, return 7)
TRY(long_answer, for (int i = 0; i < 60; i++) say_ok(out_fd))

static int work_big_file(const struct jail *j, int out_fd)
{
    static char b[1 << 16];
    for (int i = 0; i < 17; i++)
        if (write(j->write_fd[0], b, sizeof(b)) < 0)
            return 3;
    return say_ok(out_fd);
}

static void test_good(void **state)
{
    (void)state;
    accepted(work_well);
    struct stat st;
    assert_int_equal(fstat(kernel_fd, &st), 0);
    assert_int_equal(st.st_size, 1);
}

static void test_rights(void **state)
{
    (void)state;
    accepted(work_open);
    static int (*const killed[])(const struct jail *j, int out_fd) = {
        work_socket,     work_fork,     work_exec, work_kill,   work_write_image, work_write_other,
        work_read_other, work_truncate, work_code, work_unlink, work_map_image,
    };
    for (size_t i = 0; i < ARRAY_SIZE(killed); i++)
        refused(killed[i], "signal 31");
    refused(work_trap, "signal ");
    refused(work_status, "status 7");
}

static void test_limits(void **state)
{
    (void)state;
    refused(work_spin, "more than 1 s of processor time");
    refused(work_linger, "signal 9");
    refused(work_long_answer, "no usable answer");
    refused(work_big_file, "signal 25");
#if !SANITIZED
    accepted(work_memory);
#else
    (void)work_memory;
#endif
}

static void test_wall(void **state)
{
    (void)state;
    struct jail j = {.work = work_spin,
                     .read_fd = image_fd,
                     .write_fd = {-1, -1},
                     .cpu_s = 10,
                     .wall_ms = 200,
                     .file_max = 1,
                     .memory = 64 << 20,
                     .answer_max = 1};
    void *answer;
    size_t len;
    uint64_t start = clock_ns();
    assert_int_equal(jail_run(&j, "IMAGE", &answer, &len, &err), -ETIMEDOUT);
    assert_true(clock_ns() - start < UINT64_C(3000000000));
}

static atomic_bool stop;

static void *churn(void *arg)
{
    while (!stop) {
        char *volatile p = malloc(1000);
        free(p);
    }
    return arg;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[2];
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    for (int i = 0; i < CHURNS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 100; i++)
        accepted(work_well);
    stop = true;
    for (int i = 0; i < CHURNS; i++)
        pthread_join(t[i], NULL);
    /* nobody to wait for, yet all is well */
    sigaction(SIGCHLD, &ignore, &old);
    accepted(work_well);
    sigaction(SIGCHLD, &old, NULL);
}

static size_t message(const struct disk_result *r, char *to, size_t room)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(disk_result_send(fd[1], r), 0);
    ssize_t n = read(fd[0], to, room);
    close(fd[0]);
    close(fd[1]);
    return n < 0 ? 0 : (size_t)n;
}

static const struct disk_result sample = {
    .kernel_size = 7,
    .string = {"a=b\tc\nd\x1b[0m", "t\xc2\x9bx\xc3\xa4", "s", "/k", "/i", ""},
};

static void test_result(void **state)
{
    (void)state;
    static char m[8192];
    struct disk_boot b = {0};
    size_t len = message(&sample, m, sizeof(m));
    assert_int_equal(disk_result_take(m, len, "IMAGE", &b, &err), 0);
    assert_int_equal(b.kernel_size, 7);
    assert_string_equal(b.cmdline, "a=b c d?[0m");
    assert_string_equal(b.title, "t??x\xc3\xa4");
    assert_string_equal(b.initrd_path, "/i");
    disk_boot_free(&b);
    const struct disk_result bad = {.status = -ENOENT, .string[DISK_ERROR] = "why\x07"};
    len = message(&bad, m, sizeof(m));
    assert_int_equal(disk_result_take(m, len, "IMAGE", &b, &err), -ENOENT);
    assert_string_equal(err.text, "IMAGE: why?; use --kernel");
    char *big = malloc(DISK_MAX_CMDLINE + 2);
    memset(big, 'x', DISK_MAX_CMDLINE + 1);
    big[DISK_MAX_CMDLINE + 1] = '\0';
    const struct disk_result long_one = {.string[DISK_CMDLINE] = big};
    len = message(&long_one, m, sizeof(m));
    assert_int_equal(disk_result_take(m, len, "IMAGE", &b, &err), -E2BIG);
    free(big);
}

/* Every message that is not whole, and every byte of one changed: refused, or still in bounds */
static void test_result_hostile(void **state)
{
    (void)state;
    static char m[8192];
    struct disk_boot b = {0};
    size_t len = message(&sample, m, sizeof(m) - 1);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy, m, cut);
        assert_int_equal(disk_result_take(copy, cut, "IMAGE", &b, &err) == 0, cut == len);
        disk_boot_free(&b);
        free(copy);
    }
    for (size_t i = 0; i < len * 8; i++) {
        char *copy = malloc(len);
        memcpy(copy, m, len);
        copy[i / 8] ^= (char)(1 << i % 8);
        disk_result_take(copy, len, "IMAGE", &b, &err);
        disk_boot_free(&b);
        free(copy);
    }
    memset(m + len - 2, 0, 2); /* a NUL inside of a string */
    assert_int_equal(disk_result_take(m, len, "IMAGE", &b, &err), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_rights),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_wall),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_result),
        cmocka_unit_test(test_result_hostile),
    };
    image_fd = memfd_create("image", MFD_CLOEXEC);
    kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
    other_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    if (image_fd < 0 || kernel_fd < 0 || other_fd < 0 || write(image_fd, "disk", 4) != 4)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
