/* SPDX-License-Identifier: MIT */
/*
 * A device that is reset with host I/O in flight (2.4.1, 2.6.1): vdev_reset(), vq_disable(),
 * chain_retire() and vdev_retired() of virtio/, a back end whose I/O runs by itself, and a driver that
 * uses its memory for something else as soon as device_status reads 0.
 *
 * Shown: the host never writes memory that the driver has taken back; every reset ends; a request
 * of before the reset is never given back after it. What holds the device's lock is one atomic step.
 *
 * BROKEN 1: the reset does not wait. 2: the first request that ends, ends the reset, too.
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define REQUESTS 2 /* a round */
#define ROUNDS   2

mtype = {FREE, AVAILABLE, HOST, WRITTEN};

mtype request[REQUESTS] = FREE;
byte round_of[REQUESTS];
byte round = 0, in_flight = 0, used = 0;
bool status_set = false, resetting = false;
bool taken_back = true; /* the memory of requests is the driver's */

inline reset_end()
{
    resetting = false;
    status_set = false
}

/* chain_retire() and vdev_retired() */
inline retire()
{
    in_flight--;
    if
    :: resetting && in_flight == 0 -> reset_end()
    :: else
    fi
}

active proctype driver()
{
    byte i;

    do
    :: round < ROUNDS ->
        round++;
        taken_back = false;
        atomic {
            i = 0;
            do
            :: i < REQUESTS -> request[i] = AVAILABLE; round_of[i] = round; i++
            :: else -> break
            od;
            used = 0;
            status_set = true
        }
        /* at any moment from here on: status = 0, which is vdev_reset() */
        atomic {
            resetting = true;
            in_flight++; /* ours */
            i = 0;
            do /* what no host I/O stands behind is given up at once; vq_forget() */
            :: i < REQUESTS ->
                if
                :: request[i] == AVAILABLE -> request[i] = FREE
                :: else
                fi;
                i++
            :: else -> break
            od;
            in_flight--;
            if
            :: in_flight == 0 || BROKEN == 1 -> reset_end()
            :: else
            fi
        }
        !status_set; /* device_status reads 0 */
        taken_back = true
    :: else -> break
    od
}

/* The device's loop: takes requests, gives them to the host. */
active proctype device()
{
    byte i;

end:
    do
    :: atomic {
        status_set && !resetting && request[0] == AVAILABLE -> request[0] = HOST; in_flight++
    }
    :: atomic {
        status_set && !resetting && request[1] == AVAILABLE -> request[1] = HOST; in_flight++
    }
    :: atomic { /* a completion: pushed, unless it is being reset */
        request[0] == WRITTEN ->
        if
        :: !resetting -> assert(round_of[0] == round && status_set); used++
        :: else
        fi;
        request[0] = FREE;
        retire()
    }
    :: atomic {
        request[1] == WRITTEN ->
        if
        :: !resetting -> assert(round_of[1] == round && status_set); used++
        :: else
        fi;
        request[1] = FREE;
        retire()
    }
    od
}

/* The host writes guest memory whenever it likes while it has a request. */
active [REQUESTS] proctype host()
{
    byte me = _pid - 2;

end:
    do
    :: request[me] == HOST ->
        assert(!taken_back); /* I/O into memory that is somebody else's */
        atomic {
            request[me] = WRITTEN;
            if
            :: BROKEN == 2 && resetting -> reset_end()
            :: else
            fi
        }
    od
}
