// SPDX-License-Identifier: MIT
/*
 * move get ADDRESS PORT FILE     what a peer sends
 * move put ADDRESS PORT FILE     send the file; what is answered goes to standard output
 * move serve PORT FILE           what the first peer sends that sends something; it is told ok
 * move turn PORT                 UDP: every datagram goes back with all its bits turned; until one
 * says end TCP but for the last; for guests.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static long copy(int from, int to)
{
    static char block[65536];
    long sum = 0;
    ssize_t n;

    while ((n = read(from, block, sizeof(block))) > 0) {
        for (ssize_t at = 0, m; at < n; at += m)
            if ((m = write(to, block + at, (size_t)(n - at))) <= 0)
                die("write");
        sum += n;
    }
    if (n < 0)
        die("read");
    return sum;
}

/* IPv6 has colons. */
static int come(const char *address, const char *port)
{
    const uint16_t at = htons((uint16_t)atoi(port));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = at};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = at};
    const bool six = strchr(address, ':');
    const int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

    if (inet_pton(six ? AF_INET6 : AF_INET, address,
                  six ? (void *)&a6.sin6_addr : (void *)&a.sin_addr) != 1 ||
        connect(fd, six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a,
                six ? sizeof(a6) : sizeof(a)) < 0)
        die(address);
    return fd;
}

static void serve(const char *port, const char *file)
{
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd, to;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 4) < 0)
        die("listen");
    for (;;) {
        to = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        fd = accept(listener, NULL, NULL);
        if (fd < 0)
            die("accept");
        if (copy(fd, to) > 0)
            break;
        close(fd);
        close(to);
    }
    if (write(fd, "ok\n", 3) != 3)
        die("answer");
    close(fd);
}

static void turn(const char *port)
{
    static unsigned char data[65536];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t size = sizeof(a);
    long count = 0;
    bool end = false;

    if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
        die("bind");
    for (; !end; count++) {
        const ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&a, &size);

        if (n < 0)
            die("recvfrom");
        end = n == 3 && memcmp(data, "end", 3) == 0;
        for (ssize_t i = 0; i < n; i++)
            data[i] = (unsigned char)~data[i];
        if (sendto(fd, data, (size_t)n, 0, (const struct sockaddr *)&a, size) != n)
            die("sendto");
    }
    printf("%ld datagrams\n", count);
}

int main(int argc, char **argv)
{
    int fd, file;

    if (argc == 3 && strcmp(argv[1], "turn") == 0) {
        turn(argv[2]);
        return 0;
    }

    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        serve(argv[2], argv[3]);
        return 0;
    }
    if (argc != 5)
        return 2;
    fd = come(argv[2], argv[3]);
    if (strcmp(argv[1], "get") == 0)
        return copy(fd, open(argv[4], O_WRONLY | O_CREAT | O_TRUNC, 0600)) == 0;
    file = open(argv[4], O_RDONLY);
    if (file < 0)
        die(argv[4]);
    copy(file, fd);
    shutdown(fd, SHUT_WR);
    return copy(fd, STDOUT_FILENO) == 0;
}
