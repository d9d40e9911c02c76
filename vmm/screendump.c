// SPDX-License-Identifier: MIT
/*
 * Owns how a picture of a screen passes through the control socket, and both its ends there.
 */
#include "vmm/screendump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/picture.h"
#include "vmm/base/base64.h"
#include "vmm/base/bits.h"
#include "vmm/control-client.h"

enum { PIECE_BYTES = 768 * 1024 }; /* a MiB of text */

/* ---- the machine's end ---- */

static struct {
    uint32_t *pixels; /* NULL: none */
    size_t bytes;
    json_int_t id;
} kept;

static void kept_drop(void)
{
    free(kept.pixels);
    kept.pixels = NULL;
    kept.bytes = 0;
}

json_t *screendump_take(struct control_call *call, const struct parts *parts)
{
    uint32_t width, height;
    json_int_t screen = 0;

    control_integer(call, "screen", &screen);
    kept_drop();
    if (!parts->display || screen < 0 || screen >= display_screens(parts->display)) {
        call->class = "DeviceNotFound";
        err_set(&call->err, ENODEV,
                parts->display ? "there is no such screen; the first one is 0"
                               : "the machine has no screen; start it with --display memory");
        return NULL;
    }
    kept.pixels = display_copy(parts->display, (unsigned)screen, &width, &height);
    if (!kept.pixels) {
        call->class = "DeviceNotActive";
        err_set(&call->err, width ? ENOMEM : EAGAIN,
                width ? "the host has no memory for a picture"
                      : "the screen is off: no driver of the guest shows anything there");
        return NULL;
    }
    kept.bytes = (size_t)width * height * sizeof(*kept.pixels);
    return json_pack("{s:I,s:i,s:i,s:s}", "id", ++kept.id, "width", (int)width, "height",
                     (int)height, "format", "xrgb8888-le");
}

json_t *screendump_read(struct control_call *call)
{
    json_int_t id = 0, offset = 0;
    char *text;
    json_t *answer;
    size_t n;

    control_integer(call, "id", &id);
    control_integer(call, "offset", &offset);
    if (!kept.pixels || id != kept.id || offset < 0 || (uint64_t)offset >= kept.bytes) {
        err_set(&call->err, ENOENT, "there is no such part of a picture; ask for a new screendump");
        return NULL;
    }
    n = (size_t)min_u64(kept.bytes - (uint64_t)offset, PIECE_BYTES);
    text = base64_encode((const uint8_t *)kept.pixels + offset, n);
    answer = text ? json_pack("{s:s}", "data", text) : NULL;
    if (!answer)
        err_set(&call->err, ENOMEM, "the host has no memory for a picture");
    free(text);
    if (answer && (uint64_t)offset + n == kept.bytes)
        kept_drop(); /* that was the last part */
    return answer;
}

/* ---- the asking end ---- */

static int piece_ask(struct control_client *client, json_int_t id, uint8_t *to, size_t at,
                     size_t left, size_t *got, struct err *err)
{
    json_t *args = json_pack("{s:I,s:I}", "id", id, "offset", (json_int_t)at);
    json_t *ret = control_client_ask(client, "screendump-read", args, err);
    const char *text = json_string_value(json_object_get(ret, "data"));
    void *data = text ? base64_decode(text, got) : NULL;
    const bool good = data && *got && *got <= left;

    if (good)
        memcpy(to + at, data, *got);
    else if (ret)
        err_set(err, EIO, "the machine's answer makes no sense");
    free(data);
    json_decref(ret);
    json_decref(args);
    return good ? 0 : -EIO;
}

static int file_put(const char *path, const void *data, size_t n, struct err *err)
{
    FILE *to = fopen(path, "we");
    bool good;

    if (!to)
        return err_errno(err, errno, "%s", path);
    good = fwrite(data, 1, n, to) == n;
    if (fclose(to) != 0 || !good)
        return err_errno(err, errno, "%s", path);
    return 0;
}

static int picture_fetch(struct control_client *client, const json_t *head, const char *path,
                         struct err *err)
{
    const json_int_t w = json_integer_value(json_object_get(head, "width"));
    const json_int_t h = json_integer_value(json_object_get(head, "height"));
    size_t bytes, at = 0, got = 0;
    uint32_t *pixels;
    void *file = NULL;
    int ret = 0;

    if (w < 1 || w > DISPLAY_SIDE_MAX || h < 1 || h > DISPLAY_SIDE_MAX)
        return err_set(err, EIO, "the machine's answer makes no sense");
    bytes = (size_t)w * (size_t)h * sizeof(*pixels);
    pixels = malloc(bytes);
    if (!pixels)
        return err_errno(err, ENOMEM, "screendump");
    for (; ret == 0 && at < bytes; at += got)
        ret = piece_ask(client, json_integer_value(json_object_get(head, "id")), (uint8_t *)pixels,
                        at, bytes - at, &got, err);
    if (ret == 0)
        file = picture_encode(pixels, (uint32_t)w, (uint32_t)h, &bytes, err);
    ret = file ? file_put(path, file, bytes, err) : -EIO;
    free(file);
    free(pixels);
    return ret;
}

json_t *screendump_ask(struct control_client *client, json_t *args, struct err *err)
{
    char *path = strdup(json_string_value(json_object_get(args, "file")));
    json_t *head = NULL;

    if (path && picture_can(err) == 0) {
        json_object_del(args, "file");
        head = control_client_ask(client, "screendump", args, err);
    }
    if (head && picture_fetch(client, head, path, err) < 0) {
        json_decref(head);
        head = NULL;
    }
    free(path);
    return head;
}
