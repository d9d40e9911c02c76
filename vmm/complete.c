// SPDX-License-Identifier: MIT
/*
 * Owns shell completion: tables of options become functions that bash and zsh read alike, and a few
 * lines for each shell put them to use. Refuses to know what any option means: values are what
 * stands in its row, "on|off", and names in capitals that are files.
 */
#include "vmm/complete.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/ctl.h"

/* ---- values ---- */

static bool is_file(const char *word, size_t len)
{
    static const char *const names[] = {"FILE", "PATH", "DIR", "IMAGE", NULL};

    for (unsigned i = 0; names[i]; i++)
        if (strlen(names[i]) == len && strncmp(word, names[i], len) == 0)
            return true;
    return false;
}

/* How much of an alternative is to be typed as it stands: "socket:PATH" has 7. */
static size_t literal_len(const char *word, size_t len)
{
    size_t n = 0;

    while (n < len && (islower((unsigned char)word[n]) || isdigit((unsigned char)word[n]) ||
                       strchr("_-:", word[n])))
        n++;
    return n == len || word[n - (n > 0)] == ':' ? n : 0;
}

/* The alternatives of an argument as words, a blank before each: "serial|virtio[,to=WHERE]". */
static void values_print(const char *arg, FILE *to)
{
    const size_t end = strcspn(arg, "[,=");

    for (size_t at = 0; at < end;) {
        const size_t len = strcspn(arg + at, "|[,=");
        const size_t n = literal_len(arg + at, len);

        if (is_file(arg + at, len))
            fputs(" @file", to);
        else if (n && arg[at + len] != '=')
            fprintf(to, " %.*s", (int)n, arg + at);
        at += len + 1;
    }
}

static void row_print(const char *of, const char *link, const struct opt *o, FILE *to)
{
    fprintf(to, "    %s%s%s) echo", of, link, o->name);
    values_print(o->arg, to);
    fputs(" ;;\n", to);
}

/* _vmm_values OPTION or OPTION,WORD */
static void values_of_all(const struct complete_verb *verbs, FILE *to)
{
    fputs("_vmm_values() {\n    case $1 in\n", to);
    for (const struct opt *o = config_run_opts; o->name; o++)
        if (opt_needs_value(o))
            row_print("", "", o, to);
    for (const struct config_group *g = config_groups; g->option; g++)
        for (const struct opt *o = g->words; o->name; o++)
            if (opt_needs_value(o))
                row_print(strchr(g->option, ' ') ? "*" : g->option, ",", o, to);
    for (const struct complete_verb *v = verbs; v->name; v++)
        for (const struct opt *o = v->opts[0]; o && o->name && o != config_run_opts; o++)
            if (opt_needs_value(o))
                row_print("", "", o, to);
    fputs("    esac\n}\n", to);
}

/* ---- words behind an option ---- */

static void words_print(const struct opt *table, FILE *to)
{
    for (const struct opt *o = table; o->name; o++)
        fprintf(to, " %s%s", o->name, o->arg ? "=" : "");
}

/* Is an option one of those in a group's heading, "--disk, --net"? */
static bool heading_has(const char *heading, const char *option)
{
    const size_t len = strlen(option);

    for (const char *p = heading; (p = strstr(p, option)); p += len)
        if (p[len] == '\0' || p[len] == ',' || p[len] == ' ')
            return true;
    return false;
}

/* _vmm_words OPTION; _vmm_first OPTION: may they come first? */
static void words_of_all(FILE *to)
{
    fputs("_vmm_words() {\n    case $1 in\n", to);
    for (const struct opt *o = config_run_opts; o->name; o++) {
        fprintf(to, "    %s) echo", o->name);
        for (const struct config_group *g = config_groups; g->option; g++)
            if (heading_has(g->option, o->name))
                words_print(g->words, to);
        fputs(" ;;\n", to);
    }
    fputs("    esac\n}\n_vmm_first() {\n    case $1 in\n", to);
    for (const struct config_group *g = config_groups; g->option; g++)
        if (strcmp(g->where, "in any order") == 0)
            fprintf(to, "    %s) return 0 ;;\n", g->option);
    fputs("    *) return 1 ;;\n    esac\n}\n", to);
}

/* ---- verbs ---- */

static void verbs_print(const struct complete_verb *verbs, FILE *to)
{
    fputs("_vmm_verbs() {\n    echo", to);
    for (const struct complete_verb *v = verbs; v->name; v++)
        fprintf(to, " %s", v->name);
    fputs("\n}\n_vmm_ctl() {\n    echo", to);
    ctl_words(to);
    fputs("\n}\n_vmm_place() {\n    case $1 in\n", to);
    for (const struct complete_verb *v = verbs; v->name; v++)
        fprintf(to, "    %s) echo %s ;;\n", v->name, v->first);
    fputs("    esac\n}\n_vmm_options() {\n    case $1 in\n", to);
    for (const struct complete_verb *v = verbs; v->name; v++) {
        fprintf(to, "    %s) echo", v->name);
        for (unsigned i = 0; i < 2; i++)
            for (const struct opt *o = v->opts[i]; o && o->name; o++)
                fprintf(to, " %s", o->name);
        fputs(" ;;\n", to);
    }
    fputs("    esac\n}\n_vmm_takes() {\n    case $1:$2 in\n", to);
    for (const struct complete_verb *v = verbs; v->name; v++)
        for (unsigned i = 0; i < 2; i++)
            for (const struct opt *o = v->opts[i]; o && o->name; o++)
                if (opt_needs_value(o))
                    fprintf(to, "    %s:%s) return 0 ;;\n", v->name, o->name);
    fputs("    *) return 1 ;;\n    esac\n}\n", to);
}

