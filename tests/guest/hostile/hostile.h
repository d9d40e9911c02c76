/* SPDX-License-Identifier: MIT */
/*
 * A guest without an operating system that drives virtio devices as no driver should. It runs in
 * ring 3 of long mode, memory identity mapped, on any KVM. Rows bear the ids of the list of hostile
 * inputs; what each row expects stands in its table.
 */
#ifndef TESTS_GUEST_HOSTILE_H
#define TESTS_GUEST_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- processor ---- */

extern volatile uint32_t ticks; /* TICKS_PER_SECOND */
enum { TICKS_PER_SECOND = 50, MESSAGES = 4, MESSAGE_VECTOR = 48 };
extern volatile uint32_t messages[MESSAGES]; /* interrupts by message so far */

void cpu_init(void);
void cpu_idle(unsigned n_ticks);
_Noreturn void cpu_off(void);   /* power off */
_Noreturn void cpu_fetch(void); /* M07: instructions from where no memory is */
uint8_t in8(uint16_t port);
uint16_t in16(uint16_t port);
uint32_t in32(uint16_t port);
void out8(uint16_t port, uint8_t v);
void out16(uint16_t port, uint16_t v);
void out32(uint16_t port, uint32_t v);
uint32_t mmio_read(uint64_t at, unsigned len);
void mmio_write(uint64_t at, unsigned len, uint32_t v);
uint64_t mmio_read8(uint64_t at);
void mmio_write8(uint64_t at, uint64_t v);

/* The serial line. print() knows %s %u %x (64-bit: %lu %lx). */
void print(const char *fmt, ...);
char serial_get(void); /* waits, asleep */
/* What follows word on the command line, or NULL. */
const char *cmdline_word(const char *word);
bool text_starts(const char *text, const char *with);
void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* ---- PCI ---- */

enum { PCI_MSIX_ID = 0x11, PCI_VNDR_ID = 0x09 };
uint32_t pci_read(unsigned devfn, unsigned off, unsigned len);
void pci_write(unsigned devfn, unsigned off, unsigned len, uint32_t v);
enum { PCI_ON = 7 /* ports, memory, bus master */, PCI_NO_MASTER = 3, PCI_NO_MEMORY = 5 };
enum { PCI_INTX_OFF = 0x400 };
uint64_t pci_bar(unsigned devfn, unsigned bar); /* 0: none */
unsigned pci_cap(unsigned devfn, unsigned id, unsigned after);

/* ---- virtio ---- */

enum {
    S_ACK = 1,
    S_DRIVER = 2,
    S_DRIVER_OK = 4,
    S_FEATURES_OK = 8,
    S_NEEDS_RESET = 0x40,
    S_FAILED = 0x80,
    NEXT = 1,
    WRITE = 2,
    INDIRECT = 4,
    F_MULTIPORT = 1, /* console */
    F_INDIRECT = 28,
    F_EVENT_IDX = 29,
    F_VERSION_1 = 32,
    F_PACKED = 34,
    F_IN_ORDER = 35,
    F_RING_RESET = 40,
    QUEUES = 8,
    QUEUE_SIZE = 64, /* where the driver chooses */
    QUEUE_AREA = 0x10000,
    POISON = 0xee,
    RAM_END = 0x4000000, /* --mem 64M; nothing is there up to the BARs */
    NO_VECTOR = 0xffff,
};
#define BIT(n) (UINT64_C(1) << (n))

/* Registers of the modern interface's common structure. */
enum {
    R_DFSELECT = 0,
    R_DF = 4,
    R_GFSELECT = 8,
    R_GF = 12,
    R_CONFIG_VECTOR = 16,
    R_NUM_QUEUES = 18,
    R_STATUS = 20,
    R_GENERATION = 21,
    R_SELECT = 22,
    R_SIZE = 24,
    R_VECTOR = 26,
    R_ENABLE = 28,
    R_NOTIFY_OFF = 30,
    R_DESC = 32,
    R_AVAIL = 40,
    R_USED = 48,
    R_RESET = 58,
};

/* How a device is driven, and which rings. */
enum way { MODERN_SPLIT, MODERN_PACKED, LEGACY_SPLIT, WAYS };
extern const char *const way_name[WAYS];

