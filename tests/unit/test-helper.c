// SPDX-License-Identifier: MIT
/*
 * The helper process: what it does when it is asked, and what it refuses because the options do not
 * name it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/images/make.h"
#include "vmm/base/usock.h"
#include "vmm/helper.h"
#include "vmm/sandbox-internal.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static char dir[64];
static bool filtered;

static int filters_make(void **state)
{
    struct err err;

    (void)state;
    filtered = !SANITIZED && sandbox_filters_make(&err) == 0;
    return SANITIZED || filtered ? 0 : -1;
}

static const char *at(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *to = path[turn++ % 4];

    snprintf(to, sizeof(path[0]), "%s/%s", dir, name);
    return to;
}

static void file_make(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void file_expect(int fd, const char *text)
{
    char have[64] = "";

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, have, sizeof(have) - 1, 0), strlen(text));
    assert_string_equal(have, text);
}

static int listen_at(const char *path, struct stat *st)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(to.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(lstat(path, st), 0);
    return fd;
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/vmm-helper-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const name[] = {"kernel", "initrd", "new", "socket", "other", "passt"};

    (void)state;
    for (unsigned i = 0; i < sizeof(name) / sizeof(name[0]); i++)
        unlink(at(name[i]));
    return rmdir(dir);
}

/* ---- boot files ---- */

static void test_boot(void **state)
{
    struct config config = {0};
    struct err err = {""};
    struct bootfiles files;
    struct helper *h;
    char kernel[128], initrd[128];

    (void)state;
    strcpy(kernel, at("kernel"));
    strcpy(initrd, at("initrd"));
    file_make("kernel", "first");
    config.kernel = kernel;
    h = helper_start(&config, NULL, &err);
    assert_non_null(h);
    assert_int_equal(helper_bootfiles(h, &files, &err), 0);
    file_expect(files.kernel_fd, "first");
    assert_int_equal(files.initrd_fd, -1);
    assert_string_equal(files.kernel, kernel);
    assert_null(files.initrd);
    assert_null(files.cmdline);
    bootfiles_close(&files);
    file_make("new", "second"); /* an upgrade, as they are done */
    assert_int_equal(rename(at("new"), kernel), 0);
    assert_int_equal(helper_bootfiles(h, &files, &err), 0);
    file_expect(files.kernel_fd, "second");
    bootfiles_close(&files);
    unlink(kernel);
    assert_int_equal(helper_bootfiles(h, &files, &err), -ENOENT);
    assert_non_null(strstr(err.text, "cannot open"));
    assert_non_null(strstr(err.text, kernel));
    helper_free(h);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
    file_make("kernel", "k");
    file_make("initrd", "i");
    config.initrd = initrd;
    h = helper_start(&config, NULL, &err);
    assert_non_null(h);
    assert_int_equal(helper_bootfiles(h, &files, &err), 0);
    file_expect(files.kernel_fd, "k");
    file_expect(files.initrd_fd, "i");
    assert_string_equal(files.initrd, initrd);
    bootfiles_close(&files);
    helper_free(h);
}

