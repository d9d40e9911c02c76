/* SPDX-License-Identifier: MIT */
/*
 * What the user asked for: the options of `vmm run` as plain data, and the tables that they are
 * parsed from, explained by and documented with.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/backend/display.h"
#include "devices/backend/net-slirp.h"
#include "devices/input.h"
#include "virtio/fault.h"
#include "virtio/vdev.h"
#include "vmm/base/err.h"
#include "vmm/base/opts.h"

enum {
    CONFIG_SERIAL_MAX = 20,
    CONFIG_QUEUES_MAX = 16,
    CONFIG_NAME_MAX = 64,
    CONFIG_WORD_MAX = 15,
    CONFIG_PORTS_MAX = 30,
    CONFIG_OFF_MAX = 1023,
    CONFIG_FAULTS_MAX = 32,
};

/* What every virtio device has to choose. */
struct config_virtio {
    char interface[CONFIG_WORD_MAX + 1]; /* "": the default */
    struct vfeat ask, withhold;          /* vdev_ask(), vdev_withhold() */
    char off[CONFIG_OFF_MAX + 1];        /* withhold_apply(), "": nothing */
};

enum config_console { CONSOLE_SERIAL, CONSOLE_VIRTIO };

enum config_sandbox { CONFIG_SANDBOX_USUAL, CONFIG_SANDBOX_ON, CONFIG_SANDBOX_OFF };

/* Where a character stream goes on the host. */
enum config_stream_kind { CONFIG_TTY, CONFIG_PTY, CONFIG_SOCKET, CONFIG_FILE, CONFIG_NULL };

struct config_stream {
    enum config_stream_kind kind;
    char *path; /* of sockets and files, else NULL */
};

/* A named port of the guest's. */
struct config_port {
    char name[CONFIG_NAME_MAX + 1];
    struct config_stream to;
};

struct config_rng {
    bool none;
    char *source;  /* NULL: the host's kernel */
    uint64_t rate; /* bytes a second, 0: as they come */
    struct config_virtio virtio;
};

struct config_balloon {
    bool on;
    bool deflate_on_oom, reporting;
    struct config_virtio virtio;
};

enum { CONFIG_INPUTS_MAX = 8 };

struct config_input {
    enum input_kind kind;
    struct config_virtio virtio;
};

/* Who looks at the guest's screens. NONE: there are no screens; MEMORY: nobody. */
enum config_display_kind {
    CONFIG_DISPLAY_NONE,
    CONFIG_DISPLAY_MEMORY,
    CONFIG_DISPLAY_PNG,
    CONFIG_DISPLAY_SDL
};

struct config_display {
    enum config_display_kind kind;
    char *dir;              /* png */
    uint32_t width, height; /* pixels */
    unsigned screens;
    struct config_virtio virtio;
};

enum config_cache { CACHE_WRITEBACK, CACHE_DIRECT, CACHE_UNSAFE };
enum config_werror { WERROR_REPORT, WERROR_ENOSPC, WERROR_STOP };

struct config_disk {
    char *path;
    bool read_only;
    bool snapshot;
    char serial[CONFIG_SERIAL_MAX + 1];
    unsigned block_size;      /* bytes, 0: not given */
    unsigned queues;          /* 0: not given */
    bool discard, no_discard; /* neither: not said */
    bool prealloc;
    enum config_cache cache;
    enum config_werror werror;
    bool rerror_stop;
    struct config_virtio virtio;
};

enum config_net_kind { CONFIG_NET_USER, CONFIG_NET_TAP, CONFIG_NET_PASST };

struct config_net {
    enum config_net_kind kind;
    struct net_slirp_forward *forward; /* user */
    unsigned n_forwards;
    char ifname[16]; /* tap; "": the kernel names it */
    bool vhost;      /* tap: the kernel's accelerator */
    char *socket;    /* passt */
    bool mac_given;
    uint8_t mac[NET_MAC];
    char *dump;      /* NULL: none */
    uint16_t mtu;    /* bytes, 0: not given */
    unsigned queues; /* pairs, 0: not given */
    struct config_virtio virtio;
};

struct config {
    struct config_disk *disk;
    unsigned n_disks;
    enum config_console console;
    struct config_stream console_to;
    struct config_virtio console_virtio;
    struct config_port *port;
    unsigned n_ports;
    struct config_virtio port_virtio; /* of the device that has the ports */
    struct config_rng rng;
    struct config_balloon balloon;
    struct config_input input[CONFIG_INPUTS_MAX];
    unsigned n_inputs;
    struct config_display display;
    struct config_net *net;
    unsigned n_nets;
    bool no_net;                          /* the user said so */
    const char *net_dump;                 /* of the first network; NULL: none */
    const char *kernel, *initrd, *append; /* NULL: not given */
    uint64_t mem;                         /* bytes */
    unsigned cpus;
    bool modern_only;
    char interface[CONFIG_WORD_MAX + 1]; /* of devices that are not told, "": the default */
    const char *virtio_off;              /* as config_virtio.off, of every device; NULL: nothing */
    bool snapshot;                       /* every disk */
    bool no_reboot;
    const char *dump_dtb; /* NULL: run */
    const char *name;     /* NULL: none */
    const char *control;  /* where the control socket is: a path, "off", NULL: by the name */
    enum config_sandbox sandbox;
    enum log_level log;
    bool lint, lint_error, lint_advice;
    char *trace; /* file to record to; NULL: none */
    unsigned trace_groups;
    struct fault_rule *fault; /* of devices that are to misbehave */
    unsigned n_faults;
};

/* Options of `vmm run`; conf is a struct config. */
extern const struct opt config_run_opts[];
/* Words of --disk behind the file; conf is a struct config_disk. */
extern const struct opt config_disk_opts[];
/* Words of --net behind the first; conf is a struct config_net. */
extern const struct opt config_net_opts[];
/* Words of --port; conf is a struct config, the last port is meant. */
extern const struct opt config_port_opts[];
/* Words of --rng; conf is a struct config. */
extern const struct opt config_rng_opts[];
/* Words of --balloon behind the first; conf is a struct config. */
extern const struct opt config_balloon_opts[];
/* Words of --display behind the first; conf is a struct config. */
extern const struct opt config_display_opts[];
/* Words of --console behind the first; conf is a struct config. */
extern const struct opt config_console_opts[];

/* Words of --lint; conf is a struct config. */
extern const struct opt config_lint_opts[];

/* Words of --trace behind the file; conf is a struct config. */
extern const struct opt config_trace_opts[];

/* Words of --fault behind the first; conf is a struct config, the last rule is meant. */
extern const struct opt config_fault_opts[];

/* Words of all of these, for their virtio device; conf is a struct config_virtio. */
extern const struct opt config_virtio_opts[];

/* All tables of words, for help and manual page; ends with a NULL option. */
struct config_group {
    const char *option, *where; /* "--disk", "behind the file" */
    const struct opt *words;
};
extern const struct config_group config_groups[];

/* Defaults, then argv (argv[0] is skipped). Strings point into argv. 0 or -errno with err filled;
 * config_free() either way. */
int config_parse(struct config *config, int argc, char *const *argv, struct err *err);
void config_free(struct config *config);
/* Forget the rules of --fault. */
void config_fault_free(struct config *config);

#endif
