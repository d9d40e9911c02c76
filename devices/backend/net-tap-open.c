// SPDX-License-Identifier: MIT
/*
 * Owns how a tap device is opened, and what to say when that fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/net-tap-internal.h"

#define TUN_PATH "/dev/net/tun"

enum { MTU_USUAL = 1500, SPEED_NONE = 10 /* what tap devices say when nobody set one */ };

static const char *ifname_of(const struct net_tap_conf *conf)
{
    return conf->ifname ? conf->ifname : "a new one";
}

static int open_failed(const struct net_tap_conf *conf, const char *name, int code, struct err *err)
{
    const char *multi = conf->pairs > 1 ? " multi_queue" : "";

    switch (code) {
    case EPERM:
    case EACCES:
        return err_set(err, code,
                       "%s: tap device %s: not permitted. As root once: 'ip tuntap add dev %s mode "
                       "tap user YOU%s'; or give vmm CAP_NET_ADMIN; or use --net user",
                       name, ifname_of(conf), conf->ifname ? conf->ifname : "NAME", multi);
    case EBUSY:
        return err_set(err, code, "%s: tap device %s: another program uses it", name,
                       ifname_of(conf));
    case EINVAL:
        return err_set(err, code,
                       "%s: %s is not a tap device%s; make one with 'ip tuntap add dev %s mode "
                       "tap user YOU%s'",
                       name, ifname_of(conf), conf->pairs > 1 ? " of several queues" : "",
                       ifname_of(conf), multi);
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return err_set(err, code,
                       "%s: there is no " TUN_PATH ": load the module tun, or use --net user",
                       name);
    default:
        return err_errno(err, code, "%s: tap device %s", name, ifname_of(conf));
    }
}

/* One descriptor of the interface; the first call may name it. 0 or -errno. */
static int fd_open(struct tap *tap, bool multi, int *out)
{
    const int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi ? IFF_MULTI_QUEUE : 0);
    const int size = NET_HEADER, little = 1;
    struct ifreq req = {.ifr_flags = (short)flags};
    const int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int ret;

    if (fd < 0)
        return -errno;
    memcpy(req.ifr_name, tap->ifname, IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &req) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ||
        ioctl(fd, TUNSETVNETLE, &little) < 0) {
        ret = -errno;
        close(fd);
        return ret;
    }
    memcpy(tap->ifname, req.ifr_name, IFNAMSIZ);
    *out = fd;
    return 0;
}

/* An interface made with multi_queue must be opened so even for one. */
static int queues_open(struct tap *tap)
{
    bool multi = tap->net.pairs > 1;
    int ret = fd_open(tap, multi, &tap->queue[0].fd);

    if (ret == -EINVAL && !multi) {
        multi = true;
        ret = fd_open(tap, multi, &tap->queue[0].fd);
    }
    tap->queue[0].attached = ret == 0;
    for (unsigned i = 1; ret == 0 && i < tap->net.pairs; i++) {
        ret = fd_open(tap, multi, &tap->queue[i].fd);
        tap->queue[i].attached = ret == 0;
        if (ret == 0) /* until the guest wants it, nothing may be steered there */
            ret = tap_queue_attach(&tap->queue[i], false);
    }
    return ret;
}

static bool offload_works(const struct tap *tap, uint32_t set)
{
    return ioctl(tap->queue[0].fd, TUNSETOFFLOAD, tap_offload_flags(set)) == 0;
}

/* Older kernels refuse the set if they do not know one of it. */
static void offloads_probe(struct tap *tap)
{
    static const uint32_t each[] = {NET_TSO4, NET_TSO6, NET_ECN | NET_TSO4, NET_UFO, NET_USO};

    if (offload_works(tap, NET_CSUM))
        tap->can = NET_CSUM;
    for (unsigned i = 0; tap->can && i < sizeof(each) / sizeof(each[0]); i++)
        if (offload_works(tap, NET_CSUM | each[i]))
            tap->can |= each[i];
    ioctl(tap->queue[0].fd, TUNSETOFFLOAD, 0);
}

