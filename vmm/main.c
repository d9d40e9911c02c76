// SPDX-License-Identifier: MIT
/*
 * Owns the command line: verbs, usage, manual page, exit status. Refuses to know how anything is
 * done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/err.h"
#include "vmm/base/opts.h"
#include "vmm/base/trace.h"
#include "vmm/bisect.h"
#include "vmm/bootfiles.h"
#include "vmm/compare.h"
#include "vmm/complete.h"
#include "vmm/config-bisect.h"
#include "vmm/config-compare.h"
#include "vmm/config.h"
#include "vmm/ctl.h"
#include "vmm/machine.h"
#include "vmm/sandbox.h"
#include "vmm/top.h"
#include "vmm/trace-diff.h"
#include "vmm/trace-main.h"
#include "vmm/trace-run.h"
#include "vmm/trace-show.h"

struct verb {
    const char *name, *args, *help;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[];

static int fail(const struct err *err)
{
    log_msg(LOG_ERROR, "%s", err->text);
    return MACHINE_FAILED;
}

static void help_print(FILE *to)
{
    fputs("vmm boots Linux guests under KVM, from their disk images or from a kernel.\n\n", to);
    for (const struct verb *v = verbs; v->name; v++)
        fprintf(to, "  vmm %s %s\n      %s\n", v->name, v->args, v->help);
    fputs("\nOptions of vmm run:\n", to);
    opts_help(config_run_opts, to);
    for (const struct config_group *g = config_groups; g->option; g++) {
        fprintf(to, "\nWords of %s, %s:\n", g->option, g->where);
        opts_help(g->words, to);
    }
    fputs("\nCommands of vmm ctl:\n", to);
    ctl_help(to);
    fputs("\nOptions of vmm top:\n", to);
    opts_help(top_opts, to);
    fputs("\nOptions of vmm trace show:\n", to);
    opts_help(trace_show_opts, to);
    fputs("\nOptions of vmm trace diff:\n", to);
    opts_help(trace_diff_opts, to);
    fputs("\nOptions of vmm compare:\n", to);
    opts_help(config_compare_opts, to);
    fputs("\nOptions of vmm bisect:\n", to);
    opts_help(config_bisect_opts, to);
    fputs(
        "\nOn a terminal, Ctrl-A x ends the machine, Ctrl-A p presses its power button, Ctrl-A h\n"
        "lists the keys. SIGUSR1 presses the power button; SIGTERM, SIGINT and SIGHUP end it.\n"
        "\nExit status: 0 the guest switched itself off, or the user ended it; 1 usage or set-up\n"
        "error; 2 the guest crashed, or asked for a restart after a panic under --no-reboot;\n"
        "3 as 0, but a driver broke a rule under --lint=error.\n",
        to);
}

static void man_print(FILE *to)
{
    fprintf(to, ".TH VMM 1 \"\" \"vmm %s\"\n.SH NAME\nvmm \\- boot Linux guests under KVM\n",
            VMM_VERSION);
    fputs(".SH SYNOPSIS\n", to);
    for (const struct verb *v = verbs; v->name; v++)
        fprintf(to, ".B vmm %s\n%s\n.br\n", v->name, v->args);
    fputs(".SH DESCRIPTION\n", to);
    for (const struct verb *v = verbs; v->name; v++)
        fprintf(to, ".TP\n.B %s\n%s.\n", v->name, v->help);
    fputs(".SH OPTIONS OF RUN\n", to);
    opts_man(config_run_opts, to);
    for (const struct config_group *g = config_groups; g->option; g++) {
        fprintf(to, ".SH WORDS OF \\-\\-%s\n", g->option + 2);
        opts_man(g->words, to);
    }
    fputs(".SH COMMANDS OF CTL\n", to);
    ctl_man(to);
    fputs(".SH OPTIONS OF TOP\n", to);
    opts_man(top_opts, to);
    fputs(".SH OPTIONS OF TRACE SHOW\n", to);
    opts_man(trace_show_opts, to);
    fputs(".SH OPTIONS OF TRACE DIFF\n", to);
    opts_man(trace_diff_opts, to);
    fputs(".SH OPTIONS OF COMPARE\n", to);
    opts_man(config_compare_opts, to);
    fputs(".SH OPTIONS OF BISECT\n", to);
    opts_man(config_bisect_opts, to);
    fputs(".SH KEYS\nOn a terminal, Ctrl\\-A x ends the machine, Ctrl\\-A p presses its power "
          "button, Ctrl\\-A h lists the keys, Ctrl\\-A Ctrl\\-A sends the character itself.\n"
          ".SH SIGNALS\nSIGUSR1 presses the power button. SIGTERM, SIGINT and SIGHUP end the "
          "machine.\n"
          ".SH EXIT STATUS\n.TP\n0\nThe guest switched itself off, or the user ended it.\n"
          ".TP\n1\nUsage or set\\-up error.\n.TP\n2\nThe guest crashed, or asked for a restart "
          "after a panic under \\-\\-no\\-reboot.\n.TP\n3\nAs 0, but a driver broke a rule under "
          "\\-\\-lint=error.\n",
          to);
}

/* ---- verbs ---- */

