// SPDX-License-Identifier: MIT
/*
 * Owns the threads of a machine's vCPUs and the protocol that stops them. Refuses to know KVM.
 *
 * Stopping: a thread leaves KVM_RUN, or does not stay in it, once it is told to hurry; it is told
 * first and the signal is sent afterwards, so whatever the thread is doing, it comes to the gate
 * next. KVM finishes the instruction of the last exit before it looks, so nothing is half done at
 * the gate.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace.h"
#include "vmm/vcpu-internal.h"

enum { STACK_SIZE = 512 * 1024 };

const char *const vcpu_event_name[VCPU_EVENTS] = {
    [VCPU_TRIPLE_FAULT] = "triple fault",
    [VCPU_RESET] = "reset",
    [VCPU_POWEROFF] = "power-off",
    [VCPU_CRASHED] = "crash",
};

unsigned vcpus_count(const struct vcpus *set)
{
    return set->n;
}

struct vcpu *vcpus_get(struct vcpus *set, unsigned index)
{
    return index < set->n ? &set->cpu[index] : NULL;
}

/* ---- its thread ---- */

static _Thread_local struct vcpu *self;

struct vcpu *vcpus_self(void)
{
    return self;
}

/* Wait while the machine is paused or this vCPU has ended. false: leave. */
static bool vcpu_gate(struct vcpu *v)
{
    struct vcpus *set = v->set;
    bool stay;

    pthread_mutex_lock(&set->lock);
    v->parked = true;
    set->n_parked++;
    pthread_cond_broadcast(&set->went);
    while (!set->quit && (set->paused || v->ended))
        pthread_cond_wait(&set->go, &set->lock);
    v->parked = false;
    set->n_parked--;
    stay = !set->quit;
    if (stay)
        vcpu_hurry(v, false);
    pthread_mutex_unlock(&set->lock);
    return stay;
}

void vcpu_end(struct vcpu *v, enum vcpu_event event)
{
    struct vcpus *set = v->set;

    pthread_mutex_lock(&set->lock);
    v->ended = true;
    pthread_mutex_unlock(&set->lock);
    if (set->events.event)
        set->events.event(set->events.ctx, event, v->index);
}

static void *vcpu_main(void *arg)
{
    struct vcpu *v = arg;

    self = v;
    trace_thread(v->thread.name, v->index);
    while (vcpu_gate(v))
        while (vcpu_run_once(v))
            ;
    return NULL;
}

/* ---- start, stop ---- */

static void kick_nothing(int sig)
{
    (void)sig;
}

static int kick_signal(void)
{
    return SIGRTMIN;
}

static int kick_install(struct err *err)
{
    const struct sigaction act = {.sa_handler = kick_nothing, .sa_flags = SA_RESTART};

    if (sigaction(kick_signal(), &act, NULL))
        return err_errno(err, errno, "cannot install the signal that stops vCPUs");
    return 0;
}

static int vcpu_start(struct vcpu *v)
{
    v->thread = (struct thread){.kind = THREAD_VCPU,
                                .signal = kick_signal(),
                                .stack = STACK_SIZE,
                                .fn = vcpu_main,
                                .arg = v};
    snprintf(v->thread.name, sizeof(v->thread.name), "vcpu%u", v->index);
    return thread_start(&v->thread);
}

int vcpus_start(struct vcpus *set, struct err *err)
{
    int got = 0;

    if (set->n_threads)
        return err_set(err, EBUSY, "the vCPUs run already");
    while (!got && set->n_threads < set->n) {
        got = vcpu_start(&set->cpu[set->n_threads]);
        set->n_threads += !got;
    }
    if (got)
        return err_errno(err, got, "cannot start the thread of vCPU %u", set->n_threads);
    return 0;
}

/* With the lock held. Those that are parked look at the flags by themselves. */
static void vcpus_kick(struct vcpus *set)
{
    for (unsigned i = 0; i < set->n_threads; i++) {
        struct vcpu *v = &set->cpu[i];

        vcpu_hurry(v, true);
        if (!v->parked)
            pthread_kill(v->thread.id, kick_signal());
    }
}

/* With the lock held. */
static void vcpus_ask(struct vcpus *set)
{
    if (set->paused)
        return;
    set->paused = true;
    vcpus_kick(set);
}

void vcpus_pause_ask(struct vcpus *set)
{
    pthread_mutex_lock(&set->lock);
    vcpus_ask(set);
    pthread_mutex_unlock(&set->lock);
}

