/* What is wrong with settings: sentences for the person who wrote them, each with the setting it is about.
 * It never holds a secret's value. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>
#include <stddef.h>

struct setting_problem {
    /** The setting's name in the table, static; NULL: `.env` itself, which concerns every command. */
    const char *setting;
    /** The setting is not set, and something needs it. */
    bool missing;
    /** One line without its line break, "NAME: 'value' is not …" or "NAME_FILE: …"; owned. */
    char *sentence;
};

/** All problems of one load, in the order of the table, those of several settings together at the end. */
struct setting_problems {
    struct setting_problem *list;
    size_t count;
    /** Out of memory: the list has gaps. */
    bool failed;
};

/** Adds one; takes the sentence's bytes. Without memory for it `failed` is set. */
void setting_problems_add(struct setting_problems *problems, const char *setting, bool missing,
                          struct buffer *sentence);
/** Has this setting a problem? */
PA_MUST_USE bool setting_problems_name(const struct setting_problems *problems, const char *setting);
/** Drops the problems that do not concern the `count` settings in `needs`: those of other settings, and that
 * a setting is not set. */
void setting_problems_keep(struct setting_problems *problems, const char *const *needs, size_t count);
/** Every sentence and a line break. */
void setting_problems_append(const struct setting_problems *problems, struct buffer *lines);
void setting_problems_clear(struct setting_problems *problems);
