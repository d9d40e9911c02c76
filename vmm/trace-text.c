// SPDX-License-Identifier: MIT
/*
 * Owns the words for what is in a record. Refuses to know where they are printed.
 */
#include "vmm/trace-text.h"

#include <stdio.h>
#include <string.h>

#include "virtio/vdev.h"
#include "vmm/base/bits.h"
#include "vmm/bus/pci.h"
#include "vmm/vcpu.h"

enum { PLACE_FIELD = 3, BYTES_SHOWN = 24 };

const char *trace_kind(const struct trace_rec *rec, char buf[TRACE_WORD])
{
    if (rec->point < TRACE_POINTS)
        return trace_info[rec->point].name;
    snprintf(buf, TRACE_WORD, "point %u", rec->point);
    return buf;
}

/* ---- registers ---- */

static void off_text(const char *name, uint64_t off, char buf[TRACE_WORD])
{
    if (off)
        snprintf(buf, TRACE_WORD, "%.40s+%llu", name, (unsigned long long)off);
    else
        snprintf(buf, TRACE_WORD, "%.40s", name);
}

static bool row_text(const struct trace_table *t, uint64_t off, char buf[TRACE_WORD])
{
    for (unsigned i = 0; t && i < t->n; i++)
        if (off >= t->row[i].off && off - t->row[i].off < t->row[i].width && t->row[i].name) {
            off_text(t->row[i].name, off - t->row[i].off, buf);
            return true;
        }
    return false;
}

static void place_text(uint64_t place, char buf[TRACE_WORD])
{
    if (place >> 32 == TRACE_BAR_CONFIG)
        snprintf(buf, TRACE_WORD, "config+0x%x", (uint32_t)place);
    else
        snprintf(buf, TRACE_WORD, "bar%u+0x%x", (uint32_t)(place >> 32), (uint32_t)place);
}

/* Of the MSI-X BAR, which has no table of registers: an entry is four words. */
static bool msix_text(const struct trace_file *f, const struct trace_rec *rec, char buf[TRACE_WORD])
{
    static const char *const word[] = {"address", "address_high", "data", "control"};
    const char *bar = trace_file_bar(f, rec->source, rec->value[PLACE_FIELD] >> 32);
    const uint32_t off = (uint32_t)rec->value[PLACE_FIELD];

    if (!bar || strcmp(bar, "msix") != 0 || off % 4 || off / MSIX_ENTRY >= MSIX_MAX_VECTORS)
        return false;
    snprintf(buf, TRACE_WORD, "vector%u_%s", off / MSIX_ENTRY, word[off % MSIX_ENTRY / 4]);
    return true;
}

void trace_register(const struct trace_file *f, const struct trace_rec *rec, char buf[TRACE_WORD])
{
    const struct trace_table *t = trace_file_table(f, rec->value[0] >> 32);

    if (msix_text(f, rec, buf))
        return;
    if (row_text(t, (uint32_t)rec->value[0], buf))
        return;
    if (t)
        snprintf(buf, TRACE_WORD, "%.40s+0x%x", t->name, (uint32_t)rec->value[0]);
    else
        place_text(rec->value[PLACE_FIELD], buf);
}

void trace_interface(const struct trace_file *f, const struct trace_rec *rec, char buf[TRACE_WORD])
{
    const uint64_t bar = rec->value[PLACE_FIELD] >> 32;
    const char *name = trace_file_bar(f, rec->source, bar);

    if (bar == TRACE_BAR_CONFIG)
        snprintf(buf, TRACE_WORD, "window");
    else if (name)
        snprintf(buf, TRACE_WORD, "%.40s", name);
    else
        snprintf(buf, TRACE_WORD, "bar%u", (uint32_t)bar);
}

/* The type 0 header; what is behind it belongs to capabilities. */
static const struct {
    uint8_t off, width;
    const char *name;
} pci_names[] = {
    {PCI_VENDOR_ID, 2, "vendor_id"},
    {PCI_DEVICE_ID, 2, "device_id"},
    {PCI_COMMAND, 2, "command"},
    {PCI_STATUS, 2, "status"},
    {PCI_REVISION, 1, "revision"},
    {PCI_CLASS, 3, "class"},
    {0x0c, 1, "cache_line"},
    {0x0d, 1, "latency"},
    {PCI_HEADER_TYPE, 1, "header_type"},
    {0x0f, 1, "bist"},
    {PCI_BAR0, 4, "bar0"},
    {PCI_BAR0 + 4, 4, "bar1"},
    {PCI_BAR0 + 8, 4, "bar2"},
    {PCI_BAR0 + 12, 4, "bar3"},
    {PCI_BAR0 + 16, 4, "bar4"},
    {PCI_BAR0 + 20, 4, "bar5"},
    {0x28, 4, "cardbus"},
    {PCI_SUBSYS_VENDOR, 2, "subsystem_vendor"},
    {PCI_SUBSYS_ID, 2, "subsystem_id"},
    {PCI_ROM_BAR, 4, "rom"},
    {PCI_CAP_PTR, 1, "capabilities"},
    {PCI_INT_LINE, 1, "interrupt_line"},
    {PCI_INT_PIN, 1, "interrupt_pin"},
    {0x3e, 1, "min_grant"},
    {0x3f, 1, "max_latency"},
};