/* Ask or tell about the interface; a socket of any kind does. */
static int ifreq_do(const struct tap *tap, unsigned long what, struct ifreq *req)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int ret;

    if (fd < 0)
        return -errno;
    memcpy(req->ifr_name, tap->ifname, IFNAMSIZ);
    ret = ioctl(fd, what, req) < 0 ? -errno : 0;
    close(fd);
    return ret;
}

static int mtu_settle(struct tap *tap, uint16_t want, struct err *err)
{
    struct ifreq req = {.ifr_mtu = want};
    struct ifreq now = {.ifr_mtu = MTU_USUAL};
    int ret = want ? ifreq_do(tap, SIOCSIFMTU, &req) : 0;

    ifreq_do(tap, SIOCGIFMTU, &now);
    if (ret < 0 && now.ifr_mtu < want)
        return err_errno(err, -ret,
                         "%s: tap device %s has an MTU of %d; type 'ip link set %s mtu %u' as root",
                         tap->net.name, tap->ifname, now.ifr_mtu, tap->ifname, want);
    if (want)
        tap->net.mtu = want;
    else if (now.ifr_mtu != MTU_USUAL && now.ifr_mtu > 0 && now.ifr_mtu <= UINT16_MAX)
        tap->net.mtu = (uint16_t)now.ifr_mtu;
    return 0;
}

static void speed_ask(struct tap *tap)
{
    char path[64];
    unsigned speed;
    FILE *f;

    snprintf(path, sizeof(path), "/sys/class/net/%.15s/speed", tap->ifname);
    f = fopen(path, "re");
    if (!f)
        return;
    if (fscanf(f, "%u", &speed) == 1 && speed > SPEED_NONE && speed <= INT32_MAX)
        tap->net.speed = speed;
    fclose(f);
}

/* An interface that we made is ours to set up. */
static void link_settle(struct tap *tap, bool made)
{
    struct ifreq req = {.ifr_flags = 0};

    if (ifreq_do(tap, SIOCGIFFLAGS, &req) < 0)
        return;
    if (made && !(req.ifr_flags & IFF_UP)) {
        req.ifr_flags |= IFF_UP;
        if (ifreq_do(tap, SIOCSIFFLAGS, &req) < 0)
            return;
    }
    tap->net.up = req.ifr_flags & IFF_UP;
}

static int tap_start(struct tap *tap, const struct net_tap_conf *conf, struct err *err)
{
    const bool made = !conf->ifname || !if_nametoindex(conf->ifname);
    int ret = queues_open(tap);

    if (ret < 0)
        return open_failed(conf, tap->net.name, -ret, err);
    ret = mtu_settle(tap, conf->mtu, err);
    if (ret < 0)
        return ret;
    offloads_probe(tap);
    speed_ask(tap);
    link_settle(tap, made);
    tap->watch = net_watch_new(tap->net.loop, if_nametoindex(tap->ifname), tap_watched, tap);
    if (!tap->watch)
        return err_errno(err, errno, "%s: cannot watch the tap device %s", tap->net.name,
                         tap->ifname);
    log_msg(LOG_INFO, "%s: tap device %s%s", tap->net.name, tap->ifname, made ? ", new" : "");
    return 0;
}

struct net *net_tap_open(const struct net_tap_conf *conf, const char *name, struct loop *loop,
                         struct err *err)
{
    struct tap *tap = calloc(1, sizeof(*tap));

    if (!tap) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    tap->net = (struct net){.ops = &tap_ops, .name = name, .loop = loop, .pairs = conf->pairs};
    for (unsigned i = 0; i < conf->pairs; i++)
        tap->queue[i] = (struct tap_queue){.tap = tap, .fd = -1};
    snprintf(tap->ifname, sizeof(tap->ifname), "%s", conf->ifname ? conf->ifname : "vmm%d");
    if (tap_start(tap, conf, err) < 0) {
        tap_close(&tap->net);
        return NULL;
    }
    return &tap->net;
}
