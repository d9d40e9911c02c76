/* SPDX-License-Identifier: MIT */
/*
 * A small machine on this host's real /dev/kvm for tests of the KVM border: 16 MiB of RAM, a port
 * and a memory range that log what the guest does, and tiny guests in machine code. Where
 * /dev/kvm does not open the tests skip.
 */
#ifndef TESTS_UNIT_KVM_RIG_H
#define TESTS_UNIT_KVM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"

enum {
    RIG_RAM = 16 * 1024 * 1024,
    RIG_PORT = 0x500,     /* 256 ports: writes are logged */
    RIG_DONE = 0xf0,      /* a write here also wakes rig_wait() */
    RIG_ASK = 0xf4,       /* a write here asks for a pause, in the vCPU's thread */
    RIG_DROP = 0xf8,      /* a write here lowers the interrupt pin */
    RIG_MMIO_ASK = 0x800, /* a read here asks for a pause and gives ones */
    RIG_TICK = 0xe0,      /* writes here are counted, not logged */
    RIG_CODE = 0x10000,
    RIG_STACK = 0x9000,
    RIG_IDT = 0x3000,
    RIG_GDT = 0x2100,
    RIG_TABLES = 0x100000, /* page tables of 64-bit guests */
    RIG_LOG = 4096,
    RIG_SECONDS = 30,
};

#define RIG_MMIO 0xd0000000u

struct rig_access {
    uint64_t value;
    uint32_t off;
    uint8_t len;
    bool mmio;
};

struct rig {
    struct kvm *kvm;
    struct gmem mem;
    struct irqchip *chip;
    struct irqs *irqs;
    struct bus *bus;
    struct vcpus *vcpus;
    struct bus_claim ports, mmio;
    struct irq_pin pin;
    pthread_mutex_t lock; /* the rest */
    struct rig_access log[RIG_LOG];
    unsigned n_log;
    uint64_t total; /* accesses, also those that the log has no room for */
    unsigned events[VCPU_EVENTS];
    bool crash_wanted;
    sem_t done, event;
};

/* Machine code between labels NAME_start and NAME_end, in the read-only data. */
#define GUEST(name, code)                                                                \
    extern const uint8_t name##_start[], name##_end[];                                   \
    __asm__(".pushsection .rodata\n.globl " #name "_start\n.globl " #name "_end\n" #name \
            "_start:\n" code "\n" #name "_end:\n.code64\n.popsection\n")

#define RIG_LOAD(rig, at, name) rig_poke(rig, at, name##_start, (size_t)(name##_end - name##_start))

/* Pieces of guests; 32- and 64-bit alike. */
#define G_OUT(off, value) "mov $0x500+" #off ", %dx\nmov $" #value ", %eax\nout %eax, %dx\n"
#define G_OUT_EAX(off)    "mov $0x500+" #off ", %dx\nout %eax, %dx\n"
#define G_DONE            "mov $0x5f0, %dx\nout %al, %dx\n"
#define G_HALT            "9: cli\nhlt\njmp 9b\n"

static inline void rig_poke(struct rig *rig, uint64_t at, const void *data, size_t len)
{
    assert_int_equal(gmem_write(&rig->mem, gpa(at), data, len), 0);
}

static inline void rig_log(struct rig *rig, bool mmio, uint64_t off, const void *data, unsigned len)
{
    pthread_mutex_lock(&rig->lock);
    rig->total++;
    if (rig->n_log < RIG_LOG && (mmio || off != RIG_TICK))
        rig->log[rig->n_log++] = (struct rig_access){.off = (uint32_t)off,
                                                     .len = (uint8_t)len,
                                                     .mmio = mmio,
                                                     .value = order_load(ORDER_LITTLE, data, len)};
    pthread_mutex_unlock(&rig->lock);
}

static inline unsigned rig_logged(struct rig *rig)
{
    unsigned n;

    pthread_mutex_lock(&rig->lock);
    n = rig->n_log;
    pthread_mutex_unlock(&rig->lock);
    return n;
}

static inline uint64_t rig_total(struct rig *rig)
{
    uint64_t n;

    pthread_mutex_lock(&rig->lock);
    n = rig->total;
    pthread_mutex_unlock(&rig->lock);
    return n;
}

static inline unsigned rig_events(struct rig *rig, enum vcpu_event event)
{
    unsigned n;

    pthread_mutex_lock(&rig->lock);
    n = rig->events[event];
    pthread_mutex_unlock(&rig->lock);
    return n;
}

static inline void rig_log_clear(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    rig->n_log = 0;
    pthread_mutex_unlock(&rig->lock);
}

/* Reads give bytes that tell where they come from. */
static inline void rig_pattern(uint64_t off, void *data, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        ((uint8_t *)data)[i] = (uint8_t)(0xa0 + off + i);
}

static inline void rig_port_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    (void)ctx;
    rig_pattern(off, data, len);
}

