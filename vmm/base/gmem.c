// SPDX-License-Identifier: MIT
/*
 * Owns the map from guest-physical RAM to this process. Refuses to know what is in it.
 * Checks are by subtraction, so that no sum of guest numbers can wrap.
 */
#include "vmm/base/gmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/base/bits.h"

enum { HUGE_PAGE = 2 << 20 };

int gmem_add(struct gmem *mem, uint64_t base, uint64_t size, void *host)
{
    unsigned at = 0;

    if (!size || size - 1 > UINT64_MAX - base)
        return -EINVAL;
    if (mem->n == GMEM_REGIONS)
        return -ENOSPC;
    while (at < mem->n && mem->region[at].base < base)
        at++;
    if (at > 0 && base - mem->region[at - 1].base < mem->region[at - 1].size)
        return -EINVAL;
    if (at < mem->n && mem->region[at].base - base < size)
        return -EINVAL;
    memmove(&mem->region[at + 1], &mem->region[at], (mem->n - at) * sizeof(mem->region[0]));
    mem->region[at] = (struct gmem_region){base, size, (uint8_t *)host};
    mem->n++;
    return 0;
}

/*
 * Zeroed memory of this size whose address and base leave the same remainder to HUGE_PAGE: only
 * then can a huge page of the host be one of the guest's, too. MAP_FAILED with errno on failure.
 */
static void *ram_map(uint64_t base, uint64_t size)
{
    const uint64_t room = size + HUGE_PAGE;
    uint8_t *all = room > size ? mmap(NULL, room, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                               : MAP_FAILED;
    uint64_t before;

    if (all == MAP_FAILED)
        return MAP_FAILED;
    before = (base - (uintptr_t)all) & (HUGE_PAGE - 1);
    if (before)
        munmap(all, before);
    munmap(all + before + size, HUGE_PAGE - before);
    return all + before;
}

int gmem_alloc(struct gmem *mem, uint64_t base, uint64_t size, struct err *err)
{
    void *host = ram_map(base, size);
    int ret;

    if (host == MAP_FAILED)
        return err_errno(err, errno,
                         "cannot allocate %llu MiB of guest memory; try a smaller --mem",
                         (unsigned long long)(size / MIB));
    madvise(host, size, MADV_DONTDUMP);
    ret = gmem_add(mem, base, size, host);
    if (ret < 0) {
        munmap(host, size);
        return err_errno(err, -ret, "guest memory at 0x%llx", (unsigned long long)base);
    }
    gmem_huge(mem, true);
    return 0;
}

/* A hint: fewer nested page faults where the host can. */
void gmem_huge(const struct gmem *mem, bool on)
{
    for (unsigned i = 0; i < mem->n; i++)
        madvise(mem->region[i].host, mem->region[i].size, on ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void gmem_free(struct gmem *mem)
{
    for (unsigned i = 0; i < mem->n; i++)
        munmap(mem->region[i].host, mem->region[i].size);
    mem->n = 0;
}

void gmem_zero(struct gmem *mem)
{
    for (unsigned i = 0; i < mem->n; i++)
        if (madvise(mem->region[i].host, mem->region[i].size, MADV_DONTNEED) < 0)
            memset(mem->region[i].host, 0, mem->region[i].size);
}

uint64_t gmem_discard_host(void *host, uint64_t len)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), at = (uint64_t)(uintptr_t)host;
    const uint64_t start = align_up(at, page), end = (at + len) & ~(page - 1);

    if (end <= start || madvise((uint8_t *)host + (start - at), end - start, MADV_DONTNEED) < 0)
        return 0;
    return end - start;
}

uint64_t gmem_discard(const struct gmem *mem, gpa_t at, uint64_t len)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < mem->n; i++) {
        const struct gmem_region *r = &mem->region[i];
        const uint64_t skip = r->base > at.v ? r->base - at.v : 0; /* of the range */
        const uint64_t off = at.v > r->base ? at.v - r->base : 0;  /* of the region */

        if (skip < len && off < r->size)
            sum += gmem_discard_host(r->host + off, min_u64(len - skip, r->size - off));
    }
    return sum;
}

uint64_t gmem_size(const struct gmem *mem)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < mem->n; i++)
        sum += mem->region[i].size;
    return sum;
}

static const struct gmem_region *region_at(const struct gmem *mem, gpa_t at)
{
    for (unsigned i = 0; i < mem->n; i++)
        if (at.v >= mem->region[i].base && at.v - mem->region[i].base < mem->region[i].size)
            return &mem->region[i];
    return NULL;
}

int gmem_iov(const struct gmem *mem, gpa_t at, uint64_t len, struct iovec *iov, unsigned max)
{
    unsigned n = 0;

    while (len) {
        const struct gmem_region *r = region_at(mem, at);
        uint64_t off, take;

        if (!r)
            return -EFAULT;
        if (n == max)
            return -E2BIG;
        off = at.v - r->base;
        take = min_u64(len, r->size - off);
        iov[n++] = (struct iovec){r->host + off, take};
        len -= take;
        if (len && !gpa_add(at, take, &at))
            return -EFAULT;
    }
    return (int)n;
}

void *gmem_span(const struct gmem *mem, gpa_t at, uint64_t len)
{
    const struct gmem_region *r = region_at(mem, at);

    if (!r || !range_ok(at.v - r->base, len, r->size))
        return NULL;
    return r->host + (at.v - r->base);
}

int gmem_read(const struct gmem *mem, gpa_t at, void *to, size_t len)
{
    struct iovec iov[GMEM_REGIONS];
    int n = gmem_iov(mem, at, len, iov, GMEM_REGIONS);
    uint8_t *p = (uint8_t *)to;

    if (n < 0)
        return -EFAULT;
    for (int i = 0; i < n; p += iov[i].iov_len, i++)
        memcpy(p, iov[i].iov_base, iov[i].iov_len);
    return 0;
}

int gmem_write(const struct gmem *mem, gpa_t at, const void *from, size_t len)
{
    struct iovec iov[GMEM_REGIONS];
    int n = gmem_iov(mem, at, len, iov, GMEM_REGIONS);
    const uint8_t *p = (const uint8_t *)from;

    if (n < 0)
        return -EFAULT;
    for (int i = 0; i < n; p += iov[i].iov_len, i++)
        memcpy(iov[i].iov_base, p, iov[i].iov_len);
    return 0;
}
