// SPDX-License-Identifier: MIT
/*
 * ACPI tables: pointers and checksums by our own walk, everything else by iasl, which must take
 * every table apart and put it together again without a complaint.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/acpi.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum { TABLES_MAX = 8, LOAD_GPA = 0x7fe0000, TEXT_MAX = 16384 };

static uint32_t apic_ids[BOARD_CPUS_MAX];

static struct board board_make(unsigned cpus, uint64_t mem)
{
    const uint64_t hole = 0xc0000000;
    struct board b = {
        .ram = {{0, min_u64(mem, hole)}, {4 * GIB, mem > hole ? mem - hole : 0}},
        .n_ram = mem > hole ? 2 : 1,
        .cpus = cpus,
        .cpu_id = apic_ids,
        .ioapic_base = 0xfec00000,
        .lapic_base = 0xfee00000,
        .pci = {.ecam_base = 0xe8000000,
                .ecam_size = MIB,
                .mem32_base = hole,
                .mem32_size = 0x28000000,
                .mem64_base = 64 * GIB,
                .mem64_size = 64 * GIB,
                .io_base = 0x1000,
                .io_size = 0xf000,
                .config_port = 0xcf8,
                .intx_gsi = {16, 17, 18, 19}},
        .serial = {0x3f8, 4},
        .rtc = {0x70, 8},
        .sleep_control_port = 0x600,
        .sleep_status_port = 0x601,
        .s5_type = 5,
        .reset_port = 0xcf9,
        .reset_value = 6,
        .power_gsi = 9,
    };

    for (unsigned i = 0; i < BOARD_CPUS_MAX; i++)
        apic_ids[i] = i;
    return b;
}

struct blob {
    uint8_t *bytes;
    struct acpi_layout layout;
    const uint8_t *table[TABLES_MAX];
    unsigned n;
};

static bool sum_ok(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

static const uint8_t *table_at(const struct blob *blob, uint64_t gpa)
{
    const uint64_t off = gpa - LOAD_GPA;
    const uint8_t *p = blob->bytes + off;

    assert_true(range_ok(off, 36, blob->layout.size));
    assert_true(range_ok(off, le32_load(p + 4), blob->layout.size));
    assert_true(sum_ok(p, le32_load(p + 4)));
    return p;
}

static const uint8_t *table_find(const struct blob *blob, const char *signature)
{
    for (unsigned i = 0; i < blob->n; i++)
        if (memcmp(blob->table[i], signature, 4) == 0)
            return blob->table[i];
    return NULL;
}

static struct blob blob_make(const struct board *board)
{
    struct blob blob = {0};
    struct err err = {""};
    const size_t size = acpi_size_bound(board);
    const uint8_t *xsdt, *fadt;

    blob.bytes = (uint8_t *)malloc(size);
    assert_non_null(blob.bytes);
    if (acpi_build(board, LOAD_GPA, blob.bytes, size, &blob.layout, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(blob.layout.rsdp_gpa, LOAD_GPA);
    assert_memory_equal(blob.bytes, "RSD PTR ", 8);
    assert_true(sum_ok(blob.bytes, 20));
    assert_true(sum_ok(blob.bytes, ACPI_RSDP_SIZE));

    xsdt = table_at(&blob, le64_load(blob.bytes + 24));
    assert_memory_equal(xsdt, "XSDT", 4);
    blob.table[blob.n++] = xsdt;
    for (uint32_t at = 36; at < le32_load(xsdt + 4); at += 8)
        blob.table[blob.n++] = table_at(&blob, le64_load(xsdt + at));
    fadt = table_find(&blob, "FACP");
    assert_non_null(fadt);
    blob.table[blob.n++] = table_at(&blob, le64_load(fadt + 140));
    return blob;
}

/* --- iasl --- */

static char work_dir[64];

