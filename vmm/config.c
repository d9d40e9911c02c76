// SPDX-License-Identifier: MIT
/*
 * Owns the options of `vmm run`, one row each; words behind them have their own files. Refuses to
 * open anything.
 */
#include "vmm/config-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch-words.h"
#include "vmm/base/bits.h"
#include "vmm/withhold.h"

enum { DISPLAY_WIDTH = 1280, DISPLAY_HEIGHT = 800 };

#define MEM_DEFAULT (512 * MIB)
#define MEM_MIN     (64 * MIB)
#define RNG_RATE    (16 * MIB) /* more than guests need, and no burden on the host */

/* ---- for the files of options ---- */

/* A word out of a list, as its index. */
int config_word(const char *const *words, unsigned n, const char *value, const char *list,
                struct err *err)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(words[i], value) == 0)
            return (int)i;
    return err_set(err, EINVAL, "'%s' is not one of %s", value, list);
}

int config_on_off(const char *value, bool *on, struct err *err)
{
    static const char *const words[] = {"off", "on"};
    const int i = config_word(words, ARRAY_SIZE(words), value, "on, off", err);

    *on = i == 1;
    return i < 0 ? i : 0;
}

int config_name(const char *value, struct err *err)
{
    if (strlen(value) > CONFIG_NAME_MAX)
        return err_set(err, EINVAL, "'%s' is longer than %d bytes", value, CONFIG_NAME_MAX);
    for (const char *p = value; *p; p++)
        if (*p <= 0x20 || *p > 0x7e || *p == '/')
            return err_set(err, EINVAL, "'%s': no blanks, slashes or special characters", value);
    return 0;
}

/* ---- options of run ---- */

static int opt_kernel(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->kernel = value;
    return 0;
}

static int opt_initrd(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->initrd = value;
    return 0;
}

static int opt_append(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->append = value;
    return 0;
}

static int opt_net_dump(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->net_dump = value;
    return 0;
}

static int opt_mem(void *conf, const char *value, struct err *err)
{
    uint64_t size;
    int ret = opts_size(value, &size, err);

    if (ret < 0)
        return ret;
    if (size < MEM_MIN || size % MIB)
        return err_set(err, EINVAL, "'%s': a machine has at least 64M, in whole MiB", value);
    ((struct config *)conf)->mem = size;
    return 0;
}

static int opt_cpus(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    int ret = opts_number(value, 1, 4096, &n, err);

    if (ret == 0)
        ((struct config *)conf)->cpus = (unsigned)n;
    return ret;
}

static int opt_modern_only(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config *)conf)->modern_only = true;
    return 0;
}

static int opt_interface(void *conf, const char *value, struct err *err)
{
    return config_interface(((struct config *)conf)->interface, value, err);
}

static int opt_virtio_off(void *conf, const char *value, struct err *err)
{
    ((struct config *)conf)->virtio_off = value;
    return withhold_check(value, err);
}

static int opt_snapshot(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config *)conf)->snapshot = true;
    return 0;
}

static int opt_no_reboot(void *conf, const char *value, struct err *err)
{
    (void)value;
    (void)err;
    ((struct config *)conf)->no_reboot = true;
    return 0;
}

static int opt_dump_dtb(void *conf, const char *value, struct err *err)
{
    (void)err;
    ((struct config *)conf)->dump_dtb = value;
    return 0;
}

static int opt_name(void *conf, const char *value, struct err *err)
{
    ((struct config *)conf)->name = value;
    return config_name(value, err);
}

/* Without a slash it would be a name, and those come from --name. */
static int opt_control(void *conf, const char *value, struct err *err)
{
    if (strcmp(value, "off") != 0 && !strchr(value, '/'))
        return err_set(err, EINVAL, "'%s' is neither off nor a path; write ./%s", value, value);
    ((struct config *)conf)->control = value;
    return 0;
}

static int opt_sandbox(void *conf, const char *value, struct err *err)
{
    static const char *const word[] = {"on", "off"};
    const int i = config_word(word, ARRAY_SIZE(word), value, "on, off", err);

    if (i < 0)
        return i;
    ((struct config *)conf)->sandbox = i ? CONFIG_SANDBOX_OFF : CONFIG_SANDBOX_ON;
    return 0;
}

