// SPDX-License-Identifier: MIT
/*
 * Owns libslirp: its clock and timers, its sockets on the loop, and the frames between it and the
 * front end. Refuses to understand what is in a frame beyond its type.
 *
 * libslirp says anew before each wait which sockets it wants to hear of. What it wants changes only
 * when it is entered, so whoever enters it posts `settle`, which runs once after the batch, carries
 * the difference into an epoll set of its own and arms the timer. The set is one source of the
 * loop: an idle network costs a turn a second, which is the longest that libslirp wants to wait.
 *
 * libslirp checks frames itself and drops bad ones, but it has its own faults. It is shown only
 * what it has reason to see: ARP, whole IPv4 packets and IPv6 of at most the MTU, on a copy.
 *
 * It opens a socket for whatever the guest asks for, and keeps one of UDP for minutes. They share
 * half of the descriptors that the process may have; at that, frames that would open one more are
 * dropped, and clients of forwarded ports wait.
 */
#include "devices/backend/net-slirp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/backend/net-queue.h"
#include "devices/backend/slirp-flow.h"
#include "devices/backend/slirp-lib.h"
#include "vmm/base/bits.h"

enum {
    QUEUE_FRAMES = 1024, /* to the guest; more are lost */
    QUEUE_HIGH = 256,    /* from here on the host's sockets wait */
    TURN_EVENTS = 64,
    DHCP_FIRST = 15,
    MTU_DEFAULT = 1500,
    ETHERNET_HEADER = 14,
    VLAN_TAG = 4,
    FRAME_MAX = UINT16_MAX + ETHERNET_HEADER + VLAN_TAG,
};

struct slirp_watch {
    uint32_t wanted; /* SLIRP_POLL_*, as of the last question */
    uint32_t events; /* EPOLL*, as in the set; 0: not in it */
    uint32_t ready;  /* SLIRP_POLL_* */
    bool live;       /* libslirp has it open */
    bool door;       /* a forwarded port: who is let in takes another descriptor */
    struct slirp_flow flow;
};

struct slirp_timer {
    struct loop_timer *timer;
    SlirpTimerCb fn;
    void *arg;
    struct net_slirp *owner;
};

struct net_slirp {
    struct net net;
    Slirp *slirp;
    struct net_queue queue;
    int set; /* epoll */
    struct loop_fd *set_src;
    struct loop_timer *timer;
    uint64_t due_ns; /* of the timer, on clock_ns(); 0: off */
    struct loop_work settle;
    struct slirp_watch *watch; /* by descriptor */
    int n_watches;
    size_t frame_max;
    unsigned live, budget;     /* descriptors: libslirp's, and what all networks may have */
    struct slirp_flow opening; /* whose socket opens now, if one does */
    bool opening_door;
    bool listening, news, told;
    struct log_limit limit;
    uint8_t frame[FRAME_MAX];
};

const bool net_slirp_built = true;

/* libslirp keeps its clock and the name server in globals, and each card has a thread. */
static pthread_mutex_t globals = PTHREAD_MUTEX_INITIALIZER;

/* Descriptors of all networks' libslirps. A guest has one limit, however many cards it has. */
static atomic_uint all_live;

static void settle_post(struct net_slirp *s)
{
    loop_post(s->net.loop, &s->settle);
}

/* ---- what libslirp asks of us; called from inside it ---- */

static ssize_t on_packet(const void *frame, size_t len, void *opaque)
{
    struct net_slirp *s = (struct net_slirp *)opaque;

    if (!net_queue_put(&s->queue, frame, len))
        s->net.lost++;
    s->news = true;
    settle_post(s);
    return (ssize_t)len; /* lost is lost: TCP sends it again */
}

static void on_guest_error(const char *message, void *opaque)
{
    struct net_slirp *s = (struct net_slirp *)opaque;

    log_limited(&s->limit, LOG_DEBUG, "%s: %s", s->net.name, message);
}

static int64_t on_clock(void *opaque)
{
    (void)opaque;
    return (int64_t)clock_ns();
}

