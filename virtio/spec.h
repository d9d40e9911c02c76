/* SPDX-License-Identifier: MIT */
/*
 * Numbers and wire structures of the virtio specification (1.4), in its order. No behaviour.
 * What belongs to one device type stands in that device's file.
 */
#ifndef VIRTIO_SPEC_H
#define VIRTIO_SPEC_H

#include "vmm/base/le.h"

/* 2.1 Device status field */
enum {
    VIRTIO_S_ACKNOWLEDGE = 0x01,
    VIRTIO_S_DRIVER = 0x02,
    VIRTIO_S_DRIVER_OK = 0x04,
    VIRTIO_S_FEATURES_OK = 0x08,
    VIRTIO_S_NEEDS_RESET = 0x40,
    VIRTIO_S_FAILED = 0x80,
};

/* 2.7 Split virtqueues */
struct virtq_desc {
    le64_t addr;
    le32_t len;
    le16_t flags;
    le16_t next;
};

enum {
    VIRTQ_DESC_NEXT = 1,
    VIRTQ_DESC_WRITE = 2,
    VIRTQ_DESC_INDIRECT = 4,
    VIRTQ_DESC_BYTES = 16,
    VIRTQ_AVAIL_NO_INTERRUPT = 1,
    VIRTQ_USED_NO_NOTIFY = 1,
    VIRTQ_MAX_SIZE = 32768,
};

/* Offsets inside the available and used rings of qs entries (2.7.6, 2.7.8). */
enum {
    VIRTQ_RING_FLAGS = 0,
    VIRTQ_RING_IDX = 2,
    VIRTQ_RING_ENTRY = 4,
    VIRTQ_AVAIL_ENTRY_BYTES = 2,
    VIRTQ_USED_ENTRY_BYTES = 8,
    VIRTQ_DESC_ALIGN = 16,
    VIRTQ_AVAIL_ALIGN = 2,
    VIRTQ_USED_ALIGN = 4,
};

/* 2.8 Packed virtqueues */
struct pvirtq_desc {
    le64_t addr;
    le32_t len;
    le16_t id;
    le16_t flags; /* VIRTQ_DESC_* and these */
};

enum {
    PVIRTQ_AVAIL = 1 << 7,
    PVIRTQ_USED = 1 << 15,
    PVIRTQ_DESC_LEN = 8, /* offsets */
    PVIRTQ_DESC_ID = 12,
    PVIRTQ_DESC_FLAGS = 14,
    PVIRTQ_EVENT_BYTES = 4, /* either event suppression area: offset and wrap, then flags */
    PVIRTQ_EVENT_ALIGN = 4,
    PVIRTQ_EVENT_WRAP = 1 << 15,
    PVIRTQ_EVENT_ENABLE = 0, /* flags (2.8.10) */
    PVIRTQ_EVENT_DISABLE = 1,
    PVIRTQ_EVENT_DESC = 2,
    PVIRTQ_EVENT_FLAGS = 3, /* mask */
};

/* 4.1.2 PCI device discovery */
enum {
    VIRTIO_PCI_VENDOR = 0x1af4,
    VIRTIO_PCI_DEVICE_BASE = 0x1040, /* + virtio device id */
};

/* 4.1.4 Virtio structure PCI capabilities; offsets from the capability's start */
enum {
    VIRTIO_PCI_CAP_COMMON = 1,
    VIRTIO_PCI_CAP_NOTIFY = 2,
    VIRTIO_PCI_CAP_ISR = 3,
    VIRTIO_PCI_CAP_DEVICE = 4,
    VIRTIO_PCI_CAP_PCI = 5,
};

struct virtio_pci_cap {
    uint8_t cap_len; /* cap_vndr and cap_next stand before it */
    uint8_t cfg_type;
    uint8_t bar;
    uint8_t id;
    uint8_t padding[2];
    le32_t offset;
    le32_t length;
    le32_t extra; /* NOTIFY: notify_off_multiplier; PCI: pci_cfg_data */
} __attribute__((packed));

enum {
    VIRTIO_PCI_CAP_BYTES = 16,       /* cap_len of a plain capability */
    VIRTIO_PCI_CAP_BYTES_EXTRA = 20, /* of NOTIFY and PCI */
};

/* 4.1.4.5 ISR status */
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

/* 4.1.5.1.2 MSI-X vector registers */
enum { VIRTIO_NO_VECTOR = 0xffff };

/* 5 Device types */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_SCSI = 8,
    VIRTIO_ID_9P = 9,
    VIRTIO_ID_GPU = 16,
    VIRTIO_ID_INPUT = 18,
};

/* 6 Reserved feature bits */
enum {
    VIRTIO_F_INDIRECT_DESC = 28,
    VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_RING_PACKED = 34,
    VIRTIO_F_IN_ORDER = 35,
    VIRTIO_F_NOTIFICATION_DATA = 38,
    VIRTIO_F_NOTIF_CONFIG_DATA = 39,
    VIRTIO_F_RING_RESET = 40,
};

#endif