static int dir_make(void **state)
{
    (void)state;
    snprintf(work_dir, sizeof(work_dir), "%s/test-acpi.XXXXXX",
             access("build", W_OK) == 0 ? "build" : "/tmp");
    return mkdtemp(work_dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
    DIR *d = opendir(work_dir);
    struct dirent *e;
    char path[400];

    (void)state;
    while (d && (e = readdir(d))) {
        snprintf(path, sizeof(path), "%s/%s", work_dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(work_dir);
}

/* Runs "iasl ARGS" in the work directory; what it prints goes into text. */
static int iasl_run(const char *args, char text[TEXT_MAX])
{
    char command[256];
    FILE *pipe;
    size_t n;

    snprintf(command, sizeof(command), "cd %s && iasl %s 2>&1", work_dir, args);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    n = fread(text, 1, TEXT_MAX - 1, pipe);
    text[n] = '\0';
    while (fgetc(pipe) != EOF)
        ;
    return pclose(pipe);
}

static void file_write(const char *name, const uint8_t *p, size_t n)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", work_dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void complain(const char *step, const uint8_t *table, const char *text)
{
    fail_msg("%s of %.4s: %s", step, (const char *)table, text);
}

/* Is what iasl made of our table's source the same table? Who compiled it may differ. */
static void assert_same_table(const uint8_t *table)
{
    const size_t size = le32_load(table + 4);
    uint8_t *back = (uint8_t *)calloc(1, size + 1);
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/back.aml", work_dir);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(back, 1, size + 1, f), size);
    fclose(f);
    memcpy(back + 28, table + 28, 8);
    back[9] = table[9];
    if (memcmp(back, table, size) != 0)
        complain("recompilation", table, "gives other bytes");
    free(back);
}

static void table_check(const uint8_t *table)
{
    char text[TEXT_MAX];

    file_write("t.dat", table, le32_load(table + 4));
    if (iasl_run("-d t.dat", text) != 0 || strcasestr(text, "warning") ||
        strcasestr(text, "error") || strcasestr(text, "incorrect"))
        complain("disassembly", table, text);
    if (iasl_run("-oa -p back t.dsl", text) != 0 ||
        !strstr(text, " 0 Errors, 0 Warnings, 0 Remarks"))
        complain("compilation", table, text);
    assert_same_table(table);
}

static void check_board(unsigned cpus, uint64_t mem)
{
    const struct board board = board_make(cpus, mem);
    struct blob blob = blob_make(&board);

    assert_int_equal(blob.n, 6);
    for (unsigned i = 0; i < blob.n; i++)
        table_check(blob.table[i]);
    free(blob.bytes);
}

static void iasl_or_skip(void)
{
    char text[TEXT_MAX];

    if (iasl_run("-v", text) != 0)
        skip();
}

static void test_iasl_accepts_every_table(void **state)
{
    (void)state;
    iasl_or_skip();
    check_board(1, 128 * MIB);
    check_board(4, 5 * GIB);
    check_board(300, 5 * GIB);
}

static void test_iasl_accepts_sparse_board(void **state)
{
    struct board board = board_make(2, 128 * MIB);
    struct blob blob;

    (void)state;
    iasl_or_skip();
    board.serial.port = board.rtc.port = 0;
    board.pci.mem64_size = 0;
    board.pci.io_size = 0;
    blob = blob_make(&board);
    assert_null(table_find(&blob, "SPCR"));
    for (unsigned i = 0; i < blob.n; i++)
        table_check(blob.table[i]);
    free(blob.bytes);
}

static void test_broken_checksum_is_seen(void **state)
{
    const struct board board = board_make(1, 128 * MIB);
    struct blob blob = blob_make(&board);
    uint8_t *madt = blob.bytes + (table_find(&blob, "APIC") - blob.bytes);
    char text[TEXT_MAX];

    (void)state;
    madt[9] ^= 0x40;
    assert_false(sum_ok(madt, le32_load(madt + 4)));
    file_write("t.dat", madt, le32_load(madt + 4));
    free(blob.bytes);
    iasl_or_skip();
    iasl_run("-d t.dat", text);
    assert_non_null(strcasestr(text, "incorrect checksum"));
}

/* --- content --- */

static void test_fadt_fields(void **state)
{
    const struct board board = board_make(1, 128 * MIB);
    struct blob blob = blob_make(&board);
    const uint8_t *fadt = table_find(&blob, "FACP");
    const uint32_t flags = le32_load(fadt + 112);

    (void)state;
    assert_int_equal(le32_load(fadt + 4), 276);
    assert_true(flags & BIT32(20));
    assert_true(flags & BIT32(10));
    assert_int_equal(le16_load(fadt + 109), 1 << 2);
    assert_int_equal(le64_load(fadt + 116 + 4), 0xcf9);
    assert_int_equal(fadt[128], 6);
    assert_int_equal(le64_load(fadt + 244 + 4), 0x600);
    assert_int_equal(le64_load(fadt + 256 + 4), 0x601);
    free(blob.bytes);
}

struct madt_count {
    unsigned lapic, x2apic, ioapic, nmi, other;
};

static struct madt_count madt_count(const uint8_t *madt)
{
    struct madt_count n = {0};
    const uint32_t size = le32_load(madt + 4);

    for (uint32_t at = 44; at < size; at += madt[at + 1]) {
        assert_true(madt[at + 1] >= 2);
        n.lapic += madt[at] == 0;
        n.ioapic += madt[at] == 1;
        n.nmi += madt[at] == 4 || madt[at] == 10;
        n.x2apic += madt[at] == 9;
        n.other += madt[at] > 1 && madt[at] != 4 && madt[at] != 9 && madt[at] != 10;
    }
    return n;
}

static void test_madt_entries(void **state)
{
    static const struct {
        unsigned cpus, lapic, x2apic, nmi;
    } row[] = {{1, 1, 0, 1}, {4, 4, 0, 1}, {255, 255, 0, 1}, {256, 255, 1, 2}, {1024, 255, 769, 2}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        const struct board board = board_make(row[i].cpus, GIB);
        struct blob blob = blob_make(&board);
        const struct madt_count n = madt_count(table_find(&blob, "APIC"));

        assert_int_equal(n.lapic, row[i].lapic);
        assert_int_equal(n.x2apic, row[i].x2apic);
        assert_int_equal(n.ioapic, 1);
        assert_int_equal(n.nmi, row[i].nmi);
        assert_int_equal(n.other, 0);
        free(blob.bytes);
    }
}

/* Ids need not be dense: what decides is whether the id fits, not how many CPUs there are. */
static void test_madt_sparse_ids(void **state)
{
    const struct board board = board_make(3, GIB);
    struct madt_count n;
    struct blob blob;

    (void)state;
    apic_ids[1] = 254;
    apic_ids[2] = 255;
    blob = blob_make(&board);
    n = madt_count(table_find(&blob, "APIC"));
    assert_int_equal(n.lapic, 2);
    assert_int_equal(n.x2apic, 1);
    assert_int_equal(n.nmi, 2);
    free(blob.bytes);
}

static void test_mcfg_fields(void **state)
{
    const struct board board = board_make(1, 128 * MIB);
    struct blob blob = blob_make(&board);
    const uint8_t *mcfg = table_find(&blob, "MCFG");

    (void)state;
    assert_int_equal(le32_load(mcfg + 4), 60);
    assert_int_equal(le64_load(mcfg + 44), 0xe8000000);
    assert_int_equal(mcfg[54], 0);
    assert_int_equal(mcfg[55], 0);
    free(blob.bytes);
}

static void test_most_cpus(void **state)
{
    const struct board board = board_make(BOARD_CPUS_MAX, GIB);
    struct blob blob = blob_make(&board);

    (void)state;
    assert_true(blob.layout.size < acpi_size_bound(&board));
    free(blob.bytes);
}

/* Every size of buffer either holds all or is refused, and not a byte behind it is written. */
static void test_no_overrun(void **state)
{
    const struct board board = board_make(3, 128 * MIB);
    struct blob full = blob_make(&board);
    struct acpi_layout out;
    struct err err;

    (void)state;
    for (size_t size = 0; size <= full.layout.size; size++) {
        uint8_t *buf = (uint8_t *)malloc(size + 16);

        assert_non_null(buf);
        memset(buf, 0xa5, size + 16);
        assert_int_equal(acpi_build(&board, LOAD_GPA, buf, size, &out, &err) == 0,
                         size == full.layout.size);
        for (size_t i = 0; i < 16; i++)
            assert_int_equal(buf[size + i], 0xa5);
        free(buf);
    }
    free(full.bytes);
}

static void board_refused(const struct board *board, uint64_t at, const char *word)
{
    static uint8_t buf[65536];
    struct acpi_layout out;
    struct err err = {""};

    assert_true(acpi_build(board, at, buf, sizeof(buf), &out, &err) < 0);
    assert_non_null(strstr(err.text, word));
}

static void spoil_no_cpu(struct board *b)
{
    b->cpus = 0;
}

static void spoil_many_cpus(struct board *b)
{
    b->cpus = BOARD_CPUS_MAX + 1;
}

static void spoil_bus(struct board *b)
{
    b->pci.bus_last = 1;
}

static void spoil_mem32(struct board *b)
{
    b->pci.mem32_size = 4 * GIB;
}

static void spoil_mem64(struct board *b)
{
    b->pci.mem64_base = UINT64_MAX - 1;
}

static void spoil_io(struct board *b)
{
    b->pci.io_base = 0xffff;
}

static void spoil_s5(struct board *b)
{
    b->s5_type = 8;
}

static void test_contradictions_refused(void **state)
{
    static const struct {
        void (*spoil)(struct board *b);
        const char *word;
    } row[] = {
        {spoil_no_cpu, "CPUs"},  {spoil_many_cpus, "CPUs"}, {spoil_bus, "bus range"},
        {spoil_mem32, "32-bit"}, {spoil_mem64, "64-bit"},   {spoil_io, "port window"},
        {spoil_s5, "S5"},
    };
    struct board b = board_make(1, 128 * MIB);

    (void)state;
    board_refused(&b, LOAD_GPA + 1, "multiple");
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        b = board_make(1, 128 * MIB);
        row[i].spoil(&b);
        board_refused(&b, LOAD_GPA, row[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iasl_accepts_every_table),
        cmocka_unit_test(test_iasl_accepts_sparse_board),
        cmocka_unit_test(test_broken_checksum_is_seen),
        cmocka_unit_test(test_fadt_fields),
        cmocka_unit_test(test_madt_entries),
        cmocka_unit_test(test_madt_sparse_ids),
        cmocka_unit_test(test_mcfg_fields),
        cmocka_unit_test(test_most_cpus),
        cmocka_unit_test(test_no_overrun),
        cmocka_unit_test(test_contradictions_refused),
    };

    return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