static void timer_ready(void *arg)
{
    struct slirp_timer *t = (struct slirp_timer *)arg;

    pthread_mutex_lock(&globals);
    t->fn(t->arg);
    pthread_mutex_unlock(&globals);
    settle_post(t->owner);
}

static void *on_timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
    struct net_slirp *s = (struct net_slirp *)opaque;
    struct slirp_timer *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    *t = (struct slirp_timer){.fn = fn, .arg = arg, .owner = s};
    t->timer = loop_timer_new(s->net.loop, timer_ready, t);
    if (!t->timer) {
        free(t);
        return NULL;
    }
    return t;
}

static void on_timer_free(void *timer, void *opaque)
{
    struct slirp_timer *t = (struct slirp_timer *)timer;

    (void)opaque;
    if (!t)
        return;
    loop_timer_del(t->timer);
    free(t);
}

static void on_timer_mod(void *timer, int64_t at_ms, void *opaque)
{
    const int64_t after = at_ms * 1000000 - (int64_t)clock_ns();

    (void)opaque;
    if (timer)
        loop_timer_set(((struct slirp_timer *)timer)->timer, after > 0 ? (uint64_t)after : 1);
}

static bool watches_grow(struct net_slirp *s, int fd)
{
    const int n = fd + 64;
    struct slirp_watch *more;

    if (fd < s->n_watches)
        return true;
    more = realloc(s->watch, (size_t)n * sizeof(*more));
    if (!more)
        return false;
    memset(more + s->n_watches, 0, (size_t)(n - s->n_watches) * sizeof(*more));
    s->watch = more;
    s->n_watches = n;
    return true;
}

/* A descriptor ends: what the set knew of that number is void. */
static void on_closed(int fd, void *opaque)
{
    struct net_slirp *s = (struct net_slirp *)opaque;

    if (fd < 0 || fd >= s->n_watches)
        return;
    if (s->watch[fd].events)
        epoll_ctl(s->set, EPOLL_CTL_DEL, fd, NULL);
    if (s->watch[fd].live) {
        s->live--;
        atomic_fetch_sub(&all_live, 1);
    }
    s->watch[fd] = (struct slirp_watch){0};
}

static void on_opened(int fd, void *opaque)
{
    struct net_slirp *s = (struct net_slirp *)opaque;

    on_closed(fd, opaque);
    if (fd < 0 || !watches_grow(s, fd))
        return;
    s->live++;
    atomic_fetch_add(&all_live, 1);
    s->watch[fd].live = true;
    s->watch[fd].flow = s->opening;
    s->watch[fd].door = s->opening_door;
}

static void on_notify(void *opaque)
{
    settle_post((struct net_slirp *)opaque);
}

static const SlirpCb callbacks = {
    .send_packet = on_packet,
    .guest_error = on_guest_error,
    .clock_get_ns = on_clock,
    .timer_new = on_timer_new,
    .timer_free = on_timer_free,
    .timer_mod = on_timer_mod,
    .register_poll_fd = on_opened,
    .unregister_poll_fd = on_closed,
    .notify = on_notify,
};

/* ---- its sockets on the loop ---- */

/* The descriptor is the index that libslirp asks with later. */
static int on_wanted(int fd, int events, void *opaque)
{
    struct net_slirp *s = (struct net_slirp *)opaque;

    if (fd < 0 || !watches_grow(s, fd))
        return -1;
    if (!s->watch[fd].live) /* a forwarded port's: those it does not tell of before */
        on_opened(fd, opaque);
    s->watch[fd].wanted |= (uint32_t)events;
    return fd;
}

static int on_ready(int fd, void *opaque)
{
    const struct net_slirp *s = (const struct net_slirp *)opaque;

    return fd >= 0 && fd < s->n_watches ? (int)s->watch[fd].ready : 0;
}

static bool is_full(const struct net_slirp *s)
{
    return atomic_load(&all_live) >= s->budget;
}

/* With a full queue nothing is read that would only be lost. */
static uint32_t events_of(const struct net_slirp *s, const struct slirp_watch *w)
{
    const bool in = s->queue.n < QUEUE_HIGH && !(w->door && is_full(s));

    return (in && (w->wanted & SLIRP_POLL_IN) ? EPOLLIN : 0) |
           (w->wanted & SLIRP_POLL_OUT ? EPOLLOUT : 0) |
           (w->wanted & SLIRP_POLL_PRI ? EPOLLPRI : 0);
}

