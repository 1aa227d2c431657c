/* The control-the-payload file (docs/contract.md#mapping-files): JSON to compiled mappings, an event to the
 * request it makes, an answer to what is reported. Pure: no loop, no I/O; libjq evaluates, so one call may
 * take any amount of time and memory. mapper.h runs this in a process of its own. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

struct mappings;
struct pacing;

/** The mappings that apply where there is no file: GitLab pipelines, then the defaults. */
extern const char mappings_builtin[];
/** Takes out of this process's environment variables that cannot be a GitLab project's trigger token:
 * credentials of clouds, proxies' variables, and by `hide_settings` (NULL: none) the agent's settings. The
 * event names the variable that the built-in mapping takes the token from. Call it before the built-in
 * mappings are compiled. */
void mappings_builtin_hide_variables(void (*hide_settings)(void));

/** Reads `text` and compiles every expression once. 0; PA_ERR_INVALID with one line per problem in `problems`
 * ("mapping 2, headers.Authorization: jq: …"; mappings count from 1); PA_ERR_MEMORY. For each thing that is
 * odd but works (an unknown field) `warnings` gets a line. */
PA_MUST_USE int mappings_load(struct slice text, struct mappings **out, struct buffer *problems,
                              struct buffer *warnings);
void mappings_free(struct mappings *mappings);
size_t mappings_count(const struct mappings *mappings);
/** Appends a line for each mapping that reads `env` or decrypts and does not say for which events it is: an
 * unsigned event of the change-log topic could use it. */
void mappings_warn_of_powers(const struct mappings *mappings, struct buffer *warnings);

enum { MAPPINGS_PREVIOUS_SECRETS = 2 };
/** What was encrypted under this secret, one of those before, is decrypted too. Borrowed; empty: none. */
void mappings_accept_too(struct mappings *mappings, size_t place, struct slice secret);
/** From now on steps that are too slow for this evaluator are refused (pace.h): then what mappings_request
 * and mappings_report gave counts for nothing. Borrowed. */
void mappings_pace(struct mappings *mappings, struct pacing *pacing);
/** Whether any of them decrypts a property. */
PA_MUST_USE bool mappings_decrypt(const struct mappings *mappings);
/** Whether any of them may read `env`; false is certain. */
PA_MUST_USE bool mappings_read_environment(const struct mappings *mappings);

/** Hears of every expression's result, for `port-agent map`; all is borrowed. `where`: "mapping 1, url".
 * `problem` is empty, or why the result counts as null. */
struct mapping_trace {
    void (*evaluated)(void *ctx, const char *where, struct slice expression, struct slice result_json,
                      struct slice problem);
    void *ctx;
};

/* Results are lists of tagged fields, so that they can go over a pipe unchanged. */
enum mapped_tag {
    /** No mapping wants the event. */
    MAPPED_NONE = 'x',
    /** It cannot become a request: why, in words. */
    MAPPED_FAILED = 'f',
    /** An expression or a decryption failed: which, and why. */
    MAPPED_WARNING = 'w',
    /** Which mapping, from 1, in decimal. */
    MAPPED_INDEX = 'i',
    /** It has a report: ask mappings_report once there is an answer. The REPORTED_… tags of its fields. */
    MAPPED_REPORTS = 'r',
    /** A decrypted value: must be masked wherever it might be shown. */
    MAPPED_SECRET = 's',
    /** Absent: the invocation method's. */
    MAPPED_URL = 'u',
    /** Absent: the invocation method's. */
    MAPPED_METHOD = 'm',
    /** Followed by its value. */
    MAPPED_HEADER_NAME = 'n',
    MAPPED_HEADER_VALUE = 'v',
    /** Percent-encoded a=b&c=d. */
    MAPPED_QUERY = 'q',
    /** Absent, without MAPPED_NO_BODY: the event's own bytes. */
    MAPPED_BODY = 'b',
    MAPPED_NO_BODY = 'B',
    /** For the report's context: the headers and the query as objects. */
    MAPPED_HEADERS_JSON = 'h',
    MAPPED_QUERY_JSON = 'Q',
    /* of mappings_report; each absent: the report has no such field, or it gave nothing (request.h) */
    REPORTED_STATUS = 'S',
    REPORTED_SUMMARY = 'M',
    /** A text or a list, as JSON. */
    REPORTED_LINK_JSON = 'L',
    REPORTED_EXTERNAL_ID = 'E'
};

/** One field; borrowed from the list. */
struct mapped_field {
    enum mapped_tag tag;
    struct slice value;
};
void mapped_append(struct buffer *fields, enum mapped_tag tag, struct slice value);
/** Takes the next field off `fields`. False at the end, and for bytes that are no list of fields. */
PA_MUST_USE bool mapped_next(struct slice *fields, struct mapped_field *out);

/** The request for `event` (its canonical bytes), as fields. `secret` is the client secret, the key of
 * encrypted properties. Always ends with one of MAPPED_NONE, MAPPED_FAILED, or a request. `trace` may be
 * NULL. */
void mappings_request(const struct mappings *mappings, struct slice event, struct slice secret,
                      const struct mapping_trace *trace, struct buffer *fields);
/** What the `index`-th mapping (from 1) reports for `context`: {"body","request","response"} as in the
 * docs/contract.md#report-context. Fields as above; MAPPED_FAILED when the context cannot be read. */
void mappings_report(const struct mappings *mappings, size_t index, struct slice context, struct slice secret,
                     const struct mapping_trace *trace, struct buffer *fields);