/*
 * With the lock held, which is given up while waiting: returns when all are parked, and so they
 * stay until it is given up again. Asks again, because another thread's vcpus_resume may come
 * between.
 */
static void vcpus_settle(struct vcpus *set)
{
    vcpus_ask(set);
    while (set->n_parked < set->n_threads) {
        pthread_cond_wait(&set->went, &set->lock);
        vcpus_ask(set);
    }
}

void vcpus_pause(struct vcpus *set)
{
    pthread_mutex_lock(&set->lock);
    vcpus_settle(set);
    pthread_mutex_unlock(&set->lock);
}

/* KVM's calls wait for a vCPU that runs, and one may run for ever: hence under the lock. */
void vcpus_resume(struct vcpus *set)
{
    pthread_mutex_lock(&set->lock);
    vcpus_settle(set);
    for (unsigned i = 0; i < set->n; i++)
        arch_vcpu_resume(&set->cpu[i]);
    set->paused = false;
    pthread_cond_broadcast(&set->go);
    pthread_mutex_unlock(&set->lock);
}

static void vcpus_join(struct vcpus *set)
{
    pthread_mutex_lock(&set->lock);
    set->quit = true;
    pthread_cond_broadcast(&set->go);
    vcpus_kick(set);
    pthread_mutex_unlock(&set->lock);
    for (unsigned i = 0; i < set->n_threads; i++)
        thread_join(&set->cpu[i].thread);
    set->n_threads = 0;
}

/* ---- creation, reset ---- */

/* Set up before any is saved: what one vCPU is told can change how the others start. */
static int vcpus_open(struct vcpus *set, unsigned cpus, struct err *err)
{
    int got = 0;

    for (; !got && set->n < cpus; set->n++)
        got = vcpu_open(set, set->n, err);
    for (unsigned i = 0; !got && i < cpus; i++)
        got = arch_vcpu_setup(&set->cpu[i], cpus, err);
    for (unsigned i = 0; !got && i < cpus; i++) {
        set->cpu[i].initial = arch_vcpu_save(&set->cpu[i], err);
        got = set->cpu[i].initial ? 0 : -EIO;
    }
    return got;
}

struct vcpus *vcpus_new(struct kvm *kvm, unsigned cpus, struct bus *bus,
                        const struct vcpu_events *events, struct err *err)
{
    const size_t run_size = vcpu_run_size(kvm);
    struct vcpus *set;

    if (!cpus || cpus > kvm_max_vcpus(kvm) || !run_size) {
        err_set(err, EINVAL, "%u vCPUs are not possible here: KVM allows 1 to %u", cpus,
                kvm_max_vcpus(kvm));
        return NULL;
    }
    set = calloc(1, sizeof(*set) + cpus * sizeof(set->cpu[0]));
    if (!set) {
        err_set(err, ENOMEM, "no memory for %u vCPUs", cpus);
        return NULL;
    }
    set->kvm = kvm;
    set->bus = bus;
    set->events = *events;
    set->run_size = run_size;
    set->paused = true;
    pthread_mutex_init(&set->lock, NULL);
    pthread_cond_init(&set->went, NULL);
    pthread_cond_init(&set->go, NULL);
    if (kick_install(err) || vcpus_open(set, cpus, err)) {
        vcpus_free(set);
        return NULL;
    }
    return set;
}

void vcpus_free(struct vcpus *set)
{
    if (!set)
        return;
    vcpus_join(set);
    for (unsigned i = 0; i < set->n; i++)
        vcpu_close(&set->cpu[i]);
    pthread_cond_destroy(&set->go);
    pthread_cond_destroy(&set->went);
    pthread_mutex_destroy(&set->lock);
    free(set);
}

int vcpus_boot_set(struct vcpus *set, const struct load_entry *entry, struct err *err)
{
    int got;

    pthread_mutex_lock(&set->lock);
    vcpus_settle(set);
    got = arch_vcpu_boot(&set->cpu[0], entry, err);
    pthread_mutex_unlock(&set->lock);
    return got;
}

int vcpus_reset(struct vcpus *set, struct err *err)
{
    int got = 0;

    pthread_mutex_lock(&set->lock);
    vcpus_settle(set);
    for (unsigned i = 0; !got && i < set->n; i++) {
        got = arch_vcpu_restore(&set->cpu[i], set->cpu[i].initial, err);
        set->cpu[i].ended = got != 0;
    }
    pthread_mutex_unlock(&set->lock);
    return got;
}
