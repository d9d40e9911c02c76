// SPDX-License-Identifier: MIT
/*
 * Owns one vCPU: its descriptor, its exits, its counters. Refuses to know what the guest talks to
 * (the bus does), what its registers mean (the architecture does) and who stops it (vcpus.c).
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace.h"
#include "vmm/vcpu-internal.h"

enum { STAT_NAME = 256 };

const char *const vcpu_exit_name[VCPU_EXITS] = {
    [VCPU_EXIT_PIO_READ] = "pio-read",       [VCPU_EXIT_PIO_WRITE] = "pio-write",
    [VCPU_EXIT_MMIO_READ] = "mmio-read",     [VCPU_EXIT_MMIO_WRITE] = "mmio-write",
    [VCPU_EXIT_INTERRUPTED] = "interrupted", [VCPU_EXIT_OTHER] = "other",
};

unsigned vcpu_index(const struct vcpu *vcpu)
{
    return vcpu->index;
}

const struct kvm *vcpu_kvm(const struct vcpu *vcpu)
{
    return vcpu->set->kvm;
}

int vcpu_ioctl(const struct vcpu *vcpu, unsigned long request, void *arg)
{
    int got;

    do {
        got = ioctl(vcpu->fd, request, arg);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

void vcpu_counts(const struct vcpu *vcpu, struct vcpu_counts *counts)
{
    for (unsigned i = 0; i < VCPU_EXITS; i++)
        counts->exits[i] = atomic_load_explicit(&vcpu->exits[i], memory_order_relaxed);
}

/* ---- what KVM counts ---- */

/* A single number that only grows, counted in pieces; others are times, moments, histograms. */
static bool stat_counts(const struct kvm_stats_desc *desc)
{
    return desc->size == 1 && (desc->flags & KVM_STATS_TYPE_MASK) == KVM_STATS_TYPE_CUMULATIVE &&
           (desc->flags & KVM_STATS_UNIT_MASK) == KVM_STATS_UNIT_NONE;
}

/* One file for all: head, descriptions with their names, numbers.
 * #ioctls:main KVM_GET_STATS_FD
 * #syscalls:main pread64 close */
static int stats_read(int fd, void (*each)(void *ctx, const char *name, uint64_t count), void *ctx)
{
    union {
        struct kvm_stats_desc desc;
        char bytes[sizeof(struct kvm_stats_desc) + STAT_NAME];
    } one;
    struct kvm_stats_header head;

    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || !head.name_size ||
        head.name_size > STAT_NAME)
        return -EIO;
    for (unsigned i = 0; i < head.num_desc; i++) {
        const size_t len = sizeof(one.desc) + head.name_size;
        uint64_t count;

        if (pread(fd, &one, len, (off_t)(head.desc_offset + i * len)) != (ssize_t)len)
            return -EIO;
        one.bytes[len - 1] = '\0';
        if (!stat_counts(&one.desc))
            continue;
        if (pread(fd, &count, sizeof(count), (off_t)head.data_offset + one.desc.offset) !=
            sizeof(count))
            return -EIO;
        each(ctx, one.desc.name, count);
    }
    return 0;
}

int vcpu_stats(const struct vcpu *vcpu, void (*each)(void *ctx, const char *name, uint64_t count),
               void *ctx)
{
    const int fd = vcpu_ioctl(vcpu, KVM_GET_STATS_FD, NULL);
    int ret;

    if (fd < 0)
        return fd;
    ret = stats_read(fd, each, ctx);
    close(fd);
    return ret;
}

/* ---- exits ---- */

/* One writer: no locked instruction needed. */
static void exit_count(struct vcpu *v, enum vcpu_exit kind)
{
    const uint64_t n = atomic_load_explicit(&v->exits[kind], memory_order_relaxed);

    atomic_store_explicit(&v->exits[kind], n + 1, memory_order_relaxed);
}

void vcpu_hurry(struct vcpu *v, bool on)
{
    /* the kernel reads it too */
    __atomic_store_n(&v->run->immediate_exit, on, __ATOMIC_SEQ_CST);
}

