// SPDX-License-Identifier: MIT
/* A network card on a network whose gateway is 10.0.2.2: who has that address? */
#include "guest.h"

enum { NET_MAC = 0, NET_STATUS = 6, LINK_UP = 1 };
enum { F_MAC = 5, F_MRG_RXBUF = 15, F_STATUS = 16 };
enum { RX = 0, TX = 1, RX_BUFFERS = 8, BUFFER = 2048, ARP_BYTES = 42 };
enum { HEADER_SHORT = 10, HEADER_LONG = 12, NUM_BUFFERS = 10 };

static void arp_make(uint8_t *frame, const uint8_t *mac)
{
    /* Ethernet, IPv4, request; 10.0.2.15 asks for 10.0.2.2 */
    static const uint8_t what[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    static const uint8_t from[] = {10, 0, 2, 15}, to[] = {10, 0, 2, 2};

    __builtin_memset(frame, 0xff, 6);
    __builtin_memcpy(frame + 6, mac, 6);
    __builtin_memcpy(frame + 12, what, sizeof(what));
    __builtin_memcpy(frame + 22, mac, 6);
    __builtin_memcpy(frame + 28, from, 4);
    __builtin_memcpy(frame + 38, to, 4);
}

static bool arp_answers(const volatile uint8_t *frame, const uint8_t *mac)
{
    for (unsigned i = 0; i < 6; i++)
        if (frame[i] != mac[i])
            return false;
    return frame[12] == 8 && frame[13] == 6 && frame[21] == 2 && frame[28] == 10 &&
           frame[30] == 2 && frame[31] == 2;
}

static void look(const struct pci_func *f, enum path driven, const char *when)
{
    const uint64_t old = config_read(f, OVER_BAR0, NET_STATUS, 2);
    const uint64_t new = config_read(f, OVER_CAPS, NET_STATUS, 2);

    check(old == LINK_UP && new == LINK_UP, "net  over %s %-26s status %u %u", path_name[driven],
          when, old, new);
}

/* Without ANY_LAYOUT the header is a buffer of its own (5.1.9.8-l1). */
static void receive_into(struct drv *d, uint8_t *at, unsigned header)
{
    const struct part part[] = {{at, header, true}, {at + header, BUFFER - header, true}};

    ring_add(d, RX, part, 2);
}

/* Frames until the answer comes. num_buffers of its header, 1 where there is none; 0: none came. */
static unsigned answer_wait(struct drv *d, const uint8_t *buffers, unsigned header,
                            const uint8_t *mac)
{
    for (unsigned i = 0; i < RX_BUFFERS; i++) {
        uint16_t head;
        const uint8_t *at;

        if (ring_wait(d, RX, &head) == UINT32_MAX)
            return 0;
        at = buffers + head / 2 % RX_BUFFERS * BUFFER;
        if (arp_answers(at + header, mac))
            return header == HEADER_LONG
                       ? swap16(d->swap, *(const volatile uint16_t *)(at + NUM_BUFFERS))
                       : 1;
    }
    return 0;
}

static void ask(struct drv *d, unsigned header, const uint8_t *mac)
{
    uint8_t *buffers = (uint8_t *)memory_take(RX_BUFFERS * BUFFER);
    uint8_t *frame = (uint8_t *)memory_take(BUFFER);
    const struct part part[] = {{frame, header, false}, {frame + header, ARP_BYTES, false}};
    unsigned n;
    uint16_t head;
    bool sent;

    for (unsigned i = 0; i < RX_BUFFERS; i++)
        receive_into(d, buffers + i * BUFFER, header);
    ring_kick(d, RX);
    arp_make(frame + header, mac);
    ring_add(d, TX, part, 2);
    ring_kick(d, TX);
    sent = ring_wait(d, TX, &head) != UINT32_MAX;
    n = answer_wait(d, buffers, header, mac);
    check(sent && n == 1, "net  over %s %-26s header of %u: 10.0.2.2 answers, num_buffers %u",
          path_name[d->path], "ARP", (uint64_t)header, (uint64_t)n);
}

static void session(const struct pci_func *f, enum path path, bool mergeable)
{
    const uint64_t bits = BIT(F_MAC) | BIT(F_STATUS) | (mergeable ? BIT(F_MRG_RXBUF) : 0);
    struct drv d;
    uint8_t mac[6];

    drv_reset(&d, f, path);
    look(f, path, "after reset");
    drv_begin(&d, f, path, bits);
    look(f, path, "features accepted");
    check(drv_settle(&d) && (uint32_t)drv_accepted(&d) == bits, "net  over %s %-26s %x",
          path_name[path], "features", drv_accepted(&d));
    drv_queue(&d, RX);
    drv_queue(&d, TX);
    drv_go(&d);
    look(f, path, "DRIVER_OK");
    for (unsigned i = 0; i < 6; i++)
        mac[i] = config_byte(f, path, NET_MAC + i);
    ask(&d, path == OVER_CAPS || mergeable ? HEADER_LONG : HEADER_SHORT, mac);
}

void net_test(const struct pci_func *f)
{
    struct drv d;

    session(f, OVER_BAR0, true);
    session(f, OVER_CAPS, true);
    session(f, OVER_BAR0, false);
    session(f, OVER_CAPS, false);
    drv_reset(&d, f, OVER_CAPS);
}
