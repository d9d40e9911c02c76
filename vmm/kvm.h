/* SPDX-License-Identifier: MIT */
/*
 * The KVM border, part 1: the virtual machine itself, its memory and its doorbells. Only
 * vmm/{kvm,irqchip,vcpu}.c and the architecture's folder know KVM's own structures.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/gmem.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/pci.h"

struct kvm;

/*
 * Open /dev/kvm and make an empty virtual machine. NULL with err filled: no such device, no
 * permission, foreign API version, or the name of the capability that this kernel lacks.
 * On a host whose CPU shows no virtualisation it warns once that the machine will be slow.
 */
struct kvm *kvm_open(struct err *err);
/* As kvm_open with another path, for tests. */
struct kvm *kvm_open_path(const char *path, struct err *err);

/* After everything made from it (vcpus, irqchip) is gone. NULL is fine. */
void kvm_close(struct kvm *kvm);

/*
 * Show region to the guest as RAM. slot: 0.. ; the index in struct gmem does. The region must stay
 * until kvm_close. Before the guest runs. 0 or -errno with err filled.
 */
int kvm_memory(struct kvm *kvm, unsigned slot, const struct gmem_region *region, struct err *err);

/* How many vCPUs this KVM allows, at least 1. */
unsigned kvm_max_vcpus(const struct kvm *kvm);

/* Fill ops with doorbells by ioeventfd. Valid until kvm_close. Its calls: any thread. */
void kvm_bell_ops(struct kvm *kvm, struct bus_bell_ops *ops);

/* Fill ops with memory slots for BARs. Valid until kvm_close. Its calls: any thread. */
void kvm_memory_ops(struct kvm *kvm, struct pci_memory_ops *ops);

/* ---- for the KVM border itself ---- */

/* A capability's value, 0 if the kernel does not know it. */
int kvm_cap(const struct kvm *kvm, int cap);

/* One ioctl on the system or VM descriptor, repeated on EINTR: its result, or -errno. */
int kvm_sys_ioctl(const struct kvm *kvm, unsigned long request, void *arg);
int kvm_vm_ioctl(const struct kvm *kvm, unsigned long request, void *arg);

/* The same on a descriptor of a device of KVM's. */
int kvm_fd_ioctl(int fd, unsigned long request, void *arg);

/*
 * KVM's devices, of which there is one per type (KVM_DEV_TYPE_...). known: could one be made?
 * create: its descriptor, which is closed by kvm_close, or -errno with err filled. kvm_device: that
 * of one that was made, -1: none was.
 */
bool kvm_device_known(const struct kvm *kvm, uint32_t type);
int kvm_device_create(struct kvm *kvm, uint32_t type, struct err *err);
int kvm_device(const struct kvm *kvm, uint32_t type);

/* An integer argument of an ioctl. */
static inline void *kvm_arg(uint64_t v)
{
    return (void *)(uintptr_t)v;
}

/* Guest RAM for diagnostics: how many of len bytes at guest-physical at could be read. */
size_t kvm_peek(const struct kvm *kvm, uint64_t at, void *to, size_t len);

#endif