size_t vcpu_run_size(const struct kvm *kvm)
{
    const int size = kvm_sys_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);

    return size < (int)sizeof(struct kvm_run) ? 0 : (size_t)size;
}

int vcpu_open(struct vcpus *set, unsigned index, struct err *err)
{
    struct vcpu *v = &set->cpu[index];
    void *run;

    v->set = set;
    v->index = index;
    v->fd = kvm_vm_ioctl(set->kvm, KVM_CREATE_VCPU, kvm_arg(index));
    if (v->fd < 0)
        return err_errno(err, -v->fd, "KVM cannot create vCPU %u", index);
    run = mmap(NULL, set->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (run == MAP_FAILED)
        return err_errno(err, errno, "cannot map the registers of vCPU %u", index);
    v->run = run;
    return 0;
}

void vcpu_close(struct vcpu *v)
{
    arch_state_free(v->initial);
    if (v->run)
        munmap(v->run, v->set->run_size);
    if (v->fd >= 0)
        close(v->fd);
}

static void code_text(const struct kvm_run *run, char *text, size_t size)
{
    const uint64_t flag = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    size_t len = 0, n;

    text[0] = '\0';
    if (run->exit_reason != KVM_EXIT_INTERNAL_ERROR ||
        run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || !run->internal.ndata ||
        !(run->emulation_failure.flags & flag))
        return;
    n = min_u64(run->emulation_failure.insn_size, sizeof(run->emulation_failure.insn_bytes));
    len = (size_t)snprintf(text, size, " at instruction");
    for (size_t i = 0; i < n && len + 4 < size; i++)
        len +=
            (size_t)snprintf(text + len, size - len, " %02x", run->emulation_failure.insn_bytes[i]);
}

static void reason_text(const struct kvm_run *run, int error, char *text, size_t size)
{
    char code[80];

    code_text(run, code, sizeof(code));
    if (error)
        snprintf(text, size, "KVM_RUN failed: %s", strerror(error));
    else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        snprintf(text, size, "KVM internal error %u%s%s", run->internal.suberror,
                 run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                     ? " (an instruction that it cannot emulate)"
                     : "",
                 code);
    else if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
        snprintf(text, size, "the processor refuses to enter the guest, reason 0x%llx",
                 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
    else
        snprintf(text, size, "KVM exit %u that vmm does not know", run->exit_reason);
}

static void vcpu_crash(struct vcpu *v, int error)
{
    char reason[200], registers[600];

    reason_text(v->run, error, reason, sizeof(reason));
    arch_vcpu_describe(v, registers, sizeof(registers));
    log_msg(LOG_ERROR, "vcpu%u cannot go on: %s; %s", v->index, reason, registers);
    vcpu_end(v, VCPU_CRASHED);
}

static bool exit_pio(struct vcpu *v)
{
    struct kvm_run *run = v->run;
    struct bus *bus = v->set->bus;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    const bool out = run->io.direction == KVM_EXIT_IO_OUT;

    exit_count(v, out ? VCPU_EXIT_PIO_WRITE : VCPU_EXIT_PIO_READ);
    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        if (out)
            bus_write(bus, BUS_PIO, run->io.port, data, run->io.size);
        else
            bus_read(bus, BUS_PIO, run->io.port, data, run->io.size);
    }
    return true;
}

static bool exit_mmio(struct vcpu *v)
{
    struct kvm_run *run = v->run;
    const unsigned len = (unsigned)min_u64(run->mmio.len, sizeof(run->mmio.data));

    exit_count(v, run->mmio.is_write ? VCPU_EXIT_MMIO_WRITE : VCPU_EXIT_MMIO_READ);
    if (run->mmio.is_write)
        bus_write(v->set->bus, BUS_MMIO, run->mmio.phys_addr, run->mmio.data, len);
    else
        bus_read(v->set->bus, BUS_MMIO, run->mmio.phys_addr, run->mmio.data, len);
    return true;
}

static bool exit_shutdown(struct vcpu *v)
{
    exit_count(v, VCPU_EXIT_OTHER);
    vcpu_end(v, VCPU_TRIPLE_FAULT);
    return false;
}

static bool exit_system_event(struct vcpu *v)
{
    exit_count(v, VCPU_EXIT_OTHER);
    switch (v->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        vcpu_end(v, VCPU_POWEROFF);
        break;
    case KVM_SYSTEM_EVENT_RESET:
        vcpu_end(v, VCPU_RESET);
        break;
    default:
        vcpu_crash(v, 0);
        break;
    }
    return false;
}

/* A load or store of two registers, or with write-back, to a device: hardware does not say what it
 * was. As on a bus where nobody can answer it. */
static bool exit_undecoded(struct vcpu *v)
{
    exit_count(v, VCPU_EXIT_OTHER);
    if (!v->told_undecoded)
        log_msg(LOG_WARN,
                "vcpu%u: an instruction that KVM cannot decode accesses 0x%llx, which is "
                "no RAM; the guest gets an external abort",
                v->index, (unsigned long long)v->run->arm_nisv.fault_ipa);
    v->told_undecoded = true;
    if (arch_vcpu_abort(v) == 0)
        return true;
    vcpu_crash(v, 0);
    return false;
}

static bool exit_interrupted(struct vcpu *v)
{
    exit_count(v, VCPU_EXIT_INTERRUPTED);
    return false;
}

/* true: run on; false: to the gate */
static bool (*const exit_table[])(struct vcpu *v) = {
    [KVM_EXIT_IO] = exit_pio,
    [KVM_EXIT_MMIO] = exit_mmio,
    [KVM_EXIT_SHUTDOWN] = exit_shutdown,
    [KVM_EXIT_SYSTEM_EVENT] = exit_system_event,
    [KVM_EXIT_INTR] = exit_interrupted,
    [KVM_EXIT_ARM_NISV] = exit_undecoded,
};

static bool exit_dispatch(struct vcpu *v)
{
    const uint32_t reason = v->run->exit_reason;

    if (reason < ARRAY_SIZE(exit_table) && exit_table[reason])
        return exit_table[reason](v);
    exit_count(v, VCPU_EXIT_OTHER);
    vcpu_crash(v, 0);
    return false;
}

/* Where the guest went, for those that have a place. */
static uint64_t exit_address(const struct kvm_run *run)
{
    if (run->exit_reason == KVM_EXIT_IO)
        return run->io.port;
    return run->exit_reason == KVM_EXIT_MMIO ? run->mmio.phys_addr : 0;
}

static enum vcpu_exit exit_kind(const struct kvm_run *run)
{
    if (run->exit_reason == KVM_EXIT_IO)
        return run->io.direction == KVM_EXIT_IO_OUT ? VCPU_EXIT_PIO_WRITE : VCPU_EXIT_PIO_READ;
    if (run->exit_reason == KVM_EXIT_MMIO)
        return run->mmio.is_write ? VCPU_EXIT_MMIO_WRITE : VCPU_EXIT_MMIO_READ;
    return VCPU_EXIT_OTHER;
}

static bool exit_traced(struct vcpu *v)
{
    const uint64_t start = clock_ns(), address = exit_address(v->run);
    const enum vcpu_exit kind = exit_kind(v->run);
    const bool on = exit_dispatch(v);

    TRACE(EXIT, TRACE_NONE, TRACE_NO_QUEUE, kind, address, clock_ns() - start);
    return on;
}

/* A signal that nobody here sent: the process may have been stopped, and goes on now (H28). */
static bool exit_signalled(struct vcpu *v)
{
    if (!__atomic_load_n(&v->run->immediate_exit, __ATOMIC_SEQ_CST))
        arch_vcpu_resume(v);
    return exit_interrupted(v);
}

/* EAGAIN is a vCPU that waits to be started by another one.
 * #ioctls:vcpu KVM_RUN */
bool vcpu_run_once(struct vcpu *v)
{
    if (ioctl(v->fd, KVM_RUN, NULL) == 0)
        return trace_on(TRACE_EXITS) ? exit_traced(v) : exit_dispatch(v);
    if (errno == EINTR)
        return exit_signalled(v);
    if (errno == EAGAIN)
        return exit_interrupted(v);
    exit_count(v, VCPU_EXIT_OTHER);
    vcpu_crash(v, errno);
    return false;
}
