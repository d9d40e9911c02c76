// SPDX-License-Identifier: MIT
/*
 * Owns the order of things: each row through each way that the machine has, on each device that
 * the row concerns; then another device is asked for something ordinary, the host looks whether
 * vmm is idle, and the device has to recover by a reset. One line for each.
 */
#include "tests/guest/hostile/hostile.h"

void guest_main(void);

static const char *failed_check;
static unsigned survived, not_survived;

bool expect(bool cond, const char *what)
{
    if (!cond && !failed_check)
        failed_check = what;
    return cond;
}

/* The host measures, and answers with a byte when it has: '+' idle, '-' not. */
static bool host_says_idle(void)
{
    print("pause\n");
    return serial_get() == '+';
}

static struct dev *bystander(const struct dev *d)
{
    return &devs[d->kind == RNG ? BLK : RNG];
}

static bool others_work(const struct dev *d)
{
    struct dev *b = bystander(d);

    return !b->there || honest(b);
}

static void row_tell(const struct row *row, const struct dev *d, enum way way, enum answer got,
                     bool others, bool idle, bool back)
{
    const bool well = got == row->want && !failed_check && others && idle && back;

    print("%s %s %s %s: %s", well ? "ok" : "not ok", row->id, kind_name[d->kind], way_name[way],
          answer_name[got]);
    if (got != row->want)
        print(" instead of %s", answer_name[row->want]);
    if (failed_check)
        print(", not so: %s", failed_check);
    print("%s%s%s\n", others ? ", others work" : ", OTHERS DO NOT WORK",
          idle ? ", idle" : ", NOT IDLE", back ? ", recovered" : ", NOT RECOVERED");
    if (well)
        survived++;
    else
        not_survived++;
}

static void row_run(const struct row *row, struct dev *d, enum way way)
{
    enum answer got;
    bool others, idle, back;

    failed_check = NULL;
    silence_wanted = row->want == NR;
    d->ports = false;
    EXPECT(dev_start(d, way, ALL));
    (void)dev_isr(d);
    got = row->run(d);
    d->ports = false;
    others = others_work(d);
    idle = host_says_idle();
    back = dev_start(d, way, ALL) && honest(d);
    row_tell(row, d, way, got, others, idle, back);
}

static bool word_ends(char c)
{
    return !c || c == ' ' || c == ',';
}

/* only=WORD,WORD of the command line: rows whose id begins so; "-": all. */
static bool row_wanted(const char *id)
{
    const char *only = cmdline_word("only=");

    if (!only || *only == '-')
        return true;
    for (;; only++) {
        unsigned n = 0;

        while (!word_ends(only[n]) && only[n] == id[n])
            n++;
        if (word_ends(only[n]))
            return true;
        while (!word_ends(*only))
            only++;
        if (*only != ',')
            return false;
    }
}

/* device=KIND of the command line. */
static bool kind_wanted(const struct dev *d)
{
    const char *only = cmdline_word("device=");

    return !only || text_starts(only, kind_name[d->kind]);
}

/* brief: in a machine with both interfaces the disk alone goes through the modern one, too: in one
 * with that interface alone all of them do; a GPU and a keyboard with split rings only. */
static bool way_wanted(const struct dev *d, enum way way)
{
    const bool both = devs[BLK].io && devs[BLK].common;

    if (!dev_has_way(d, way) || !kind_wanted(d))
        return false;
    if (!cmdline_word("brief=") || way == LEGACY_SPLIT || d->kind == BLK)
        return true;
    return !both && (d->kind < GPU || way == MODERN_SPLIT);
}

static void rows_run(const struct row *rows)
{
    for (const struct row *row = rows; row->id; row++) {
        if (!row_wanted(row->id))
            continue;
        for (unsigned way = 0; way < WAYS; way++)
            for (unsigned k = 0; k < KINDS; k++)
                if (row->ways & 1u << way && row->kinds & 1u << k && devs[k].there &&
                    way_wanted(&devs[k], (enum way)way))
                    row_run(row, &devs[k], (enum way)way);
    }
}

/* Devices that nobody torments are driven all the time. */
static void start_all(void)
{
    for (unsigned k = 0; k < KINDS; k++) {
        struct dev *d = &devs[k];
        const enum way way = d->common ? MODERN_SPLIT : LEGACY_SPLIT;

        if (!d->there)
            continue;
        print("# %s at 00:%x.0: %s%s\n", kind_name[k], d->devfn >> 3, d->common ? "modern " : "",
              d->io ? "legacy" : "");
        if (!dev_start(d, way, ALL) || (!cmdline_word("torture=") && !honest(d)))
            not_survived++, print("not ok an ordinary request of %s\n", kind_name[k]);
    }
}

/* ---- T14: the machine restarts with requests under way ---- */

enum { BOOT_FIRST = '0', BOOT_CF9, BOOT_I8042 };

/* The host counts what is said, and the boots: a restart that does nothing is a power-off. */
static _Noreturn void machine_restart(char boot)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } by[] = {{0xcf9, 6}, {0x64, 0xfe}};

    requests_leave_behind();
    if (boot < BOOT_I8042) {
        print("restart\n");
        out8(by[boot - BOOT_FIRST].port, by[boot - BOOT_FIRST].value);
    }
    cpu_off();
}

/* Everything works as if it had never been driven; then the next way to restart. */
static _Noreturn void boot_again(char boot)
{
    static const char *const by[] = {"CF9", "i8042"};
    const unsigned before = not_survived;
    bool idle;

    start_all();
    idle = host_says_idle();
    print("%s T14 restart by %s all: works%s\n", idle && before == not_survived ? "ok" : "not ok",
          by[boot - BOOT_CF9], idle ? ", idle" : ", NOT IDLE");
    machine_restart(boot);
}

/* The host counts the boots, if there are to be several. */
static char boot_number(void)
{
    if (!cmdline_word("boots="))
        return BOOT_FIRST;
    print("boot\n");
    return serial_get();
}

static uint32_t cmdline_number(const char *word)
{
    uint32_t v = 0;

    for (const char *text = cmdline_word(word); text && *text >= '0' && *text <= '9'; text++)
        v = v * 10 + (uint32_t)(*text - '0');
    return v;
}

void guest_main(void)
{
    const struct row *const all[] = {rows_chain,  rows_queue, rows_regs, rows_blk,    rows_rest,
                                     rows_legacy, rows_pci,   rows_msix, rows_display};
    char boot;

    cpu_init();
    if (cmdline_word("fetch="))
        cpu_fetch();
    boot = boot_number();
    dev_find();
    if (boot != BOOT_FIRST)
        boot_again(boot);
    start_all();
    if (cmdline_word("torture="))
        torture(&devs[BLK], cmdline_number("torture="));
    if (!devs[BLK].io)
        messages_warm();
    host_says_idle(); /* it notes what vmm has */
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        if (!devs[BLK].io || (all[i] != rows_pci && all[i] != rows_msix))
            rows_run(all[i]);
    start_all();
    host_says_idle(); /* ... and compares */
    print("done: %u survived, %u not\n", survived, not_survived);
    if (cmdline_word("boots=") && row_wanted("T14"))
        machine_restart(BOOT_FIRST);
    requests_leave_behind();
    cpu_off();
}
