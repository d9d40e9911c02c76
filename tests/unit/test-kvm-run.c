// SPDX-License-Identifier: MIT
/*
 * The life of vCPUs on a real /dev/kvm: pause and resume, restart in place, several processors,
 * the ways in which a guest ends.
 */
#include "tests/unit/kvm-rig.h"

/* ---- pausing ---- */

GUEST(ticker, ".code32\n"
              "mov $0x500, %dx\n"
              "1: inc %eax\nout %eax, %dx\njmp 1b\n");
GUEST(sleeper, ".code32\n" G_DONE "1: cli\nhlt\njmp 1b\n");

/* A guest that makes progress: wait until the log has grown past n. */
static void expect_progress(struct rig *rig, uint64_t n)
{
    for (unsigned i = 0; rig_total(rig) <= n; i++) {
        assert_true(i < RIG_SECONDS * 10000);
        usleep(100);
    }
}

static void test_pause(void **state)
{
    struct rig rig;
    uint64_t n;

    (void)state;
    rig_open(&rig, 1);
    RIG_LOAD(&rig, RIG_CODE, ticker);
    rig_aim(&rig, false, RIG_CODE);
    for (unsigned i = 0; i < 1000; i++) {
        n = rig_total(&rig);
        vcpus_resume(rig.vcpus);
        expect_progress(&rig, n);
        vcpus_pause(rig.vcpus);
        n = rig_total(&rig);
        if (i % 20 == 0)
            usleep(1000);
        assert_int_equal(rig_total(&rig), n);
    }
    for (unsigned i = 0; i < 1000; i++) { /* without a rest: the kick meets every place */
        vcpus_resume(rig.vcpus);
        vcpus_pause(rig.vcpus);
        vcpus_pause(rig.vcpus);
    }
    n = rig_total(&rig);
    vcpus_resume(rig.vcpus);
    expect_progress(&rig, n);
    for (unsigned i = 1; i < rig.n_log; i++) /* no access lost, none done twice */
        assert_int_equal(rig.log[i].value, rig.log[0].value + i);
    rig_close(&rig); /* with the guest running */
}

/* Processors that sleep in HLT or wait to be started are inside the kernel for ever. */
static void test_pause_asleep(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 3);
    RIG_LOAD(&rig, RIG_CODE, sleeper);
    rig_aim(&rig, false, RIG_CODE);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    for (unsigned i = 0; i < 1000; i++) {
        vcpus_pause(rig.vcpus);
        vcpus_resume(rig.vcpus);
        if (i % 50 == 0)
            usleep(200);
    }
    rig_close(&rig);
}

struct pauser {
    struct rig *rig;
    pthread_t thread;
};

static void *pauser_main(void *arg)
{
    struct pauser *p = arg;

    for (unsigned i = 0; i < 300; i++) {
        vcpus_pause_ask(p->rig->vcpus);
        vcpus_resume(p->rig->vcpus);
    }
    return NULL;
}

