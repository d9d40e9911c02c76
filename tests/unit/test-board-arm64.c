// SPDX-License-Identifier: MIT
/*
 * The arm64 machine as it is laid out for so much RAM and so many processors: nothing overlaps,
 * what a host cannot do is refused, and the device tree says the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "firmware/fdt.h"
#include "vmm/arch.h"
#include "vmm/arm64/arm64.h"
#include "vmm/arm64/layout.h"
#include "vmm/base/bits.h"

enum { CPUS_MOST = 1024 };

#define ADDRESSES BIT64(40)

/* ---- a host, as arch_board() asks for it ---- */

static struct {
    unsigned cpus;
    bool gicv3, its;
} host;

unsigned kvm_max_vcpus(const struct kvm *kvm)
{
    (void)kvm;
    return host.cpus;
}

bool kvm_device_known(const struct kvm *kvm, uint32_t type)
{
    (void)kvm;
    (void)type;
    return host.gicv3;
}

bool arm64_has_its(const struct kvm *kvm)
{
    (void)kvm;
    return host.its;
}

static int setup(void **state)
{
    (void)state;
    host.cpus = 512;
    host.gicv3 = host.its = true;
    return 0;
}

static struct board board;
static uint32_t cpu_id[CPUS_MOST];
static uint8_t tree[FDT_SIZE_MAX];

static int lay(uint64_t ram, unsigned cpus, struct err *err)
{
    err->text[0] = '\0';
    return arch_board(NULL, ram, cpus, cpu_id, &board, err);
}

static void lays(uint64_t ram, unsigned cpus)
{
    struct err err;

    if (lay(ram, cpus, &err) < 0)
        fail_msg("%s", err.text);
}

static void refused(uint64_t ram, unsigned cpus, const char *why)
{
    struct err err;

    assert_int_equal(lay(ram, cpus, &err), -EINVAL);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

/* ---- what is where ---- */

/* In the order of addresses, none reaches into the next. */
static void nothing_overlaps(void)
{
    const struct board_gic *gic = &board.gic;
    const struct board_range range[] = {
        gic->dist,
        gic->version == 2 ? gic->cpu : (struct board_range){ARM64_GICC_BASE, 0},
        gic->v2m.size ? gic->v2m : (struct board_range){ARM64_V2M_BASE, 0},
        gic->its.size ? gic->its : (struct board_range){ARM64_ITS_BASE, 0},
        {board.uart.base, 4 * KIB},
        {board.clock.base, 4 * KIB},
        {board.gpio.base, 4 * KIB},
        gic->version == 3 ? gic->cpu : (struct board_range){ARM64_GICR_BASE, 0},
        {board.pci.mem32_base, board.pci.mem32_size},
        {board.pci.io_cpu_base, 64 * KIB},
        {board.pci.ecam_base, board.pci.ecam_size},
        {board.ram[0].base, board.ram[0].size},
        {board.pci.mem64_base, board.pci.mem64_size},
    };

    for (size_t i = 0; i + 1 < ARRAY_SIZE(range); i++)
        if (range[i].base + range[i].size > range[i + 1].base)
            fail_msg("range %zu reaches 0x%llx, the next is at 0x%llx", i,
                     (unsigned long long)(range[i].base + range[i].size),
                     (unsigned long long)range[i + 1].base);
    assert_true(board.pci.mem64_base + board.pci.mem64_size <= ADDRESSES);
}

static void test_memory(void **state)
{
    static const struct {
        uint64_t ram, mem64_base, mem64_size;
    } row[] = {
        {64 * MIB, 4 * GIB, 64 * GIB},
        {3 * GIB, 4 * GIB, 64 * GIB},
        {3 * GIB + 4 * KIB, 5 * GIB, 64 * GIB},
        {8 * GIB, 9 * GIB, 64 * GIB},
        {8 * GIB + 64 * MIB, 10 * GIB, 64 * GIB},
        {512 * GIB, 513 * GIB, 64 * GIB},
        {1000 * GIB, 1001 * GIB, 23 * GIB},
        {1023 * GIB, 1024 * GIB, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        lays(row[i].ram, 4);
        assert_int_equal(board.n_ram, 1);
        assert_true(board.ram[0].base == ARM64_RAM_BASE && board.ram[0].size == row[i].ram);
        assert_true(board.pci.mem64_base == row[i].mem64_base);
        assert_true(board.pci.mem64_size == row[i].mem64_size);
        nothing_overlaps();
    }
    refused(1023 * GIB + 4 * KIB, 1, "up to 1047552 MiB");
    refused(UINT64_MAX - 4 * KIB + 1, 1, "up to 1047552 MiB");
    refused(GIB + 1, 1, "whole pages");
    refused(0, 1, "whole pages");
}

/* As many as KVM allows: numbered as KVM does it, in clusters of 16, each with its redistributor.
 */
static void test_processors(void **state)
{
    static const unsigned cpus[] = {1, 4, 16, 17, 40, 256, 512};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
        lays(GIB, cpus[i]);
        assert_int_equal(board.cpus, cpus[i]);
        assert_ptr_equal(board.cpu_id, cpu_id);
        assert_true(board.gic.cpu.size == (uint64_t)cpus[i] * ARM64_GICR_SIZE);
        for (unsigned k = 0; k < cpus[i]; k++)
            assert_int_equal(cpu_id[k], k / 16 << 8 | k % 16);
        nothing_overlaps();
    }
    refused(GIB, 513, "KVM allows 1 to 512");
    refused(GIB, 0, "KVM allows 1 to 512");
    host.cpus = CPUS_MOST; /* more than there is room for redistributors */
    lays(GIB, 768);
    nothing_overlaps();
    refused(GIB, 769, "1 to 768");
}

static void test_old_hosts(void **state)
{
    (void)state;
    host.its = false;
    lays(GIB, 17);
    assert_int_equal(board.gic.version, 3);
    assert_true(board.gic.v2m.base == ARM64_V2M_BASE && board.gic.its.size == 0);
    nothing_overlaps();
    host.gicv3 = false;
    lays(GIB, 8);
    assert_int_equal(board.gic.version, 2);
    nothing_overlaps();
    refused(GIB, 9, "1 to 8");
}

/* ---- what the guest is told ---- */

static void cells(const char *path, const char *name, size_t from, const uint32_t *want, size_t n)
{
    const int at = fdt_path_offset(tree, path);
    int len = 0;
    const fdt32_t *value = at < 0 ? NULL : fdt_getprop(tree, at, name, &len);

    if (!value || (size_t)len < (from + n) * sizeof(*value))
        fail_msg("%s of %s is not there", name, path);
    for (size_t i = 0; i < n; i++)
        if (fdt32_to_cpu(value[from + i]) != want[i])
            fail_msg("%s: cell %zu of %s is 0x%x, not 0x%x", path, from + i, name,
                     fdt32_to_cpu(value[from + i]), want[i]);
}

#define CELLS_AT(path, name, from, ...)                      \
    cells(path, name, from, (const uint32_t[]){__VA_ARGS__}, \
          ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})))

