// SPDX-License-Identifier: MIT
/*
 * waitkey NAME SECONDS: status 0 once the input device NAME ("Power Button") has sent a key press,
 * 1 when none came in time or there is no such device. Runs inside the guest.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The event device called name, opened; or -1. */
static int device_open(const char *name)
{
    for (int i = 0; i < 32; i++) {
        char path[32], text[80] = "";
        int fd;

        snprintf(path, sizeof(path), "/dev/input/event%d", i);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (ioctl(fd, EVIOCGNAME(sizeof(text) - 1), text) >= 0 && !strcmp(text, name))
            return fd;
        close(fd);
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct input_event event;

    if (argc != 3)
        errx(1, "usage: waitkey NAME SECONDS");
    struct pollfd p = {.fd = device_open(argv[1]), .events = POLLIN};
    if (p.fd < 0)
        errx(1, "no input device is called %s", argv[1]);
    printf("vmm-guest: waiting for %s\n", argv[1]);
    fflush(stdout);
    while (poll(&p, 1, (int)strtol(argv[2], NULL, 10) * 1000) == 1) {
        if (read(p.fd, &event, sizeof(event)) != sizeof(event))
            err(1, "read");
        if (event.type == EV_KEY && event.value == 1)
            return 0;
    }
    errx(1, "%s was not pressed", argv[1]);
}
