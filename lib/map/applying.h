/* One event or answer on its way through a mapping. Private to the files that apply mappings. */
#pragma once
#include "event/event.h"
#include "map/digits.h"
#include "map/internal.h"

struct applying {
    const struct mapping *mapping;
    /** From 1. */
    size_t number;
    struct slice secret;
    /** MAPPINGS_PREVIOUS_SECRETS of them. */
    const struct slice *previous_secrets;
    const struct mapping_trace *trace;
    struct buffer *fields;
    /** The event as it came; what is sent of it where no other body is asked for, once something in it was
     * decrypted. */
    struct slice event;
    struct buffer decrypted_event;
    /** The event has decrypted values, which jq's messages might quote. */
    bool decrypted;
    enum event_kind kind;
    /** The request's warnings have been given. */
    bool reporting;
    bool failed;
    /** Headers are evaluated: what they take from the environment is a secret. */
    bool in_headers;
    /** To be sent, names and values. */
    size_t header_count, header_bytes;
    /** Of what the expressions see. */
    struct long_numbers long_numbers;
};

/** Adds a field whose value was put together in a buffer, which is emptied. */
void applying_append(struct applying *applying, enum mapped_tag tag, struct buffer *value);
/** There is no request: why, in words. The first cause counts. */
void applying_fail(struct applying *applying, const char *reason);
/** Adds the warning "mapping N, PREFIXNAME: cause". */
void applying_warn(struct applying *applying, const char *prefix, struct slice name, const char *cause);
/** The value of a field (such as "report." "link") for `input` (borrowed); null, with a warning, when there
 * is none.
 */
jv applying_evaluate(struct applying *applying, const struct json_template *template, jv input,
                     const char *prefix, const char *name);
/** Appends `value` (taken over) as JSON; what cannot be written fails the run. */
void applying_append_json(struct applying *applying, struct buffer *out, jv value);
/** A text, number or boolean as text (taken over); false: it is none of them. */
PA_MUST_USE bool applying_append_scalar(struct applying *applying, struct buffer *out, jv value);
/** A string's bytes, as long as it lives. */
struct slice applying_text(jv string);
/** RFC 9110, section 5.6.2: what a method or a header's name may be. */
PA_MUST_USE bool applying_is_token(struct slice text);

/** Evaluates headers or query and adds the resulting fields. */
void applying_map_object(struct applying *applying, enum mapping_field field, jv event);
