// SPDX-License-Identifier: MIT
/*
 * The KVM border on a real /dev/kvm: port and memory accesses, doorbells, opening.
 */
#include "tests/unit/kvm-rig.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

/* ---- ports ---- */

GUEST(pio, ".code32\n"
           "mov $0x500, %dx\nmov $0x11223344, %eax\n"
           "out %al, %dx\nout %ax, %dx\nout %eax, %dx\n"
           "mov $0x10200, %esi\nmov $3, %ecx\nrep outsb\n"
           "mov $2, %ecx\nrep outsw\nmov $2, %ecx\nrep outsl\n"
           "mov $0x510, %dx\nxor %eax, %eax\nin %dx, %al\n" G_OUT_EAX(
               0x20) "mov $0x511, %dx\nxor "
                     "%eax, %eax\nin %dx, "
                     "%ax\n" G_OUT_EAX(0x21) "mov $0x512, %dx\nin %dx, %eax\n" G_OUT_EAX(
                         0x22) "mov $0x514, "
                               "%dx\nmov "
                               "$0x11000, "
                               "%edi\nmov $3, "
                               "%ecx\nrep "
                               "insw\n"
                               "mov 0x11000, "
                               "%eax"
                               "\n" G_OUT_EAX(0x23) "mov 0x11004, %eax\n" G_OUT_EAX(
                                   0x24) "mov "
                                         "$0x7"
                                         "00, "
                                         "%dx"
                                         "\nin"
                                         " %"
                                         "dx, "
                                         "%eax"
                                         "\n" G_OUT_EAX(0x25) G_DONE G_HALT);

static void test_pio(void **state)
{
    static const uint8_t text[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct vcpu_counts counts;
    struct rig rig;

    (void)state;
    rig_open(&rig, 1);
    RIG_LOAD(&rig, RIG_CODE, pio);
    rig_poke(&rig, 0x10200, text, sizeof(text));
    rig_aim(&rig, false, RIG_CODE);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    rig_expect(&rig, 0, false, 0, 1, 0x44);
    rig_expect(&rig, 1, false, 0, 2, 0x3344);
    rig_expect(&rig, 2, false, 0, 4, 0x11223344);
    rig_expect(&rig, 3, false, 0, 1, 1);
    rig_expect(&rig, 4, false, 0, 1, 2);
    rig_expect(&rig, 5, false, 0, 1, 3);
    rig_expect(&rig, 6, false, 0, 2, 0x0504);
    rig_expect(&rig, 7, false, 0, 2, 0x0706);
    rig_expect(&rig, 8, false, 0, 4, 0x0b0a0908);
    rig_expect(&rig, 9, false, 0, 4, 0x0f0e0d0c);
    rig_expect(&rig, 10, false, 0x20, 4, 0xb0);
    rig_expect(&rig, 11, false, 0x21, 4, 0xb2b1);
    rig_expect(&rig, 12, false, 0x22, 4, 0xb5b4b3b2);
    rig_expect(&rig, 13, false, 0x23, 4, 0xb5b4b5b4);
    rig_expect(&rig, 14, false, 0x24, 4, 0xb5b4);
    rig_expect(&rig, 15, false, 0x25, 4, 0xffffffff); /* nobody there */
    vcpu_counts(vcpus_get(rig.vcpus, 0), &counts);
    assert_in_range(counts.exits[VCPU_EXIT_PIO_WRITE], 13, 17);
    assert_in_range(counts.exits[VCPU_EXIT_PIO_READ], 5, 7);
    assert_int_equal(counts.exits[VCPU_EXIT_MMIO_READ], 0);
    rig_close(&rig);
}

/* ---- memory ---- */

/* clang-format off */
GUEST(mmio, ".code64\n"
      "mov $0xd0000000, %ebx\nmov $0x1122334455667788, %rax\n"
      "mov %al, 1(%rbx)\nmov %ax, 2(%rbx)\nmov %eax, 4(%rbx)\nmov %rax, 8(%rbx)\n"
      "movzbl 0x10(%rbx), %eax\n" G_OUT_EAX(0x20)
      "movzwl 0x12(%rbx), %eax\n" G_OUT_EAX(0x21)
      "mov 0x14(%rbx), %eax\n" G_OUT_EAX(0x22)
      "mov 0x18(%rbx), %rax\n" G_OUT_EAX(0x23)
      "shr $32, %rax\n" G_OUT_EAX(0x24)
      "mov $0xd0100000, %ebx\nmov (%rbx), %eax\nmov %eax, (%rbx)\n" G_OUT_EAX(0x25)
      "mov %esi, %eax\n" G_OUT_EAX(0x26) G_DONE G_HALT);
/* clang-format on */

static void test_mmio(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1);
    RIG_LOAD(&rig, RIG_CODE, mmio);
    rig_aim(&rig, true, RIG_CODE);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    rig_expect(&rig, 0, true, 1, 1, 0x88);
    rig_expect(&rig, 1, true, 2, 2, 0x7788);
    rig_expect(&rig, 2, true, 4, 4, 0x55667788);
    rig_expect(&rig, 3, true, 8, 8, 0x1122334455667788);
    rig_expect(&rig, 4, false, 0x20, 4, 0xb0);
    rig_expect(&rig, 5, false, 0x21, 4, 0xb3b2);
    rig_expect(&rig, 6, false, 0x22, 4, 0xb7b6b5b4);
    rig_expect(&rig, 7, false, 0x23, 4, 0xbbbab9b8);
    rig_expect(&rig, 8, false, 0x24, 4, 0xbfbebdbc);
    rig_expect(&rig, 9, false, 0x25, 4, 0xffffffff); /* nobody there */
    rig_expect(&rig, 10, false, 0x26, 4, 0x1234);    /* rsi of the entry */
    rig_close(&rig);
}

