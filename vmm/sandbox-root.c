// SPDX-License-Identifier: MIT
/*
 * Owns what the process can see and reach beside its open descriptors: namespaces, the root folder,
 * Landlock, capabilities, limits. Refuses to know what it needs; that is open already.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/sandbox-internal.h"

/* ---- limits ---- */

/* A guest can have many connections (devices/backend/net-slirp.c), and the usual 1024 are for
 * programs that select(). More than max would only be more to lose. */
void sandbox_files(void)
{
    const rlim_t max = 4096;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= max)
        return;
    files.rlim_cur = min_u64(files.rlim_max, max);
    setrlimit(RLIMIT_NOFILE, &files);
}

void sandbox_limits(struct sandbox_report *report)
{
    static const struct {
        int what;
        rlim_t max;
    } limit[] = {{RLIMIT_CORE, 1},
                 /* 1, not 0, stops those that go into a pipe, too */ {RLIMIT_MSGQUEUE, 0},
                 {RLIMIT_RTPRIO, 0}};
    struct rlimit files;
    bool ok = true;

    for (unsigned i = 0; i < ARRAY_SIZE(limit); i++) {
        const struct rlimit l = {limit[i].max, limit[i].max};

        ok = setrlimit((__rlimit_resource_t)limit[i].what, &l) == 0 && ok;
    }
    /* as many descriptors as now, and never more */
    ok = getrlimit(RLIMIT_NOFILE, &files) == 0 && ok;
    files.rlim_max = files.rlim_cur;
    ok = setrlimit(RLIMIT_NOFILE, &files) == 0 && ok;
    if (ok)
        sandbox_have(report, "limits");
    else
        sandbox_lack(report, "limits");
}

/* ---- namespaces and root ---- */

static bool text_write(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

/* Nobody but this user and this group exists there; files look as before. */
static bool user_unshare(int flags, struct sandbox_report *report)
{
    const unsigned uid = geteuid(), gid = getegid();
    char map[40];
    bool ok;

    if (unshare(CLONE_NEWUSER | flags) < 0)
        return false;
    ok = text_write("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%u %u 1", uid, uid);
    ok = text_write("/proc/self/uid_map", map) && ok;
    snprintf(map, sizeof(map), "%u %u 1", gid, gid);
    ok = text_write("/proc/self/gid_map", map) && ok;
    if (!ok) /* it is nobody in there, which is no less of a sandbox */
        sandbox_lack(report, "this user in the namespace (%s)", strerror(errno));
    return true;
}

/* A folder without anything in it becomes the root, and the old one goes. */
static bool root_empty(void)
{
    static const char *const on[] = {"/tmp", "/proc", "/dev"};
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
    bool there = false;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    for (unsigned i = 0; !there && i < ARRAY_SIZE(on); i++)
        there =
            mount("vmm", on[i], "tmpfs", flags, "nr_inodes=2,mode=0555") == 0 && chdir(on[i]) == 0;
    if (!there)
        return false;
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
    /* a root that is no mount, or the first one of all, cannot be left so */
    return mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 && chdir("/") == 0;
}

void sandbox_root(bool host_net, bool host_ipc, struct sandbox_report *report)
{
    const int flags =
        CLONE_NEWNS | CLONE_NEWUTS | (host_ipc ? 0 : CLONE_NEWIPC) | (host_net ? 0 : CLONE_NEWNET);
    const char *user = "";

    if (unshare(flags) < 0) {
        if (errno != EPERM || !user_unshare(flags, report)) {
            sandbox_lack(report, "namespaces (%s)", strerror(errno));
            return;
        }
        user = "user, ";
    }
    sandbox_have(report, "namespaces (%smount%s, uts%s)", user, host_ipc ? "" : ", ipc",
                 host_net ? "" : ", net");
    if (root_empty())
        sandbox_have(report, "an empty root folder");
    else
        sandbox_lack(report, "an empty root folder (%s)", strerror(errno));
}

/* ---- Landlock ---- */

/* As the kernel's header has it today; the one of the host may be older. */
struct landlock_rules {
    uint64_t fs, net, scope;
};

enum { LANDLOCK_VERSION = 1 };

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif

/* All that this version knows, with no exceptions: descriptors that are open stay as they are. */
static size_t rules_fill(struct landlock_rules *rules, long version, bool host_net)
{
    static const unsigned fs_bits[] = {0, 13, 14, 15, 15, 16};
    const unsigned bits = fs_bits[min_u64((uint64_t)version, ARRAY_SIZE(fs_bits) - 1)];

    *rules = (struct landlock_rules){.fs = BIT64(bits) - 1};
    if (version >= 4 && !host_net)
        rules->net = 3; /* bind and connect, TCP */
    if (version >= 6)
        rules->scope = 3; /* abstract sockets and signals */
    return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

void sandbox_landlock(bool host_net, struct sandbox_report *report)
{
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
    struct landlock_rules rules;
    long fd = -1;

    if (version > 0)
        fd = syscall(SYS_landlock_create_ruleset, &rules, rules_fill(&rules, version, host_net), 0);
    if (fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0)
        sandbox_have(report, "Landlock (version %ld)", version);
    else
        sandbox_lack(report, "Landlock (%s)", strerror(errno));
    if (fd >= 0)
        close((int)fd);
}

/* ---- capabilities ---- */

void sandbox_caps(struct sandbox_report *report)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}, {0}};

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* needs one itself; who has none does not get any by this set either */
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (syscall(SYS_capset, &head, none) == 0)
        sandbox_have(report, "no capabilities");
    else
        sandbox_lack(report, "no capabilities (%s)", strerror(errno));
}
