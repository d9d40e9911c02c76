// SPDX-License-Identifier: MIT
/* Owns the target of command lines: words with zero bytes between, to the tables of options. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/targets.h"
#include "vmm/base/bits.h"
#include "vmm/config-compare.h"
#include "vmm/config.h"

enum { WORDS = 64, MAX = 2048 };

/* argv of at most WORDS words and a NULL; text is cut up. */
static int words_split(char *text, size_t len, char **argv)
{
    int argc = 0;

    argv[argc++] = text + len; /* the program's name */
    for (char *p = text; p < text + len && argc < WORDS; p += strlen(p) + 1)
        argv[argc++] = p;
    argv[argc] = NULL;
    return argc;
}

static void options_run(int argc, char **argv)
{
    struct config config;
    struct err err = {""};

    if (config_parse(&config, argc, argv, &err) < 0 && !err.text[0])
        fuzz_fail("refused without a word");
    config_free(&config);
}

static void compare_run(int argc, char **argv)
{
    struct compare_opts opts;
    struct err err = {""};
    char *rest[WORDS + 1];
    int n = 0;

    if (config_compare_parse(&opts, argc, argv, rest, &n, &err) < 0 && !err.text[0])
        fuzz_fail("compare refused without a word");
    if (n < 0 || n > argc)
        fuzz_fail("compare: %d of %d words are left", n, argc);
}

static void run(const uint8_t *data, size_t len)
{
    char *text = (char *)malloc(len + 1), *argv[WORDS + 1];
    int argc;

    memcpy(text, data, len);
    text[len] = '\0';
    argc = words_split(text, len, argv);
    options_run(argc, argv);
    compare_run(argc, argv);
    free(text);
}

static const char *const lines[] = {
    "--disk a.img,ro,serial=x,queues=2,cache=direct --mem 1G --cpus 2 --no-reboot",
    "--disk a,,b.img,snapshot,block_size=4096,discard=off,interface=legacy --name m --log debug",
    "--kernel k --initrd i --append x --net user,forward=tcp:127.0.0.1:8080-80 --net-dump f",
    "--kernel k --net tap,ifname=t0,vhost=on,mac=52:54:00:12:34:56,queues=4,mtu=9000",
    "--kernel=k --net passt,socket=/s --console virtio,to=pty --port name=a.b,to=socket:/x",
    "--kernel k --rng source=/dev/x,rate=1M --balloon on,reporting=off,deflate_on_oom=on",
    "--kernel k --fault short_used,device=disk0,queue=1,after=3,every=2,percent=5,seed=9",
    "--kernel k --trace f,dma,exits --virtio-off event_idx+indirect_desc --interface modern",
    "--disk a,off=flush+discard,packed=on,in_order=on --control off --modern-only --snapshot",
    "--interfaces legacy,modern --runs 3 --until login: --json - --html x --disk a",
};

static void seeds(struct fuzz_seeds *to)
{
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        const size_t len = strlen(lines[i]);
        char text[256], name[8];

        for (size_t k = 0; k < len; k++)
            text[k] = lines[i][k] == ' ' ? '\0' : lines[i][k];
        name[0] = (char)('a' + i);
        name[1] = '\0';
        fuzz_seed(to, name, text, len);
    }
}

const struct fuzz_target fuzz_options = {"options", MAX, run, seeds};
