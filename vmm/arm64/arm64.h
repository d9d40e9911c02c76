/* SPDX-License-Identifier: MIT */
/* Between the files of this folder. */
#ifndef VMM_ARM64_ARM64_H
#define VMM_ARM64_ARM64_H

#include <stdbool.h>

#include "vmm/base/err.h"
#include "vmm/kvm.h"

/* Does this KVM take messages at an ITS? */
bool arm64_has_its(const struct kvm *kvm);

/* The interrupt controllers' last step, once all vCPUs exist and are initialised. 0 or -errno. */
int arm64_gic_finish(const struct kvm *kvm, struct err *err);

/* The interrupt controllers as after power-on; then what a CPU has of them. Paused. 0 or -errno. */
int arm64_gic_reset(const struct kvm *kvm, struct err *err);
int arm64_gic_cpu_reset(const struct kvm *kvm, unsigned cpu, struct err *err);

#endif
