/* SPDX-License-Identifier: MIT */
/*
 * A machine without KVM, as device tests need it: guest memory in three regions, a bus whose
 * doorbells signal their descriptors as KVM's do, recorded interrupts, a PCI bus with its bridge,
 * and event loops that the test turns by hand or lets run as threads. Functions end the running
 * test when they fail.
 */
#ifndef TESTS_DRIVER_MACHINE_H
#define TESTS_DRIVER_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/gmem.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/bus/pci.h"
#include "vmm/bus/pcihost.h"

/*
 * RAM: LOW0 and LOW1 touch in guest memory and are far apart on the host (D13); between LOW1 and
 * HIGH is a hole. Around every region lie pages that nobody may touch, so that a step over its end
 * is a crash in any build.
 */
#define RAM_SIZE  (UINT64_C(16) << 20)
#define RAM_LOW0  UINT64_C(0)
#define RAM_LOW1  (RAM_LOW0 + RAM_SIZE)
#define RAM_HOLE  (RAM_LOW1 + RAM_SIZE)
#define RAM_HIGH  (UINT64_C(1) << 32)
#define RAM_END   (RAM_HIGH + RAM_SIZE)
#define ECAM_BASE UINT64_C(0xb0000000)
#define MSI_ADDR  UINT64_C(0xfee00000)

enum {
    MACHINE_LOOPS = 8,
    MACHINE_ROUTES = 1024,
    MACHINE_BELLS = 128,
    MACHINE_MESSAGES = 65536, /* by the low 16 bits of their data */
    MACHINE_INTX_GSI = 16,    /* and the three after it */
    WAIT_MS = 5000,           /* for what must happen */
};

struct machine_route {
    bool used;
    uint64_t addr;
    uint32_t data;
    int fd; /* -1: not connected */
};

/* A registered doorbell; fd -1: none. */
struct machine_bell {
    enum bus_space space;
    uint64_t addr;
    struct bus_bell bell;
};

struct machine {
    struct gmem mem;
    void *ram[3]; /* with their guard pages */
    struct bus *bus;
    struct irqs *irqs;
    struct pci_root *root;
    struct pcihost *host;
    struct loop *loop[MACHINE_LOOPS];
    unsigned n_loops;
    bool threads;
    unsigned fds, tasks; /* before it was made */

    pthread_mutex_t lock; /* of what follows */
    bool level[IRQ_LINES];
    unsigned rises[IRQ_LINES];
    struct machine_route route[MACHINE_ROUTES];
    unsigned routes, most_routes, routings;
    struct machine_bell bell[MACHINE_BELLS];
    unsigned bells;   /* registered now */
    unsigned n_exits; /* writes that no doorbell took */
    unsigned lost;    /* messages to addresses where no interrupt controller is */
    uint32_t *messages;
};

/* threads: loops run as threads once machine_start() was called. Else they are turned while the
 * test waits. */
struct machine *machine_new(bool threads);
/* port_bells: as in vmm/bus/pci.h. */
struct machine *machine_new_with(bool threads, bool port_bells);

/* A loop for a device, before machine_start(). */
struct loop *machine_loop(struct machine *m, const char *name);

/* Assign PCI addresses as firmware does, start the loops. */
void machine_start(struct machine *m);

/* Stop the loops: devices may be freed now. */
void machine_stop(struct machine *m);

/* Fails the test if there are more descriptors or threads than before machine_new(). */
void machine_free(struct machine *m);

/* Host address of guest memory that lies in one region; fails the test if it does not. */
void *machine_mem(struct machine *m, uint64_t at, uint64_t len);

/* Let loops work until cond(arg) holds; false if it does not within ms. */
bool machine_until(struct machine *m, bool (*cond)(void *arg), void *arg, unsigned ms);

/* Let loops work until there is nothing more to do without new events from outside. Returns the
 * number of callbacks run where loops are turned by hand, else 0. */
unsigned machine_settle(struct machine *m);

/* Messages sent so far with these low 16 bits of data. */
uint32_t machine_messages(struct machine *m, uint16_t data);
bool machine_level(struct machine *m, unsigned gsi);
/* Doorbells that are registered now; writes so far that came as exits. */
unsigned machine_bells(struct machine *m);
unsigned machine_exits(struct machine *m);
unsigned machine_rises(struct machine *m, unsigned gsi);

/* Guest accesses. Values as a little-endian processor would have them in a register. */
uint64_t machine_read(struct machine *m, enum bus_space space, uint64_t at, unsigned len);
void machine_write(struct machine *m, enum bus_space space, uint64_t at, unsigned len, uint64_t v);

/* What is open and running now: for tests that count. */
unsigned count_fds(void);
unsigned count_threads(void);

#endif
