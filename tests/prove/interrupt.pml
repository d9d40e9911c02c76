/* SPDX-License-Identifier: MIT */
/*
 * From a used buffer to the driver that sleeps for it: what the device publishes and then reads
 * (2.7.8, 2.7.10; vq_publish() and the fences of vq-split.c and vq-packed.c), what the driver asks for
 * and then looks at again, and an MSI-X vector that it masks and unmasks (vmm/bus/msix.c).
 *
 * Both sides have a store buffer: what they wrote reaches the other one later, or at a fence.
 * Shown: a driver that sleeps while something is used is woken. No deadlock, that is.
 *
 * BROKEN 1: the device reads the driver's wish without a fence behind its index. 2: it reads the wish
 * first. 3: unmasking does not send what is pending.
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define BUFFERS 3

byte used = 0, used_stored = 0;           /* the device's index: in memory, in its store buffer */
bool wanted = false, wanted_stored = false; /* interrupts, as the driver says */
bool masked = false, pending = false;     /* the vector */
bool fired = false;                       /* at the driver's processor */

inline notify()
{
    if
    :: masked -> pending = true
    :: else -> fired = true
    fi
}

active proctype device()
{
    byte n = 0;
    bool wish;

    do
    :: n < BUFFERS ->
        n++;
        if
        :: BROKEN == 2 -> wish = wanted
        :: else
        fi;
        used_stored = n; /* the store; it is in memory some time later */
        if
        :: BROKEN != 1 -> used = used_stored /* the fence */
        :: else
        fi;
        if
        :: BROKEN != 2 -> wish = wanted
        :: else
        fi;
        if
        :: wish -> atomic { notify() }
        :: else
        fi
    :: else -> break
    od
}

/* Stores become visible by themselves, in the end. */
active proctype buffers()
{
end:
    do
    :: atomic { used != used_stored -> used = used_stored }
    :: atomic { wanted != wanted_stored -> wanted = wanted_stored }
    od
}

active proctype driver()
{
    byte seen = 0;

    do
    :: seen == BUFFERS -> break
    :: else ->
        atomic { wanted_stored = true; wanted = true } /* a store and a fence */
        if
        :: used != seen -> seen = used /* looks again before it sleeps */
        :: else ->
            if /* now and then it masks the vector, as when its affinity changes */
            :: masked = true;
               atomic {
                   masked = false;
                   if
                   :: pending && BROKEN != 3 -> pending = false; fired = true
                   :: else
                   fi
               }
            :: skip
            fi;
            fired; /* sleeps */
            fired = false;
            wanted_stored = false; /* works without interrupts, and asks again */
            seen = used
        fi
    od
}
