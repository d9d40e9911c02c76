/* SPDX-License-Identifier: MIT */
/* Between the files of parts: parts.c has the list, the others make one kind of device each. */
#ifndef VMM_PARTS_INTERNAL_H
#define VMM_PARTS_INTERNAL_H

#include "vmm/parts.h"

/* The next part, named kind and index; loop NULL: one of its own. NULL with err filled. */
struct part *part_add(struct parts *parts, const char *kind, unsigned index, struct loop *loop,
                      struct err *err);

/* Make the device of type from conf, offering what the user chose for it, and plug it. */
int part_plug(struct parts *parts, struct part *part, const struct virtio_type *type,
              const void *conf, const struct vinterfaces *ifs, const struct config_virtio *virtio,
              struct err *err);

/* The interfaces that a device of type is to have. */
const struct vinterfaces *part_interfaces(const struct parts *parts,
                                          const struct config_virtio *virtio,
                                          const struct virtio_type *type, struct err *err);

/* The network cards. 0 or -errno with err filled. */
int parts_make_nets(struct parts *parts, struct err *err);

/* The device with the named ports, and hvc0; each if it is wanted. 0 or -errno with err filled. */
int parts_make_ports(struct parts *parts, struct err *err);
int parts_make_console(struct parts *parts, struct err *err);

/* Keyboards and pointers. 0 or -errno with err filled. */
int parts_make_inputs(struct parts *parts, struct err *err);
void parts_free_inputs(struct parts *parts);
/* The screens and what draws them, if they are wanted. 0 or -errno with err filled. */
int parts_make_display(struct parts *parts, struct err *err);
/* No device draws any more. */
void parts_free_display(struct parts *parts);

/* Let them misbehave as the user wants it. 0 or -errno with err filled. */
int parts_fault(struct parts *parts, struct err *err);

/* What is left of output gets a moment; then the streams of ports are closed. The io loop has
 * stopped, no device uses them. */
void parts_free_streams(struct parts *parts);

#endif
