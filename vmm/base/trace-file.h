/* SPDX-License-Identifier: MIT */
/* The numbers of a trace file, docs/trace-format.md. All little-endian. */
#ifndef VMM_BASE_TRACE_FILE_H
#define VMM_BASE_TRACE_FILE_H

#include "vmm/base/le.h"

#define TRACE_MAGIC "vmmtrace"

enum { TRACE_VERSION = 1, TRACE_HEAD_BYTES = 16 };

/* The file begins with it. */
struct trace_header {
    char magic[8];
    le32_t version;
    le32_t bytes;      /* of this header: records begin there */
    le64_t start_ns;   /* CLOCK_MONOTONIC, as all times of records */
    le64_t start_wall; /* nanoseconds since 1970, the same moment */
    le32_t groups;     /* enum trace_group */
    le32_t points;     /* how many the writer knew */
};

/* Every record begins with it; then one le64_t per field, then bytes, padded to 8 with zeros. */
struct trace_head {
    le16_t len; /* bytes of the record, a multiple of 8 */
    uint8_t point;
    uint8_t thread;
    le16_t source;
    le16_t queue;
    le64_t time_ns;
};

#endif
