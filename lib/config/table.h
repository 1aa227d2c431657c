/* The table of settings: what the loader reads, --help prints and docs/settings.md shows. */
#pragma once
#include "config/config.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_SECRET,
    SETTING_BOOLEAN,
    SETTING_INTEGER,
    /** An integer, or an integer with KiB, MiB or GiB. */
    SETTING_BYTES,
    /** Decimals allowed; kept in milliseconds. */
    SETTING_SECONDS,
    /** Decimals allowed. */
    SETTING_NUMBER,
    /** A URL that may lack its scheme, and may hold a password. */
    SETTING_PROXY,
    SETTING_URL,
    /** Any text, which is shown as a URL is. */
    SETTING_ENDPOINT,
    /** host:port with commas between them. */
    SETTING_BROKERS,
    /** One of `choices`, any case; kept as the choice's text, or as its value in a member of an enum's type.
     */
    SETTING_CHOICE,
    SETTING_ENUM,
    SETTING_RETRY_ON,
    /** Lists as egress_new takes them. */
    SETTING_EGRESS_ALLOW,
    SETTING_EGRESS_DENY
};

/** Which numbers beyond a setting's bounds count as the nearest one within, with a warning: today's agent
 * starts with them, so they are in use. Negative ones never do. */
enum setting_nearest { NEAREST_BELOW = 1, NEAREST_ABOVE = 2 };

/** One accepted word, and what it is kept as: a text, or an enum's value. */
struct setting_choice {
    const char *word, *text;
    unsigned value;
    /** A problem does not list the word. */
    bool unlisted;
};

struct setting {
    const char *name;
    enum setting_kind kind;
    /** The default as text; NULL: none, and a setting that is not set is "", or what it was before. */
    const char *fallback;
    bool required;
    /** The name in lower case is read too, and wins. */
    bool either_case;
    double minimum, maximum;
    /** Of NEAREST_BELOW and NEAREST_ABOVE; 0: a number beyond the bounds is a problem. */
    unsigned nearest;
    /** Ends with a NULL word. */
    const struct setting_choice *choices;
    /** Of its member in struct config. */
    size_t offset;
    const char *help;
};

extern const struct setting config_settings[];
extern const size_t config_setting_count;