/* Two threads that do not know of each other. */
static void test_pause_contended(void **state)
{
    struct pauser p[2];
    struct rig rig;
    uint64_t n;

    (void)state;
    rig_open(&rig, 2);
    RIG_LOAD(&rig, RIG_CODE, ticker);
    rig_aim(&rig, false, RIG_CODE);
    for (unsigned i = 0; i < 2; i++) {
        p[i].rig = &rig;
        assert_int_equal(pthread_create(&p[i].thread, NULL, pauser_main, &p[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(p[i].thread, NULL);
    vcpus_resume(rig.vcpus);
    n = rig_total(&rig);
    expect_progress(&rig, n);
    rig_close(&rig);
}

GUEST(asker, ".code32\n" G_OUT(0xf4, 1) G_OUT(0x20, 2) "mov 0xd0000800, %eax\n" G_OUT_EAX(0x24)
                 G_DONE G_HALT);

/* A pause that the guest's own access asks for: that access is the last thing that happens. */
static void test_pause_asked(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1);
    RIG_LOAD(&rig, RIG_CODE, asker);
    rig_aim(&rig, false, RIG_CODE);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    usleep(20000);
    assert_int_equal(rig_logged(&rig), 1);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig); /* in the read of memory */
    usleep(20000);
    assert_int_equal(rig_logged(&rig), 2);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    rig_expect(&rig, 1, false, 0x20, 4, 2);
    rig_expect(&rig, 2, false, 0x24, 4, 0xffffffff);
    rig_close(&rig);
}

/* ---- restart in place ---- */

#define G_SAY           "mov $0x510, %dx\nout %eax, %dx\n"
#define G_SAY_HIGH      "mov %ebp, %eax\n" G_SAY
#define G_SAY_MSR(msr)  "mov $" #msr ", %ecx\nrdmsr\nmov %edx, %ebp\n" G_SAY G_SAY_HIGH
#define G_SAY_MEM(addr) "mov " #addr ", %eax\n" G_SAY
#define G_SET_MSR(msr, hi, lo) \
    "mov $" #msr ", %ecx\nmov $" #lo ", %eax\nmov $" #hi ", %edx\nwrmsr\n"

/* Tell what a fresh processor shows, in 30 numbers or so ... */
#define G_REPORT                                                                                   \
    ".code32\n"                                                                                    \
    "mov %edx, %esp\n" G_SAY "mov %esp, %eax\n" G_SAY "mov %ecx, %eax\n" G_SAY                     \
    "mov %ebp, %eax\n" G_SAY "mov %edi, %eax\n" G_SAY "mov %esi, %eax\n" G_SAY                     \
    "mov %cr0, %eax\n" G_SAY "mov %cr3, %eax\n" G_SAY "mov %cr4, %eax\n" G_SAY                     \
    "mov %dr7, %eax\n" G_SAY                                                                       \
    "mov %dr0, %eax\n" G_SAY G_SAY_MEM(0xfee000f0) G_SAY_MEM(0xfee00080) G_SAY_MEM(0xfee00350)     \
        G_SAY_MEM(0xfee00320) G_SAY_MEM(0xfee00380) "movl $0x30, 0xfec00000\n" G_SAY_MEM(          \
            0xfec00010) "in $0x21, %al\nmovzbl %al, %eax\n" G_SAY G_SAY_MSR(0x1b) G_SAY_MSR(0x2ff) \
            G_SAY_MSR(0x200) G_SAY_MSR(0x277) G_SAY_MSR(0x1a0) G_SAY_MSR(0xc0000080)               \
                G_SAY_MSR(0xc0000081) G_SAY_MSR(0x174) G_SAY_MSR(0x4b564d00) G_SAY_MSR(0x4b564d01) \
                    G_SAY_MSR(0x6e0)

/* ... and then change it all. */
#define G_SPOIL                                                                                    \
    "mov $0x1a0, %ecx\nrdmsr\nand $~1, %eax\nwrmsr\n"                                              \
    "movl $0x1ff, 0xfee000f0\nmovl $0x10, 0xfee00080\nmovl $0x10700, 0xfee00350\n"                 \
    "movl $0x50031, 0xfee00320\n"                                                                  \
    "movl $0x30, 0xfec00000\nmovl $0x18040, 0xfec00010\n"                                          \
    "mov $0x55, %al\nout %al, $0x21\n" G_SET_MSR(0x6e0, 0x7fffffff, 0) G_SET_MSR(0x2ff, 0, 0xc00)  \
        G_SET_MSR(0x200, 0, 0x80000006) G_SET_MSR(0x277, 0x00070406,                               \
                                                  0x00070406) G_SET_MSR(0xc0000081, 0x00080010, 0) \
            G_SET_MSR(0x174, 0, 8) G_SET_MSR(0x4b564d00, 0, 0x7000) G_SET_MSR(                     \
                0x4b564d01, 0,                                                                     \
                0x6001) "mov $0x600, %eax\nmov %eax, %cr4\nmov $0x100000, %eax\nmov %eax, %cr3\n"  \
                        "mov $0x12345, %eax\nmov %eax, %dr0\nmov $0x402, %eax\nmov %eax, "         \
                        "%dr7\n" G_SET_MSR(0x1b, 0, 0xfee00d00) /* x2APIC: its memory is gone */

GUEST(spoil_halt, G_REPORT G_SPOIL G_DONE G_HALT);
GUEST(spoil_port, G_REPORT G_SPOIL G_OUT(0xf4, 1) G_OUT(0x30, 1) G_HALT);
GUEST(spoil_mmio, G_REPORT G_SPOIL "mov 0xd0000800, %eax\nmov %eax, %ecx\n" G_HALT);
GUEST(spoil_string,
      G_REPORT G_SPOIL "mov $0x5f4, %dx\nmov $0x10000, %esi\nmov $20000, %ecx\nrep outsb\n" G_HALT);
GUEST(wide, ".code64\nmov %cr4, %rax\nor $0x600, %rax\nmov %rax, %cr4\n" G_DONE
            "mov $0xd0000800, %ebx\nmov (%rbx), %rax\n" G_HALT);

struct report {
    unsigned n;
    uint64_t value[256];
};

static struct report report_take(struct rig *rig)
{
    struct report r = {0};

    for (unsigned i = 0; i < rig_logged(rig); i++)
        if (rig->log[i].off == 0x10)
            r.value[r.n++] = rig->log[i].value;
    return r;
}

static void report_expect(const struct report *want, const struct report *got)
{
    assert_int_equal(got->n, want->n);
    for (unsigned i = 0; i < want->n; i++)
        if (got->value[i] != want->value[i])
            fail_msg("number %u of the report: 0x%llx after a reset, 0x%llx before", i,
                     (unsigned long long)got->value[i], (unsigned long long)want->value[i]);
}

static struct report report_run(struct rig *rig, const uint8_t *start, const uint8_t *end)
{
    struct report r;

    rig_poke(rig, RIG_CODE, start, (size_t)(end - start));
    rig_aim(rig, false, RIG_CODE);
    vcpus_resume(rig->vcpus);
    rig_wait(rig);
    r = report_take(rig);
    rig_reset(rig);
    return r;
}

static void wide_run(struct rig *rig)
{
    RIG_LOAD(rig, RIG_CODE, wide);
    rig_aim(rig, true, RIG_CODE);
    vcpus_resume(rig->vcpus);
    rig_wait(rig);
    rig_reset(rig);
}

static void test_reset(void **state)
{
    const struct {
        const uint8_t *start, *end;
    } spoilers[] = {
        {spoil_port_start, spoil_port_end},     {spoil_halt_start, spoil_halt_end},
        {spoil_mmio_start, spoil_mmio_end},     {spoil_halt_start, spoil_halt_end},
        {spoil_string_start, spoil_string_end}, {spoil_halt_start, spoil_halt_end},
    };
    struct report first, next;
    struct rig rig;

    (void)state;
    rig_open(&rig, 1);
    first = report_run(&rig, spoil_halt_start, spoil_halt_end);
    assert_in_range(first.n, 30, 60);
    assert_int_equal(first.value[0], 0);      /* eax */
    assert_int_equal(first.value[5], 0x1234); /* esi of the entry */
    assert_int_equal(first.value[6], 0x11);   /* cr0: protection, no cache bits */
    assert_int_equal(first.value[20], 0x806); /* MTRRs on, write-back */
    for (unsigned i = 0; i < ARRAY_SIZE(spoilers); i++) {
        next = report_run(&rig, spoilers[i].start, spoilers[i].end);
        report_expect(&first, &next);
        if (i % 2)
            wide_run(&rig);
    }
    rig_close(&rig);
}

/* ---- several processors ---- */

/* All others at once: INIT, then start at 0x8000. */
GUEST(starter, ".code32\n"
               "movl $0x1ff, 0xfee000f0\n"
               "movl $0xc4500, 0xfee00300\nmovl $0xc4608, 0xfee00300\n"
               "mov $0xb, %eax\nxor %ecx, %ecx\ncpuid\nmov %edx, %eax\n" G_OUT_EAX(
                   0x30) "mov $1, %eax\ncpuid\nmov %ebx, %eax\n" G_OUT_EAX(0x34) G_DONE G_HALT);
#define G_STARTED                                                        \
    ".code16\n"                                                          \
    "mov $0xb, %eax\nxor %ecx, %ecx\ncpuid\nmov %edx, %eax\n" G_OUT_EAX( \
        0x30) "mov $1, %eax\ncpuid\nmov %ebx, %eax\n" G_OUT_EAX(0x34) G_DONE

GUEST(started, G_STARTED "mov $0x5e0, %dx\n1: inc %eax\nout %eax, %dx\njmp 1b\n");
GUEST(started_calm, G_STARTED G_HALT);

static void smp_run(struct rig *rig, unsigned cpus)
{
    unsigned seen[2] = {0, 0};
    const unsigned all = cpus < 32 ? BIT32(cpus) - 1 : UINT32_MAX;

    RIG_LOAD(rig, RIG_CODE, starter);
    if (cpus < 32)
        RIG_LOAD(rig, 0x8000, started);
    else
        RIG_LOAD(rig, 0x8000, started_calm);
    rig_aim(rig, false, RIG_CODE);
    vcpus_resume(rig->vcpus);
    for (unsigned i = 0; i < cpus; i++)
        rig_wait(rig);
    vcpus_pause(rig->vcpus);
    for (unsigned i = 0; i < rig_logged(rig); i++) {
        const struct rig_access *a = &rig->log[i];

        if (a->off == 0x30)
            seen[0] |= BIT32(a->value % 32);
        if (a->off == 0x34)
            seen[1] |= BIT32(a->value >> 24 & 31);
        if (a->off == 0x34)
            assert_int_equal(a->value >> 16 & 0xff, min_u64(cpus, 255));
    }
    assert_int_equal(seen[0], all);
    assert_int_equal(seen[1], all);
}

static void test_smp(void **state)
{
    enum { CPUS = 4 };
    struct rig rig;
    uint64_t n;

    (void)state;
    rig_open(&rig, CPUS);
    for (unsigned round = 0; round < 3; round++) {
        smp_run(&rig, CPUS);
        for (unsigned i = 0; i < 100; i++) {
            n = rig_total(&rig);
            vcpus_resume(rig.vcpus);
            expect_progress(&rig, n);
            vcpus_pause(rig.vcpus);
            n = rig_total(&rig);
            if (i % 20 == 0)
                usleep(1000);
            assert_int_equal(rig_total(&rig), n);
        }
        rig_reset(&rig); /* the others run in real mode now and must wait again */
    }
    rig_close(&rig);
}

/* ---- ends ---- */

GUEST(fault, ".code32\nlidt 0x2200\nud2\n" G_HALT);

static void test_triple_fault(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 2);
    for (unsigned round = 1; round <= 3; round++) {
        RIG_LOAD(&rig, RIG_CODE, fault);
        rig_aim(&rig, false, RIG_CODE);
        vcpus_resume(rig.vcpus);
        assert_true(rig_sem_wait(&rig.event, RIG_SECONDS * 1000));
        vcpus_pause(rig.vcpus);
        vcpus_resume(rig.vcpus); /* it has ended: this changes nothing */
        assert_false(rig_sem_wait(&rig.event, 20));
        assert_int_equal(rig_events(&rig, VCPU_TRIPLE_FAULT), round);
        rig_reset(&rig);
        smp_run(&rig, 2);
        rig_reset(&rig);
    }
    rig_close(&rig);
}

/* Code where no memory is: KVM gives up, the machine learns it, and can restart. */
static void test_crash(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1);
    rig.crash_wanted = true;
    log_set_level(LOG_ERROR);
    rig_aim(&rig, false, 0xd0200000);
    vcpus_resume(rig.vcpus);
    assert_true(rig_sem_wait(&rig.event, RIG_SECONDS * 1000));
    assert_int_equal(rig_events(&rig, VCPU_CRASHED), 1);
    rig_reset(&rig);
    RIG_LOAD(&rig, RIG_CODE, sleeper);
    rig_aim(&rig, false, RIG_CODE);
    vcpus_resume(rig.vcpus);
    rig_wait(&rig);
    rig_close(&rig);
}

