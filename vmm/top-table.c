// SPDX-License-Identifier: MIT
/*
 * Owns how a machine's devices look to people. Refuses to know where the numbers come from.
 */
#include "vmm/top-table.h"

#include <string.h>

#include "vmm/base/bits.h"

enum { WIDTH = 79 };

static const struct {
    const char *name, *title;
} counts[] = {
    {"requests", "REQ"},   {"bytes-out", "OUT"},  {"bytes-in", "IN"},
    {"doorbells", "KICK"}, {"interrupts", "IRQ"}, {"suppressed", "NO-IRQ"},
};

static const char *word(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static json_int_t integer(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static bool truth(const json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

const char *top_number(double v, char buf[16])
{
    static const char units[] = " kMGTPE";
    unsigned u = 0;

    for (; v >= 999.5 && units[u + 1]; u++)
        v /= 1000;
    if (!u)
        snprintf(buf, 16, "%.0f", v);
    else
        snprintf(buf, 16, "%.*f%c", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, units[u]);
    return buf;
}

/* ---- what is compared with an earlier answer ---- */

static const json_t *device_of(const json_t *devices, const char *name)
{
    for (size_t i = 0; i < json_array_size(devices); i++)
        if (strcmp(word(json_array_get(devices, i), "name"), name) == 0)
            return json_array_get(devices, i);
    return NULL;
}

/* What is shown of a count. was NULL: it is the count itself. */
static double count_of(const json_t *queue, const json_t *was, double seconds, const char *name)
{
    const json_int_t more = integer(queue, name) - integer(was, name);

    if (!was)
        return (double)integer(queue, name);
    return seconds > 0 && more > 0 ? (double)more / seconds : 0;
}

/* ---- lines ---- */

static void words_print(const char *title, const json_t *list, FILE *to)
{
    int column = fprintf(to, "  %s:", title);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text && column + (int)strlen(text) + 1 > WIDTH)
            column = fprintf(to, "\n    ") - 1;
        column += fprintf(to, " %s", text ? text : "?");
    }
    fprintf(to, "%s\n", json_array_size(list) ? "" : " none");
}

/* Where the driver is on its way, or that the device has stopped. */
static const char *state_of(const json_t *device)
{
    const json_t *status = json_object_get(device, "status");
    const size_t n = json_array_size(status);

    if (truth(device, "failed"))
        return "failed, waits for a reset";
    return n ? json_string_value(json_array_get(status, n - 1)) : "no driver";
}

static void device_print(const json_t *device, FILE *to)
{
    const json_t *accepted = json_object_get(device, "accepted");
    const char *active = word(device, "interface");

    fprintf(to, "%s: %s, %s", word(device, "name"), word(device, "type"),
            *active ? active : "not driven");
    if (strcmp(active, word(device, "interfaces")) != 0)
        fprintf(to, " (%s)", word(device, "interfaces"));
    fprintf(to, ", %s\n", state_of(device));
    if (json_array_size(accepted))
        words_print("features", accepted, to);
    else
        words_print("offers", json_object_get(device, "offered"), to);
}

static void titles_print(bool rates, FILE *to)
{
    fprintf(to, "  %5s %-6s %6s %7s %7s %6s", "QUEUE", "RING", "SIZE", "AVAIL", "USED", "FLIGHT");
    for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
        fprintf(to, " %6s%s", counts[i].title, rates ? "/s" : "");
    fputc('\n', to);
}

/* An index; that of a packed ring with its wrap counter, as the ring's flags have it. */
static const char *index_text(const json_t *queue, const char *name, const char *wrap, char buf[16])
{
    if (!*word(queue, "ring"))
        return "-";
    snprintf(buf, 16, "%d%s", (int)integer(queue, name),
             !json_object_get(queue, wrap) ? ""
             : truth(queue, wrap)          ? "+"
                                           : "-");
    return buf;
}

static void queue_print(const json_t *queue, const json_t *was, double seconds, FILE *to)
{
    char avail[16], used[16], buf[16];

    fprintf(to, "  %5d %-6s %6d %7s %7s %5d%c", (int)integer(queue, "index"), word(queue, "ring"),
            (int)integer(queue, "size"), index_text(queue, "avail", "avail-wrap", avail),
            index_text(queue, "used", "used-wrap", used), (int)integer(queue, "in-flight"),
            truth(queue, "more") ? '*' : ' ');
    for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
        fprintf(to, " %*s", was ? 8 : 6,
                top_number(count_of(queue, was, seconds, counts[i].name), buf));
    fputc('\n', to);
}

static void queues_print(const json_t *device, const json_t *before, FILE *to)
{
    const json_t *queues = json_object_get(device, "queues");
    const json_t *old = json_object_get(before, "queues");
    const double seconds = (double)(integer(device, "time-ns") - integer(before, "time-ns")) / 1e9;
    size_t shown = 0;

    for (size_t i = 0; i < json_array_size(queues); i++) {
        const json_t *queue = json_array_get(queues, i);

        if (!truth(queue, "enabled"))
            continue;
        if (!shown++)
            titles_print(before != NULL, to);
        queue_print(queue, before ? json_array_get(old, i) : NULL, seconds, to);
    }
    if (!shown)
        fprintf(to, "  none of %zu queues is set up\n", json_array_size(queues));
}

static void faults_print(const json_t *device, FILE *to)
{
    const json_t *faults = json_object_get(device, "faults");

    for (size_t i = 0; i < json_array_size(faults); i++) {
        const json_t *f = json_array_get(faults, i);

        fprintf(to, "  --fault %s: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT "\n",
                word(f, "rule"), integer(f, "faults"), integer(f, "chances"));
    }
}

static void findings_print(const json_t *device, FILE *to)
{
    const json_t *lint = json_object_get(device, "lint");

    for (size_t i = 0; i < json_array_size(lint); i++) {
        const json_t *f = json_array_get(lint, i);

        fprintf(to, "  lint: %s (%s, %" JSON_INTEGER_FORMAT ")", word(f, "clause"),
                word(f, "level"), integer(f, "count"));
        if (json_object_get(f, "queue"))
            fprintf(to, " queue %d", (int)integer(f, "queue"));
        fprintf(to, " %s\n", word(f, "seen"));
    }
}

void top_table(const json_t *now, const json_t *before, FILE *to)
{
    for (size_t i = 0; i < json_array_size(now); i++) {
        const json_t *device = json_array_get(now, i);
        const json_t *was = device_of(before, word(device, "name"));

        device_print(device, to);
        queues_print(device, was, to);
        faults_print(device, to);
        findings_print(device, to);
    }
}
