// SPDX-License-Identifier: MIT
/*
 * The device tree: the properties that Linux' bindings require, with the board's numbers in them;
 * dtc reads it without a warning.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libfdt.h>

#include "firmware/fdt.h"
#include "tests/unit/arm64-board.h"

enum { CELLS = 256, SPI = 0, HIGH = 4 };

static uint8_t tree[FDT_SIZE_MAX];

static const struct fdt_boot boot_plain = {.cmdline = "console=ttyAMA0 quiet"};

static int make(const struct arm64_guest *g, const struct fdt_boot *boot)
{
    struct err err = {""};
    const int size = fdt_make(&g->board, boot, tree, sizeof(tree), &err);

    if (size < 0)
        fail_msg("%s", err.text);
    assert_int_equal(fdt_check_full(tree, sizeof(tree)), 0);
    return size;
}

static int node(const char *path)
{
    const int at = fdt_path_offset(tree, path);

    if (at < 0)
        fail_msg("no node %s", path);
    return at;
}

static const void *property(const char *path, const char *name, int want)
{
    int len;
    const void *value = fdt_getprop(tree, node(path), name, &len);

    if (!value || (want >= 0 && len != want))
        fail_msg("%s: %s has %d bytes, not %d", path, name, value ? len : -1, want);
    return value;
}

/* Strings, one after the other, each with its NUL but the last one's, which C adds. */
#define TEXTS(path, name, literal) \
    assert_memory_equal(property(path, name, sizeof(literal)), literal, sizeof(literal))

static void cells(const char *path, const char *name, const uint32_t *want, size_t n)
{
    const fdt32_t *value = property(path, name, (int)(n * sizeof(*value)));

    for (size_t i = 0; i < n; i++)
        if (fdt32_to_cpu(value[i]) != want[i])
            fail_msg("%s: cell %zu of %s is 0x%x, not 0x%x", path, i, name, fdt32_to_cpu(value[i]),
                     want[i]);
}

