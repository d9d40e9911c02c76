// SPDX-License-Identifier: MIT
/*
 * Owns hashes of received frames and what follows from them (5.1.9.4.3, 5.1.9.5.7): the pair that a
 * frame goes to, by an indirection table, and what the driver is told. Refuses to know queues.
 */
#include <string.h>

#include "devices/net-internal.h"
#include "vmm/base/bits.h"

enum {
    ETHERTYPE_AT = 12,
    ETHERTYPE_BYTES = 2,
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IPV6 = 0x86dd,
    PROTO_HOP = 0, /* extension headers of IPv6 that are passed over */
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_ROUTING = 43,
    PROTO_OPTIONS = 60,
    PORTS_BYTES = 4,
    EXTENSIONS_MAX = 8,
};

/* What a hash is made of: the addresses, and the ports that follow them or not. */
struct tuple {
    uint8_t bytes[NET_RSS_INPUT];
    unsigned addresses, ports; /* how many bytes */
    bool v6;
    uint8_t proto; /* PROTO_TCP or PROTO_UDP if there are ports */
};

/* ---- Toeplitz ---- */

/* 32 bits of the key from a bit on; zeros behind its end. */
static uint32_t key_window(const uint8_t *key, unsigned bit)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 5; i++)
        v = v << 8 | (bit / 8 + i < NET_RSS_KEY ? key[bit / 8 + i] : 0U);
    return (uint32_t)(v >> (8 - bit % 8));
}

/* What every value of every half byte of the input adds to the hash. */
static void key_set(struct net_rss *rss, const uint8_t key[NET_RSS_KEY])
{
    for (unsigned i = 0; i < 2 * NET_RSS_INPUT; i++)
        for (unsigned v = 0; v < 16; v++) {
            uint32_t sum = 0;

            for (unsigned bit = 0; bit < 4; bit++)
                if (v & (8U >> bit))
                    sum ^= key_window(key, 4 * i + bit);
            rss->half[i][v] = sum;
        }
}

static uint32_t hash_of(const struct net_rss *rss, const uint8_t *bytes, unsigned n)
{
    uint32_t hash = 0;

    for (unsigned i = 0; i < n; i++)
        hash ^= rss->half[2 * i][bytes[i] >> 4] ^ rss->half[2 * i + 1][bytes[i] & 15];
    return hash;
}

/* ---- frames ---- */

static void ports_add(struct tuple *t, const uint8_t *at, const uint8_t *end, uint8_t proto)
{
    if ((proto != PROTO_TCP && proto != PROTO_UDP) || end - at < PORTS_BYTES)
        return;
    memcpy(t->bytes + t->addresses, at, PORTS_BYTES);
    t->ports = PORTS_BYTES;
    t->proto = proto;
}

static void parse_v4(struct tuple *t, const uint8_t *p, const uint8_t *end)
{
    enum { BYTES = 20, PIECE_AT = 6, PROTO_AT = 9, SOURCE_AT = 12, ADDRESSES = 8 };
    const unsigned len = end - p >= BYTES ? 4 * (p[0] & 15U) : 0;

    if (len < BYTES || p[0] >> 4 != 4)
        return;
    memcpy(t->bytes, p + SOURCE_AT, ADDRESSES);
    t->addresses = ADDRESSES;
    if (order_load(ORDER_BIG, p + PIECE_AT, 2) & 0x3fff)
        return; /* a fragment has no ports, or not all of them */
    if (end - p > len)
        ports_add(t, p + len, end, p[PROTO_AT]);
}

static void parse_v6(struct tuple *t, const uint8_t *p, const uint8_t *end)
{
    enum { BYTES = 40, PROTO_AT = 6, SOURCE_AT = 8, ADDRESSES = 32 };
    uint8_t proto;

    if (end - p < BYTES || p[0] >> 4 != 6)
        return;
    memcpy(t->bytes, p + SOURCE_AT, ADDRESSES);
    t->addresses = ADDRESSES;
    t->v6 = true;
    proto = p[PROTO_AT];
    p += BYTES;
    for (unsigned i = 0; i < EXTENSIONS_MAX && end - p >= 8; i++) {
        const long len = 8 * (1 + p[1]);

        if (proto != PROTO_HOP && proto != PROTO_ROUTING && proto != PROTO_OPTIONS)
            break;
        if (end - p < len)
            return;
        proto = p[0];
        p += len;
    }
    ports_add(t, p, end, proto);
}

