/* SPDX-License-Identifier: MIT */
/*
 * Inside of the grub.cfg interpreter: what its parts share. disk-grub.h is its outside. Runs in
 * the reader child only; every text lives in the reader's disk_mem until the end.
 *
 * Nothing a script does fails the interpreter: a command has a status, unknown commands succeed,
 * and a script that passes a limit sets flow to GRUB_LIMIT, from where everything unwinds.
 */
#ifndef FIRMWARE_GRUB_H
#define FIRMWARE_GRUB_H

#include "firmware/disk-bls.h"
#include "firmware/disk-choice.h"

#define GRUB_MAX_FUEL    (4 * MIB) /* bytes of script read and text made, in all */
#define GRUB_FILE_FUEL   (4 * KIB) /* what one look at a file costs of it */
#define GRUB_MAX_DEPTH   64        /* blocks, calls and files in one another */
#define GRUB_MAX_VARS    1024
#define GRUB_MAX_WORD    ((size_t)(64 * KIB))
#define GRUB_MAX_WORDS   1024                 /* of one command */
#define GRUB_MAX_ENTRIES 4096                 /* of one menu */
#define GRUB_MAX_MENUS   8                    /* in one another */
#define GRUB_MAX_ENV     ((size_t)(64 * KIB)) /* bytes of a grubenv; grub's own has 1024 */

/* Part of a script. Empty: at == end. */
struct grub_text {
    const char *at, *end;
};

struct grub_words {
    char **word;
    unsigned count, room;
};

struct grub_var {
    struct grub_var *next;
    const char *name, *value;
};

struct grub_vars {
    struct grub_var *first;
    unsigned count;
};

struct grub_function {
    struct grub_function *next;
    const char *name;
    struct grub_text body;
};

struct grub_entry {
    const char *title, *id;
    bool submenu;
    struct grub_words params;    /* of the body: "menuentry", title, ... */
    struct grub_text body;       /* or */
    const struct bls_entry *bls; /* when not NULL */
};

struct grub_menu {
    struct grub_entry *entry;
    unsigned count, room;
};

enum grub_flow {
    GRUB_ON,
    GRUB_BREAK,
    GRUB_CONTINUE,
    GRUB_RETURN,
    GRUB_DONE, /* another configuration took over and has ended */
    GRUB_LIMIT
};

struct grub {
    struct disk_mem *mem;
    struct disk_volumes *disks;
    struct grub_vars vars;
    struct grub_function *functions;
    struct grub_menu *menu;          /* that menuentry adds to */
    const struct grub_words *params; /* $1 is word[1] */
    uint64_t fuel;
    unsigned depth, menus;
    enum grub_flow flow;
    int status;                /* of the last command: 0 true */
    const char *limit;         /* what was passed, when flow is GRUB_LIMIT */
    struct disk_choice loaded; /* by linux and initrd; or a loader entry */
    bool used_bls;
    struct err problem; /* why the entry that was run does not boot; empty: it does */
};

/* grub-vars.c: 0 or -E2BIG, -ENOMEM; get gives NULL for unset */
int grub_vars_set(struct grub_vars *vars, struct disk_mem *mem, const char *name,
                  const char *value);
void grub_vars_unset(struct grub_vars *vars, const char *name);
const char *grub_vars_get(const struct grub_vars *vars, const char *name);
/* An environment block's variables, all of them or those in only (may be NULL). */
int grub_vars_load(struct grub_vars *vars, struct disk_mem *mem, const char *text, size_t len,
                   const struct grub_words *only);

/* grub-lex.c */
enum grub_token { GRUB_END, GRUB_SEPARATOR, GRUB_WORD, GRUB_OPEN, GRUB_CLOSE };
/* Takes the next token off script's front; its text as written. Burns fuel. */
enum grub_token grub_lex(struct grub *g, struct grub_text *script, struct grub_text *token);
bool grub_text_is(const struct grub_text *t, const char *word);
/* Up to the } that closes a { already taken; body is what is between. */
void grub_lex_block(struct grub *g, struct grub_text *script, struct grub_text *body);
/* The words (none, one or several) that a word as written stands for, appended to words. */
void grub_expand(struct grub *g, const struct grub_text *token, struct grub_words *words);

/* grub-eval.c */
void grub_limit(struct grub *g, const char *what);
void grub_burn(struct grub *g, uint64_t fuel);
void grub_set(struct grub *g, const char *name, const char *value);
const char *grub_get(const struct grub *g, const char *name); /* "" when unset */
void grub_words_add(struct grub *g, struct grub_words *words, const char *s, size_t len);
/* Runs text with params as its $1...; NULL: the present ones */
void grub_run(struct grub *g, struct grub_text text, const struct grub_words *params);

/* grub-cmd.c: whether there is such a command; then its status is in g->status */
bool grub_command(struct grub *g, const struct grub_words *w, const struct grub_text *body);

/* grub-test.c: the status of test or [ with the words first..end-1 */
int grub_test(struct grub *g, char *const *word, unsigned count);

/* grub-device.c */
/* "(hd0,gpt2)/path" or "/path" on $root; NULL volume: no such device */
struct disk_path grub_locate(struct grub *g, const char *name);
struct disk_volume *grub_device(struct grub *g, const char *name);
const char *grub_device_name(struct grub *g, const struct disk_volume *v);
int grub_search(struct grub *g, const struct grub_words *w);
bool grub_stat(struct grub *g, const char *name, struct disk_stat *st);
/* A file's text; false: not there, or not readable */
bool grub_read(struct grub *g, const char *name, size_t max, char **text, size_t *len);

/* grub-menu.c: commands, and what happens when nobody touches the menu */
int grub_menuentry(struct grub *g, const struct grub_words *w, const struct grub_text *body);
int grub_blscfg(struct grub *g);
void grub_menu_boot(struct grub *g);

#endif