struct piece {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

struct used {
    uint32_t id, len;
};

struct dev;

struct queue {
    struct dev *d;
    unsigned index;
    uint16_t size, max;
    bool on;
    uint64_t desc, avail, used;   /* guest memory */
    uint16_t avail_idx, used_idx; /* packed: slots */
    bool avail_wrap, used_wrap;
    bool singles; /* packed: requests of one descriptor each, several under way */
    uint64_t bell;
};

enum kind { BLK, NET, CONSOLE, RNG, BALLOON, GPU, INPUT, KINDS };
extern const char *const kind_name[KINDS];

struct dev {
    bool there;
    enum kind kind;
    unsigned devfn;
    uint64_t common, notify, isr, config; /* modern, 0: none */
    uint32_t notify_step;
    uint16_t io; /* legacy, 0: none */
    enum way way;
    uint64_t features;
    unsigned n_queues;
    struct queue q[QUEUES];
    uint8_t *data; /* 64 KiB */
    bool ports;    /* console: MULTIPORT is wanted */
};

extern struct dev devs[KINDS];
void pci_command(const struct dev *d, unsigned v);
bool dev_has_way(const struct dev *d, enum way way);

void dev_find(void);
uint32_t common_get(struct dev *d, unsigned off, unsigned len);
void common_set(struct dev *d, unsigned off, unsigned len, uint32_t v);
uint8_t dev_status(struct dev *d);
void dev_status_set(struct dev *d, uint8_t v);
uint8_t dev_isr(struct dev *d);
uint32_t dev_config(struct dev *d, unsigned off, unsigned len);
void dev_config_set(struct dev *d, unsigned off, unsigned len, uint32_t v);
uint64_t dev_offered(struct dev *d);
bool dev_reset(struct dev *d); /* false: status does not become 0 */
/* Reset, and up to FEATURES_OK. false: refused. want is what to accept of what is offered. */
bool dev_negotiate(struct dev *d, enum way way, uint64_t want);
uint16_t queue_max(struct queue *q); /* 0: there is none */
void queue_place(struct queue *q);   /* clears its memory */
bool queue_open(struct queue *q);
void queue_ring(struct queue *q);
/* All of it with all queues and DRIVER_OK, and what the device wants of an ordinary driver. */
bool dev_start(struct dev *d, enum way way, uint64_t want);
#define ALL UINT64_MAX
extern uint16_t queue_size_wanted; /* where the driver chooses: QUEUE_SIZE */

/* Descriptors as they come; and a chain that is linked properly, other flags left as they are. */
void desc_put(struct queue *q, unsigned at, struct piece p);
void chain_put(struct queue *q, const struct piece *p, unsigned n);
/* Entry i of an indirect table at table, as the ring of way has it. */
void table_put(enum way way, uint8_t *table, unsigned i, struct piece p);
/* Split: make head available. */
void avail_put(struct queue *q, uint16_t head);
bool used_take(struct queue *q, struct used *u);
bool used_wait(struct queue *q, struct used *u); /* false: nothing comes */

/* ---- ordinary requests: do they work? ---- */

bool honest(struct dev *d);
bool blk_read(struct dev *d, uint64_t sector);
struct queue *dev_queue(struct dev *d); /* which takes device-readable buffers, or rng's */

/* A request that nobody waits for, its bell not rung; and has it been done? */
void request_put(struct dev *d);
bool request_done(struct dev *d);

/* Write records from this number on, for ever. */
void torture(struct dev *d, uint32_t first);

/* ---- rows ---- */

enum answer { WORKS, NR, DROP, IOERR, UNSUPP, IGN, REPLY_ERR, NOTHING };
extern const char *const answer_name[];

enum {
    W_MS = 1 << MODERN_SPLIT,
    W_MP = 1 << MODERN_PACKED,
    W_L = 1 << LEGACY_SPLIT,
    W_M = W_MS | W_MP,
    W_S = W_MS | W_L,
    W_ALL = W_M | W_L,
    D_BLK = 1 << BLK,
    D_NET = 1 << NET,
    D_CON = 1 << CONSOLE,
    D_RNG = 1 << RNG,
    D_BAL = 1 << BALLOON,
    D_GPU = 1 << GPU,
    D_INPUT = 1 << INPUT,
    D_OUT = D_BLK | D_NET | D_CON | D_BAL, /* take readable buffers */
    D_ALL = D_OUT | D_RNG,
    D_EVERY = D_ALL | D_GPU | D_INPUT,
    D_SOME = D_BLK | D_GPU,
    D_MORE = D_SOME | D_NET | D_RNG,
};

struct row {
    const char *id;
    unsigned ways, kinds;
    enum answer want;
    enum answer (*run)(struct dev *d);
};

extern const struct row rows_chain[], rows_queue[], rows_regs[], rows_blk[], rows_rest[],
    rows_legacy[], rows_pci[], rows_msix[], rows_display[];

/* The first use of each device's message. */
void messages_warm(void);

/* Requests that are under way as the machine ends. */
void requests_leave_behind(void);

/* A check of a row failed; told in its line. Gives cond back. */
bool expect(bool cond, const char *what);
#define EXPECT(cond) expect(cond, #cond)

/* What became of what was made available at q: NR, or how the used ring answers. Rings the bell. */
enum answer answer_of(struct queue *q);
extern bool silence_wanted; /* the row expects NR */
/* The same for one block request; *status is its last byte. */
enum answer answer_blk(struct queue *q, const volatile uint8_t *status);
/* Does it show NEEDS_RESET? The old interface never does. */
bool dev_failed(struct dev *d);

#endif
