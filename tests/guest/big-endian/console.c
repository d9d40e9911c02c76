// SPDX-License-Identifier: MIT
/* A device with a port: the control queue's messages, and a line to the port (5.3.6.2). */
#include "guest.h"

enum { MAX_PORTS = 4, PORTS = 2, F_MULTIPORT = 1 };
enum { CTRL_RX = 2, CTRL_TX = 3, PORT_RX = 4, PORT_TX = 5, MESSAGES = 8, MESSAGE = 64 };
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, PORT_OPEN = 6 };

static void look(const struct pci_func *f, enum path driven, const char *when)
{
    const uint64_t old = config_read(f, OVER_BAR0, MAX_PORTS, 4);
    const uint64_t new = config_read(f, OVER_CAPS, MAX_PORTS, 4);

    check(old == PORTS && new == PORTS, "con  over %s %-26s max_nr_ports %u %u", path_name[driven],
          when, old, new);
}

static bool send(struct drv *d, unsigned queue, const void *data, uint32_t len)
{
    const struct part part = {(void *)(uintptr_t)data, len, false};
    uint16_t head;

    ring_add(d, queue, &part, 1);
    ring_kick(d, queue);
    return ring_wait(d, queue, &head) != UINT32_MAX;
}

static bool say(struct drv *d, uint32_t port, uint16_t event, uint16_t value)
{
    uint8_t *message = (uint8_t *)memory_take(MESSAGE);

    *(uint32_t *)message = swap32(d->swap, port);
    *(uint16_t *)(message + 4) = swap16(d->swap, event);
    *(uint16_t *)(message + 6) = swap16(d->swap, value);
    return send(d, CTRL_TX, message, 8);
}

/* The device tells that there is port 1. */
static bool hear_port(struct drv *d, const uint8_t *messages)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        const uint8_t *at;
        uint16_t head;

        if (ring_wait(d, CTRL_RX, &head) == UINT32_MAX)
            return false;
        at = messages + head % MESSAGES * MESSAGE;
        if (swap32(d->swap, *(const volatile uint32_t *)at) == 1 &&
            swap16(d->swap, *(const volatile uint16_t *)(at + 4)) == PORT_ADD)
            return true;
    }
    return false;
}

static void speak(struct drv *d)
{
    static const char *const line[] = {"a line over BAR0\n", "a line over caps\n"};
    uint8_t *messages = (uint8_t *)memory_take(MESSAGES * MESSAGE);
    char *text = (char *)memory_take(MESSAGE);
    uint32_t len = 0;

    for (unsigned i = 0; i < MESSAGES; i++) {
        const struct part part = {messages + i * MESSAGE, MESSAGE, true};

        ring_add(d, CTRL_RX, &part, 1);
    }
    ring_kick(d, CTRL_RX);
    check(say(d, UINT32_MAX, DEVICE_READY, 1) && hear_port(d, messages),
          "con  over %s %-26s the device tells of port 1", path_name[d->path], "control queue");
    for (; line[d->path][len]; len++)
        text[len] = line[d->path][len];
    check(say(d, 1, PORT_READY, 1) && say(d, 1, PORT_OPEN, 1) && send(d, PORT_TX, text, len),
          "con  over %s %-26s a line is taken", path_name[d->path], "port 1");
}

static void session(const struct pci_func *f, enum path path)
{
    struct drv d;

    drv_reset(&d, f, path);
    look(f, path, "after reset");
    drv_begin(&d, f, path, BIT(F_MULTIPORT));
    look(f, path, "features accepted");
    check(drv_settle(&d), "con  over %s %-26s settled", path_name[path], "features");
    for (unsigned i = 0; i <= PORT_TX; i++)
        drv_queue(&d, i);
    drv_go(&d);
    look(f, path, "DRIVER_OK");
    speak(&d);
}

void console_test(const struct pci_func *f)
{
    struct drv d;

    session(f, OVER_BAR0);
    session(f, OVER_CAPS);
    drv_reset(&d, f, OVER_CAPS);
}
