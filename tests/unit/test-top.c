// SPDX-License-Identifier: MIT
/* vmm top: what people see of an answer of query-virtio, and the terminal that they have after it.
 */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "tests/unit/control-rig.h"
#include "vmm/top-table.h"
#include "vmm/top.h"

/* ---- the table ---- */

#define QUEUE(index, ring, counts)                                                     \
    "{\"index\":" #index ",\"size\":256,\"max\":256,\"enabled\":true,\"in-flight\":3," \
    "\"vector\":1," ring "," counts "},"
#define SPLIT "\"ring\":\"split\",\"avail\":1004,\"used\":1001,\"more\":false,\"driver-avail\":1004"
#define PACKED                                                                       \
    "\"ring\":\"packed\",\"avail\":12,\"used\":7,\"more\":true,\"avail-wrap\":true," \
    "\"used-wrap\":false"
#define COUNTS(r, o, i, k, n, s)                                                                   \
    "\"requests\":" #r ",\"dropped\":0,\"bytes-out\":" #o ",\"bytes-in\":" #i ",\"doorbells\":" #k \
    ",\"interrupts\":" #n ",\"suppressed\":" #s
#define DEVICE(time, queues)                                                                \
    "[{\"name\":\"disk0\",\"type\":\"blk\",\"id\":2,\"interfaces\":\"transitional\","       \
    "\"interface\":\"modern\",\"status\":[\"ACKNOWLEDGE\",\"DRIVER\",\"FEATURES_OK\","      \
    "\"DRIVER_OK\"],\"failed\":false,\"generation\":0,\"offered\":[\"seg_max\",\"flush\"]," \
    "\"accepted\":[\"seg_max\"],\"time-ns\":" #time ",\"queues\":[" queues                  \
    "{\"index\":9,\"size\":256,\"max\":256,\"enabled\":false,\"in-flight\":0,\"vector\":"   \
    "null," COUNTS(0, 0, 0, 0, 0,                                                           \
                   0) "}],\"faults\":[{\"rule\":\"short_used\",\"faults\":1,\"chances\":8}]}]"

#define LINT                                                                                     \
    "[{\"name\":\"disk0\",\"type\":\"blk\",\"interfaces\":\"modern\",\"interface\":\"modern\","  \
    "\"status\":[],\"offered\":[],\"queues\":[],\"lint\":[{\"clause\":\"2.7.4.2-t1\",\"level\":" \
    "\"must\","                                                                                  \
    "\"count\":3,\"queue\":1,\"seen\":\"readable after writable\"},{\"clause\":\"3.1.1-t2\","    \
    "\"level\":\"should\",\"count\":1,\"seen\":\"a step was left out\"}]}]"

static const char early[] =
    DEVICE(1000000000, QUEUE(0, SPLIT, COUNTS(1001, 4096, 0, 500, 20, 981)));
static const char later[] =
    DEVICE(3000000000, QUEUE(0, SPLIT, COUNTS(3001, 4096, 40000000, 501, 20, 981)));
static const char packed[] = DEVICE(1000000000, QUEUE(0, PACKED, COUNTS(3, 0, 0, 0, 0, 0)));
static const char nobody[] =
    "[{\"name\":\"rng0\",\"type\":\"rng\",\"id\":4,\"interfaces\":\"modern\",\"interface\":null,"
    "\"status\":[],\"failed\":false,\"generation\":0,\"offered\":[\"event_idx\"],\"accepted\":[],"
    "\"time-ns\":1,\"queues\":[{\"index\":0,\"size\":8,\"max\":8,\"enabled\":false}]}]";

static char *table_of(const char *now, const char *before)
{
    json_t *a = json_loads(now, 0, NULL), *b = before ? json_loads(before, 0, NULL) : NULL;
    char *got = NULL;
    size_t len;
    FILE *to = open_memstream(&got, &len);

    assert_non_null(a);
    assert_int_equal(b != NULL, before != NULL);
    top_table(a, b, to);
    fclose(to);
    json_decref(a);
    json_decref(b);
    return got;
}

