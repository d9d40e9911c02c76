/* SPDX-License-Identifier: MIT */
/* Between the files of options: config.c has the table, the others an option's words each. */
#ifndef VMM_CONFIG_INTERNAL_H
#define VMM_CONFIG_INTERNAL_H

#include "vmm/config.h"

/* An interface's word. What it may be is virtio's to say; here it only must fit. */
int config_interface(char out[CONFIG_WORD_MAX + 1], const char *value, struct err *err);

/* Words behind an option: those of table go to conf, those of all virtio devices to virtio. */
int config_words(const struct opt *table, void *conf, struct config_virtio *virtio,
                 const char *option, const char *text, struct err *err);

/* 0 with *on, or -EINVAL. */
int config_on_off(const char *value, bool *on, struct err *err);

/* What may name a machine or a port? 0 or -EINVAL. */
int config_name(const char *value, struct err *err);

/* Which of n words value is; list: all of them, for the message. Index or -EINVAL. */
int config_word(const char *const *words, unsigned n, const char *value, const char *list,
                struct err *err);

/* Did the user give one of the latter? */
bool config_virtio_given(const struct config_virtio *virtio);

/* Rows of the table of run; conf is a struct config. */
int config_disk(void *conf, const char *value, struct err *err);
int config_lint(void *conf, const char *value, struct err *err);
int config_trace(void *conf, const char *value, struct err *err);
int config_fault(void *conf, const char *value, struct err *err);
int config_net(void *conf, const char *value, struct err *err);
int config_port(void *conf, const char *value, struct err *err);
int config_rng(void *conf, const char *value, struct err *err);
int config_balloon(void *conf, const char *value, struct err *err);
int config_input(void *conf, const char *value, struct err *err);
int config_display(void *conf, const char *value, struct err *err);
int config_console(void *conf, const char *value, struct err *err);

/* A window is for keys and a pointer, too: adds those that the user did not ask for. */
void config_display_check(struct config *config);

/* What the options of networks say together; adds the default one. 0 or -errno with err filled. */
int config_net_check(struct config *config, struct err *err);
void config_net_free(struct config *config);

#endif
