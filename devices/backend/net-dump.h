/* SPDX-License-Identifier: MIT */
/*
 * What goes through a network as a file that Wireshark and tcpdump read: pcap with nanoseconds,
 * link type Ethernet, both directions, without the header that networks here put before frames.
 * Checksums that one side left to the other are shown as they are, unfinished; segments that are
 * larger than the MTU, too.
 */
#ifndef DEVICES_BACKEND_NET_DUMP_H
#define DEVICES_BACKEND_NET_DUMP_H

#include <stddef.h>
#include <sys/uio.h>

#include "vmm/base/err.h"

struct net_dump;

/*
 * Make the file, or overwrite it; a pipe is fine, too. It is written by a thread of its own, so
 * that no disk or reader holds up a network. name: for messages, outlives it. NULL with err filled.
 */
struct net_dump *net_dump_open(const char *path, const char *name, struct err *err);

/*
 * A frame, header first, of len bytes in all. Never blocks: what does not fit into the buffer is
 * missing from the file, counted and told. One thread at a time. NULL is fine.
 */
void net_dump_frame(struct net_dump *dump, const struct iovec *iov, unsigned n, size_t len);

/* Write what is left; a reader that takes nothing is not waited for. NULL is fine. */
void net_dump_close(struct net_dump *dump);

#endif