static int verb_run(int argc, char **argv)
{
    struct err err = {""};
    struct config config;
    struct machine *machine = NULL;
    int status = MACHINE_FAILED;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        help_print(stdout);
        return 0;
    }
    if (config_parse(&config, argc, argv, &err) < 0)
        goto out;
    log_set_level(config.log);
    sandbox_begin(&config);
    if (trace_run_open(&config, argc, argv, &err) < 0)
        goto out;
    machine = machine_new(&config, &err);
    if (machine) {
        trace_run_describe(machine_parts(machine));
        status = machine_run(machine, &err);
    }
    machine_free(machine);
    trace_close();
out:
    if (status == MACHINE_FAILED)
        fail(&err);
    config_free(&config);
    return status;
}

static int verb_boot_info(int argc, char **argv)
{
    struct err err = {""};

    if (argc != 2 || argv[1][0] == '-') {
        err_set(&err, EINVAL, "usage: vmm boot-info IMAGE");
        return fail(&err);
    }
    return bootfiles_info(argv[1], &err) < 0 ? fail(&err) : 0;
}

static int verb_version(int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        log_msg(LOG_ERROR, "usage: vmm version");
        return MACHINE_FAILED;
    }
    printf("vmm %s\n", VMM_VERSION);
    return 0;
}

static int help_complete(const char *shell)
{
    static const struct complete_verb words[] = {
        {"run", "", {config_run_opts}},
        {"boot-info", "@file", {NULL}},
        {"list", "--json", {NULL}},
        {"ctl", "@machine", {NULL}},
        {"top", "@machine", {top_opts}},
        {"trace", "show perfetto diff replay", {trace_show_opts, trace_diff_opts}},
        {"compare", "", {config_compare_opts, config_run_opts}},
        {"bisect", "", {config_bisect_opts, config_run_opts}},
        {"version", "", {NULL}},
        {"help", "--man --complete", {NULL}},
        {NULL, NULL, {NULL}},
    };
    struct err err;

    return complete_print(shell, words, stdout, &err) < 0 ? fail(&err) : 0;
}

static int verb_help(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--complete") == 0)
        return help_complete(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--man") == 0) {
        man_print(stdout);
        return 0;
    }
    if (argc != 1) {
        log_msg(LOG_ERROR,
                "usage: vmm help, vmm help --man for the manual page's source, or vmm help "
                "--complete bash|zsh for words that a shell completes");
        return MACHINE_FAILED;
    }
    help_print(stdout);
    return 0;
}

static const struct verb verbs[] = {
    {"run", "[OPTIONS]", "boot a machine and run it until it ends", verb_run},
    {"boot-info", "IMAGE", "print which kernel, initrd and command line an image would boot with",
     verb_boot_info},
    {"list", "[--json]", "print this user's machines that run", list_main},
    {"ctl", "[--json] NAME COMMAND [ARGS]",
     "tell a running machine something; NAME is its --name, or its process number if it has none, "
     "or the path of its --control socket",
     ctl_main},
    {"top", "NAME [OPTIONS]",
     "show what a running machine's virtio devices do: driver, features, queues and how busy they "
     "are, every second until q is pressed",
     top_main},
    {"trace", "show FILE [OPTIONS] | perfetto FILE OUT | diff A B [OPTIONS] | replay FILE",
     "print what 'vmm run --trace FILE' recorded, in the order in which it happened; turn it "
     "into a file for ui.perfetto.dev and chrome://tracing; print what differs between two of "
     "them; or do the same again to the same devices, without KVM and without a guest, and print "
     "where their answers differ (both: exit status 3 if something does)",
     trace_main},
    {"compare", "[OPTIONS] [OPTIONS OF RUN]",
     "boot the same guest once per interface, with writes thrown away, and print side by side what "
     "its drivers did",
     compare_main},
    {"bisect", "--good TEXT [--bad TEXT] [OPTIONS] [OPTIONS OF RUN]",
     "boot the same guest again and again, with writes thrown away and fewer virtio features each "
     "time, and find the smallest set of them (the interface is one) that has to be withheld for "
     "the guest to be well; prints it as the options to use, and which features it takes for the "
     "fault to show (exit status 3: it is good as it is, or features do not matter; 4: outcomes "
     "vary from boot to boot)",
     bisect_main},
    {"version", "", "print the version", verb_version},
    {"help", "[--man | --complete bash|zsh]",
     "print this, or the source of the manual page, or a script that completes words of vmm's in a "
     "shell",
     verb_help},
    {NULL, NULL, NULL, NULL},
};

static const struct {
    const char *option, *verb;
} spelled[] = {{"--help", "help"}, {"-h", "help"}, {"--version", "version"}, {NULL, NULL}};

/* The status, if what was to be printed could be. */
static int printed(int status)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || status)
        return status;
    log_msg(LOG_ERROR, "standard output: %s", strerror(errno));
    return MACHINE_FAILED;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;

    if (!word) {
        help_print(stderr);
        return MACHINE_FAILED;
    }
    for (unsigned i = 0; spelled[i].option; i++)
        if (strcmp(spelled[i].option, word) == 0)
            word = spelled[i].verb;
    for (const struct verb *v = verbs; v->name; v++)
        if (strcmp(v->name, word) == 0)
            return printed(v->run(argc - 1, argv + 1));
    log_msg(LOG_ERROR, "unknown command '%s'; see 'vmm help'", word);
    return MACHINE_FAILED;
}
