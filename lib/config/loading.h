/* Shared by the files that load the settings only.
 *
 *   config.c  where values come from, and what settings mean together
 *   values.c  one value of each kind
 *   certificates.c  client certificates
 *   tracing.c  where spans go, and which
 *   problems.c  what is wrong with them
 *   near_name.c  names that miss a setting
 *   table.c   which settings there are
 *   choices.h  the words that some are chosen from
 *   effective.c  how they are shown
 */
#pragma once
#include "config/dotenv.h"
#include "config/table.h"

/** One load under way. */
struct loading {
    struct config *config;
    const struct config_input *input;
    struct dotenv dotenv;
    /** `failed`: out of memory, the whole load fails. */
    struct setting_problems *problems;
};

/* values.c */
/** A copy; without memory for it the whole load fails. */
PA_MUST_USE char *loading_copy(struct loading *loading, const char *text);
/** A problem "NAME: 'value' …" of what is accepted instead; the start of a long value stands for it. */
void loading_problem(struct loading *loading, const char *setting, struct slice value, const char *rest);
/** The same of the value of NAME_FILE, a path. */
void loading_file_problem(struct loading *loading, const char *setting, const char *path, const char *rest);
/** A problem "NAME: …" that shows no value. */
void loading_say(struct loading *loading, const char *setting, const char *rest);
/** A problem "NAME: is not set; …", unless the setting has a problem, which is why it is not set then. */
void loading_missing(struct loading *loading, const char *setting, const char *rest);
/** The setting's member is what `value` means, or a problem says what is accepted. */
void loading_set(struct loading *loading, const struct setting *setting, const char *value);
/** Its member is a text that the configuration owns. */
PA_MUST_USE bool setting_is_text(const struct setting *setting);
/** For those: "" until a value comes. */
void loading_set_empty(struct loading *loading, const struct setting *setting);

/* tracing.c */
/** Reads what the texts of OpenTelemetry's settings mean. What cannot be read is warned of, and is as if it
 * were not set: they are often set for everything on a machine. */
void loading_settle_tracing(struct loading *loading);

/* certificates.c */
/** Reads the client certificates that the texts name, and wipes these. After security_protocol is known. */
void loading_settle_certificates(struct loading *loading);
/** Gives up those that were read. */
void loading_drop_certificates(struct config *config);