/* The pin's owner is a device: it has a lock. */
static inline void rig_pin(struct rig *rig, bool up)
{
    pthread_mutex_lock(&rig->lock);
    irq_pin_set(&rig->pin, up);
    pthread_mutex_unlock(&rig->lock);
}

static inline void rig_port_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct rig *rig = ctx;

    rig_log(rig, false, off, data, len);
    if (off == RIG_ASK)
        vcpus_pause_ask(rig->vcpus);
    if (off == RIG_DROP)
        rig_pin(rig, false);
    if (off == RIG_DONE || off == RIG_ASK)
        sem_post(&rig->done);
}

static inline void rig_mmio_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct rig *rig = ctx;

    rig_pattern(off, data, len);
    if (off != RIG_MMIO_ASK)
        return;
    memset(data, 0xff, len);
    vcpus_pause_ask(rig->vcpus);
    sem_post(&rig->done);
}

static inline void rig_mmio_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    rig_log(ctx, true, off, data, len);
}

static const struct bus_ops rig_port_ops = {rig_port_read, rig_port_write};
static const struct bus_ops rig_mmio_ops = {rig_mmio_read, rig_mmio_write};

static inline void rig_event(void *ctx, enum vcpu_event event, unsigned cpu)
{
    struct rig *rig = ctx;

    (void)cpu;
    pthread_mutex_lock(&rig->lock);
    rig->events[event]++;
    pthread_mutex_unlock(&rig->lock);
    sem_post(&rig->event);
    if (event == VCPU_CRASHED && !rig->crash_wanted)
        sem_post(&rig->done); /* no guest will do it */
}

static inline void rig_claims(struct rig *rig)
{
    rig->ports = (struct bus_claim){
        .name = "log", .space = BUS_PIO, .size = 256, .ops = &rig_port_ops, .ctx = rig};
    rig->mmio = (struct bus_claim){
        .name = "log", .space = BUS_MMIO, .size = 4096, .ops = &rig_mmio_ops, .ctx = rig};
    assert_int_equal(bus_map(rig->bus, &rig->ports, RIG_PORT), 0);
    assert_int_equal(bus_map(rig->bus, &rig->mmio, RIG_MMIO), 0);
}

/* Identity pages for the low 4 GiB, and a descriptor table: null, 32-bit code, data, 64-bit code.
 */
static inline void rig_tables(struct rig *rig)
{
    static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff};

    rig_poke(rig, RIG_GDT, gdt, sizeof(gdt));
    for (uint64_t i = 0; i < 4; i++) {
        const uint64_t pdpte = (RIG_TABLES + 0x2000 + i * 0x1000) | 3;

        rig_poke(rig, RIG_TABLES + 0x1000 + i * 8, &pdpte, 8);
        for (uint64_t k = 0; k < 512; k++) {
            const uint64_t pde = (i << 30 | k << 21) | 0x83;

            rig_poke(rig, RIG_TABLES + 0x2000 + i * 0x1000 + k * 8, &pde, 8);
        }
    }
    rig_poke(rig, RIG_TABLES, &(uint64_t){(RIG_TABLES + 0x1000) | 3}, 8);
}

static inline struct load_entry rig_entry(bool wide, uint64_t rip)
{
    return (struct load_entry){.kind = wide ? ENTRY_LINUX64 : ENTRY_PVH,
                               .rip = rip,
                               .rsp = RIG_STACK,
                               .rsi = 0x1234,
                               .rbx = 0x5678,
                               .page_table_gpa = wide ? RIG_TABLES : 0,
                               .gdt_gpa = RIG_GDT,
                               .gdt_limit = 31,
                               .code_selector = wide ? 24 : 8,
                               .data_selector = 16};
}

/* Point the boot processor at rip. */
static inline void rig_aim(struct rig *rig, bool wide, uint64_t rip)
{
    const struct load_entry entry = rig_entry(wide, rip);
    struct err err;

    rig_tables(rig);
    assert_int_equal(vcpus_boot_set(rig->vcpus, &entry, &err), 0);
}

