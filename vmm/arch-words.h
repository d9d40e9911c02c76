/* SPDX-License-Identifier: MIT */
/* What help and command lines call things, where architectures call them differently. */
#ifndef VMM_ARCH_WORDS_H
#define VMM_ARCH_WORDS_H

#ifdef __aarch64__
#define ARCH_SERIAL  "ttyAMA0"
#define ARCH_KERNELS "an arm64 Image, also compressed by gzip, or ELF"
#define ARCH_TREE    1 /* a device tree describes the machine to its guest */
#else
#define ARCH_SERIAL  "ttyS0"
#define ARCH_KERNELS "bzImage, or ELF with a PVH entry"
#define ARCH_TREE    0
#endif

#endif
