// SPDX-License-Identifier: MIT
/*
 * Owns what is known of a trace file once it was read. Trusts nothing in it. Refuses to know what
 * records mean, beyond those that give names.
 */
#include "vmm/trace-read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace-file.h"

enum {
    THREADS = 256,
    TABLES = 256,
    ROWS = 65536,
    BARS = 6,
    BITS = 128,
    SOURCES = 1024,  /* that have names: a machine has some dozens */
    PIECE = 1 << 20, /* what is read at a time */
};

struct source {
    char *name;
    char *bar[BARS];
    char **feature; /* names by bit, BITS of them; NULL: none */
};

struct thread {
    char *name;
    uint64_t cpu;
};

/* Where records lie in the file. */
struct places {
    uint64_t *at;
    size_t n, cap;
};

struct trace_file {
    uint8_t *data;
    size_t len, end; /* end: behind the last whole record */
    uint64_t start, wall, lost;
    unsigned groups, n_rows;
    bool ended;
    struct places order, defines;
    struct source *source; /* those that have names */
    unsigned n_sources;
    struct thread thread[THREADS];
    struct trace_table table[TABLES];
};

/* ---- one record ---- */

static bool has_bytes(unsigned point, unsigned n)
{
    const struct trace_field *last = n ? &trace_info[point].field[n - 1] : NULL;

    return last && (last->how == TRACE_AS_TEXT || last->how == TRACE_AS_BYTES);
}

static bool is_define(unsigned point)
{
    return point < TRACE_POINTS && trace_info[point].class == TRACE_CLASS_FILE;
}

/* The record at data, which is all there; false: its fields are not. */
static bool rec_parse(const uint8_t *data, struct trace_rec *rec)
{
    const unsigned words = (le16_load(data) - TRACE_HEAD_BYTES) / 8;
    const bool known = data[2] < TRACE_POINTS;
    const unsigned fields =
        known ? trace_fields(data[2]) : (unsigned)min_u64(words, (uint64_t)TRACE_FIELDS);

    *rec = (struct trace_rec){.time = le64_load(data + 8),
                              .point = data[2],
                              .thread = data[3],
                              .source = le16_load(data + 4),
                              .queue = le16_load(data + 6),
                              .n = fields};
    if (words < fields)
        return false;
    for (unsigned i = 0; i < fields; i++)
        rec->value[i] = le64_load(data + TRACE_HEAD_BYTES + (size_t)8 * i);
    if (!known || !has_bytes(rec->point, fields))
        return true;
    rec->n--;
    rec->n_bytes = rec->value[fields - 1];
    rec->bytes = data + TRACE_HEAD_BYTES + (size_t)8 * fields;
    return rec->n_bytes <= (size_t)8 * (words - fields);
}

static bool len_ok(unsigned len)
{
    return len >= TRACE_HEAD_BYTES && len % 8 == 0;
}

/* Length of the record at off; 0: there is no whole one. */
static unsigned rec_len(const struct trace_file *f, size_t off)
{
    unsigned len;

    if (!range_ok(off, TRACE_HEAD_BYTES, f->len))
        return 0;
    len = le16_load(f->data + off);
    return len_ok(len) && range_ok(off, len, f->len) ? len : 0;
}

static bool place_add(struct places *p, uint64_t at)
{
    uint64_t *more;

    if (p->n == p->cap) {
        more = realloc(p->at, (p->cap ? 2 * p->cap : 1024) * sizeof(*more));
        if (!more)
            return false;
        p->at = more;
        p->cap = p->cap ? 2 * p->cap : 1024;
    }
    p->at[p->n++] = at;
    return true;
}

/* ---- names ---- */

/* A printable copy, instead of what is at *to. */
static bool name_set(char **to, const uint8_t *bytes, size_t len)
{
    char *s = malloc(len + 1);

    if (!s)
        return false;
    for (size_t i = 0; i < len; i++)
        s[i] = bytes[i] > 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : bytes[i] == ' ' ? ' ' : '?';
    s[len] = '\0';
    free(*to);
    *to = s;
    return true;
}

