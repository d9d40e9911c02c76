/* SPDX-License-Identifier: MIT */
/*
 * Between vcpu.c (one vCPU and KVM) and vcpus.c (all of them, their threads and how they stop).
 */
#ifndef VMM_VCPU_INTERNAL_H
#define VMM_VCPU_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/arch.h"
#include "vmm/base/thread.h"
#include "vmm/vcpu.h"

struct kvm_run;

struct vcpu {
    struct vcpus *set;
    unsigned index;
    int fd;
    struct kvm_run *run;
    struct arch_state *initial;
    struct thread thread;
    bool told_undecoded;                /* once is enough */
    bool parked, ended;                 /* under set->lock; ended: not to run before a reset */
    _Atomic uint64_t exits[VCPU_EXITS]; /* written by its thread only */
};

struct vcpus {
    struct kvm *kvm;
    struct bus *bus;
    struct vcpu_events events;
    size_t run_size;
    pthread_mutex_t lock; /* the rest; a leaf, but for KVM itself */
    pthread_cond_t went, go;
    bool paused, quit;
    unsigned n_threads, n_parked;
    unsigned n;
    struct vcpu cpu[];
};

/* Bytes of what KVM shares with user space per vCPU; 0: KVM does not tell. */
size_t vcpu_run_size(const struct kvm *kvm);

/* Fill set->cpu[index], zeroed before. vcpu_close also after a failure. */
int vcpu_open(struct vcpus *set, unsigned index, struct err *err);
void vcpu_close(struct vcpu *v);

/* Leave KVM_RUN at once at the next entry (and the signal makes it leave the current one). */
void vcpu_hurry(struct vcpu *v, bool on);

/* Run until something happens and deal with it. false: it wants to the gate. Its thread. */
bool vcpu_run_once(struct vcpu *v);

/* This vCPU is at its end: remember that, tell the machine. Its thread. */
void vcpu_end(struct vcpu *v, enum vcpu_event event);

#endif