/* So many descriptors can be opened from now on; the limit before. */
static struct rlimit room_leave(unsigned n)
{
    struct rlimit before, now;
    int fd[8];

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    for (unsigned i = 0; i <= n; i++)
        fd[i] = dup(STDERR_FILENO);
    now.rlim_cur = (rlim_t)fd[n];
    for (unsigned i = 0; i <= n; i++)
        close(fd[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static int next_fd(void)
{
    const int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

/* All of the files, or none: not a kernel without its initrd. */
static void test_boot_no_room(void **state)
{
    char kernel[128], initrd[128], passt[128];
    struct config_net net = {.kind = CONFIG_NET_PASST, .socket = passt};
    const struct config config = {.kernel = kernel, .initrd = initrd, .net = &net, .n_nets = 1};
    struct err err = {""};
    struct bootfiles files;
    struct rlimit before;
    struct stat st;
    struct helper *h;
    int listener, free_fd;

    (void)state;
    strcpy(kernel, at("kernel"));
    strcpy(initrd, at("initrd"));
    strcpy(passt, at("passt"));
    file_make("kernel", "k");
    file_make("initrd", "i");
    listener = listen_at(passt, &st);
    h = helper_start(&config, NULL, &err);
    assert_non_null(h);
    free_fd = next_fd();
    for (unsigned room = 0; room < 2; room++) {
        int ret;

        before = room_leave(room);
        ret = helper_bootfiles(h, &files, &err);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(ret, -EMFILE);
        assert_non_null(strstr(err.text, "boot files"));
        assert_int_equal(files.kernel_fd, -1);
        assert_int_equal(files.initrd_fd, -1);
        assert_int_equal(next_fd(), free_fd); /* what came is closed */
    }
    before = room_leave(0);
    assert_int_equal(usock_connect(passt), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);
    before = room_leave(2);
    assert_int_equal(helper_bootfiles(h, &files, &err), 0);
    setrlimit(RLIMIT_NOFILE, &before);
    file_expect(files.kernel_fd, "k");
    file_expect(files.initrd_fd, "i");
    bootfiles_close(&files);
    helper_free(h);
    close(listener);
}

/* Out of an image, which a child of its own reads. */
static void test_boot_image(void **state)
{
    struct config config = {0};
    struct config_disk disk = {0};
    struct err err = {""};
    struct bootfiles files;
    struct helper *h;
    char image[512];

    (void)state;
    make_start();
    make_file("tree/boot/vmlinuz-6.1.0-9", "k of image", 10);
    make_file("tree/boot/initrd.img-6.1.0-9", "i of image", 10);
    make_text("tree/etc/fstab", "x");
    snprintf(image, sizeof(image), "%s", make_path("image"));
    make_ext4(image, 0, 2048, make_path("tree"), "-t ext4 -b 1024 -N 64 -O ^has_journal");
    disk.path = image;
    config.disk = &disk;
    config.n_disks = 1;
    h = helper_start(&config, NULL, &err);
    assert_non_null(h);
    for (unsigned i = 0; i < 2; i++) {
        if (helper_bootfiles(h, &files, &err) != 0)
            fail_msg("%s", err.text);
        file_expect(files.kernel_fd, "k of image");
        file_expect(files.initrd_fd, "i of image");
        assert_non_null(strstr(files.cmdline, "root="));
        bootfiles_close(&files);
    }
    assert_int_equal(truncate(image, 512), 0);
    assert_true(helper_bootfiles(h, &files, &err) < 0);
    assert_null(strstr(err.text, "signal"));
    helper_free(h);
    make_end();
}

/* ---- sockets ---- */

static void test_remove(void **state)
{
    struct config config = {0};
    struct config_port port = {.name = "p", .to = {.kind = CONFIG_SOCKET}};
    struct err err = {""};
    struct stat st, other_st;
    char ours[128], other[128];
    struct helper *h;
    int fd, other_fd;

    (void)state;
    strcpy(ours, at("socket"));
    strcpy(other, at("other"));
    port.to.path = ours;
    config.port = &port;
    config.n_ports = 1;
    fd = listen_at(ours, &st);
    other_fd = listen_at(other, &other_st);
    h = helper_start(&config, "/nonexistent/control", &err);
    assert_non_null(h);
    usock_remove(other, other_st.st_dev, other_st.st_ino);
    assert_int_equal(access(other, F_OK), 0); /* not one that the options name */
    usock_remove(ours, st.st_dev, st.st_ino + 1);
    assert_int_equal(access(ours, F_OK), 0); /* not what we made */
    usock_remove(ours, st.st_dev, st.st_ino);
    assert_int_equal(access(ours, F_OK), -1);
    helper_free(h);
    h = helper_start(&config, other, &err);
    assert_non_null(h);
    usock_remove(other, other_st.st_dev, other_st.st_ino);
    assert_int_equal(access(other, F_OK), -1);
    helper_free(h);
    close(fd);
    close(other_fd);
}

static void test_connect(void **state)
{
    struct config config = {0};
    struct config_net net = {.kind = CONFIG_NET_PASST};
    struct err err = {""};
    struct stat st;
    char passt[128], other[128];
    struct helper *h;
    int fd, other_fd, got;

    (void)state;
    strcpy(passt, at("passt"));
    strcpy(other, at("other"));
    net.socket = passt;
    config.net = &net;
    config.n_nets = 1;
    fd = listen_at(passt, &st);
    other_fd = listen_at(other, &st);
    h = helper_start(&config, NULL, &err);
    assert_non_null(h);
    got = usock_connect(passt);
    assert_true(got >= 0);
    assert_int_equal(fcntl(got, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
    close(got);
    assert_int_equal(usock_connect(other), -EPERM);
    close(fd);
    assert_int_equal(usock_connect(passt), -ECONNREFUSED);
    unlink(passt);
    assert_int_equal(usock_connect(passt), -ENOENT);
    helper_free(h);
    close(other_fd);
}

/* ---- its life ---- */

static pid_t only_child(void)
{
    char path[64];
    int pid = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    return pid;
}

static void filter_expect(pid_t pid)
{
    char path[64], line[200];
    int filter = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, "Seccomp:", 8) == 0)
            filter = atoi(line + 8);
    fclose(f);
    assert_int_equal(filter, filtered ? 2 : 0);
}

/* It has what it needs and nothing of what we had open; signals to all of us are not for it. */
static void test_own(void **state)
{
    const struct config config = {.kernel = "/nonexistent/kernel"};
    const int secret = open("/dev/zero", O_RDONLY); /* inherited by whoever does not close it */
    struct err err = {""};
    struct bootfiles files;
    struct helper *h;
    struct dirent *e;
    char path[64];
    unsigned n = 0;
    pid_t pid;
    DIR *fds;

    (void)state;
    h = helper_start(&config, NULL, &err);
    assert_non_null(h);
    assert_int_equal(helper_bootfiles(h, &files, &err), -ENOENT); /* it is up */
    pid = only_child();
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    fds = opendir(path);
    assert_non_null(fds);
    while ((e = readdir(fds)))
        n += e->d_name[0] != '.';
    closedir(fds);
    assert_int_equal(n, 5); /* three, and two sockets */
    filter_expect(pid);
    kill(pid, SIGTERM);
    kill(pid, SIGINT);
    assert_int_equal(helper_bootfiles(h, &files, &err), -ENOENT);
    kill(pid, SIGKILL);
    assert_int_equal(helper_bootfiles(h, &files, &err), -EIO);
    assert_non_null(strstr(err.text, "gone"));
    assert_int_equal(usock_connect("/x"), -ECONNREFUSED);
    helper_free(h);
    close(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_boot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_boot_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connect, setup, teardown),
        cmocka_unit_test(test_boot_image),
        cmocka_unit_test(test_own),
    };

    return cmocka_run_group_tests(tests, filters_make, NULL);
}