/* Where there is no KVM the test ends here, skipped. */
static inline void rig_open(struct rig *rig, unsigned cpus)
{
    struct err err = {""};
    struct bus_bell_ops bells;
    struct irq_ops irqs;
    const struct vcpu_events events = {rig_event, rig};

    memset(rig, 0, sizeof(*rig));
    if (access("/dev/kvm", R_OK | W_OK))
        skip();
    log_set_level(LOG_ERROR);
    pthread_mutex_init(&rig->lock, NULL);
    sem_init(&rig->done, 0, 0);
    sem_init(&rig->event, 0, 0);
    rig->kvm = kvm_open(&err);
    if (!rig->kvm)
        fail_msg("%s", err.text);
    kvm_bell_ops(rig->kvm, &bells);
    rig->bus = bus_new(&bells);
    assert_non_null(rig->bus);
    assert_int_equal(gmem_alloc(&rig->mem, 0, RIG_RAM, &err), 0);
    assert_int_equal(kvm_memory(rig->kvm, 0, &rig->mem.region[0], &err), 0);
    rig->chip = irqchip_new(rig->kvm, cpus, &err);
    if (!rig->chip)
        fail_msg("%s", err.text);
    irqchip_ops(rig->chip, &irqs);
    rig->irqs = irqs_new(&irqs);
    rig->pin = (struct irq_pin){.irqs = rig->irqs, .gsi = 16};
    rig->vcpus = vcpus_new(rig->kvm, cpus, rig->bus, &events, &err);
    if (!rig->vcpus)
        fail_msg("%s", err.text);
    rig_claims(rig);
    if (vcpus_start(rig->vcpus, &err))
        fail_msg("%s", err.text);
}

static inline void rig_close(struct rig *rig)
{
    vcpus_free(rig->vcpus);
    assert_int_equal(rig->events[VCPU_CRASHED] > 0, rig->crash_wanted);
    bus_unmap(rig->bus, &rig->ports);
    bus_unmap(rig->bus, &rig->mmio);
    irqs_free(rig->irqs);
    assert_int_equal(irqchip_routes(rig->chip), 0);
    irqchip_free(rig->chip);
    bus_free(rig->bus);
    kvm_close(rig->kvm);
    gmem_free(&rig->mem);
    sem_destroy(&rig->done);
    sem_destroy(&rig->event);
    pthread_mutex_destroy(&rig->lock);
}

/* As a machine restarts: devices are the rig's own and have nothing to reset but the pin. */
static inline void rig_reset(struct rig *rig)
{
    struct err err = {""};

    vcpus_pause(rig->vcpus);
    rig_pin(rig, false);
    if (irqchip_reset(rig->chip, &err) || vcpus_reset(rig->vcpus, &err))
        fail_msg("%s", err.text);
    gmem_zero(&rig->mem);
    rig_log_clear(rig);
    while (sem_trywait(&rig->done) == 0)
        ;
}

static inline bool rig_sem_wait(sem_t *sem, unsigned ms)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (long)(ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    while (sem_timedwait(sem, &ts))
        if (errno != EINTR)
            return false;
    return true;
}

/* Until the guest says that it is done. */
static inline void rig_wait(struct rig *rig)
{
    if (!rig_sem_wait(&rig->done, RIG_SECONDS * 1000) ||
        (rig_events(rig, VCPU_CRASHED) && !rig->crash_wanted))
        fail_msg("the guest did not answer; %u log entries, %u crashes, %u triple faults",
                 rig_logged(rig), rig_events(rig, VCPU_CRASHED),
                 rig_events(rig, VCPU_TRIPLE_FAULT));
}

static inline void rig_expect(struct rig *rig, unsigned i, bool mmio, uint32_t off, unsigned len,
                              uint64_t value)
{
    const struct rig_access *a = &rig->log[i];

    assert_true(i < rig_logged(rig));
    if (a->off != off || a->len != len || a->value != value || a->mmio != mmio)
        fail_msg("access %u: %s+0x%x, %u bytes, 0x%llx; expected %s+0x%x, %u bytes, 0x%llx", i,
                 a->mmio ? "mmio" : "port", a->off, a->len, (unsigned long long)a->value,
                 mmio ? "mmio" : "port", off, len, (unsigned long long)value);
}

#endif