static bool row_add(struct trace_file *f, const struct trace_rec *rec)
{
    struct trace_table *t;
    struct trace_row *more;

    if (rec->value[0] >= TABLES || f->n_rows >= ROWS)
        return true;
    t = &f->table[rec->value[0]];
    more = realloc(t->row, (t->n + 1) * sizeof(*more));
    if (!more)
        return false;
    t->row = more;
    more[t->n] = (struct trace_row){.off = rec->value[1], .width = rec->value[2]};
    t->n++;
    f->n_rows++;
    return name_set(&more[t->n - 1].name, rec->bytes, rec->n_bytes);
}

/* Room for what is known of source i. false: no memory. */
static bool source_room(struct trace_file *f, unsigned i)
{
    struct source *more;

    if (i < f->n_sources)
        return true;
    more = realloc(f->source, (i + 1) * sizeof(*more));
    if (!more)
        return false;
    memset(more + f->n_sources, 0, (i + 1 - f->n_sources) * sizeof(*more));
    f->source = more;
    f->n_sources = i + 1;
    return true;
}

static bool feature_set(struct trace_file *f, const struct trace_rec *rec)
{
    struct source *s = &f->source[rec->source];

    if (rec->value[0] >= BITS)
        return true;
    if (!s->feature)
        s->feature = calloc(BITS, sizeof(s->feature[0]));
    return s->feature && name_set(&s->feature[rec->value[0]], rec->bytes, rec->n_bytes);
}

static bool table_set(struct trace_file *f, const struct trace_rec *rec)
{
    if (rec->value[0] >= TABLES || f->table[rec->value[0]].name)
        return true;
    f->table[rec->value[0]].bytes = rec->value[1];
    return name_set(&f->table[rec->value[0]].name, rec->bytes, rec->n_bytes);
}

/* What the file says of itself; false: no memory. */
static bool define_take(struct trace_file *f, const struct trace_rec *rec)
{
    if (rec->source >= SOURCES)
        return true;
    if (!source_room(f, rec->source))
        return false;
    switch (rec->point) {
    case TRACE_SOURCE:
        return name_set(&f->source[rec->source].name, rec->bytes, rec->n_bytes);
    case TRACE_BAR:
        return rec->value[0] >= BARS ||
               name_set(&f->source[rec->source].bar[rec->value[0]], rec->bytes, rec->n_bytes);
    case TRACE_FEATURE:
        return feature_set(f, rec);
    case TRACE_THREAD:
        f->thread[rec->thread].cpu = rec->value[0];
        return name_set(&f->thread[rec->thread].name, rec->bytes, rec->n_bytes);
    case TRACE_TABLE:
        return table_set(f, rec);
    case TRACE_ROW:
        return row_add(f, rec);
    case TRACE_LOST:
        f->lost += rec->value[0];
        return true;
    case TRACE_END:
        f->ended = true;
        return true;
    default:
        return true;
    }
}

/* ---- reading ---- */

static uint64_t time_at(const struct trace_file *f, uint64_t at)
{
    return le64_load(f->data + at + 8);
}