/* Machines come and go, also before they ran; wrong numbers are refused. */
static void test_limits(void **state)
{
    const struct vcpu_events events = {NULL, NULL};
    struct err err = {""};
    struct rig rig;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        rig_open(&rig, 1 + i);
        assert_int_equal(vcpus_count(rig.vcpus), 1 + i);
        assert_non_null(vcpus_get(rig.vcpus, i));
        assert_null(vcpus_get(rig.vcpus, 1 + i));
        assert_int_equal(arch_vcpu_order(vcpus_get(rig.vcpus, i)), ORDER_LITTLE);
        assert_true(vcpus_start(rig.vcpus, &err) < 0); /* once */
        assert_null(vcpus_new(rig.kvm, 0, rig.bus, &events, &err));
        assert_null(vcpus_new(rig.kvm, kvm_max_vcpus(rig.kvm) + 1, rig.bus, &events, &err));
        assert_null(vcpus_new(rig.kvm, 1, rig.bus, &events, &err)); /* vCPU 0 exists */
        rig_close(&rig);
    }
}

/* More than 8-bit APIC ids can number: the last one is there, and messages are translated. */
static void test_many(void **state)
{
    struct irq_ops ops;
    struct rig rig;
    int route = -1;

    (void)state;
    rig_open(&rig, 260);
    irqchip_ops(rig.chip, &ops);
    assert_int_equal(ops.route(ops.ctx, &route, 0xfee03020, 0x41, 0), 0); /* id 259 */
    ops.send(ops.ctx, 0xfee03020, 0x41, 0);
    ops.unroute(ops.ctx, route);
    smp_run(&rig, 260);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_pause),
        cmocka_unit_test(test_pause_asleep), cmocka_unit_test(test_pause_contended),
        cmocka_unit_test(test_pause_asked),  cmocka_unit_test(test_reset),
        cmocka_unit_test(test_smp),          cmocka_unit_test(test_triple_fault),
        cmocka_unit_test(test_crash),        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
