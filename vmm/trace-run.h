/* SPDX-License-Identifier: MIT */
/* What a running machine tells its trace about itself, so that the file explains itself. */
#ifndef VMM_TRACE_RUN_H
#define VMM_TRACE_RUN_H

#include "vmm/config.h"
#include "vmm/parts.h"
#include "vmm/vcpu.h"

/* Begin to record if config asks for it. Before the machine is made. 0 or -errno, err filled. */
int trace_run_open(const struct config *config, int argc, char *const *argv, struct err *err);

/* Memory, address windows and devices. All made, nothing runs. */
void trace_run_describe(const struct parts *parts);

/* What KVM counted of exits and interrupts, if exits are recorded. All vCPUs are paused. */
void trace_run_exits(struct vcpus *vcpus);

/* What lint found, if it looked. The machine has run. */
void trace_run_lint(const struct parts *parts);

/* The same in parts: memory and windows; one device. */
void trace_run_machine(const struct gmem *mem, const struct pci_layout *layout);
void trace_run_device(const struct vpci *vp);

#endif
