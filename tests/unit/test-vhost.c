// SPDX-License-Identifier: MIT
/*
 * The kernel's accelerator: what is said where there is none; where there is one (as root in the
 * lab), a ring with frames that it takes to a tap device, stopped and gone on with.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/net.h"
#include "devices/backend/vhost.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum { DESC = 0, AVAIL = 0x1000, USED = 0x2000, FRAME = 0x3000, SIZE = 4, WAIT_MS = 5000 };

static struct vhost *vhost_or_skip(void)
{
    struct err err = {{0}};
    struct vhost *v = vhost_kernel.open(&err);

    if (!v)
        skip();
    return v;
}

static void test_refusal(void **state)
{
    struct err err = {{0}};
    struct vhost *v = vhost_kernel.open(&err);

    (void)state;
    vhost_kernel.close(v);
    if (v)
        return;
    assert_non_null(strstr(err.text, "vhost=on"));
    assert_non_null(strstr(err.text, "/dev/vhost-net"));
}

static int tap_open(void)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int tap_header(int tap)
{
    int bytes = 0;

    assert_int_equal(ioctl(tap, TUNGETVNETHDRSZ, &bytes), 0);
    return bytes;
}

/* One more frame of 60 bytes with its header, in one descriptor. */
static void frame_add(uint8_t *ram, unsigned header, uint16_t idx)
{
    uint8_t *desc = ram + DESC + 16 * (idx % SIZE), *avail = ram + AVAIL;

    le64_store(desc, FRAME);
    le32_store(desc + 8, header + 60);
    le32_store(desc + 12, 0);
    le16_store(avail + 4 + 2 * (idx % SIZE), idx % SIZE);
    __atomic_store_n((uint16_t *)(void *)(avail + 2), htole16((uint16_t)(idx + 1)),
                     __ATOMIC_RELEASE);
}

static bool used_reaches(uint8_t *ram, int call, uint16_t idx)
{
    struct pollfd p = {.fd = call, .events = POLLIN};
    uint64_t n;

    while (le16_load(ram + USED + 2) != idx) {
        if (poll(&p, 1, WAIT_MS) != 1)
            return false;
        if (read(call, &n, sizeof(n)) < 0)
            return false;
    }
    return true;
}

static void test_ring(void **state)
{
    static const uint64_t features[] = {BIT64(32), 0}; /* long headers, short ones */
    struct vhost *v = vhost_or_skip();
    struct gmem mem = {0};
    struct vhost_ring ring = {.size = SIZE};
    uint8_t *ram;
    const int tap = tap_open();

    (void)state;
    if (tap < 0) {
        vhost_kernel.close(v);
        skip();
    }
    assert_true(vhost_kernel.features(v) >> 32 & 1);
    assert_int_equal(gmem_alloc(&mem, 0, 1 << 16, NULL), 0);
    ram = mem.region[0].host;
    ring.kick = eventfd(0, EFD_NONBLOCK);
    ring.call = eventfd(0, EFD_NONBLOCK);
    ring.broken = eventfd(0, EFD_NONBLOCK);
    ring.desc = ram + DESC;
    ring.avail = ram + AVAIL;
    ring.used = ram + USED;
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const unsigned header = features[i] ? NET_HEADER : 10;

        memset(ram, 0, 1 << 16);
        ring.base = 0;
        assert_int_equal(vhost_kernel.begin(v, features[i], &mem), 0);
        for (uint16_t k = 0; k < 3; k++) { /* stopped after each: it goes on where it was */
            frame_add(ram, header, k);
            assert_int_equal(vhost_kernel.attach(v, VHOST_TX, &ring, tap), 0);
            assert_int_equal(tap_header(tap), header);
            assert_true(used_reaches(ram, ring.call, k + 1));
            assert_int_equal(vhost_kernel.detach(v, VHOST_TX), k + 1);
            frame_add(ram, header, k + 1);
            assert_int_equal(le16_load(ram + USED + 2), k + 1);
            ring.base = k + 1;
        }
        vhost_kernel.end(v, tap);
        assert_int_equal(tap_header(tap), NET_HEADER);
    }
    close(ring.kick);
    close(ring.call);
    close(ring.broken);
    close(tap);
    vhost_kernel.close(v);
    gmem_free(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
