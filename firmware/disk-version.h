/* SPDX-License-Identifier: MIT */
/*
 * Which of two version strings is newer.
 */
#ifndef FIRMWARE_DISK_VERSION_H
#define FIRMWARE_DISK_VERSION_H

/* <0, 0, >0 as strcmp, by the rules of the UAPI Group's Version Format Specification (UAPI.10) */
int disk_version_cmp(const char *a, const char *b);

#endif
