// SPDX-License-Identifier: MIT
/*
 * Owns the words of --input: keyboards and pointers.
 */
#include <errno.h>

#include "vmm/config-internal.h"

static const struct opt no_words[] = {{NULL, NULL, NULL, NULL, false}};

int config_input(void *conf, const char *value, struct err *err)
{
    struct config *config = (struct config *)conf;
    struct config_input *input = &config->input[config->n_inputs];
    char word[CONFIG_WORD_MAX + 1];
    const char *rest;
    int kind;

    if (config->n_inputs == CONFIG_INPUTS_MAX)
        return err_set(err, EINVAL, "a machine has at most %d of them", CONFIG_INPUTS_MAX);
    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%s' does not begin with keyboard, mouse or tablet", value);
    kind = config_word(input_kind_name, INPUT_KINDS, word, "keyboard, mouse, tablet", err);
    if (kind < 0)
        return kind;
    input->kind = (enum input_kind)kind;
    config->n_inputs++;
    return rest ? config_words(no_words, conf, &input->virtio, word, rest, err) : 0;
}