/* ---- doorbells ---- */

GUEST(bells, ".code32\n"
             "mov $0xd0001100, %ebx\nmov $7, %eax\n"
             "mov %al, (%ebx)\nmov %ax, (%ebx)\nmov %eax, (%ebx)\n" /* any width */
             "mov %ax, 4(%ebx)\n"                                   /* 2 bytes: the bell */
             "mov %eax, 4(%ebx)\n"                                  /* 4 bytes: the handler */
             "mov $0x610, %dx\nout %ax, %dx\n"                      /* 7: the bell */
             "mov $8, %eax\nout %ax, %dx\n"                         /* 8: another bell */
             "out %al, %dx\n"                                       /* 1 byte: the handler */
             "mov $9, %eax\nout %ax, %dx\n" G_DONE G_HALT);         /* 9: the handler */

static uint64_t rung(int fd)
{
    uint64_t n = 0;

    return read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}

static void test_bells(void **state)
{
    struct bus_bell mem_bells[2], port_bells[2];
    struct bus_claim mem = {.name = "bells", .space = BUS_MMIO, .size = 0x1000}, port;
    struct rig rig;
    int fd[4];

    (void)state;
    rig_open(&rig, 1);
    for (unsigned i = 0; i < 4; i++)
        assert_true((fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
    mem_bells[0] = (struct bus_bell){.off = 0x100, .len = 0, .fd = fd[0]};
    mem_bells[1] = (struct bus_bell){.off = 0x104, .len = 2, .fd = fd[1]};
    for (unsigned i = 0; i < 2; i++)
        port_bells[i] = (struct bus_bell){
            .off = 0x10, .len = 2, .match = true, .value = 7 + i, .fd = fd[2 + i]};
    mem.ops = &rig_mmio_ops;
    mem.ctx = &rig;
    mem.bell = mem_bells;
    mem.n_bells = 2;
    port = (struct bus_claim){.name = "bell port",
                              .space = BUS_PIO,
                              .size = 0x100,
                              .ops = &rig_port_ops,
                              .ctx = &rig,
                              .bell = port_bells,
                              .n_bells = 2};
    assert_int_equal(bus_map(rig.bus, &mem, RIG_MMIO + 0x1000), 0);
    assert_int_equal(bus_map(rig.bus, &port, 0x600), 0);
    RIG_LOAD(&rig, RIG_CODE, bells);
    rig_aim(&rig, false, RIG_CODE);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    assert_int_equal(rung(fd[0]), 3);
    assert_int_equal(rung(fd[1]), 1);
    assert_int_equal(rung(fd[2]), 1);
    assert_int_equal(rung(fd[3]), 1);
    rig_expect(&rig, 0, true, 0x104, 4, 7);
    rig_expect(&rig, 1, false, 0x10, 1, 8);
    rig_expect(&rig, 2, false, 0x10, 2, 9);
    assert_int_equal(rig_logged(&rig), 4); /* and the guest's last word */

    rig_reset(&rig); /* gone from the old place: handlers see all */
    bus_unmap(rig.bus, &port);
    bus_unmap(rig.bus, &mem);
    RIG_LOAD(&rig, RIG_CODE, bells);
    rig_aim(&rig, false, RIG_CODE);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(rung(fd[i]), 0);
    rig_close(&rig);
    for (unsigned i = 0; i < 4; i++)
        close(fd[i]);
}

/* ---- opening, laying out ---- */

static void open_error(const char *path, const char *words)
{
    struct err err = {""};

    assert_null(kvm_open_path(path, &err));
    assert_non_null(strstr(err.text, words));
    assert_non_null(strstr(err.text, path));
}

static void test_open_errors(void **state)
{
    char path[] = "/tmp/test-kvm-XXXXXX";
    const int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    open_error("/dev/no-such-kvm", "kvm_intel");
    open_error("/dev/null", "is not KVM");
    assert_int_equal(fchmod(fd, 0), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    open_error(path, "group kvm");
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    unlink(path);
    close(fd);
}

static void test_board(void **state)
{
    static const struct {
        uint64_t size, low, high, mem64;
    } cases[] = {
        {64 * MIB, 64 * MIB, 0, 4 * GIB},
        {3 * GIB, 3 * GIB, 0, 4 * GIB},
        {3 * GIB + 4096, 3 * GIB, 4096, 5 * GIB},
        {5 * GIB, 3 * GIB, 2 * GIB, 6 * GIB},
    };
    uint32_t ids[4];
    struct board board;
    struct err err = {""};
    struct kvm *kvm;

    (void)state;
    if (access("/dev/kvm", R_OK | W_OK))
        skip();
    kvm = kvm_open(&err);
    assert_non_null(kvm);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(arch_board(kvm, cases[i].size, 4, ids, &board, &err), 0);
        assert_int_equal(board.ram[0].base, 0);
        assert_int_equal(board.ram[0].size, cases[i].low);
        assert_int_equal(board.n_ram, cases[i].high ? 2 : 1);
        assert_int_equal(board.ram[1].base, cases[i].high ? 4 * GIB : 0);
        assert_int_equal(board.ram[1].size, cases[i].high);
        assert_int_equal(board.pci.mem64_base, cases[i].mem64);
        assert_true(board.pci.mem64_size >= GIB);
        assert_int_equal(board.pci.mem32_base + board.pci.mem32_size, board.pci.ecam_base);
        assert_ptr_equal(board.cpu_id, ids);
        assert_int_equal(ids[3], 3);
    }
    assert_true(arch_board(kvm, 0, 1, ids, &board, &err) < 0);
    assert_true(arch_board(kvm, MIB + 1, 1, ids, &board, &err) < 0);
    assert_true(arch_board(kvm, BIT64(60), 1, ids, &board, &err) < 0);
    assert_true(arch_board(kvm, GIB, 0, ids, &board, &err) < 0);
    assert_true(arch_board(kvm, GIB, UINT32_MAX, ids, &board, &err) < 0);
    kvm_close(kvm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_errors), cmocka_unit_test(test_board),
        cmocka_unit_test(test_pio),         cmocka_unit_test(test_mmio),
        cmocka_unit_test(test_bells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