/* ---- what is done with them ---- */

/*
 * Prints what the last word could be, one a line: it as far as it is certain, then a choice;
 * "@file" stands for a file's name. In the language that both shells share; zsh does not split
 * words.
 */
static const char candidates[] =
    "_vmm_machines() {\n"
    "    vmm list --json 2>/dev/null | tr '{,' '\\n\\n' | sed -n 's/.*\"name\": "
    "*\"\\([^\"]*\\)\".*/\\1/p'\n"
    "}\n"
    "_vmm_value() { # OPTION HEAD VALUE\n"
    "    local before='' last=$3 list\n"
    "    case $3 in *,*) before=${3%,*},; last=${3##*,} ;; esac\n"
    "    case $last in\n"
    "    *=*) before=$before${last%%=*}=; list=$(_vmm_values \"$1,${last%%=*}\") ;;\n"
    "    *)\n"
    "        list=''\n"
    "        [ -n \"$before\" ] || list=$(_vmm_values \"$1\")\n"
    "        if [ -n \"$before\" ] || _vmm_first \"$1\"; then list=\"$list $(_vmm_words \"$1\")\"; "
    "fi ;;\n"
    "    esac\n"
    "    echo \"$list\" | tr -s ' ' '\\n' | sed -n \"s|..*|$2$before&|p\"\n"
    "}\n"
    "_vmm_candidates() { # VERB PLACE PREVIOUS WORD\n"
    "    case $4 in\n"
    "    --*=*) _vmm_value \"${4%%=*}\" \"${4%%=*}=\" \"${4#*=}\"; return ;;\n"
    "    esac\n"
    "    if [ \"$2\" = 1 ]; then _vmm_verbs\n"
    "    elif _vmm_takes \"$1\" \"$3\"; then _vmm_value \"$3\" '' \"$4\"; return\n"
    "    elif [ \"$2\" = 2 ]; then\n"
    "        case $(_vmm_place \"$1\") in\n"
    "        @machine) _vmm_machines ;;\n"
    "        *) _vmm_place \"$1\" ;;\n"
    "        esac\n"
    "        _vmm_options \"$1\"\n"
    "    elif [ \"$1\" = ctl ]; then [ \"$2\" != 3 ] || _vmm_ctl\n"
    "    elif [ \"$1\" = trace ]; then echo @file; _vmm_options \"$1\"\n"
    "    else _vmm_options \"$1\"\n"
    "    fi | tr -s ' ' '\\n'\n"
    "}\n";

/* bash splits words at = and :, and replaces what is behind the last of them only. */
static const char for_bash[] =
    "_vmm() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} word previous verb=${COMP_WORDS[1]} place c cut\n"
    "    local -a words\n"
    "    read -r -a words <<<\"$line\"\n"
    "    case $line in *' ') words+=('') ;; esac\n"
    "    place=$((${#words[@]} - 1)) word=${words[${#words[@]} - 1]} previous=${words[${#words[@]} "
    "- 2]}\n"
    "    cut=${word%\"${word##*[=:]}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r c; do\n"
    "        case $c in\n"
    "        *@file)\n"
    "            c=${c%@file}\n"
    "            while IFS= read -r file; do\n"
    "                file=$c$file\n"
    "                COMPREPLY+=(\"${file#\"$cut\"}\")\n"
    "            done < <(compgen -f -- \"${word#\"$c\"}\")\n"
    "            compopt -o filenames 2>/dev/null ;;\n"
    "        \"$word\"*)\n"
    "            COMPREPLY+=(\"${c#\"$cut\"}\")\n"
    "            case $c in *[=:]) compopt -o nospace 2>/dev/null ;; esac ;;\n"
    "        esac\n"
    "    done < <(_vmm_candidates \"$verb\" \"$place\" \"$previous\" \"$word\")\n"
    "}\n"
    "complete -F _vmm vmm\n";

static const char for_zsh[] =
    "_vmm() {\n"
    "    local c\n"
    "    for c in ${(f)\"$(_vmm_candidates \"$words[2]\" $((CURRENT - 1)) \"$words[CURRENT-1]\" "
    "\"$PREFIX\")\"}; do\n"
    "        case $c in\n"
    "        *@file) compset -P '*[=,]'; _files ;;\n"
    "        *[=:]) compadd -S '' -- \"$c\" ;;\n"
    "        *) compadd -- \"$c\" ;;\n"
    "        esac\n"
    "    done\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _vmm ]; then _vmm \"$@\"; else compdef _vmm vmm; fi\n";

int complete_print(const char *shell, const struct complete_verb *verbs, FILE *to, struct err *err)
{
    const bool zsh = strcmp(shell, "zsh") == 0;

    if (!zsh && strcmp(shell, "bash") != 0)
        return err_set(err, EINVAL, "'%s' is neither bash nor zsh", shell);
    fprintf(to, "%s# Completion of vmm for %s, written by 'vmm help --complete %s'.\n",
            zsh ? "#compdef vmm\n" : "", shell, shell);
    verbs_print(verbs, to);
    values_of_all(verbs, to);
    words_of_all(to);
    fputs(candidates, to);
    fputs(zsh ? for_zsh : for_bash, to);
    return 0;
}