static void totals(void **state)
{
    char *got = table_of(early, NULL);

    (void)state;
    assert_string_equal(
        got,
        "disk0: blk, modern (transitional), DRIVER_OK\n"
        "  features: seg_max\n"
        "  QUEUE RING     SIZE   AVAIL    USED FLIGHT    REQ    OUT     IN   KICK    IRQ NO-IRQ\n"
        "      0 split     256    1004    1001     3   1.00k  4.10k      0    500     20    981\n"
        "  --fault short_used: 1 of 8\n");
    free(got);
}

static void rates(void **state)
{
    char *got = table_of(later, early);

    (void)state;
    assert_non_null(strstr(got, " REQ/s "));
    assert_non_null(strstr(got, "     3     1.00k        0    20.0M        0        0        0\n"));
    free(got);
    got = table_of(early, early); /* no time between them */
    assert_non_null(strstr(got, "     3         0        0        0"));
    free(got);
    got = table_of(later, nobody); /* a device that was not there before */
    assert_non_null(strstr(got, " REQ "));
    free(got);
}

static void rings(void **state)
{
    char *got = table_of(packed, NULL);

    (void)state;
    assert_non_null(strstr(got, "packed    256     12+      7-     3*"));
    free(got);
    got = table_of(nobody, NULL);
    assert_string_equal(got, "rng0: rng, not driven (modern), no driver\n"
                             "  offers: event_idx\n"
                             "  none of 1 queues is set up\n");
    free(got);
    free(table_of("[]", "[]"));
    free(table_of("[{}]", "[1]"));
    free(table_of("{\"queues\":3}", NULL));
}

static void findings(void **state)
{
    char *got = table_of(LINT, NULL);

    (void)state;
    assert_non_null(strstr(got, "\n  lint: 2.7.4.2-t1 (must, 3) queue 1 readable after writable\n"
                                "  lint: 3.1.1-t2 (should, 1) a step was left out\n"));
    free(got);
}

static void numbers(void **state)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {{0, "0"},          {0.4, "0"},      {999, "999"},      {1000, "1.00k"},
                {9994, "9.99k"},   {9996, "10.0k"}, {99960, "100k"},   {999400, "999k"},
                {999600, "1.00M"}, {1e9, "1.00G"},  {2.5e18, "2.50E"}, {9.2e18, "9.20E"}};
    char buf[16];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(top_number(rows[i].v, buf), rows[i].text);
}

/* ---- the terminal ---- */

static json_t *run_query(struct control_call *call)
{
    json_t *list = json_loads(early, 0, NULL);

    ((struct rig *)call->ctx)->calls++;
    json_object_set_new(json_array_get(list, 0), "time-ns", json_integer((json_int_t)clock_ns()));
    return list;
}

static json_t *run_status(struct control_call *call)
{
    (void)call;
    return json_pack("{s:s}", "status", "running");
}

static const struct control_command machine[] = {
    {"query-virtio", CONTROL_NO_ARGS, run_query},
    {"query-status", CONTROL_NO_ARGS, run_status},
    {NULL, CONTROL_NO_ARGS, NULL},
};

struct seat {
    struct rig *rig;
    int fd; /* the other end of the terminal */
    struct termios before;
    pid_t child;
    size_t have;
};

static void *seat_text(struct seat *seat)
{
    text[seat->have] = '\0';
    return text;
}

/* Serve the machine and read what is drawn, until that holds word; false: not in 5 s. */
static bool sees(struct seat *seat, const char *word)
{
    const uint64_t end = clock_ns() + UINT64_C(5000000000);

    while (clock_ns() < end && seat->have < TEXT - 1) {
        struct pollfd p = {.fd = seat->fd, .events = POLLIN};
        ssize_t n;

        loop_turn(seat->rig->loop, 5);
        if (poll(&p, 1, 5) <= 0)
            continue;
        n = read(seat->fd, text + seat->have, TEXT - 1 - seat->have);
        if (n <= 0)
            return strstr(seat_text(seat), word);
        seat->have += (size_t)n;
        if (strstr(seat_text(seat), word))
            return true;
    }
    return false;
}

