// SPDX-License-Identifier: MIT
/* vmm/control-path: where control sockets are, who gets in, what a dead process left (H40). */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/control-rig.h"
#include "vmm/base/usock.h"

enum { OTHER_USER = 65534 };

static void only_me(void **state)
{
    struct rig *rig = *state;
    struct stat st;
    int status = 0;
    pid_t pid;

    assert_int_equal(stat(rig->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    if (geteuid() != 0)
        return;             /* nobody else to be */
    chmod(rig->path, 0666); /* as if the file's mode were no protection */
    chmod(rig->dir, 0777);
    pid = fork();
    if (pid == 0) {
        char got[200] = "";
        int fd = -1;

        if (setuid(OTHER_USER) == 0)
            fd = client_raw(rig->path);
        for (unsigned i = 0; i < 100 && recv(fd, got, sizeof(got) - 1, 0) <= 0; i++)
            usleep(20000);
        _exit(fd >= 0 && strstr(got, "another user") && !strstr(got, "QMP") ? 0 : 1);
    }
    while (waitpid(pid, &status, WNOHANG) == 0)
        loop_turn(rig->loop, 10);
    assert_int_equal(status, 0);
}

static void stale_and_live(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    char path[CONTROL_PATH_MAX], file[CONTROL_PATH_MAX];
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct usock s, other;
    int fd, ret;

    assert_null(control_new(rig->loop, rig->path, table, rig, &ret, &err));
    assert_int_equal(ret, -EADDRINUSE);
    assert_non_null(strstr(err.text, "another program listens"));
    close(client(rig)); /* the live one lives on */

    snprintf(path, sizeof(path), "%s/stale", rig->dir);
    assert_int_equal(usock_listen(&s, "test", path, &err), 0);
    close(s.fd); /* as if killed: its file stays */
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(usock_listen(&s, "test", path, &err), 0);
    assert_int_equal(usock_listen(&other, "test", path, &err), -EADDRINUSE);
    usock_close(&s);
    assert_int_equal(access(path, F_OK), -1);

    /* a socket of another kind has an owner, too */
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    memcpy(to.sun_path, path, sizeof(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(usock_listen(&other, "test", path, &err), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    unlink(path);

    snprintf(file, sizeof(file), "%s/file", rig->dir);
    fclose(fopen(file, "w"));
    assert_int_equal(usock_listen(&other, "test", file, &err), -EEXIST);
    assert_int_equal(access(file, F_OK), 0);
    snprintf(file, sizeof(file), "%s/none/sock", rig->dir);
    assert_int_equal(usock_listen(&other, "test", file, &err), -ENOENT);
}

static void removed_at_the_end(void **state)
{
    struct rig *rig = *state;
    struct err err;
    int ret, fd = client(rig);

    control_free(rig->control);
    rig->control = NULL;
    assert_int_equal(access(rig->path, F_OK), -1);
    assert_int_equal(recv(fd, text, 1, 0), 0);
    close(fd);
    rig->control = control_new(rig->loop, rig->path, table, rig, &ret, &err);
    assert_non_null(rig->control);
    unlink(rig->path);
    fclose(fopen(rig->path, "w")); /* somebody else's now */
    control_free(rig->control);
    rig->control = NULL;
    assert_int_equal(access(rig->path, F_OK), 0);
}

static void places(void **state)
{
    struct rig *rig = *state;
    char dir[CONTROL_PATH_MAX], path[CONTROL_PATH_MAX], want[CONTROL_PATH_MAX];
    char name[200];
    struct err err = {""};

    setenv("XDG_RUNTIME_DIR", rig->dir, 1);
    assert_int_equal(control_dir(dir, false, &err), -ENOENT);
    assert_int_equal(control_path("web", true, path, &err), 0);
    snprintf(want, sizeof(want), "%s/vmm/web", rig->dir);
    assert_string_equal(path, want);
    assert_int_equal(control_path("./web", true, path, &err), 0);
    assert_string_equal(path, "./web");
    assert_int_equal(control_path("..", true, path, &err), -EINVAL);
    assert_int_equal(control_path("", true, path, &err), -EINVAL);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(control_path(name, true, path, &err), -ENAMETOOLONG);

    snprintf(want, sizeof(want), "%s/vmm", rig->dir);
    chmod(want, 0755); /* others could look */
    assert_int_equal(control_path("web", true, path, &err), -EPERM);
    assert_int_equal(rmdir(want), 0);
    assert_int_equal(symlink("/tmp", want), 0); /* leads elsewhere */
    assert_int_equal(control_path("web", true, path, &err), -EPERM);

    setenv("XDG_RUNTIME_DIR", "relative", 1); /* does not count */
    assert_int_equal(control_dir(dir, true, &err), 0);
    assert_int_equal(dir[0], '/');
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(control_dir(want, true, &err), 0);
    assert_string_equal(want, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_me, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_and_live, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(places, setup, teardown),
    };

    return cmocka_run_group_tests_name("control-path", tests, NULL, NULL);
}