static void tree_make(void)
{
    const struct fdt_boot boot = {.cmdline = "hello"};
    struct err err = {""};

    if (fdt_make(&board, &boot, tree, sizeof(tree), &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(fdt_check_full(tree, sizeof(tree)), 0);
}

/* The window above RAM is the third range, after seven cells each of ports and of memory below. */
static void test_tree(void **state)
{
    (void)state;
    lays(8 * GIB, 40);
    tree_make();
    CELLS_AT("/memory@40000000", "reg", 0, 0, 0x40000000, 2, 0);
    CELLS_AT("/interrupt-controller@8000000", "reg", 0, 0, ARM64_GICD_BASE, 0, ARM64_GICD_SIZE, 0,
             ARM64_GICR_BASE, 0, 40 * ARM64_GICR_SIZE);
    CELLS_AT("/pcie@3f000000", "ranges", 14, 0x03000000, 2, 0x40000000, 2, 0x40000000, 0x10, 0);
    CELLS_AT("/cpus/cpu@f", "reg", 0, 0xf);
    CELLS_AT("/cpus/cpu@100", "reg", 0, 0x100);
    CELLS_AT("/cpus/cpu@207", "reg", 0, 0x207);
    assert_true(fdt_path_offset(tree, "/cpus/cpu@208") < 0);
    assert_true(fdt_path_offset(tree, "/cpus/cpu@10") < 0);
    lays(8 * GIB, 512);
    tree_make();
    CELLS_AT("/cpus/cpu@1f0f", "reg", 0, 0x1f0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_memory, setup),
        cmocka_unit_test_setup(test_processors, setup),
        cmocka_unit_test_setup(test_old_hosts, setup),
        cmocka_unit_test_setup(test_tree, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
