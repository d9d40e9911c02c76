// SPDX-License-Identifier: MIT
/*
 * `vmm bisect` as a whole, on machines that are this program again: started as "run", it takes the
 * options as vmm run does, and has the fault that the environment names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace.h"
#include "vmm/bisect.h"
#include "vmm/config.h"

enum { ARGS = 24, BOOTS_MAX = 40 };

/* ---- the machine ---- */

static const struct {
    unsigned bit;
    const char *name;
    bool accepted;
} features[] = {
    {5, "mac", true},        {6, "blk_size", true},       {9, "flush", true},
    {12, "mq", false},       {15, "mrg_rxbuf", true},     {16, "status", true},
    {17, "ctrl_vq", true},   {28, "indirect_desc", true}, {29, "event_idx", true},
    {32, "version_1", true}, {34, "ring_packed", true},   {40, "ring_reset", true},
};

static const struct reg rows[] = {{.off = 0, .size = 4, .name = "device_status"}};
static const struct regs common = {.name = "common", .row = rows, .n = 1, .size = 4};

static void record(const struct config *config)
{
    const uint16_t none = TRACE_NO_QUEUE;
    uint64_t offered = 0, accepted = 0;
    uint8_t data[4] = {0};
    uint16_t s;

    if (trace_open(config->trace, TRACE_BASE, 0, NULL) < 0)
        exit(1);
    s = trace_source("disk0");
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const uint64_t bit = features[i].bit;

        offered |= BIT64(bit);
        accepted |= features[i].accepted ? BIT64(bit) : 0;
        trace_define(TRACE_FEATURE, s, &bit, 1, features[i].name, strlen(features[i].name));
    }
    trace_define(TRACE_DEVICE, s, (const uint64_t[]){2, 8, 1, offered, 0}, 5, "", 0);
    trace_define(TRACE_BAR, s, (const uint64_t[]){4}, 1, "modern", 6);
    trace_access_begin(s, 4, 0, 4);
    regs_read(&common, NULL, &regs_little, 0, data, sizeof(data));
    trace_access_end(false, data, sizeof(data));
    TRACE(STATUS, s, none, 0, 1);
    TRACE(FEATURES, s, none, accepted, 0, true);
    if (!trace_close())
        exit(1);
}

static bool off(const struct config *config, const char *name)
{
    const char *list = config->virtio_off;

    while (list && *list) {
        const size_t len = strcspn(list, "+");

        if (len == strlen(name) && strncasecmp(list, name, len) == 0)
            return true;
        list += len + (list[len] != '\0');
    }
    return false;
}

static bool legacy(const struct config *config)
{
    return strcmp(config->interface, "legacy") == 0;
}

/* How often has a machine of this test been booted before? */
static unsigned boots_before(void)
{
    FILE *f = fopen(getenv("BISECT_COUNT"), "a");
    unsigned n;

    fputc('x', f);
    n = (unsigned)ftell(f) - 1;
    fclose(f);
    return n;
}

static bool fault_pair(const struct config *c)
{
    return !off(c, "event_idx") && !off(c, "indirect_desc");
}

static bool fault_either(const struct config *c)
{
    return !off(c, "ring_packed") || !off(c, "blk_size");
}

static bool fault_unaccepted(const struct config *c)
{
    return !off(c, "mq");
}

static bool fault_interface(const struct config *c)
{
    return !legacy(c);
}

static bool fault_both(const struct config *c)
{
    return !legacy(c) || !off(c, "flush");
}

static bool fault_modern(const struct config *c)
{
    return !c->modern_only && strcmp(c->interface, "modern") != 0;
}

static bool fault_always(const struct config *c)
{
    (void)c;
    return true;
}

static bool fault_never(const struct config *c)
{
    (void)c;
    return false;
}

/* What was found by the sixth boot no longer holds. */
static bool fault_varies(const struct config *c)
{
    return boots_before() > 5 || fault_pair(c);
}

/* Without mac, event_idx leads to a third thing. */
static bool fault_unclear(const struct config *c)
{
    if (off(c, "mac") && !off(c, "event_idx"))
        exit(0);
    return fault_pair(c);
}

