/* Shared by the files of this room that read and apply mappings. */
#pragma once
#include "map/decrypt.h"
#include "map/mapping.h"
#include "map/template.h"

enum mapping_field { FIELD_URL, FIELD_METHOD, FIELD_HEADERS, FIELD_QUERY, FIELD_BODY, FIELDS };
enum report_field { REPORT_STATUS, REPORT_LINK, REPORT_SUMMARY, REPORT_EXTERNAL_ID, REPORT_FIELDS };

extern const char *const mapping_field_names[FIELDS];
extern const char *const report_field_names[REPORT_FIELDS];

struct mapping {
    /** NULL: always. */
    struct json_template *enabled;
    struct json_template *fields[FIELDS], *report[REPORT_FIELDS];
    bool reports;
    /** By enum event_kind: its "events" leave that kind out. */
    bool not_for[2];
    /** It has "events". */
    bool events_given;
    /** It reads `env` or decrypts, which it should not do for an unsigned event. */
    bool powerful;
    /** One of its texts names `env`, though perhaps not as an expression would. */
    bool mentions_environment;
    size_t path_count;
    /** Of fieldsToDecryptPaths: arrays of components, as texts. */
    jv *paths;
};

struct pacing;

struct mappings {
    /** NULL: nothing is measured. */
    struct pacing *pacing;
    /** The client secret before the present one; empty: none. */
    struct slice previous_secrets[MAPPINGS_PREVIOUS_SECRETS];
    struct expressions *expressions;
    struct mapping *list;
    size_t count;
};

/** Does the expression read the environment? By its words: `env` that is no member's name and no module's,
 * and
 * `$ENV`. */
PA_MUST_USE bool expression_reads_environment(struct slice expression);