static struct tuple frame_parse(const uint8_t *frame, uint32_t len)
{
    const uint8_t *const end = frame + len, *p = frame + ETHERTYPE_AT;
    struct tuple t = {.addresses = 0};
    unsigned type = end - p >= 2 ? (unsigned)order_load(ORDER_BIG, p, 2) : 0;

    if (type == ETHERTYPE_VLAN && end - p >= NET_VLAN_TAG + ETHERTYPE_BYTES) {
        p += NET_VLAN_TAG;
        type = (unsigned)order_load(ORDER_BIG, p, 2);
    }
    p += ETHERTYPE_BYTES;
    if (type == ETHERTYPE_IPV4)
        parse_v4(&t, p, end);
    else if (type == ETHERTYPE_IPV6)
        parse_v6(&t, p, end);
    return t;
}

/* The type to go by: TCP or UDP with ports if that is wanted, else addresses. Its number among
 * types, or -1. */
static int type_choose(const struct tuple *t, uint32_t wanted)
{
    const int base = t->v6 ? NET_HASH_IPV6 : NET_HASH_IPV4;
    const int with_ports = base + (t->proto == PROTO_TCP ? 1 : 2);

    if (t->ports && (wanted >> with_ports & 1))
        return with_ports;
    return t->addresses && (wanted >> base & 1) ? base : -1;
}

struct net_hash net_rss_hash(const struct net_rss *rss, const uint8_t *frame, uint32_t len)
{
    struct tuple t;
    int type;

    if (!rss->types)
        return (struct net_hash){0};
    t = frame_parse(frame, len);
    type = type_choose(&t, rss->types);
    if (type < 0)
        return (struct net_hash){0};
    return (struct net_hash){.report = (uint16_t)(type + 1), /* 5.1.9.4.5-d1 */
                             .value = hash_of(rss, t.bytes,
                                              type == NET_HASH_IPV4 || type == NET_HASH_IPV6
                                                  ? t.addresses
                                                  : t.addresses + t.ports)};
}

unsigned net_rss_pair(const struct net_rss *rss, const struct net_hash *hash)
{
    return hash->report ? rss->table[hash->value & rss->mask] : rss->unclassified;
}

/* ---- commands ---- */

static bool get8(struct gcur *args, uint8_t *v)
{
    return gcur_get(args, v, 1);
}

/* The last part of both: a key. What comes behind it is not looked at: Linux 6.12.117 sends the
 * padding of its own structure, too, and gives RSS up when that is refused. */
static bool key_get(struct gcur *args, struct net_rss *rss)
{
    uint8_t key[NET_RSS_KEY] = {0}, len;

    if (!get8(args, &len) || len > NET_RSS_KEY || !gcur_get(args, key, len))
        return false;
    key_set(rss, key);
    return true;
}

static bool table_get(struct gcur *args, struct net_rss *rss, unsigned pairs, unsigned *top)
{
    for (unsigned i = 0; i <= rss->mask; i++) {
        if (!gcur_get16(args, &rss->table[i]) || rss->table[i] >= pairs)
            return false;
        *top = rss->table[i] > *top ? rss->table[i] : *top;
    }
    return true;
}

/* 5.1.9.5.7.2; N19: all of it is checked before any of it counts. */
unsigned net_rss_configure(struct net_rss *rss, struct gcur *args, unsigned pairs)
{
    struct net_rss new = {.steers = true};
    uint16_t senders;
    unsigned top;

    if (!gcur_get32(args, &new.types) || !gcur_get16(args, &new.mask) ||
        !gcur_get16(args, &new.unclassified))
        return 0;
    if ((new.types & ~(uint32_t)NET_HASH_TYPES) || new.mask >= NET_RSS_TABLE ||
        !is_pow2(new.mask + 1U) || new.unclassified >= pairs)
        return 0;
    top = new.unclassified;
    if (!table_get(args, &new, pairs, &top) || !gcur_get16(args, &senders) || senders < 1 ||
        senders > pairs || !key_get(args, &new))
        return 0;
    *rss = new;
    return senders > top ? senders : top + 1;
}

/* 5.1.9.5.6.4-d1 */
bool net_hash_configure(struct net_rss *rss, struct gcur *args)
{
    struct net_rss new = {.steers = false};
    uint64_t reserved;

    if (!gcur_get32(args, &new.types) || (new.types & ~(uint32_t)NET_HASH_TYPES) ||
        !gcur_get(args, &reserved, sizeof(reserved)) || !key_get(args, &new))
        return false;
    *rss = new;
    return true;
}