static int place_compare(const void *a, const void *b, void *arg)
{
    const struct trace_file *f = (const struct trace_file *)arg;
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    const uint64_t tx = time_at(f, x), ty = time_at(f, y);

    if (tx != ty)
        return tx < ty ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* All whole records; those that make no sense are left out. */
static bool file_scan(struct trace_file *f, size_t off)
{
    struct trace_rec rec;
    unsigned len;

    for (; (len = rec_len(f, off)); off += len) {
        f->end = off + len;
        if (!rec_parse(f->data + off, &rec))
            continue;
        if (is_define(rec.point) && (!define_take(f, &rec) || !place_add(&f->defines, off)))
            return false;
        if ((!is_define(rec.point) || rec.point == TRACE_LOST) && !place_add(&f->order, off))
            return false;
    }
    if (f->order.n)
        qsort_r(f->order.at, f->order.n, sizeof(f->order.at[0]), place_compare, f);
    return true;
}

static int file_take(struct trace_file *f, const char *name, struct err *err)
{
    const struct trace_header *h = (const struct trace_header *)f->data;
    uint32_t bytes;

    if (f->len < sizeof(*h) || memcmp(h->magic, TRACE_MAGIC, sizeof(h->magic)) != 0)
        return err_set(err, EINVAL, "%s is not a trace that 'vmm run --trace' wrote", name);
    bytes = le32_get(h->bytes);
    if (le32_get(h->version) != TRACE_VERSION)
        return err_set(err, EINVAL, "trace %s has version %u of the format; this vmm reads %d",
                       name, le32_get(h->version), TRACE_VERSION);
    if (bytes < sizeof(*h) || bytes > f->len || bytes % 8)
        return err_set(err, EINVAL, "trace %s: its header is broken", name);
    f->start = le64_get(h->start_ns);
    f->wall = le64_get(h->start_wall);
    f->groups = le32_get(h->groups);
    f->end = bytes;
    for (unsigned i = 0; i < THREADS; i++)
        f->thread[i].cpu = TRACE_NO_CPU;
    return file_scan(f, bytes) ? 0 : err_errno(err, ENOMEM, "trace %s", name);
}

/* Takes data over. */
static struct trace_file *file_new(uint8_t *data, size_t len, const char *name, struct err *err)
{
    struct trace_file *f = calloc(1, sizeof(*f));

    if (!f) {
        free(data);
        err_errno(err, ENOMEM, "trace %s", name);
        return NULL;
    }
    f->data = data;
    f->len = len;
    if (file_take(f, name, err) < 0) {
        trace_file_close(f);
        return NULL;
    }
    return f;
}

struct trace_file *trace_file_parse(const void *data, size_t len, const char *name, struct err *err)
{
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy) {
        err_errno(err, ENOMEM, "trace %s", name);
        return NULL;
    }
    memcpy(copy, data, len);
    return file_new(copy, len, name, err);
}

/* Could what is there, so far, be a trace? *at: how far records have been looked at. */
static bool may_go_on(const uint8_t *data, size_t len, size_t *at)
{
    if (!*at) {
        if (len < sizeof(struct trace_header) ||
            memcmp(data, TRACE_MAGIC, sizeof(TRACE_MAGIC) - 1) != 0)
            return false;
        *at = le32_get(((const struct trace_header *)data)->bytes);
        if (*at < sizeof(struct trace_header) || *at > PIECE)
            return false;
    }
    while (range_ok(*at, 2, len)) {
        const unsigned n = le16_load(data + *at);

        if (!len_ok(n))
            return false;
        *at += n;
    }
    return true;
}

/*
 * What is there now; a file that is still being written is read up to here, and one of another kind
 * not much further than what shows this.
 */
static uint8_t *bytes_read(int fd, size_t *len)
{
    uint8_t *data = NULL, *more;
    size_t cap = 0, at = 0;
    ssize_t n = -1;

    *len = 0;
    do {
        if (cap - *len < PIECE) {
            cap = 2 * cap + PIECE;
            more = realloc(data, cap);
            if (!more) {
                n = -1;
                break;
            }
            data = more;
        }
        n = read(fd, data + *len, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *len += (size_t)n;
    } while (may_go_on(data, *len, &at));
    if (n >= 0)
        return data;
    free(data);
    return NULL;
}

struct trace_file *trace_file_open(const char *path, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    uint8_t *data;
    size_t len;

    if (fd < 0 || fstat(fd, &st) < 0) {
        err_errno(err, errno, "trace %s", path);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, EINVAL, "trace %s is not a regular file", path);
        close(fd);
        return NULL;
    }
    data = bytes_read(fd, &len);
    if (!data)
        err_errno(err, errno, "trace %s", path);
    close(fd);
    return data ? file_new(data, len, path, err) : NULL;
}