static const struct fault {
    const char *name;
    bool (*bad)(const struct config *c);
} faults[] = {
    {"pair", fault_pair},           {"either", fault_either}, {"unaccepted", fault_unaccepted},
    {"interface", fault_interface}, {"both", fault_both},     {"modern", fault_modern},
    {"always", fault_always},       {"never", fault_never},   {"varies", fault_varies},
    {"unclear", fault_unclear},
};

/* BISECT_HOW: how a bad machine ends: "BAD" is said, "end" without a word, "hang", "refuse" to
 * start. */
static int machine(int argc, char **argv)
{
    const char *fault = getenv("BISECT_FAULT"), *how = getenv("BISECT_HOW");
    struct config config;
    struct err err = {""};
    bool bad = false;

    if (config_parse(&config, argc, argv, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (config.trace)
        record(&config);
    if (!config.snapshot || !config.control || strcmp(config.control, "off") != 0)
        return 1;
    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
        if (strcmp(faults[i].name, fault) == 0)
            bad = faults[i].bad(&config);
    config_free(&config);
    if (bad && strcmp(how, "refuse") == 0)
        return 1;
    if (bad && strcmp(how, "end") == 0)
        return 0;
    if (!bad || strcmp(how, "hang") != 0)
        printf("guest: BA%s\n", bad ? "D" : "BY IS GOOD");
    fflush(stdout);
    for (;;)
        pause();
}

/* ---- asking ---- */

static char said[1 << 16];
static const char *limit = "20s";

/* Returns the exit status; what was printed is in said. more: words for bisect, ends with NULL. */
static int bisect(const char *fault, const char *how, const char *const *more)
{
    const char *words[ARGS] = {"bisect", "--kernel", "x",       "--disk", "y",
                               "--good", "GOOD",     "--limit", limit};
    char *argv[ARGS], count[] = "/tmp/vmm-bisect-count-XXXXXX", out[] = "/tmp/vmm-bisect-XXXXXX";
    const int counter = mkstemp(count), to = mkstemp(out), before = dup(1);
    int argc = 9, status;
    ssize_t n;

    for (; more && *more; more++)
        words[argc++] = *more;
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    setenv("BISECT_FAULT", fault, 1);
    setenv("BISECT_HOW", how, 1);
    setenv("BISECT_COUNT", count, 1);
    fflush(stdout);
    dup2(to, 1);
    status = bisect_main(argc, argv);
    if (getenv("BISECT_SHOW"))
        fprintf(stderr, "%s: status %d\n", fault, status);
    fflush(stdout);
    dup2(before, 1);
    n = pread(to, said, sizeof(said) - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    if (getenv("BISECT_SHOW"))
        fputs(said, stderr);
    close(before);
    close(counter);
    close(to);
    unlink(count);
    unlink(out);
    return status;
}

static void says(const char *text)
{
    if (!strstr(said, text))
        fail_msg("'%s' is not in\n%s", text, said);
}

static unsigned boots(void)
{
    unsigned n = 0;

    for (const char *at = said; (at = strstr(at, " s  ")); at++)
        n++;
    return n;
}

static void finds(const char *fault, const char *const *more, const char *good, const char *needs,
                  unsigned at_most)
{
    const int status = bisect(fault, "BAD", more);

    if (status != BISECT_FOUND)
        fail_msg("status %d:\n%s", status, said);
    says(good);
    says(needs);
    if (boots() > at_most)
        fail_msg("%u boots are too many:\n%s", boots(), said);
}

static const char *const told[] = {"--bad", "BAD", NULL};

static void found(void **state)
{
#if VMM_LEGACY
    static const char *const as_modern[] = {"--bad", "BAD", "--as", "modern", NULL};
    static const char *const from_legacy[] = {"--interface", "legacy", "--bad", "BAD", NULL};
#endif

    (void)state;
    finds("pair", told, "good with:   --virtio-off indirect_desc\n",
          "needs:       indirect_desc+event_idx together\n", 20);
    finds("either", told, "good with:   --virtio-off blk_size+ring_packed\n",
          "needs:       blk_size\n", 20);
    finds("unaccepted", told, "good with:   --virtio-off mq\n", "needs:       mq\n", 20);
#if VMM_LEGACY
    finds("interface", told, "good with:   --interface legacy\n", "needs:       interface=", 20);
    finds("both", told, "good with:   --interface legacy --virtio-off flush\n",
          "needs:       ", 20);
    finds("modern", told, "good with:   --interface modern\n", "needs:       interface=", 20);
    finds("modern", as_modern, "good with:   --interface modern\n", "needs:       interface=", 20);
    finds("modern", from_legacy, "good with:   --interface modern\n",
          "needs:       interface=", 20);
#endif
    finds("unclear", told, "good with:   --virtio-off ",
          "needs:       mac+indirect_desc+event_idx together\n", 30);
}

/* How a bad boot ends does not matter, if the bad text is not given. */
static void silent(void **state)
{
    static const char *const among[] = {"--among", "event_idx+mq+indirect_desc", NULL};

    (void)state;
    assert_int_equal(bisect("pair", "end", NULL), BISECT_FOUND);
    says("--virtio-off indirect_desc\n");
    says("ended without the text");
    limit = "300ms";
    assert_int_equal(bisect("pair", "hang", among), BISECT_FOUND);
    limit = "20s";
    says("--virtio-off indirect_desc\n");
    says("did not end within --limit");
}

/* What is looked at, and what is withheld anyway. */
static void narrowed(void **state)
{
    static const char *const among[] = {"--among", "Event_Idx+mac+flush", "--bad", "BAD", NULL};
    static const char *const anyway[] = {"--virtio-off", "mac+flush+mq", "--bad", "BAD", NULL};
    static const char *const modern[] = {"--modern-only", "--bad", "BAD", NULL};
    static const char *const in_vain[] = {"--among", "mac+flush+interface", "--bad", "BAD", NULL};

    (void)state;
    finds("pair", among, "good with:   --virtio-off event_idx\n", "needs:       event_idx\n", 9);
    finds("pair", anyway, "good with:   --virtio-off mac+flush+mq+indirect_desc\n",
          "needs:       indirect_desc+event_idx together\n", 20);
    finds("pair", modern, "good with:   --modern-only --virtio-off indirect_desc\n",
          "needs:       indirect_desc+event_idx together\n", 20);
    assert_int_equal(bisect("pair", "BAD", in_vain), BISECT_NONE);
    says("not good either with all");
}

static void no_answer(void **state)
{
    (void)state;
    assert_int_equal(bisect("never", "BAD", told), BISECT_NONE);
    says("it is good as it is");
    assert_int_equal(boots(), 1);
    assert_int_equal(bisect("always", "BAD", told), BISECT_NONE);
    says("not good either with all features withheld");
    assert_int_equal(bisect("always", "end", told), BISECT_NONE);
    says("neither the good nor the bad text");
    assert_int_equal(bisect("varies", "BAD", told), BISECT_VARIES);
    says("outcomes vary");
}

static void refused(void **state)
{
    static const char *const unknown[] = {"--nonsense", NULL};
    static const char *const trace[] = {"--trace", "x", NULL};
    static const char *const as[] = {"--as", "nonsense", NULL};
    static const char *const among[] = {"--among", "mac+nonsense", NULL};
    static const char *const two[] = {"--modern-only", "--interface", "modern", NULL};
    static const char *const console[] = {"--console", "serial,to=null", NULL};
    static const char *const *const bad[] = {unknown, trace, as, among, two, console};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(bisect("pair", "BAD", bad[i]), BISECT_FAILED);
        assert_int_equal(boots(), 0);
    }
    assert_int_equal(bisect("pair", "refuse", told), BISECT_FAILED);
    assert_int_equal(boots(), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),     cmocka_unit_test(silent),  cmocka_unit_test(narrowed),
        cmocka_unit_test(no_answer), cmocka_unit_test(refused),
    };

    if (argc > 1 && strcmp(argv[1], "run") == 0)
        return machine(argc - 1, argv + 1);
    return cmocka_run_group_tests_name("bisect", tests, NULL, NULL);
}