static int opt_log(void *conf, const char *value, struct err *err)
{
    int i = config_word(log_level_name, LOG_LEVELS, value, "error, warn, info, debug", err);

    if (i < 0)
        return i;
    ((struct config *)conf)->log = (enum log_level)i;
    return 0;
}

const struct opt config_run_opts[] = {
    {"--disk", "FILE[,ro][,snapshot][,WORD=VALUE]...",
     "a disk: a raw image file or a block device; the first one is booted from unless --kernel is "
     "given; may be repeated; a comma in FILE is written twice",
     config_disk, true},
    {"--net", "user|tap|passt|none[,WORD]...",
     "a network card and what it is plugged into; user (the default): the host's network by way of "
     "this process, without any rights, with addresses by DHCP; tap: an interface of the host; "
     "passt: a running passt; none: there is no card; words are below; may be repeated",
     config_net, true},
    {"--net-dump", "FILE",
     "write every frame of the first network to a file that Wireshark and tcpdump read",
     opt_net_dump, false},
    {"--console", "serial|virtio[,to=WHERE][,interface=WORD]",
     "the console that the guest's kernel uses: the serial port " ARCH_SERIAL
     " (default) or the virtio "
     "console hvc0; on the terminal unless to= says something else",
     config_console, false},
    {"--port", "name=TEXT,to=WHERE[,interface=WORD]",
     "a port that programs in the guest open as /dev/virtio-ports/TEXT; up to 30 of them",
     config_port, true},
    {"--rng", "none|[source=FILE][,rate=SIZE][,interface=WORD]",
     "the source of random numbers that the guest has; none: it has none", config_rng, false},
    {"--balloon", "on|off[,reporting=on|off][,deflate_on_oom=on|off][,interface=WORD]",
     "a memory balloon, through which the guest gives memory back to the host; off is the default",
     config_balloon, false},
    {"--input", "keyboard|mouse|tablet[,interface=WORD]",
     "a keyboard, a mouse, or a pointer that knows its place on the screen; 'vmm ctl' can type; "
     "may "
     "be repeated",
     config_input, true},
    {"--display", "none|memory|sdl|png:DIR[,size=WxH][,scanouts=N][,interface=WORD]",
     "the guest's screens, on a virtio GPU, and who looks at them; none (the default): there are "
     "no screens; memory: nobody, but 'vmm ctl NAME screendump' shows them; png: each change "
     "becomes a picture in the folder DIR, at most four a second; sdl: windows, with a keyboard "
     "and a tablet unless --input says otherwise",
     config_display, false},
    {"--kernel", "FILE", "boot this kernel (" ARCH_KERNELS ") instead of the disk's", opt_kernel,
     false},
    {"--initrd", "FILE", "initial RAM disk for --kernel", opt_initrd, false},
    {"--append", "TEXT", "add this to the kernel's command line", opt_append, false},
    {"--dump-dtb", "FILE",
     "write the device tree that the guest would get to FILE, and end (arm64; a machine that ACPI "
     "describes has none)",
     opt_dump_dtb, false},
    {"--mem", "SIZE", "RAM, from 64M; 512M is the default", opt_mem, false},
    {"--cpus", "N", "processors, from 1 (the default) to what KVM allows", opt_cpus, false},
    {"--modern-only", NULL,
     "virtio 1.x only, in the whole machine: no device has the legacy interface", opt_modern_only,
     false},
    {"--interface", "legacy|transitional|modern",
     "the interface of every device that is not told another and "
     "whose type has it",
     opt_interface, false},
    {"--virtio-off", "FEATURE[+FEATURE]...",
     "withhold these features, by their names in the specification (event_idx, indirect_desc, "
     "mrg_rxbuf), and what cannot be had without them, from the drivers of all devices that offer "
     "them; 'vmm bisect' finds out which ones matter",
     opt_virtio_off, false},
    {"--snapshot", NULL, "throw away what the guest writes to any disk", opt_snapshot, false},
    {"--no-reboot", NULL, "end instead of restarting when the guest asks for a restart",
     opt_no_reboot, false},
    {"--name", "TEXT",
     "a name for the machine, for 'vmm ctl' and shown in messages and process lists; without it "
     "'vmm ctl' knows the machine by its process number",
     opt_name, false},
    {"--control", "PATH|off",
     "where the machine's control socket is, instead of the place that goes with its name; or none",
     opt_control, false},
    {"--trace", "FILE[,dma][,exits][,replay]",
     "record what drivers do with their devices, for 'vmm trace'", config_trace, false},
    {"--lint", "[=error][,advice]",
     "tell which clauses of the virtio specification the guest's drivers break: each once, and all "
     "with their counts in the end; slower, as devices look twice",
     config_lint, false},
    {"--fault", "KIND[,device=NAME][,queue=N][,WORD=VALUE]...",
     "let devices misbehave, to see what a driver makes of it; KIND: refuse_features (FEATURES_OK "
     "is not granted), needs_reset (a device fails instead of taking a request), config_change (a "
     "field changes while it is read), late_interrupt, lost_interrupt, short_used (a used length "
     "is "
     "smaller than what was written), slow_queue (a request waits before it is taken); may be "
     "repeated",
     config_fault, true},
    {"--sandbox", "on|off",
     "what vmm keeps of its rights while the guest runs; on (the default): its open files, and the "
     "system calls that a thread of its kind needs; off: everything",
     opt_sandbox, false},
    {"--log", "error|warn|info|debug", "how much to tell on standard error; warn is the default",
     opt_log, false},
    {NULL, NULL, NULL, NULL, false},
};