static uint32_t ready_of(uint32_t events)
{
    return (events & EPOLLIN ? SLIRP_POLL_IN : 0) | (events & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
           (events & EPOLLPRI ? SLIRP_POLL_PRI : 0) | (events & EPOLLERR ? SLIRP_POLL_ERR : 0) |
           (events & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

/* false: the set does not have it. A number may have been closed and given out again meanwhile. */
static bool set_put(const struct net_slirp *s, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};

    if (!events)
        return epoll_ctl(s->set, EPOLL_CTL_DEL, fd, NULL) < 0;
    if (epoll_ctl(s->set, EPOLL_CTL_MOD, fd, &ev) == 0)
        return true;
    return errno == ENOENT && epoll_ctl(s->set, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void watch_carry(struct net_slirp *s, int fd)
{
    struct slirp_watch *w = &s->watch[fd];
    const uint32_t events = events_of(s, w);

    w->wanted = 0;
    if (events != w->events)
        w->events = set_put(s, fd, events) ? events : 0;
}

/* It names a whole interval, however much of the last one is over: never put off what is due, or a
 * guest that sends more often than that would stop the clock. */
static void timer_arm(struct net_slirp *s, uint32_t ms)
{
    const uint64_t after = max_u64(ms, 1) * UINT64_C(1000000), due = clock_ns() + after;

    if (ms == UINT32_MAX || (s->due_ns && s->due_ns <= due))
        return;
    s->due_ns = due;
    loop_timer_set(s->timer, after);
}

static void wants_carry(struct net_slirp *s)
{
    uint32_t ms = UINT32_MAX;

    pthread_mutex_lock(&globals);
    libslirp.pollfds_fill(s->slirp, &ms, on_wanted, s);
    pthread_mutex_unlock(&globals);
    for (int fd = 0; fd < s->n_watches; fd++)
        watch_carry(s, fd);
    timer_arm(s, ms);
}

static void settle(void *arg)
{
    struct net_slirp *s = (struct net_slirp *)arg;

    if (s->news && s->listening && s->queue.n) {
        s->news = false;
        net_arrived(&s->net, 0);
    }
    wants_carry(s);
}

/*
 * Let libslirp do what is due, with those descriptors that are ready. What it needs beside an event
 * loop are sockets of the Internet's; it asks for files, too, but those it gets from elsewhere
 * (vmm/sandbox-filter.c).
 * #syscalls:user,main shutdown
 * #syscalls:user socket bind connect listen accept setsockopt getsockopt
 * #syscalls:user getsockname getpeername sendto recvfrom sendmsg recvmsg fcntl
 * #syscalls:user fstat newfstatat lseek gettimeofday
 * #ioctls:user FIONREAD FIONBIO SIOCATMARK
 */
static void poll_run(struct net_slirp *s, const struct epoll_event *ev, int n)
{
    s->due_ns = 0; /* what was due is done here */
    for (int i = 0; i < n; i++)
        s->watch[ev[i].data.fd].ready = ready_of(ev[i].events);
    pthread_mutex_lock(&globals);
    libslirp.pollfds_poll(s->slirp, 0, on_ready, s);
    pthread_mutex_unlock(&globals);
    for (int i = 0; i < n; i++)
        s->watch[ev[i].data.fd].ready = 0;
    settle_post(s);
}

static void set_ready(void *arg, uint32_t events)
{
    struct net_slirp *s = (struct net_slirp *)arg;
    struct epoll_event ev[TURN_EVENTS];
    const int n = epoll_wait(s->set, ev, TURN_EVENTS, 0);

    (void)events;
    if (n > 0)
        poll_run(s, ev, n);
}

static void timer_due(void *arg)
{
    poll_run((struct net_slirp *)arg, NULL, 0);
}

/* ---- what a front end asks of us ---- */

static bool flow_is_open(const struct net_slirp *s, const struct slirp_flow *flow)
{
    for (int fd = 0; fd < s->n_watches; fd++)
        if (s->watch[fd].live && memcmp(&s->watch[fd].flow, flow, sizeof(*flow)) == 0)
            return true;
    return false;
}

/* What has its socket goes on; more are not opened while there are too many. */
static bool frame_allowed(struct net_slirp *s, size_t len)
{
    const enum slirp_opens opens = slirp_flow_of(s->frame, len, &s->opening);

    if (opens == SLIRP_OPENS_NONE || !is_full(s))
        return true;
    if (opens == SLIRP_OPENS_UNLESS && flow_is_open(s, &s->opening))
        return true;
    s->net.lost++;
    if (!s->told)
        log_msg(LOG_WARN,
                "%s: the guest has %u connections open, and more would leave vmm without "
                "descriptors: new ones are dropped until some have ended",
                s->net.name, s->live);
    s->told = true;
    return false;
}

static int slirp_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    struct net_slirp *s = container_of(net, struct net_slirp, net);
    const size_t size = net_iov_size(iov, n);
    uint8_t header[NET_HEADER];
    size_t len;

    (void)pair;
    if (size < NET_HEADER + ETHERNET_HEADER || size > NET_HEADER + s->frame_max)
        return -EINVAL;
    net_iov_get(iov, n, 0, header, sizeof(header));
    if ((header[0] & NET_HDR_NEEDS_CSUM) || header[1] != NET_GSO_NONE)
        return -EINVAL; /* never agreed on */
    len = net_iov_get(iov, n, NET_HEADER, s->frame, sizeof(s->frame));
    if (!slirp_frame_known(s->frame, len) || !frame_allowed(s, len))
        return 0; /* as a network that has nobody who listens to it */
    pthread_mutex_lock(&globals);
    libslirp.input(s->slirp, s->frame, (int)len);
    pthread_mutex_unlock(&globals);
    s->opening = (struct slirp_flow){.version = 0};
    settle_post(s);
    return 0;
}

static int64_t slirp_receive(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    struct net_slirp *s = container_of(net, struct net_slirp, net);
    const int64_t len = net_queue_get(&s->queue, iov, n);

    (void)pair;
    if (len >= 0 && s->queue.n == QUEUE_HIGH - 1)
        settle_post(s); /* the host's sockets may go on */
    return len;
}

static void slirp_listen(struct net *net, unsigned pair, bool on)
{
    struct net_slirp *s = container_of(net, struct net_slirp, net);

    (void)pair;
    s->listening = on;
    s->news = on;
    if (on && s->queue.n)
        settle_post(s);
}

static void slirp_close(struct net *net)
{
    struct net_slirp *s = container_of(net, struct net_slirp, net);

    pthread_mutex_lock(&globals);
    if (s->slirp)
        libslirp.cleanup(s->slirp);
    pthread_mutex_unlock(&globals);
    atomic_fetch_sub(&all_live, s->live); /* none, unless it forgets to tell */
    loop_cancel(net->loop, &s->settle);
    loop_timer_del(s->timer);
    loop_fd_del(s->set_src);
    if (s->set >= 0)
        close(s->set);
    net_queue_clear(&s->queue);
    free(s->watch);
    free(s);
}

static const struct net_ops slirp_ops = {
    .name = "user",
    .send = slirp_send,
    .receive = slirp_receive,
    .listen = slirp_listen,
    .close = slirp_close,
};

/* ---- set-up ---- */

static bool host_has_ipv6(void)
{
    const struct sockaddr_in6 loopback = {.sin6_family = AF_INET6,
                                          .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has;

    if (fd < 0)
        return false;
    has = bind(fd, (const struct sockaddr *)&loopback, sizeof(loopback)) == 0;
    close(fd);
    return has;
}

static struct in_addr address(uint8_t last)
{
    return (struct in_addr){.s_addr = htonl(SLIRP_NETWORK | last)};
}

static Slirp *slirp_make(struct net_slirp *s, const struct net_slirp_conf *conf)
{
    SlirpConfig c = {
        .version = 1,
        .in_enabled = true,
        .vnetwork = address(0),
        .vnetmask = {.s_addr = htonl(0xffffff00u)},
        .vhost = address(2),
        .vnameserver = address(3),
        .vdhcp_start = address(DHCP_FIRST),
        .in6_enabled = host_has_ipv6(),
        .vprefix_len = 64,
        .vhostname = conf->host,
        .if_mtu = s->net.mtu ? s->net.mtu : MTU_DEFAULT,
        .if_mru = s->net.mtu ? s->net.mtu : MTU_DEFAULT,
    };
    Slirp *slirp;

    inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &c.vhost6);
    inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
    pthread_mutex_lock(&globals);
    slirp = libslirp.new(&c, &callbacks, s);
    pthread_mutex_unlock(&globals);
    return slirp;
}

static int forward_add(struct net_slirp *s, const struct net_slirp_forward *f, struct err *err)
{
    uint32_t ms = UINT32_MAX;
    int ret;

    if (f->udp) /* the guest's answers are of a flow as if it had opened it */
        s->opening =
            slirp_flow_ipv4(f->guest.s_addr ? f->guest : address(DHCP_FIRST), f->guest_port);
    s->opening_door = !f->udp;
    errno = 0;
    pthread_mutex_lock(&globals);
    ret = libslirp.add_hostfwd(s->slirp, f->udp, f->host, f->host_port, f->guest, f->guest_port);
    if (ret == 0)
        libslirp.pollfds_fill(s->slirp, &ms, on_wanted, s);
    pthread_mutex_unlock(&globals);
    s->opening = (struct slirp_flow){.version = 0};
    s->opening_door = false;
    if (ret == 0)
        return 0;
    return err_errno(err, errno ? errno : EADDRINUSE,
                     "%s: hostfwd=%s: cannot listen on %s port %u of the host", s->net.name,
                     f->text, f->udp ? "UDP" : "TCP", f->host_port);
}

/* GLib's own way to the log looks at files (which a sandbox ends the process for), and a guest can
 * make libslirp complain. */
static void on_complaint(const char *domain, int level, const char *text, void *arg)
{
    static struct log_limit limit;

    (void)level, (void)arg;
    log_limited(&limit, LOG_DEBUG, "%s: %s", domain ? domain : "libslirp", text);
}

static int slirp_start(struct net_slirp *s, const struct net_slirp_conf *conf, struct err *err)
{
    struct loop *loop = s->net.loop;
    int ret = 0;

    s->budget = slirp_flows_max();
    libslirp.log_set_handler(on_complaint, NULL);
    s->set = epoll_create1(EPOLL_CLOEXEC);
    s->timer = loop_timer_new(loop, timer_due, s);
    if (s->set >= 0)
        s->set_src = loop_fd_add(loop, s->set, EPOLLIN, set_ready, s);
    if (!s->timer || !s->set_src)
        return err_errno(err, errno, "%s: cannot set up the user-mode network", s->net.name);
    s->slirp = slirp_make(s, conf);
    if (!s->slirp)
        return err_set(err, EINVAL, "%s: libslirp %s refuses to start", s->net.name,
                       libslirp.version_string());
    for (unsigned i = 0; ret == 0 && i < conf->n_forwards; i++)
        ret = forward_add(s, &conf->forward[i], err);
    settle_post(s);
    return ret;
}

struct net *net_slirp_open(const struct net_slirp_conf *conf, const char *name, struct loop *loop,
                           struct err *err)
{
    struct net_slirp *s;

    if (libslirp_load(err) < 0)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    s->net = (struct net){
        .ops = &slirp_ops, .name = name, .loop = loop, .pairs = 1, .mtu = conf->mtu, .up = true};
    s->queue.max = QUEUE_FRAMES;
    s->settle = (struct loop_work){.fn = settle, .arg = s};
    s->frame_max = (conf->mtu ? conf->mtu : MTU_DEFAULT) + (size_t)ETHERNET_HEADER + VLAN_TAG;
    if (slirp_start(s, conf, err) < 0) {
        slirp_close(&s->net);
        return NULL;
    }
    return &s->net;
}
