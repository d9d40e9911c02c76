// SPDX-License-Identifier: MIT
/*
 * Owns the target of traces: read, told, compared with itself, drawn and, where the first byte says
 * so, done again to devices.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/dev.h"
#include "tests/fuzz/targets.h"
#include "vmm/base/bits.h"
#include "vmm/trace-diff.h"
#include "vmm/trace-perfetto.h"
#include "vmm/trace-replay.h"
#include "vmm/trace-run.h"
#include "vmm/trace-text.h"

enum { MAX = 16384, MOST = 3, REPLAY = 1 };

static void record_look(const struct trace_file *f, const struct trace_rec *rec)
{
    char line[TRACE_LINE], word[TRACE_WORD], buf[32];
    json_t *o;
    char *text;

    trace_line(f, rec, line);
    if (strlen(line) >= sizeof(line))
        fuzz_fail("a line of %zu bytes", strlen(line));
    trace_kind(rec, word);
    trace_register(f, rec, word);
    trace_file_source(f, rec->source, buf);
    trace_file_thread(f, rec->thread, buf);
    o = trace_json(f, rec);
    text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    if (!text)
        fuzz_fail("a record that is no JSON");
    free(text);
    json_decref(o);
}

static void look(const struct trace_file *f, FILE *to)
{
    struct trace_diff all = {.reads = true};
    struct trace_rec rec;

    for (size_t i = 0; i < trace_file_count(f); i++) {
        trace_file_get(f, i, &rec);
        record_look(f, &rec);
    }
    for (size_t i = 0; i < trace_file_defines(f); i++)
        trace_file_define(f, i, &rec);
    memset(all.kind, true, sizeof(all.kind));
    if (trace_diff_print(f, f, &all, to) != 0)
        fuzz_fail("a trace differs from itself");
    trace_perfetto_write(f, to);
}

static void run(const uint8_t *data, size_t len)
{
    struct fuzz_in in = {data, len};
    const uint8_t how = fuzz_u8(&in);
    struct err err = {""};
    struct trace_file *f = trace_file_parse(in.p, in.left, "input", &err);
    struct replay_counts counts = {0};
    FILE *to;

    if (!f) {
        if (!err.text[0])
            fuzz_fail("refused without a word");
        return;
    }
    to = fopen("/dev/null", "we");
    look(f, to);
    if (how & REPLAY && trace_replay_run(f, to, MOST, &counts, &err) < 0 && !err.text[0])
        fuzz_fail("not replayed, without a word");
    fclose(to);
    trace_file_close(f);
}

/* ---- seeds: what a driver does with a device ---- */

static void words_record(struct bench *b, const char *options, size_t len)
{
    trace_define(TRACE_OPTIONS, TRACE_NONE, NULL, 0, options, len);
    trace_run_machine(&b->m->mem, pci_root_layout(b->m->root));
    trace_run_device(b->vp);
}

static void drive(struct bench *b)
{
    const struct fuzz_dev *dev = &fuzz_dev_balloon;

    bench_init(b);
    dev->works(b);
    b->d.ops->status_set(&b->d, 0);
    drv_reset(&b->d);
}

static void seed(struct fuzz_seeds *to, const char *name, unsigned combo)
{
    static const char options[] = "--balloon\0on\0--rng\0none\0--net\0none\0--kernel\0x";
    char path[] = "/tmp/vmm-trace-XXXXXX";
    const int fd = mkstemp(path);
    static struct bench b;
    uint8_t data[MAX] = {REPLAY};
    ssize_t n;

    bench_open(&b, fuzz_dev_balloon.kind, &combos[combo], NULL, 0);
    if (fd < 0 || trace_open(path, TRACE_GROUPS, 0, NULL) < 0)
        fuzz_fail("%s", path);
    words_record(&b, options, sizeof(options));
    drive(&b);
    trace_close();
    bench_close(&b, fuzz_dev_balloon.kind);
    n = pread(fd, data + 1, sizeof(data) - 1, 0);
    close(fd);
    unlink(path);
    fuzz_seed(to, name, data, (size_t)n + 1);
}

static void seeds(struct fuzz_seeds *to)
{
    seed(to, "modern", 0);
    seed(to, "legacy", 3);
    seed(to, "packed", 8);
}

const struct fuzz_target fuzz_trace = {"trace", MAX, run, seeds};
