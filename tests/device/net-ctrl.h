/* SPDX-License-Identifier: MIT */
/* Commands on the control queue of the network device. */
#ifndef TESTS_DEVICE_NET_CTRL_H
#define TESTS_DEVICE_NET_CTRL_H

#include "tests/device/net-bench.h"

enum { RX, MAC, VLAN, ANNOUNCE, MQ, OFFLOADS, COAL };
enum { PROMISC, ALLMULTI, ALLUNI, NOMULTI, NOUNI, NOBCAST };
enum { OK = 0, ERR = 1, NONE = 0xee };
enum { CFG_STATUS = 6, CFG_PAIRS = 8, DATA_MAX = 1024 };

/* 5.1.2-d1 */
static inline struct dq *ctrl_queue(struct bench *b)
{
    return &b->d.q[bench_has(b, F_MQ) ? 2 * fake.net.pairs : 2];
}

/* A command; result may be NULL. Returns the answer, or NONE if nothing was written. */
static inline uint8_t ctrl_result(struct bench *b, uint8_t class, uint8_t command, const void *data,
                                  uint32_t len, uint8_t *result, uint32_t result_len)
{
    uint8_t out[2 + DATA_MAX] = {class, command}, in[1 + 64];
    uint32_t used;

    assert_true(len <= DATA_MAX && result_len <= 64);
    if (len)
        memcpy(out + 2, data, len);
    memset(in, NONE, sizeof(in));
    used = dq_xfer(ctrl_queue(b), out, 2 + len, in, 1 + result_len);
    assert_int_equal(used, in[0] == OK ? 1 + result_len : 1);
    if (result)
        memcpy(result, in + 1, result_len);
    return in[0];
}

static inline uint8_t ctrl(struct bench *b, uint8_t class, uint8_t command, const void *data,
                           uint32_t len)
{
    return ctrl_result(b, class, command, data, len, NULL, 0);
}

static inline uint8_t ctrl8(struct bench *b, uint8_t class, uint8_t command, uint8_t v)
{
    return ctrl(b, class, command, &v, 1);
}

/* With a number of n bytes, in the order of the path. */
static inline uint8_t ctrl_num(struct bench *b, uint8_t class, uint8_t command, uint64_t v,
                               unsigned n)
{
    uint8_t raw[8];

    order_store(b->d.order, raw, n, v);
    return ctrl(b, class, command, raw, n);
}

#endif
