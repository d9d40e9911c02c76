// SPDX-License-Identifier: MIT
/*
 * Owns reading FAT12, FAT16 and FAT32 volumes (EFI system partitions): long names, no code pages.
 * Every chain is followed for at most as many clusters as there are. Knows nothing of what the
 * files mean.
 */
#include "firmware/disk-fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FAT_NAME_MAX 255
#define LONG_CHARS   13 /* of a name in one directory slot */
#define SLOT         32
#define ATTR_VOLUME  0x08
#define ATTR_DIR     0x10
#define ATTR_LONG    0x0f
#define DELETED      0xe5
#define LAST_LONG    0x40
#define CHAIN_END    UINT32_MAX

struct fat {
    unsigned bits; /* 12, 16, 32 */
    uint32_t cluster_size;
    uint32_t clusters;
    uint32_t root_cluster;        /* FAT32 */
    uint64_t root_off, root_size; /* others */
    uint64_t fat_off, fat_size, data_off;
    struct disk_window window;
};

struct fat_node {
    uint32_t cluster; /* 0: the fixed root directory, or an empty file */
    uint32_t size;
    bool dir, fixed_root;
};

static unsigned get16(const unsigned char *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

/* Its reads are small: a table entry, a cluster. */
static int fat_read(struct disk_volume *v, uint64_t off, void *data, size_t len)
{
    return disk_window_read(&((struct fat *)v->state)->window, v, off, data, len);
}

static int fat_layout(struct fat *f, const unsigned char *b, uint64_t volume)
{
    uint64_t sector = get16(b + 11), per_cluster = b[13], reserved = get16(b + 14), fats = b[16];
    uint64_t roots = get16(b + 17), sectors = get16(b + 19), fat_sectors = get16(b + 22);
    sectors = sectors ? sectors : get32(b + 32);
    fat_sectors = fat_sectors ? fat_sectors : get32(b + 36);
    if (!is_pow2(sector) || sector < 512 || sector > 4096 || !is_pow2(per_cluster) || !fats)
        return -EUCLEAN;
    f->cluster_size = (uint32_t)(sector * per_cluster);
    f->fat_off = reserved * sector;
    f->fat_size = fat_sectors * sector;
    f->root_off = f->fat_off + fats * f->fat_size;
    f->root_size = roots * SLOT;
    f->data_off = align_up(f->root_off + f->root_size, sector);
    uint64_t size = min_u64(sectors * sector, volume);
    if (f->data_off >= size)
        return -EUCLEAN;
    uint64_t clusters = (size - f->data_off) / f->cluster_size;
    /* as Linux has it: only FAT32 has no size of its tables in 16 bits, however few its clusters */
    f->bits = !get16(b + 22) ? 32 : clusters < 4085 ? 12 : 16;
    /* no more than the table has room for: bounds every chain */
    f->clusters = (uint32_t)min_u64(clusters, f->fat_size * 8 / f->bits);
    f->root_cluster = f->bits == 32 ? get32(b + 44) : 0;
    return 0;
}

static int fat_open(struct disk_volume *v)
{
    unsigned char boot[512];
    int r = disk_volume_read(v, 0, boot, sizeof(boot));
    struct fat *f = r ? NULL : calloc(1, sizeof(*f));
    if (!f)
        return r ? r : -ENOMEM;
    r = fat_layout(f, boot, v->size);
    if (r)
        free(f);
    else
        v->state = f;
    return r;
}

static void fat_close(struct disk_volume *v)
{
    disk_window_free(&((struct fat *)v->state)->window);
    free(v->state);
}

static int cluster_next(struct disk_volume *v, uint32_t *cluster)
{
    const struct fat *f = v->state;
    unsigned char raw[4] = {0};
    unsigned width = f->bits == 32 ? 4 : 2;
    uint64_t at = f->bits == 12 ? *cluster + *cluster / 2 : (uint64_t)*cluster * width;
    if (!range_ok(at, width, f->fat_size))
        return -EUCLEAN;
    int r = fat_read(v, f->fat_off + at, raw, width);
    if (r)
        return r;
    uint32_t next = f->bits == 32 ? get32(raw) & 0x0fffffff : get16(raw);
    if (f->bits == 12)
        next = *cluster & 1 ? next >> 4 : next & 0xfff;
    uint32_t last = f->bits == 32 ? 0x0ffffff8 : f->bits == 16 ? 0xfff8 : 0xff8;
    *cluster = next >= last ? CHAIN_END : next;
    return 0;
}

static int fixed_pour(struct disk_volume *v, struct disk_sink *sink)
{
    const struct fat *f = v->state;
    unsigned char slot[SLOT];
    for (uint64_t at = 0; at + SLOT <= f->root_size; at += SLOT) {
        int r = fat_read(v, f->root_off + at, slot, SLOT);
        if (!r)
            r = sink->put(sink, slot, SLOT);
        if (r)
            return r;
    }
    return 0;
}

/* One cluster, at most *left bytes of it; moves on to the next. */
static int cluster_pour(struct disk_volume *v, uint32_t *cluster, uint64_t *left, void *data,
                        struct disk_sink *sink)
{
    const struct fat *f = v->state;
    size_t len = (size_t)min_u64(*left, f->cluster_size);
    if (*cluster < 2 || *cluster - 2 >= f->clusters)
        return -EUCLEAN;
    int r = fat_read(v, f->data_off + (uint64_t)(*cluster - 2) * f->cluster_size, data, len);
    if (!r)
        r = sink->put(sink, data, len);
    *left -= len;
    return r || !*left ? r : cluster_next(v, cluster);
}

static int node_pour(struct disk_volume *v, const struct fat_node *n, struct disk_sink *sink)
{
    const struct fat *f = v->state;
    if (n->fixed_root)
        return fixed_pour(v, sink);
    /* a directory has no size of its own and ends with its chain */
    uint64_t left = n->dir ? UINT64_MAX : n->size;
    uint32_t cluster = n->cluster;
    void *data = malloc(f->cluster_size);
    int r = data ? 0 : -ENOMEM;
    for (uint32_t steps = 0; !r && left && cluster != CHAIN_END; steps++)
        r = steps < f->clusters ? cluster_pour(v, &cluster, &left, data, sink) : -EUCLEAN;
    free(data);
    return !r && left && !n->dir ? -EUCLEAN : r;
}

/* Directory slots in, names and nodes out. */
struct scan {
    struct disk_sink sink;
    int (*found)(struct scan *s, const char *name, const struct fat_node *node);
    char name[FAT_NAME_MAX + LONG_CHARS + 1];
    bool have_long;
    const char *want; /* of scan_match */
    size_t want_len;
    struct fat_node node;
    struct disk_names *names; /* of scan_name */
};

static void scan_long(struct scan *s, const unsigned char *slot)
{
    static const unsigned char place[LONG_CHARS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    unsigned index = slot[0] & 0x1f;
    if (!index || (index - 1) * LONG_CHARS > FAT_NAME_MAX - LONG_CHARS) {
        s->have_long = false;
        return;
    }
    if (slot[0] & LAST_LONG) {
        memset(s->name, 0, sizeof(s->name));
        s->have_long = true;
    }
    for (unsigned i = 0; i < LONG_CHARS; i++) {
        unsigned c = get16(slot + place[i]);
        s->name[(index - 1) * LONG_CHARS + i] = (char)(c == 0xffff ? 0 : c < 0x80 ? c : '?');
    }
}

static void scan_short(struct scan *s, const unsigned char *slot)
{
    size_t len = 0;
    for (unsigned i = 0; i < 11; i++) {
        if (i == 8 && slot[8] != ' ')
            s->name[len++] = '.';
        if (slot[i] != ' ')
            s->name[len++] = (char)(slot[i] >= 'A' && slot[i] <= 'Z' ? slot[i] + 32 : slot[i]);
    }
    s->name[len] = '\0';
}

static int scan_slot(struct scan *s, const unsigned char *slot)
{
    if (slot[0] == 0)
        return 1; /* no more entries */
    if (slot[0] == DELETED) {
        s->have_long = false;
        return 0;
    }
    if ((slot[11] & 0x3f) == ATTR_LONG) {
        scan_long(s, slot);
        return 0;
    }
    if (!s->have_long)
        scan_short(s, slot);
    s->have_long = false;
    if (slot[11] & ATTR_VOLUME)
        return 0;
    struct fat_node node = {
        .cluster = get16(slot + 26) | (uint32_t)get16(slot + 20) << 16,
        .size = get32(slot + 28),
        .dir = slot[11] & ATTR_DIR,
    };
    return s->found(s, s->name, &node);
}

static int scan_put(struct disk_sink *sink, const void *data, size_t len)
{
    struct scan *s = container_of(sink, struct scan, sink);
    const unsigned char *slot = data;
    int r = 0;
    for (size_t at = 0; !r && at + SLOT <= len; at += SLOT)
        r = scan_slot(s, slot + at);
    return r;
}

static int scan_match(struct scan *s, const char *name, const struct fat_node *node)
{
    if (strlen(name) != s->want_len || strncasecmp(name, s->want, s->want_len) != 0)
        return 0;
    s->node = *node;
    return 2;
}

static int scan_name(struct scan *s, const char *name, const struct fat_node *node)
{
    (void)node;
    /* results of names->add must not look like scan_slot's own end mark */
    int r = s->names->add(s->names, name);
    return r > 0 ? 2 : r;
}

static int fat_find(struct disk_volume *v, const char *path, struct fat_node *node)
{
    const struct fat *f = v->state;
    *node = (struct fat_node){.cluster = f->root_cluster, .dir = true, .fixed_root = f->bits != 32};
    if (strlen(path) >= DISK_MAX_PATH)
        return -ENAMETOOLONG;
    for (const char *at = path + strspn(path, "/"); *at; at += strspn(at, "/")) {
        struct scan s = {.sink.put = scan_put, .found = scan_match, .want = at};
        s.want_len = strcspn(at, "/");
        at += s.want_len;
        if (!node->dir)
            return -ENOTDIR;
        int r = node_pour(v, node, &s.sink);
        if (r != 2)
            return r < 0 ? r : -ENOENT;
        *node = s.node;
        /* ".." of a first-level directory says cluster 0 for the root */
        if (node->dir && !node->cluster) {
            node->cluster = f->root_cluster;
            node->fixed_root = f->bits != 32;
        }
    }
    return 0;
}

static int fat_stat(struct disk_volume *v, const char *path, struct disk_stat *st)
{
    struct fat_node n;
    int r = fat_find(v, path, &n);
    if (!r)
        *st = (struct disk_stat){.kind = n.dir ? DISK_DIR : DISK_FILE, .size = n.size};
    return r;
}

static int fat_pour(struct disk_volume *v, const char *path, struct disk_sink *sink)
{
    struct fat_node n;
    int r = fat_find(v, path, &n);
    return r ? r : node_pour(v, &n, sink);
}

static int fat_list(struct disk_volume *v, const char *path, struct disk_names *names)
{
    struct fat_node n;
    struct scan s = {.sink.put = scan_put, .found = scan_name, .names = names};
    int r = fat_find(v, path, &n);
    if (r)
        return r;
    r = n.dir ? node_pour(v, &n, &s.sink) : -ENOTDIR;
    return r < 0 ? r : 0;
}

const struct disk_fs_ops disk_fat_ops = {
    .open = fat_open,
    .close = fat_close,
    .stat = fat_stat,
    .pour = fat_pour,
    .list = fat_list,
};