static void pci_text(uint64_t off, char buf[TRACE_WORD])
{
    for (unsigned i = 0; i < ARRAY_SIZE(pci_names); i++)
        if (off >= pci_names[i].off && off - pci_names[i].off < pci_names[i].width) {
            off_text(pci_names[i].name, off - pci_names[i].off, buf);
            return;
        }
    snprintf(buf, TRACE_WORD, "0x%02llx", (unsigned long long)off);
}

/* ---- bits and words ---- */

static void status_text(uint64_t status, char buf[TRACE_WORD])
{
    unsigned n = 0;

    for (const struct vdev_status *s = vdev_status; s->bit; s++)
        if (status & s->bit)
            n += (unsigned)snprintf(buf + n, TRACE_WORD - n, "%s%s", n ? "+" : "", s->name);
    if (!n)
        snprintf(buf, TRACE_WORD, "0x%llx", (unsigned long long)status);
}

static void exit_text(uint64_t kind, char buf[TRACE_WORD])
{
    if (kind < VCPU_EXITS)
        snprintf(buf, TRACE_WORD, "%s", vcpu_exit_name[kind]);
    else
        snprintf(buf, TRACE_WORD, "%llu", (unsigned long long)kind);
}

static void bytes_text(const struct trace_rec *rec, char buf[TRACE_WORD])
{
    unsigned n = 0;

    for (size_t i = 0; i < rec->n_bytes && i < BYTES_SHOWN; i++)
        n += (unsigned)snprintf(buf + n, TRACE_WORD - n, "%02x", rec->bytes[i]);
    snprintf(buf + n, TRACE_WORD - n, "%s(%zu bytes)",
             rec->n_bytes > BYTES_SHOWN ? ".. " : (n ? " " : ""), rec->n_bytes);
}

static void text_text(const struct trace_rec *rec, char *buf, size_t size)
{
    size_t n = 0;

    for (; n < rec->n_bytes && n + 1 < size; n++)
        buf[n] = rec->bytes[n] >= 0x20 && rec->bytes[n] < 0x7f ? (char)rec->bytes[n] : ' ';
    buf[n] = '\0';
}

static enum trace_how how_of(const struct trace_rec *rec, unsigned field)
{
    return rec->point < TRACE_POINTS ? trace_info[rec->point].field[field].how : TRACE_AS_HEX;
}

static void number_text(enum trace_how how, uint64_t v, char buf[TRACE_WORD])
{
    const bool none = (how == TRACE_AS_VECTOR && v == VIRTIO_NO_VECTOR) ||
                      (how == TRACE_AS_CPU && v == TRACE_NO_CPU);

    if (none)
        snprintf(buf, TRACE_WORD, "none");
    else if (how == TRACE_AS_BOOL)
        snprintf(buf, TRACE_WORD, "%s", v ? "yes" : "no");
    else if (how == TRACE_AS_IRQ)
        snprintf(buf, TRACE_WORD, "%s", v == TRACE_IRQ_MSIX ? "msix" : "intx");
    else if (how == TRACE_AS_HEX)
        snprintf(buf, TRACE_WORD, "0x%llx", (unsigned long long)v);
    else
        snprintf(buf, TRACE_WORD, "%llu", (unsigned long long)v);
}

void trace_value(const struct trace_file *f, const struct trace_rec *rec, unsigned field,
                 char buf[TRACE_WORD])
{
    const enum trace_how how = how_of(rec, field);
    const uint64_t v = field < rec->n ? rec->value[field] : 0;

    switch (how) {
    case TRACE_AS_REGISTER:
        trace_register(f, rec, buf);
        break;
    case TRACE_AS_PLACE:
        place_text(v, buf);
        break;
    case TRACE_AS_PCI:
        pci_text(v, buf);
        break;
    case TRACE_AS_STATUS:
        status_text(v, buf);
        break;
    case TRACE_AS_EXIT:
        exit_text(v, buf);
        break;
    case TRACE_AS_TEXT:
        text_text(rec, buf, TRACE_WORD);
        break;
    case TRACE_AS_BYTES:
        bytes_text(rec, buf);
        break;
    default:
        number_text(how, v, buf);
        break;
    }
}

/* ---- a line ---- */

static unsigned fields_of(const struct trace_rec *rec)
{
    return rec->point < TRACE_POINTS ? trace_fields((enum trace_point)rec->point) : rec->n;
}

