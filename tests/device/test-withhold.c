// SPDX-License-Identifier: MIT
/* Features by name: what off= and --virtio-off take, and what they do to a device. */
#include <errno.h>
#include <string.h>

#include "devices/balloon.h"
#include "tests/device/blk-bench.h"
#include "vmm/config.h"
#include "vmm/withhold.h"

enum { ANY_LAYOUT = 27, NOTIFY_ON_EMPTY = 24 };

static int apply(struct bench *b, const char *all, const char *own, struct err *err)
{
    int ret;

    drv_reset(&b->d);
    loop_lock(b->loop);
    ret = withhold_apply(b->dev, all, own, err);
    loop_unlock(b->loop);
    return ret;
}

/* What one list says for all devices and another for this one adds up; dependants go, too. */
static void by_name(struct bench *b)
{
    const uint64_t before = b->d.ops->offered(&b->d);
    const uint64_t bits = BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC) |
                          BIT64(F_FLUSH) | BIT64(F_CONFIG_WCE) | BIT64(ANY_LAYOUT);
    struct err err = {""};

    assert_int_equal(apply(b, "Event_Idx+mrg_rxbuf+any_layout", "INDIRECT_DESC,flush", &err), 0);
    assert_int_equal(b->d.ops->offered(&b->d), before & ~bits);
    bench_init(b);
    disk_reads(b, 3, 1024);
    assert_int_equal(apply(b, NULL, "", &err), 0);
    assert_int_equal(b->d.ops->offered(&b->d), before & ~bits);
    if (!VMM_LEGACY)
        return;
    assert_int_equal(apply(b, NULL, "notify_on_empty", &err), 0);
    assert_int_equal(b->d.ops->offered(&b->d), before & ~bits & ~BIT64(NOTIFY_ON_EMPTY));
}

static void own_must_fit(struct bench *b)
{
    const uint64_t before = b->d.ops->offered(&b->d);
    struct err err = {""};

    assert_int_equal(apply(b, NULL, "event_idx+mrg_rxbuf", &err), -EINVAL);
    assert_non_null(strstr(err.text, "disk0: off=mrg_rxbuf: virtio-blk has no such feature"));
    assert_non_null(strstr(err.text, "write_zeroes"));
    assert_null(strstr(err.text, "csum"));
    assert_int_equal(apply(b, NULL, "ro", &err), 0); /* known, not offered: a warning */
    assert_int_equal(b->d.ops->offered(&b->d), before);
}

static int parse(struct config *config, const char *option, const char *value, struct err *err)
{
    char *argv[] = {(char *)(uintptr_t) "run", (char *)(uintptr_t) "--kernel",
                    (char *)(uintptr_t) "x", (char *)(uintptr_t)option, (char *)(uintptr_t)value};

    err->text[0] = '\0';
    return config_parse(config, ARRAY_SIZE(argv), argv, err);
}

static void refused(const char *option, const char *value, const char *says)
{
    struct config config;
    struct err err;

    assert_int_equal(parse(&config, option, value, &err), -EINVAL);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    config_free(&config);
}

static void options(struct bench *b)
{
    struct config config;
    struct err err;

    (void)b;
    refused("--virtio-off", "event_idx+nonsense", "no device has a feature 'nonsense'");
    refused("--virtio-off", "nonsense", "mrg_rxbuf"); /* all are listed */
    refused("--virtio-off", "nonsense", "speed_duplex");
    refused("--virtio-off", "mq+Version_1", "version_1 cannot be withheld");
    refused("--virtio-off", "mq++status", "a name is missing");
    refused("--virtio-off", "mq+", "a name is missing");
    refused("--disk", "x,off=nonsense", "no device has a feature 'nonsense'");
    refused("--disk", "x,off=version_1", "cannot be withheld");
    refused("--console", "serial,off=mq", "only virtio");
    assert_int_equal(parse(&config, "--virtio-off", "Event_IDX+mq", &err), 0);
    assert_string_equal(config.virtio_off, "Event_IDX+mq");
    config_free(&config);
    assert_int_equal(parse(&config, "--disk", "x,off=event_idx+mq,ro", &err), 0);
    assert_string_equal(config.disk[0].virtio.off, "event_idx+mq");
    config_free(&config);
}

/* Ports share a device. */
static void ports(struct bench *b)
{
    const char *words[] = {"run",
                           "--kernel",
                           "x",
                           "--port",
                           "name=a,to=null,off=size",
                           "--port",
                           "name=b,to=null,off=event_idx"};
    char *argv[ARRAY_SIZE(words)];
    struct config config;
    struct err err = {""};

    (void)b;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        argv[i] = (char *)(uintptr_t)words[i];
    assert_int_equal(config_parse(&config, ARRAY_SIZE(words), argv, &err), 0);
    assert_string_equal(config.port_virtio.off, "size+event_idx");
    config_free(&config);
}

/* ---- the balloon ---- */

static void *balloon_conf(struct bench *b)
{
    static const struct balloon_conf conf = {.deflate_on_oom = true, .reporting = true};

    (void)b;
    return (void *)(uintptr_t)&conf;
}

/* What the queues are depends on what was accepted; the first two are always there. */
static void balloon_works(struct bench *b)
{
    const uint64_t mark = drv_mark(&b->d), at = drv_alloc(&b->d, 4096, 4096);
    uint8_t page[4];

    *(uint8_t *)drv_mem(&b->d, at, 1) = 0x5c;
    order_store(b->d.order, page, sizeof(page), at / 4096);
    for (unsigned queue = 0; queue < 2; queue++)
        assert_int_equal(dq_xfer(&b->d.q[queue], page, sizeof(page), NULL, 0), 0);
    assert_int_equal(*(uint8_t *)drv_mem(&b->d, at, 1), 0);
    drv_rewind(&b->d, mark);
}

static void each_of_balloon(struct bench *b)
{
    bench_withhold(b, balloon_works);
}

int main(void)
{
    const struct bench_kind balloon_kind = {&balloon_type, "balloon0", balloon_conf, NULL};
    static const struct bench_test balloon_tests[] = {{"each", each_of_balloon, 0, NULL}};
    int failed;

    static const struct bench_test tests[] = {
        {"by_name", by_name, 0, NULL},
        {"own_must_fit", own_must_fit, BENCH_ONCE, NULL},
        {"options", options, BENCH_ONCE | BENCH_RAW, NULL},
        {"ports", ports, BENCH_ONCE | BENCH_RAW, NULL},
    };

    failed = bench_run("withhold", &disk_kind, tests, ARRAY_SIZE(tests));
    failed += bench_run("withhold-balloon", &balloon_kind, balloon_tests, 1);
    return failed;
}
