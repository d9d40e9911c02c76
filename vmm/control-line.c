// SPDX-License-Identifier: MIT
/*
 * Owns what a line of the control socket means: QMP's shapes, the check of arguments, the commands
 * that every machine has. Refuses to know where lines come from and what a command does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/base/bits.h"
#include "vmm/control-internal.h"

enum { ERROR_TEXT = 200 };

json_t *control_greeting(void)
{
    int major = 0, minor = 0;

    sscanf(VMM_VERSION, "%d.%d", &major, &minor);
    return json_pack("{s:{s:{s:{s:i,s:i,s:i},s:s},s:[]}}", "QMP", "version", "vmm", "major", major,
                     "minor", minor, "micro", 0, "package", "vmm " VMM_VERSION, "capabilities");
}

json_t *control_event_make(const char *name, json_t *data)
{
    struct timespec now;
    json_t *event;

    clock_gettime(CLOCK_REALTIME, &now);
    event = json_pack("{s:s,s:{s:I,s:I}}", "event", name, "timestamp", "seconds",
                      (json_int_t)now.tv_sec, "microseconds", (json_int_t)now.tv_nsec / 1000);
    if (event && data)
        json_object_set(event, "data", data);
    json_decref(data);
    return event;
}

static json_t *with_id(json_t *message, json_t *id)
{
    if (message && id)
        json_object_set(message, "id", id);
    return message;
}

json_t *control_error(json_t *id, const char *class, const char *text)
{
    json_t *error = json_pack("{s:{s:s,s:s}}", "error", "class", class, "desc", text);

    if (!error) /* a text that is not UTF-8: somebody's file name */
        error = json_pack("{s:{s:s,s:s}}", "error", "class", class, "desc",
                          "the command failed; see vmm's messages");
    return with_id(error, id);
}

/* ---- commands that every machine has ---- */

struct line {
    const struct control_table *table;
    struct control_wants *wants;
};

static json_t *run_capabilities(struct control_call *call)
{
    ((struct line *)call->ctx)->wants->events = true;
    return json_object();
}

static json_t *run_commands(struct control_call *call);

static const struct control_command builtin[] = {
    {"qmp_capabilities", {{"enable", JSON_ARRAY, false}}, run_capabilities},
    {"query-commands", CONTROL_NO_ARGS, run_commands},
    {NULL, CONTROL_NO_ARGS, NULL},
};

static void names_add(json_t *list, const struct control_command *c)
{
    for (; c->name; c++)
        json_array_append_new(list, json_pack("{s:s}", "name", c->name));
}

static json_t *run_commands(struct control_call *call)
{
    json_t *list = json_array();

    if (list) {
        names_add(list, builtin);
        names_add(list, ((struct line *)call->ctx)->table->command);
    }
    return list;
}

/* ---- a line ---- */

static const struct control_command *command_find(const struct control_command *c, const char *name)
{
    for (; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static const struct control_arg *arg_find(const struct control_command *c, const char *name)
{
    for (unsigned i = 0; i < CONTROL_ARGS && c->arg[i].name; i++)
        if (strcmp(c->arg[i].name, name) == 0)
            return &c->arg[i];
    return NULL;
}

static int args_check(const struct control_command *c, const json_t *args, struct err *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)args, name, value)
    {
        const struct control_arg *arg = arg_find(c, name);

        if (!arg)
            return err_set(err, EINVAL, "%s has no argument '%.60s'", c->name, name);
        if (json_typeof(value) != arg->type)
            return err_set(err, EINVAL, "%s: the argument '%s' has the wrong type", c->name, name);
    }
    for (unsigned i = 0; i < CONTROL_ARGS && c->arg[i].name; i++)
        if (c->arg[i].required && !json_object_get(args, c->arg[i].name))
            return err_set(err, EINVAL, "%s needs the argument '%s'", c->name, c->arg[i].name);
    return 0;
}

static json_t *command_run(const struct control_command *c, void *ctx, const json_t *args,
                           json_t *id, struct control_wants *wants)
{
    struct control_call call = {.ctx = ctx, .args = args, .class = "GenericError"};
    json_t *result = NULL, *answer;

    if (args_check(c, args, &call.err) == 0)
        result = c->run(&call);
    if (!result)
        return control_error(id, call.class, call.err.text[0] ? call.err.text : "no memory");
    wants->take = call.take;
    answer = json_pack("{s:o}", "return", result);
    return with_id(answer, id);
}

/* Members of a request; anything else in it is a mistake that its sender wants to know of. */
static json_t *members_check(json_t *request)
{
    static const char *const known[] = {"execute", "arguments", "id"};
    const char *name;
    json_t *value;

    json_object_foreach(request, name, value)
    {
        bool good = false;

        for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
            good |= strcmp(name, known[i]) == 0;
        if (!good) {
            char text[120];

            snprintf(text, sizeof(text), "'%.60s' is not a member of a request", name);
            return control_error(json_object_get(request, "id"), "GenericError", text);
        }
    }
    return NULL;
}

static json_t *request_run(const struct control_table *table, json_t *request,
                           struct control_wants *wants)
{
    json_t *id = json_object_get(request, "id");
    const char *name = json_string_value(json_object_get(request, "execute"));
    json_t *args = json_object_get(request, "arguments");
    struct line line = {table, wants};
    const struct control_command *c;
    char text[120];

    if (!name)
        return control_error(id, "GenericError", "a request needs \"execute\": \"COMMAND\"");
    if (args && !json_is_object(args))
        return control_error(id, "GenericError", "\"arguments\" must be an object");
    c = command_find(builtin, name);
    if (c)
        return command_run(c, &line, args, id, wants);
    c = command_find(table->command, name);
    if (c)
        return command_run(c, table->ctx, args, id, wants);
    snprintf(text, sizeof(text), "there is no command '%.60s'; query-commands lists them", name);
    return control_error(id, "CommandNotFound", text);
}

json_t *control_line_run(const struct control_table *table, const char *line, size_t len,
                         struct control_wants *wants)
{
    json_error_t where;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
    json_t *answer = NULL;
    char text[ERROR_TEXT];

    if (!request) {
        snprintf(text, sizeof(text), "not JSON, column %d: %.100s", where.column, where.text);
        return control_error(NULL, "GenericError", text);
    }
    if (json_is_object(request))
        answer = members_check(request);
    else
        answer = control_error(NULL, "GenericError", "a request is a JSON object");
    if (!answer)
        answer = request_run(table, request, wants);
    json_decref(request);
    return answer;
}

const char *control_string(const struct control_call *call, const char *name)
{
    return json_string_value(json_object_get(call->args, name));
}

bool control_integer(const struct control_call *call, const char *name, json_int_t *value)
{
    const json_t *v = json_object_get(call->args, name);

    if (!json_is_integer(v))
        return false;
    *value = json_integer_value(v);
    return true;
}
