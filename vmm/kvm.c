// SPDX-License-Identifier: MIT
/*
 * Owns the descriptors of KVM and of the virtual machine, its memory slots and its ioeventfds.
 * Refuses to know what runs in it and what architecture that is.
 */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"

enum { BELL_LEN_FALLBACK = 2 /* what a virtio driver writes */, DEVICES_MAX = 2 };

struct kvm {
    int sys_fd, vm_fd;
    bool bell_any_len;
    struct gmem ram; /* the slots, for kvm_peek */
    struct {
        uint32_t type;
        int fd;
    } device[DEVICES_MAX];
    unsigned n_devices;
};

static const struct kvm_need needs[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
    {0, NULL},
};

/* A NULL arg travels as the integer 0 that some requests want. */
static int fd_ioctl(int fd, unsigned long request, void *arg)
{
    int got;

    do {
        got = ioctl(fd, request, arg);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

int kvm_sys_ioctl(const struct kvm *kvm, unsigned long request, void *arg)
{
    return fd_ioctl(kvm->sys_fd, request, arg);
}

int kvm_vm_ioctl(const struct kvm *kvm, unsigned long request, void *arg)
{
    return fd_ioctl(kvm->vm_fd, request, arg);
}

int kvm_fd_ioctl(int fd, unsigned long request, void *arg)
{
    return fd_ioctl(fd, request, arg);
}

int kvm_cap(const struct kvm *kvm, int cap)
{
    const int got = kvm_vm_ioctl(kvm, KVM_CHECK_EXTENSION, kvm_arg((unsigned)cap));

    return got < 0 ? 0 : got;
}

static int device_open(const char *path, struct err *err)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
        return err_set(err, errno, "no %s: %s", path, arch_kvm_missing);
    if (errno == EACCES || errno == EPERM)
        return err_set(err, errno,
                       "no permission to open %s: add yourself to the group kvm (sudo adduser "
                       "$USER kvm, then log in again), or run as root",
                       path);
    return err_errno(err, errno, "cannot open %s", path);
}

static int version_check(const struct kvm *kvm, const char *path, struct err *err)
{
    const int version = kvm_sys_ioctl(kvm, KVM_GET_API_VERSION, NULL);

    if (version < 0)
        return err_set(err, ENOTTY, "%s is not KVM: it does not tell its API version", path);
    if (version != KVM_API_VERSION)
        return err_set(err, EPROTO,
                       "%s speaks KVM API version %d; vmm needs %d: use another kernel", path,
                       version, KVM_API_VERSION);
    return 0;
}

static int vm_create(struct kvm *kvm, struct err *err)
{
    const int fd = kvm_sys_ioctl(kvm, KVM_CREATE_VM, NULL);

    if (fd < 0)
        return err_errno(err, -fd, "KVM cannot create a virtual machine");
    kvm->vm_fd = fd;
    return 0;
}

static int needs_check(const struct kvm *kvm, const struct kvm_need *need, struct err *err)
{
    for (; need->name; need++)
        if (kvm_cap(kvm, need->cap) <= 0)
            return err_set(err, ENOSYS, "this kernel's KVM lacks %s: use a newer kernel",
                           need->name);
    return 0;
}

struct kvm *kvm_open_path(const char *path, struct err *err)
{
    struct kvm *kvm = calloc(1, sizeof(*kvm));

    if (!kvm) {
        err_set(err, ENOMEM, "no memory for the virtual machine");
        return NULL;
    }
    kvm->vm_fd = -1;
    kvm->sys_fd = device_open(path, err);
    if (kvm->sys_fd < 0 || version_check(kvm, path, err) || vm_create(kvm, err) ||
        needs_check(kvm, needs, err) || needs_check(kvm, arch_needs, err)) {
        kvm_close(kvm);
        return NULL;
    }
    kvm->bell_any_len = kvm_cap(kvm, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
    arch_host_check();
    return kvm;
}

struct kvm *kvm_open(struct err *err)
{
    return kvm_open_path("/dev/kvm", err);
}

void kvm_close(struct kvm *kvm)
{
    if (!kvm)
        return;
    for (unsigned i = 0; i < kvm->n_devices; i++)
        close(kvm->device[i].fd);
    if (kvm->vm_fd >= 0)
        close(kvm->vm_fd);
    if (kvm->sys_fd >= 0)
        close(kvm->sys_fd);
    free(kvm);
}

int kvm_memory(struct kvm *kvm, unsigned slot, const struct gmem_region *region, struct err *err)
{
    struct kvm_userspace_memory_region arg = {
        .slot = slot,
        .guest_phys_addr = region->base,
        .memory_size = region->size,
        .userspace_addr = (uintptr_t)region->host,
    };
    const int got = kvm_vm_ioctl(kvm, KVM_SET_USER_MEMORY_REGION, &arg);

    if (got < 0)
        return err_errno(err, -got, "KVM does not take %llu MiB of RAM at 0x%llx",
                         (unsigned long long)(region->size / MIB),
                         (unsigned long long)region->base);
    gmem_add(&kvm->ram, region->base, region->size, region->host);
    return 0;
}

bool kvm_device_known(const struct kvm *kvm, uint32_t type)
{
    struct kvm_create_device arg = {.type = type, .flags = KVM_CREATE_DEVICE_TEST};

    return kvm_vm_ioctl(kvm, KVM_CREATE_DEVICE, &arg) >= 0;
}

int kvm_device_create(struct kvm *kvm, uint32_t type, struct err *err)
{
    struct kvm_create_device arg = {.type = type};
    const int got =
        kvm->n_devices < DEVICES_MAX ? kvm_vm_ioctl(kvm, KVM_CREATE_DEVICE, &arg) : -ENOSPC;

    if (got < 0)
        return err_errno(err, -got, "KVM cannot create its device %u", type);
    kvm->device[kvm->n_devices].type = type;
    kvm->device[kvm->n_devices++].fd = (int)arg.fd;
    return (int)arg.fd;
}

int kvm_device(const struct kvm *kvm, uint32_t type)
{
    for (unsigned i = 0; i < kvm->n_devices; i++)
        if (kvm->device[i].type == type)
            return kvm->device[i].fd;
    return -1;
}

unsigned kvm_max_vcpus(const struct kvm *kvm)
{
    const int most = kvm_cap(kvm, KVM_CAP_MAX_VCPUS), advised = kvm_cap(kvm, KVM_CAP_NR_VCPUS);

    if (most > 0)
        return (unsigned)most;
    return advised > 0 ? (unsigned)advised : 1;
}

size_t kvm_peek(const struct kvm *kvm, uint64_t at, void *to, size_t len)
{
    while (len && gmem_read(&kvm->ram, gpa(at), to, len))
        len--;
    return len;
}

/* Ports may be a window in memory: KVM knows no others there.
 * #ioctls:vcpu,io,user KVM_IOEVENTFD */
static int bell_set(const struct kvm *kvm, enum bus_space space, uint64_t addr,
                    const struct bus_bell *bell, uint32_t flags)
{
    const bool pio = space == BUS_PIO && !arch_pio_base();
    struct kvm_ioeventfd arg = {
        .datamatch = bell->match ? bell->value : 0,
        .addr = space == BUS_PIO ? arch_pio_base() + addr : addr,
        .len = bell->len || kvm->bell_any_len ? bell->len : BELL_LEN_FALLBACK,
        .fd = bell->fd,
        .flags = flags | (pio ? (uint32_t)KVM_IOEVENTFD_FLAG_PIO : 0) |
                 (bell->match ? (uint32_t)KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
    };

    return kvm_vm_ioctl(kvm, KVM_IOEVENTFD, &arg);
}

static int bell_assign(void *ctx, enum bus_space space, uint64_t addr, const struct bus_bell *bell)
{
    return bell_set(ctx, space, addr, bell, 0);
}

static void bell_deassign(void *ctx, enum bus_space space, uint64_t addr,
                          const struct bus_bell *bell)
{
    bell_set(ctx, space, addr, bell, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

void kvm_bell_ops(struct kvm *kvm, struct bus_bell_ops *ops)
{
    *ops = (struct bus_bell_ops){.assign = bell_assign, .deassign = bell_deassign, .ctx = kvm};
}

/* #ioctls:main,vcpu KVM_SET_USER_MEMORY_REGION */
static int slot_set(const struct kvm *kvm, unsigned slot, uint64_t addr, uint64_t size, void *host)
{
    struct kvm_userspace_memory_region arg = {
        .slot = GMEM_REGIONS + slot, /* those below are RAM */
        .guest_phys_addr = addr,
        .memory_size = size,
        .userspace_addr = (uintptr_t)host,
    };

    return kvm_vm_ioctl(kvm, KVM_SET_USER_MEMORY_REGION, &arg);
}

static int memory_show(void *ctx, unsigned slot, uint64_t addr, uint64_t size, void *host)
{
    return slot_set(ctx, slot, addr, size, host);
}

static void memory_hide(void *ctx, unsigned slot)
{
    slot_set(ctx, slot, 0, 0, NULL);
}

void kvm_memory_ops(struct kvm *kvm, struct pci_memory_ops *ops)
{
    *ops = (struct pci_memory_ops){.show = memory_show, .hide = memory_hide, .ctx = kvm};
}
