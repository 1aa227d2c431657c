/* The table of settings: what the loader reads, --help prints and README.md shows. */
#pragma once
#include "config/config.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_SECRET,
    SETTING_BOOLEAN,
    SETTING_INTEGER,
    SETTING_BYTES,   /* an integer, or one with KiB, MiB or GiB */
    SETTING_SECONDS, /* decimals allowed; kept in milliseconds */
    SETTING_NUMBER,  /* decimals allowed */
    SETTING_PROXY,   /* a URL that may lack its scheme, and may hold a password */
    SETTING_URL,
    SETTING_BROKERS, /* host:port with commas between them */
    SETTING_CHOICE,  /* one of `choices`, any case; kept as the choice's meaning */
    SETTING_LEVEL,
    SETTING_RETRY_ON,
    SETTING_EGRESS /* a list as egress_new takes it */
};

/** One accepted word and what it is kept as. */
struct setting_choice {
    const char *word, *meaning;
};

struct setting {
    const char *name;
    enum setting_kind kind;
    const char *fallback; /* default as text; NULL: none, unset is "" */
    bool required;
    bool either_case; /* the name in lower case is read too, and wins */
    double minimum, maximum;
    const struct setting_choice *choices; /* ends with a NULL word */
    size_t offset;                        /* of its member in struct config */
    const char *help;
};

extern const struct setting config_settings[];
extern const size_t config_setting_count;
