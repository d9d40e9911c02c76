// SPDX-License-Identifier: MIT
/*
 * Owns the conversation with /dev/vhost-net. Refuses to know rings from the inside, and virtio.
 */
#include "devices/backend/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/backend/net.h"
#include "vmm/base/bits.h"

/* Bits with which a header has all its fields, and its length else. */
#define LONG_HEADER (BIT64(15) | BIT64(32))
enum { SHORT_HEADER = 10 };

#define VHOST_PATH "/dev/vhost-net"

/*
 * A driver that begins or ends does this from a vCPU.
 * #syscalls:vcpu,io eventfd2
 * #ioctls:vcpu,io VHOST_SET_MEM_TABLE VHOST_SET_FEATURES VHOST_SET_VRING_NUM VHOST_SET_VRING_BASE
 * #ioctls:vcpu,io VHOST_SET_VRING_ADDR VHOST_SET_VRING_CALL VHOST_SET_VRING_ERR
 * #ioctls:vcpu,io VHOST_SET_VRING_KICK VHOST_NET_SET_BACKEND VHOST_GET_VRING_BASE TUNSETVNETHDRSZ
 */

struct vhost {
    int fd;
    uint64_t features;
    unsigned header; /* bytes */
};

static int vhost_do(const struct vhost *v, unsigned long request, const void *arg)
{
    return ioctl(v->fd, request, arg) < 0 ? -errno : 0;
}

static void kernel_close(struct vhost *v)
{
    if (!v)
        return;
    if (v->fd >= 0)
        close(v->fd);
    free(v);
}

static int vhost_set_up(struct vhost *v, struct err *err)
{
    v->fd = open(VHOST_PATH, O_RDWR | O_CLOEXEC);
    if (v->fd < 0 && errno == EACCES)
        return err_set(err, EACCES,
                       "vhost=on: no permission for " VHOST_PATH
                       "; give the user access to it, or leave vhost=on away");
    if (v->fd < 0)
        return err_set(err, errno,
                       "vhost=on: cannot open " VHOST_PATH ": error %d; load the kernel's module "
                       "vhost_net (modprobe vhost_net), or leave vhost=on away",
                       errno);
    if (vhost_do(v, VHOST_SET_OWNER, NULL) < 0)
        return err_errno(err, errno, "vhost=on: " VHOST_PATH " cannot be used");
    if (vhost_do(v, VHOST_GET_FEATURES, &v->features) < 0)
        return err_errno(err, errno, "vhost=on: " VHOST_PATH " does not say what it can do");
    return 0;
}

static struct vhost *kernel_open(struct err *err)
{
    struct vhost *v = (struct vhost *)calloc(1, sizeof(*v));

    if (!v) {
        err_errno(err, ENOMEM, "vhost=on");
        return NULL;
    }
    v->fd = -1;
    if (vhost_set_up(v, err) == 0)
        return v;
    kernel_close(v);
    return NULL;
}

static uint64_t kernel_features(struct vhost *v)
{
    return v->features;
}

static int kernel_begin(struct vhost *v, uint64_t features, const struct gmem *mem)
{
    struct vhost_memory *table =
        calloc(1, sizeof(*table) + GMEM_REGIONS * sizeof(table->regions[0]));
    int ret;

    if (!table)
        return -ENOMEM;
    table->nregions = mem->n;
    for (unsigned i = 0; i < mem->n; i++)
        table->regions[i] = (struct vhost_memory_region){
            .guest_phys_addr = mem->region[i].base,
            .memory_size = mem->region[i].size,
            .userspace_addr = (uint64_t)(uintptr_t)mem->region[i].host};
    v->header = features & LONG_HEADER ? NET_HEADER : SHORT_HEADER;
    ret = vhost_do(v, VHOST_SET_MEM_TABLE, table);
    free(table);
    return ret < 0 ? ret : vhost_do(v, VHOST_SET_FEATURES, &features);
}

