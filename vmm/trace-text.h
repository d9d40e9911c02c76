/* SPDX-License-Identifier: MIT */
/* Records of a trace as words: names of registers, bits and fields, the same in all outputs. */
#ifndef VMM_TRACE_TEXT_H
#define VMM_TRACE_TEXT_H

#include <jansson.h>

#include "vmm/trace-read.h"

enum { TRACE_WORD = 64, TRACE_LINE = 512 };

/* Name of the kind of a record: "pop"; "point 77" in buf for one that is not known. */
const char *trace_kind(const struct trace_rec *rec, char buf[TRACE_WORD]);

/* "device_status", "queue_desc_lo", "capacity+4", or "bar4+0x3000" where no register is named. */
void trace_register(const struct trace_file *f, const struct trace_rec *rec, char buf[TRACE_WORD]);

/* Of a register record: "modern" and so on, "window" (through configuration space), "bar1". */
void trace_interface(const struct trace_file *f, const struct trace_rec *rec, char buf[TRACE_WORD]);

/* One value as it is printed for people. */
void trace_value(const struct trace_file *f, const struct trace_rec *rec, unsigned field,
                 char buf[TRACE_WORD]);

/* All that a record says, in one line without time, device and kind. */
void trace_line(const struct trace_file *f, const struct trace_rec *rec, char buf[TRACE_LINE]);

/* The same as an object, with time, device and kind; NULL without memory. */
json_t *trace_json(const struct trace_file *f, const struct trace_rec *rec);

#endif