static void sit(struct seat *seat, struct rig *rig, unsigned short rows, unsigned short columns)
{
    const struct winsize size = {.ws_row = rows, .ws_col = columns};
    char *argv[] = {"top", rig->path, NULL};
    int slave;

    *seat = (struct seat){.rig = rig};
    assert_int_equal(openpty(&seat->fd, &slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(slave, &seat->before), 0);
    seat->child = fork();
    if (!seat->child) {
        dup2(slave, 0);
        dup2(slave, 1);
        _exit(top_main(2, argv));
    }
    close(slave);
}

/* It ended by itself, with this status, and the terminal is as before. */
static void left(struct seat *seat, int want)
{
    struct termios now;
    int status;

    assert_true(sees(seat, "\033[?1049l"));
    assert_int_equal(waitpid(seat->child, &status, 0), seat->child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), want);
    assert_non_null(strstr(seat_text(seat), "\033[?25h"));
    assert_int_equal(tcgetattr(seat->fd, &now), 0);
    assert_int_equal(now.c_lflag, seat->before.c_lflag);
    assert_memory_equal(now.c_cc, seat->before.c_cc, sizeof(now.c_cc));
    close(seat->fd);
}

static int top_setup(void **state)
{
    struct rig *rig;
    struct err err;
    int ret;

    setup(state);
    rig = *state;
    control_free(rig->control);
    rig->control = control_new(rig->loop, rig->path, machine, rig, &ret, &err);
    assert_non_null(rig->control);
    return 0;
}

static void keys(void **state)
{
    static const char *const key[] = {"q", "\003", "xQ"};

    for (unsigned i = 0; i < ARRAY_SIZE(key); i++) {
        struct seat seat;
        struct termios now;

        sit(&seat, *state, 24, 100);
        assert_true(sees(&seat, "is running"));
        assert_true(sees(&seat, "short_used: 1 of 8"));
        assert_int_equal(tcgetattr(seat.fd, &now), 0);
        assert_false(now.c_lflag & (ICANON | ECHO));
        assert_int_equal(write(seat.fd, key[i], strlen(key[i])), strlen(key[i]));
        left(&seat, 0);
    }
}

static void signals(void **state)
{
    static const int sig[] = {SIGTERM, SIGINT, SIGHUP};

    for (unsigned i = 0; i < ARRAY_SIZE(sig); i++) {
        struct seat seat;

        sit(&seat, *state, 24, 100);
        assert_true(sees(&seat, "is running"));
        kill(seat.child, sig[i]);
        left(&seat, 0);
    }
}

/* Every second; lines are cut, not wrapped, and no more of them than there is room for. */
static void drawn(void **state)
{
    struct rig *rig = *state;
    struct seat seat;

    sit(&seat, rig, 5, 20);
    for (unsigned i = 0; i < 3; i++) {
        seat.have = 0;
        assert_true(sees(&seat, "\033[J"));
        assert_non_null(strstr(text, "disk0: blk, modern (\033[K"));
        assert_null(strstr(text, "short_used"));
        assert_int_equal(count(text, "\r\n"), 4);
    }
    assert_in_range(rig->calls, 4, 6);
    assert_int_equal(write(seat.fd, "q", 1), 1);
    left(&seat, 0);
}

static void machine_ends(void **state)
{
    struct rig *rig = *state;
    struct seat seat;

    sit(&seat, rig, 24, 80);
    assert_true(sees(&seat, "is running"));
    control_free(rig->control);
    rig->control = NULL;
    left(&seat, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals),
        cmocka_unit_test(rates),
        cmocka_unit_test(rings),
        cmocka_unit_test(findings),
        cmocka_unit_test(numbers),
        cmocka_unit_test_setup_teardown(keys, top_setup, teardown),
        cmocka_unit_test_setup_teardown(signals, top_setup, teardown),
        cmocka_unit_test_setup_teardown(drawn, top_setup, teardown),
        cmocka_unit_test_setup_teardown(machine_ends, top_setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