#define CELL(path, name, ...)                          \
    cells(path, name, (const uint32_t[]){__VA_ARGS__}, \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void flag(const char *path, const char *name)
{
    property(path, name, 0);
}

static bool has(const char *path, const char *name)
{
    return fdt_getprop(tree, node(path), name, NULL) != NULL;
}

static uint32_t phandle(const char *path)
{
    return fdt32_ld(property(path, "phandle", 4));
}

/* ---- what bindings require ---- */

static void root_check(void)
{
    TEXTS("/", "compatible", "linux,dummy-virt");
    CELL("/", "#address-cells", 2);
    CELL("/", "#size-cells", 2);
    CELL("/", "interrupt-parent", phandle("/interrupt-controller@8000000"));
    TEXTS("/memory@40000000", "device_type", "memory");
    CELL("/memory@40000000", "reg", 0, 0x40000000, 0, 0x40000000);
    TEXTS("/psci", "compatible", "arm,psci-1.0\0arm,psci-0.2");
    TEXTS("/psci", "method", "hvc");
}

static void cpus_check(unsigned n)
{
    unsigned found = 0;
    int at;

    CELL("/cpus", "#address-cells", 1);
    CELL("/cpus", "#size-cells", 0);
    fdt_for_each_subnode(at, tree, node("/cpus")) found++;
    assert_int_equal(found, n);
    for (unsigned i = 0; i < n; i++) {
        const uint32_t id = (i & 15) | (i >> 4) << 8;
        char path[32];

        snprintf(path, sizeof(path), "/cpus/cpu@%x", id);
        TEXTS(path, "device_type", "cpu");
        TEXTS(path, "compatible", "arm,armv8");
        TEXTS(path, "enable-method", "psci");
        CELL(path, "reg", id);
    }
}

/* secure, physical, virtual, hypervisor: PPIs 13, 14, 11, 10 */
static void timer_check(uint32_t how)
{
    TEXTS("/timer", "compatible", "arm,armv8-timer");
    CELL("/timer", "interrupts", 1, 13, how, 1, 14, how, 1, 11, how, 1, 10, how);
    flag("/timer", "always-on");
}

static void cell_check(const char *path, const char *compatible, size_t len, uint32_t base,
                       uint32_t spi)
{
    assert_memory_equal(property(path, "compatible", (int)len), compatible, len);
    CELL(path, "reg", 0, base, 0, 0x1000);
    CELL(path, "interrupts", SPI, spi, HIGH);
    assert_true(fdt32_ld(property(path, "clocks", -1)) == phandle("/apb-pclk"));
}

#define CELL_CHECK(path, compatible, base, spi) \
    cell_check(path, compatible, sizeof(compatible), base, spi)

static void devices_check(void)
{
    CELL("/apb-pclk", "#clock-cells", 0);
    TEXTS("/apb-pclk", "compatible", "fixed-clock");
    CELL("/apb-pclk", "clock-frequency", 24000000);
    CELL_CHECK("/serial@9000000", "arm,pl011\0arm,primecell", 0x09000000, 1);
    TEXTS("/serial@9000000", "clock-names", "uartclk\0apb_pclk");
    property("/serial@9000000", "clocks", 8);
    CELL_CHECK("/rtc@9010000", "arm,pl031\0arm,primecell", 0x09010000, 2);
    TEXTS("/rtc@9010000", "clock-names", "apb_pclk");
    CELL_CHECK("/gpio@9020000", "arm,pl061\0arm,primecell", 0x09020000, 3);
    CELL("/gpio@9020000", "#gpio-cells", 2);
    flag("/gpio@9020000", "gpio-controller");
    CELL("/gpio@9020000", "#interrupt-cells", 2);
    CELL("/gpio@9020000", "#address-cells", 0);
    TEXTS("/gpio-keys", "compatible", "gpio-keys");
    CELL("/gpio-keys/key-power", "linux,code", 116);
    CELL("/gpio-keys/key-power", "gpios", phandle("/gpio@9020000"), 3, 0);
}

#define PCIE "/pcie@3f000000"

static void pci_pins_check(void)
{
    const fdt32_t *map = property(PCIE, "interrupt-map", 4 * 4 * 10 * 4);
    const uint32_t gic = phandle("/interrupt-controller@8000000");

    CELL(PCIE, "#interrupt-cells", 1);
    CELL(PCIE, "interrupt-map-mask", 3 << 11, 0, 0, 7);
    for (uint32_t i = 0; i < 16; i++, map += 10) {
        const uint32_t slot = i / 4, pin = i % 4;
        const uint32_t want[10] = {slot << 11,           0,   0, pin + 1, gic, 0, 0, SPI,
                                   4 + (slot + pin) % 4, HIGH};

        for (unsigned k = 0; k < 10; k++)
            assert_int_equal(fdt32_to_cpu(map[k]), want[k]);
    }
}

static void pci_check(void)
{
    TEXTS(PCIE, "compatible", "pci-host-ecam-generic");
    TEXTS(PCIE, "device_type", "pci");
    CELL(PCIE, "#address-cells", 3);
    CELL(PCIE, "#size-cells", 2);
    CELL(PCIE, "bus-range", 0, 0);
    CELL(PCIE, "reg", 0, 0x3f000000, 0, 0x100000);
    flag(PCIE, "dma-coherent");
    /* ports, memory below 4 GiB, memory above; bus address, CPU address, size */
    CELL(PCIE, "ranges", 0x01000000, 0, 0, 0, 0x3eff0000, 0, 0x10000, /* */
         0x02000000, 0, 0x10000000, 0, 0x10000000, 0, 0x2e000000,     /* */
         0x03000000, 1, 0, 1, 0, 0x10, 0);
    pci_pins_check();
}

static void test_gicv3_its(void **state)
{
    struct arm64_guest g;

    (void)state;
    arm64_guest_make(&g, 0, 18, 3, true);
    make(&g, &boot_plain);
    root_check();
    cpus_check(18);
    timer_check(HIGH);
    TEXTS("/interrupt-controller@8000000", "compatible", "arm,gic-v3");
    CELL("/interrupt-controller@8000000", "#interrupt-cells", 3);
    flag("/interrupt-controller@8000000", "interrupt-controller");
    flag("/interrupt-controller@8000000", "ranges");
    CELL("/interrupt-controller@8000000", "reg", 0, 0x08000000, 0, 0x10000, 0, 0x0a000000, 0,
         18 * 0x20000);
    TEXTS("/interrupt-controller@8000000/msi-controller@8080000", "compatible", "arm,gic-v3-its");
    flag("/interrupt-controller@8000000/msi-controller@8080000", "msi-controller");
    CELL("/interrupt-controller@8000000/msi-controller@8080000", "#msi-cells", 1);
    CELL("/interrupt-controller@8000000/msi-controller@8080000", "reg", 0, 0x08080000, 0, 0x20000);
    devices_check();
    pci_check();
    CELL(PCIE, "msi-map", 0, phandle("/interrupt-controller@8000000/msi-controller@8080000"), 0,
         0x10000);
}

static void test_gicv2_v2m(void **state)
{
    struct arm64_guest g;

    (void)state;
    arm64_guest_make(&g, 0, 4, 2, false);
    make(&g, &boot_plain);
    cpus_check(4);
    timer_check(0xf << 8 | HIGH);
    TEXTS("/interrupt-controller@8000000", "compatible", "arm,cortex-a15-gic");
    CELL("/interrupt-controller@8000000", "reg", 0, 0x08000000, 0, 0x10000, 0, 0x08010000, 0,
         0x10000);
    TEXTS("/interrupt-controller@8000000/v2m@8020000", "compatible", "arm,gic-v2m-frame");
    flag("/interrupt-controller@8000000/v2m@8020000", "msi-controller");
    CELL("/interrupt-controller@8000000/v2m@8020000", "reg", 0, 0x08020000, 0, 0x1000);
    CELL(PCIE, "msi-parent", phandle("/interrupt-controller@8000000/v2m@8020000"));
    assert_false(has(PCIE, "msi-map"));
    pci_check();
}

static void test_chosen(void **state)
{
    struct fdt_boot boot = {.cmdline = "hello", .initrd_gpa = 0x48000000, .initrd_size = 0x1234};
    struct arm64_guest g;

    (void)state;
    memset(boot.seed, 0x5a, sizeof(boot.seed));
    memset(boot.kaslr_seed, 0xa5, sizeof(boot.kaslr_seed));
    arm64_guest_make(&g, 0, 1, 3, true);
    make(&g, &boot);
    TEXTS("/chosen", "bootargs", "hello");
    TEXTS("/chosen", "stdout-path", "/serial@9000000");
    node("/serial@9000000");
    CELL("/chosen", "linux,initrd-start", 0, 0x48000000);
    CELL("/chosen", "linux,initrd-end", 0, 0x48001234);
    assert_memory_equal(property("/chosen", "rng-seed", FDT_SEED), boot.seed, FDT_SEED);
    assert_memory_equal(property("/chosen", "kaslr-seed", FDT_KASLR_SEED), boot.kaslr_seed,
                        FDT_KASLR_SEED);
    make(&g, &boot_plain);
    assert_false(has("/chosen", "linux,initrd-start"));
}

/* Without a window above 4 GiB, and without the devices that a board need not have. */
static void test_less(void **state)
{
    struct arm64_guest g;

    (void)state;
    arm64_guest_make(&g, 0, 1, 3, false);
    g.board.gic.v2m.size = 0;
    g.board.pci.mem64_size = 0;
    g.board.uart.base = g.board.clock.base = g.board.gpio.base = 0;
    make(&g, &boot_plain);
    property(PCIE, "ranges", 2 * 7 * 4);
    assert_false(has(PCIE, "msi-map"));
    assert_false(has(PCIE, "msi-parent"));
    assert_false(has("/chosen", "stdout-path"));
    assert_true(fdt_path_offset(tree, "/gpio-keys") < 0);
    assert_true(fdt_path_offset(tree, "/rtc@9010000") < 0);
}

static void test_no_room(void **state)
{
    struct err err = {""};
    struct arm64_guest g;
    int size;

    (void)state;
    arm64_guest_make(&g, 0, 4, 3, true);
    size = make(&g, &boot_plain);
    for (int room = 0; room < size; room += 61) {
        assert_int_equal(fdt_make(&g.board, &boot_plain, tree, (size_t)room, &err), -ENOSPC);
        assert_non_null(strstr(err.text, "does not fit"));
    }
}

static void dtc_check(const struct arm64_guest *g)
{
    char path[] = "/tmp/vmm-fdt.XXXXXX", command[128], said[2048];
    const int fd = mkstemp(path), size = make(g, &boot_plain);
    size_t n;
    FILE *dtc;

    assert_true(fd >= 0);
    assert_true(write(fd, tree, (size_t)size) == size);
    close(fd);
    snprintf(command, sizeof(command), "dtc -I dtb -O dts -o /dev/null %s 2>&1", path);
    dtc = popen(command, "r");
    assert_non_null(dtc);
    n = fread(said, 1, sizeof(said) - 1, dtc);
    said[n] = '\0';
    assert_string_equal(said, "");
    assert_int_equal(pclose(dtc), 0);
    unlink(path);
}

static void test_dtc(void **state)
{
    struct arm64_guest g;

    (void)state;
    arm64_guest_make(&g, 0, 18, 3, true);
    dtc_check(&g);
    arm64_guest_make(&g, 0, 4, 2, false);
    dtc_check(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gicv3_its), cmocka_unit_test(test_gicv2_v2m),
        cmocka_unit_test(test_chosen),    cmocka_unit_test(test_less),
        cmocka_unit_test(test_no_room),   cmocka_unit_test(test_dtc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
