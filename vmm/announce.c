// SPDX-License-Identifier: MIT
/* Owns which network cards are asked to announce themselves, and what is said if none can be. */
#include "vmm/announce.h"

#include <errno.h>

#include "devices/net.h"

static bool card_ask(struct part *part)
{
    bool asked;

    loop_lock(part->loop);
    asked = net_announce(part->vpci->dev);
    loop_unlock(part->loop);
    return asked;
}

static unsigned cards_ask(const struct parts *parts)
{
    unsigned n = 0;

    for (unsigned i = 0; i < parts->n; i++)
        if (part_is(parts->part[i], &net_type))
            n += card_ask(parts->part[i]);
    return n;
}

static struct part *card_find(struct control_call *call, const struct parts *parts,
                              const json_t *name)
{
    struct part *part = json_is_string(name) ? parts_find(parts, json_string_value(name)) : NULL;

    if (part && part_is(part, &net_type))
        return part;
    call->class = "DeviceNotFound";
    err_set(&call->err, ENOENT, "there is no network card '%.40s'; the first --net is net0",
            json_is_string(name) ? json_string_value(name) : "?");
    return NULL;
}

json_t *announce_self(struct control_call *call, const struct parts *parts)
{
    const json_t *names = json_object_get(call->args, "interfaces");
    const size_t n = json_array_size(names);
    unsigned asked = n ? 0 : cards_ask(parts);

    for (size_t i = 0; i < n; i++)
        if (!card_find(call, parts, json_array_get(names, i)))
            return NULL;
    for (size_t i = 0; i < n; i++)
        asked += card_ask(card_find(call, parts, json_array_get(names, i)));
    if (asked)
        return json_object();
    call->class = "DeviceNotActive";
    err_set(&call->err, ENODEV,
            "no network card can be asked: none has a driver that took guest_announce");
    return NULL;
}