const struct config_group config_groups[] = {
    {"--disk", "behind the file", config_disk_opts},
    {"--net", "behind the first", config_net_opts},
    {"--console", "behind the first", config_console_opts},
    {"--port", "in any order", config_port_opts},
    {"--rng", "in any order", config_rng_opts},
    {"--balloon", "behind on", config_balloon_opts},
    {"--display", "behind the first", config_display_opts},
    {"--trace", "behind the file", config_trace_opts},
    {"--lint", "in any order", config_lint_opts},
    {"--fault", "behind KIND", config_fault_opts},
    {"--disk, --net, --console virtio, --port, --rng, --balloon, --input, --display",
     "anywhere behind the first", config_virtio_opts},
    {NULL, NULL, NULL},
};

static int config_check(struct config *config, struct err *err)
{
    if (config->initrd && !config->kernel)
        return err_set(err, EINVAL,
                       "--initrd needs --kernel: a disk image is booted with its own initrd");
    if (!config->kernel && !config->n_disks)
        return err_set(err, EINVAL,
                       "nothing to boot: give --disk IMAGE, or --kernel FILE; see 'vmm help'");
    if (config->dump_dtb && !ARCH_TREE)
        return err_set(err, EINVAL,
                       "--dump-dtb: this machine has no device tree, its guest gets ACPI tables; "
                       "leave the option out, or use a vmm built for arm64");
    if (config->modern_only && config->interface[0])
        return err_set(err, EINVAL, "--interface and --modern-only exclude each other");
    for (unsigned i = 0; i < config->n_disks; i++)
        if (config->disk[i].read_only && config->disk[i].snapshot)
            return err_set(err, EINVAL, "--disk %s: ro and snapshot exclude each other",
                           config->disk[i].path);
    config_display_check(config);
    return config_net_check(config, err);
}

int config_parse(struct config *config, int argc, char *const *argv, struct err *err)
{
    int ret;

    *config = (struct config){
        .mem = MEM_DEFAULT,
        .cpus = 1,
        .log = LOG_WARN,
        .rng = {.rate = RNG_RATE},
        .display = {.width = DISPLAY_WIDTH, .height = DISPLAY_HEIGHT, .screens = 1}};
    ret = opts_parse(config_run_opts, argc, argv, config, NULL, err);
    return ret < 0 ? ret : config_check(config, err);
}

void config_free(struct config *config)
{
    for (unsigned i = 0; i < config->n_disks; i++)
        free(config->disk[i].path);
    free(config->disk);
    config_net_free(config);
    config_fault_free(config);
    for (unsigned i = 0; i < config->n_ports; i++)
        free(config->port[i].to.path);
    free(config->port);
    free(config->console_to.path);
    free(config->rng.source);
    free(config->display.dir);
    free(config->trace);
    config->disk = NULL;
    config->n_disks = 0;
    config->port = NULL;
    config->n_ports = 0;
}
