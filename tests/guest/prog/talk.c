// SPDX-License-Identifier: MIT
/*
 * talk SOCKET FILE: the host's side of tests/guest/cases/port. Waits for the guest's word, sends it
 * the file and wants it back byte by byte; goes, comes again, and is answered again.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TRIES = 600, WAIT_MS = 200000, FILE_MAX = 1 << 20 };

static char file[FILE_MAX], got[FILE_MAX];

static void die(const char *what)
{
    printf("talk: %s\n", what);
    exit(1);
}

static int come(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    for (int i = 0; i < TRIES; i++) {
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
            return fd;
        usleep(100000);
    }
    die("nobody listens at the socket");
    return -1;
}

static void hear(int fd, char *to, size_t len)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    for (size_t n = 0; n < len;) {
        ssize_t more;

        if (poll(&pfd, 1, WAIT_MS) != 1)
            die("the guest is silent");
        more = read(fd, to + n, len - n);
        if (more <= 0)
            die("the connection ended");
        n += (size_t)more;
    }
}

static void expect(int fd, const char *text)
{
    char line[64] = "";

    hear(fd, line, strlen(text));
    if (strcmp(line, text) != 0)
        die("the guest says something else");
}

static void say(int fd, const char *data, size_t len)
{
    for (size_t n = 0; n < len;) {
        const ssize_t more = write(fd, data + n, len - n);

        if (more <= 0)
            die("cannot write");
        n += (size_t)more;
    }
}

int main(int argc, char **argv)
{
    FILE *f = argc == 3 ? fopen(argv[2], "r") : NULL;
    size_t len;
    int fd;

    if (!f)
        die("usage: talk SOCKET FILE");
    len = fread(file, 1, sizeof(file), f);
    fd = come(argv[1]);
    expect(fd, "ready\n");
    say(fd, file, len);
    hear(fd, got, len);
    if (memcmp(file, got, len) != 0)
        die("the bytes are not those that were sent");
    close(fd);
    sleep(3); /* long enough for the guest to see that we went */
    fd = come(argv[1]);
    say(fd, "again\n", 6);
    expect(fd, "again too\n");
    printf("talk: %zu bytes there and back\n", len);
    return 0;
}