static int ring_file(const struct vhost *v, unsigned long request, unsigned ring, int fd)
{
    const struct vhost_vring_file file = {.index = ring, .fd = fd};

    return vhost_do(v, request, &file);
}

static int ring_state(const struct vhost *v, unsigned long request, unsigned ring, unsigned num)
{
    const struct vhost_vring_state state = {.index = ring, .num = num};

    return vhost_do(v, request, &state);
}

/* Everything but the tap: the ring does not move before it has one. */
static int ring_describe(const struct vhost *v, unsigned ring, const struct vhost_ring *r)
{
    const struct vhost_vring_addr addr = {.index = ring,
                                          .desc_user_addr = (uint64_t)(uintptr_t)r->desc,
                                          .avail_user_addr = (uint64_t)(uintptr_t)r->avail,
                                          .used_user_addr = (uint64_t)(uintptr_t)r->used};
    int ret = ring_state(v, VHOST_SET_VRING_NUM, ring, r->size);

    if (ret == 0)
        ret = ring_state(v, VHOST_SET_VRING_BASE, ring, r->base);
    if (ret == 0)
        ret = vhost_do(v, VHOST_SET_VRING_ADDR, &addr);
    if (ret == 0)
        ret = ring_file(v, VHOST_SET_VRING_CALL, ring, r->call);
    if (ret == 0)
        ret = ring_file(v, VHOST_SET_VRING_ERR, ring, r->broken);
    if (ret == 0)
        ret = ring_file(v, VHOST_SET_VRING_KICK, ring, r->kick);
    return ret;
}

static int header_set(int tap, unsigned header)
{
    const int bytes = (int)header;

    return ioctl(tap, TUNSETVNETHDRSZ, &bytes) < 0 ? -errno : 0;
}

static int kernel_attach(struct vhost *v, unsigned ring, const struct vhost_ring *r, int tap)
{
    const uint64_t one = 1;
    int ret = header_set(tap, v->header);

    if (ret == 0)
        ret = ring_describe(v, ring, r);
    if (ret == 0)
        ret = ring_file(v, VHOST_NET_SET_BACKEND, ring, tap);
    if (ret == 0 && write(r->kick, &one, sizeof(one)) < 0)
        return 0; /* so full of kicks that one more says nothing new */
    if (ret < 0)
        ring_file(v, VHOST_SET_VRING_KICK, ring, VHOST_FILE_UNBIND);
    return ret;
}

static int kernel_call(struct vhost *v, unsigned ring, int fd)
{
    return ring_file(v, VHOST_SET_VRING_CALL, ring, fd);
}

/* Without a tap the ring stands still, and what was under way has ended (in that call). */
static int kernel_detach(struct vhost *v, unsigned ring)
{
    struct vhost_vring_state state = {.index = ring};
    int ret = ring_file(v, VHOST_NET_SET_BACKEND, ring, VHOST_FILE_UNBIND);

    ring_file(v, VHOST_SET_VRING_KICK, ring, VHOST_FILE_UNBIND);
    ring_file(v, VHOST_SET_VRING_CALL, ring, VHOST_FILE_UNBIND);
    ring_file(v, VHOST_SET_VRING_ERR, ring, VHOST_FILE_UNBIND);
    if (ret == 0)
        ret = vhost_do(v, VHOST_GET_VRING_BASE, &state);
    return ret < 0 ? ret : (int)state.num;
}

static void kernel_end(struct vhost *v, int tap)
{
    (void)v;
    header_set(tap, NET_HEADER); /* a tap that is gone needs none */
}

const struct vhost_kind vhost_kernel = {
    .open = kernel_open,
    .close = kernel_close,
    .features = kernel_features,
    .begin = kernel_begin,
    .attach = kernel_attach,
    .call = kernel_call,
    .detach = kernel_detach,
    .end = kernel_end,
};
