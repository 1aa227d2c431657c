/* Shared by the files that load the settings only.
 *
 *   config.c  where values come from, and what settings mean together
 *   values.c  one value of each kind
 *   near_name.c  names that miss a setting
 *   table.c   which settings there are
 */
#pragma once
#include "config/dotenv.h"
#include "config/table.h"

/** One load under way. */
struct loading {
    struct config *config;
    const struct config_input *input;
    struct dotenv dotenv;
    bool brokers_told;       /* the list of brokers is wrong, and has its problems */
    bool local_port_told;    /* whether Port is a local one is not known, and has its problem */
    struct buffer *problems; /* `failed`: out of memory, the whole load fails */
};

/* values.c */
/** A copy; without memory for it the whole load fails. */
char *loading_copy(struct loading *loading, const char *text);
/** A line "NAME: 'value' …" of what is accepted instead; the start of a long value stands for it. */
void loading_problem(struct loading *loading, const char *name, struct slice value, const char *accepted);
/** The setting's member is what `value` means, or a problem says what is accepted. */
void loading_set(struct loading *loading, const struct setting *setting, const char *value);
/** For settings that own their text: "" until a value comes. */
void loading_set_empty(struct loading *loading, const struct setting *setting);
