/* SPDX-License-Identifier: MIT */
/*
 * A trace file in memory: its records in the order of time, and the names that they refer to. The
 * file may come from anywhere: whatever it holds, nothing here crashes or grows beyond a small
 * multiple of its size.
 */
#ifndef VMM_TRACE_READ_H
#define VMM_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/trace.h"

struct trace_file;

/* One record. point may be TRACE_POINTS or more: from a later version, with its numbers only. */
struct trace_rec {
    uint64_t time; /* nanoseconds since the file begins; 0 for what is older */
    unsigned point;
    unsigned thread;
    uint16_t source, queue;
    unsigned n; /* values; for a known point its fields, without the number of bytes */
    uint64_t value[TRACE_FIELDS];
    const uint8_t *bytes; /* TEXT and BYTES: not terminated, any bytes */
    size_t n_bytes;
};

/* A register block that the file names. */
struct trace_row {
    uint64_t off, width;
    char *name;
};

struct trace_table {
    char *name;
    uint64_t bytes;
    unsigned n;
    struct trace_row *row; /* as they came */
};

/* NULL with err filled: it cannot be read, or is no trace. A file that ends in the middle of a
 * record is one up to there. */
struct trace_file *trace_file_open(const char *path, struct err *err);
/* The same from memory, which is copied; name: for messages. */
struct trace_file *trace_file_parse(const void *data, size_t len, const char *name,
                                    struct err *err);
void trace_file_close(struct trace_file *f);

/* Records without those about the file itself (TRACE_CLASS_FILE), but with TRACE_LOST. */
size_t trace_file_count(const struct trace_file *f);
void trace_file_get(const struct trace_file *f, size_t i, struct trace_rec *rec);

/* Those about the file itself, in its order. */
size_t trace_file_defines(const struct trace_file *f);
void trace_file_define(const struct trace_file *f, size_t i, struct trace_rec *rec);

/* Wall-clock time of its beginning, nanoseconds since 1970; groups recorded. */
uint64_t trace_file_wall(const struct trace_file *f);
unsigned trace_file_groups(const struct trace_file *f);

/* Was it closed properly; how many records were lost; what cannot be read at its end (bytes). */
bool trace_file_ended(const struct trace_file *f);
uint64_t trace_file_lost(const struct trace_file *f);
size_t trace_file_rest(const struct trace_file *f);

/* Names, printable. "-" for no source, "source 7" and so on in buf for what the file does not name.
 */
const char *trace_file_source(const struct trace_file *f, unsigned source, char buf[32]);
const char *trace_file_thread(const struct trace_file *f, unsigned thread, char buf[32]);
/* The thread's vCPU, or TRACE_NO_CPU. */
uint64_t trace_file_cpu(const struct trace_file *f, unsigned thread);
/* The block of that number, or NULL. */
const struct trace_table *trace_file_table(const struct trace_file *f, uint64_t table);
/* The source of that name, or -1. */
int trace_file_find(const struct trace_file *f, const char *name);
/* What a BAR of a source is: "modern"; NULL if the file does not say. */
const char *trace_file_bar(const struct trace_file *f, unsigned source, uint64_t bar);

/* The name of a feature that a source offered; NULL if the file does not say. */
const char *trace_file_feature(const struct trace_file *f, unsigned source, unsigned bit);

#endif