/* modern device_status:1 = 0xf */
static void access_line(const struct trace_file *f, const struct trace_rec *rec,
                        char buf[TRACE_LINE])
{
    const bool reg = trace_info[rec->point].class == TRACE_CLASS_REGISTER;
    char name[TRACE_WORD], via[TRACE_WORD] = "pci";

    trace_value(f, rec, 0, name);
    if (reg)
        trace_interface(f, rec, via);
    snprintf(buf, TRACE_LINE, "%-7s %-22s %llu  0x%llx", via, name,
             (unsigned long long)rec->value[1], (unsigned long long)rec->value[2]);
}

/* Names of the features that were settled; numbers where the file has none. */
static void features_line(const struct trace_file *f, const struct trace_rec *rec,
                          char buf[TRACE_LINE])
{
    unsigned n = (unsigned)snprintf(buf, TRACE_LINE, "%s", rec->value[2] ? "granted:" : "refused:");

    for (unsigned bit = 0; bit < 128 && n < TRACE_LINE; bit++) {
        const char *name = trace_file_feature(f, rec->source, bit);

        if (!(rec->value[bit / 64] >> (bit % 64) & 1))
            continue;
        if (name)
            n += (unsigned)snprintf(buf + n, TRACE_LINE - n, " %.40s", name);
        else
            n += (unsigned)snprintf(buf + n, TRACE_LINE - n, " %u", bit);
    }
}

static bool is_access(const struct trace_rec *rec)
{
    return rec->point < TRACE_POINTS && (trace_info[rec->point].class == TRACE_CLASS_REGISTER ||
                                         trace_info[rec->point].class == TRACE_CLASS_PCI);
}

void trace_line(const struct trace_file *f, const struct trace_rec *rec, char buf[TRACE_LINE])
{
    const bool known = rec->point < TRACE_POINTS;
    char value[TRACE_WORD];
    unsigned n = 0;

    buf[0] = '\0';
    if (is_access(rec)) {
        access_line(f, rec, buf);
        return;
    }
    if (rec->point == TRACE_FEATURES) {
        features_line(f, rec, buf);
        return;
    }
    if (known && fields_of(rec) == 1 && how_of(rec, 0) == TRACE_AS_TEXT) {
        text_text(rec, buf, TRACE_LINE);
        return;
    }
    for (unsigned i = 0; i < fields_of(rec) && n < TRACE_LINE; i++) {
        trace_value(f, rec, i, value);
        n += (unsigned)snprintf(buf + n, TRACE_LINE - n, "%s%s %s", n ? "  " : "",
                                known ? trace_info[rec->point].field[i].name : "value", value);
    }
}

/* ---- an object ---- */

static json_t *json_field(const struct trace_file *f, const struct trace_rec *rec, unsigned field)
{
    char word[TRACE_LINE];

    switch (how_of(rec, field)) {
    case TRACE_AS_BOOL:
        return json_boolean(rec->value[field]);
    case TRACE_AS_TEXT:
        text_text(rec, word, sizeof(word));
        return json_string(word);
    case TRACE_AS_REGISTER:
    case TRACE_AS_PCI:
    case TRACE_AS_PLACE:
    case TRACE_AS_STATUS:
    case TRACE_AS_IRQ:
    case TRACE_AS_EXIT:
        trace_value(f, rec, field, word);
        return json_string(word);
    case TRACE_AS_BYTES: {
        char hex[2 * TRACE_BYTES_MAX + 1] = "";

        for (size_t i = 0; i < rec->n_bytes && i < TRACE_BYTES_MAX; i++)
            snprintf(hex + 2 * i, 3, "%02x", rec->bytes[i]);
        return json_string(hex);
    }
    default:
        /* JSON has no more than 63 bits in most readers: addresses of devices and guests fit */
        return json_integer((json_int_t)rec->value[field]);
    }
}

json_t *trace_json(const struct trace_file *f, const struct trace_rec *rec)
{
    const bool known = rec->point < TRACE_POINTS;
    char kind[TRACE_WORD], source[32], thread[32], word[TRACE_WORD];
    const uint64_t cpu = trace_file_cpu(f, rec->thread);
    json_t *o =
        json_pack("{s:I,s:s,s:s}", "time_ns", (json_int_t)rec->time, "kind", trace_kind(rec, kind),
                  "thread", trace_file_thread(f, rec->thread, thread));

    if (!o)
        return NULL;
    if (cpu != TRACE_NO_CPU)
        json_object_set_new(o, "cpu", json_integer((json_int_t)cpu));
    if (rec->source != TRACE_NONE)
        json_object_set_new(o, "device", json_string(trace_file_source(f, rec->source, source)));
    if (rec->queue != TRACE_NO_QUEUE)
        json_object_set_new(o, "queue", json_integer(rec->queue));
    if (known && trace_info[rec->point].class == TRACE_CLASS_REGISTER) {
        trace_interface(f, rec, word);
        json_object_set_new(o, "interface", json_string(word));
    }
    for (unsigned i = 0; i < fields_of(rec); i++) {
        snprintf(word, sizeof(word), "value%u", i);
        json_object_set_new(o, known ? trace_info[rec->point].field[i].name : word,
                            json_field(f, rec, i));
    }
    return o;
}