static void tables_free(struct trace_file *f)
{
    for (unsigned i = 0; i < TABLES; i++) {
        for (unsigned r = 0; r < f->table[i].n; r++)
            free(f->table[i].row[r].name);
        free(f->table[i].row);
        free(f->table[i].name);
    }
}

void trace_file_close(struct trace_file *f)
{
    if (!f)
        return;
    for (unsigned i = 0; i < f->n_sources; i++) {
        free(f->source[i].name);
        for (unsigned b = 0; b < BARS; b++)
            free(f->source[i].bar[b]);
        for (unsigned b = 0; f->source[i].feature && b < BITS; b++)
            free(f->source[i].feature[b]);
        free(f->source[i].feature);
    }
    for (unsigned i = 0; i < THREADS; i++)
        free(f->thread[i].name);
    tables_free(f);
    free(f->source);
    free(f->order.at);
    free(f->defines.at);
    free(f->data);
    free(f);
}

/* ---- asking ---- */

static void rec_at(const struct trace_file *f, uint64_t at, struct trace_rec *rec)
{
    rec_parse(f->data + at, rec);
    rec->time = rec->time > f->start ? rec->time - f->start : 0;
}

size_t trace_file_count(const struct trace_file *f)
{
    return f->order.n;
}

void trace_file_get(const struct trace_file *f, size_t i, struct trace_rec *rec)
{
    rec_at(f, f->order.at[i], rec);
}

size_t trace_file_defines(const struct trace_file *f)
{
    return f->defines.n;
}

void trace_file_define(const struct trace_file *f, size_t i, struct trace_rec *rec)
{
    rec_at(f, f->defines.at[i], rec);
}

uint64_t trace_file_wall(const struct trace_file *f)
{
    return f->wall;
}

unsigned trace_file_groups(const struct trace_file *f)
{
    return f->groups;
}

bool trace_file_ended(const struct trace_file *f)
{
    return f->ended;
}

uint64_t trace_file_lost(const struct trace_file *f)
{
    return f->lost;
}

size_t trace_file_rest(const struct trace_file *f)
{
    return f->len - f->end;
}

const char *trace_file_source(const struct trace_file *f, unsigned source, char buf[32])
{
    if (source == TRACE_NONE)
        return "-";
    if (source < f->n_sources && f->source[source].name)
        return f->source[source].name;
    snprintf(buf, 32, "source %u", source);
    return buf;
}

const char *trace_file_thread(const struct trace_file *f, unsigned thread, char buf[32])
{
    if (thread < THREADS && f->thread[thread].name)
        return f->thread[thread].name;
    snprintf(buf, 32, "thread %u", thread);
    return buf;
}

uint64_t trace_file_cpu(const struct trace_file *f, unsigned thread)
{
    return thread < THREADS ? f->thread[thread].cpu : TRACE_NO_CPU;
}

const struct trace_table *trace_file_table(const struct trace_file *f, uint64_t table)
{
    return table < TABLES && f->table[table].name ? &f->table[table] : NULL;
}

int trace_file_find(const struct trace_file *f, const char *name)
{
    for (unsigned i = 1; i < f->n_sources; i++)
        if (f->source[i].name && strcmp(f->source[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *trace_file_bar(const struct trace_file *f, unsigned source, uint64_t bar)
{
    return source < f->n_sources && bar < BARS ? f->source[source].bar[bar] : NULL;
}

const char *trace_file_feature(const struct trace_file *f, unsigned source, unsigned bit)
{
    return source < f->n_sources && bit < BITS && f->source[source].feature
               ? f->source[source].feature[bit]
               : NULL;
}
