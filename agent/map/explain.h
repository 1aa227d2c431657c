/* What a mapping makes of one event, for `port-agent map`: evaluated by the agent's own code, kept for
 * showing. Secrets are masked when it is written: decrypted properties, values from environment variables
 * that are named like secrets, headers that carry credentials. */
#pragma once
#include "event/event.h"
#include "map/request.h"

/** One expression's result. `problem` is empty, or why the result counts as null. */
struct explained_expression {
    /** "mapping 1, url". */
    char *where;
    struct buffer expression, result, problem;
};

struct explained_header {
    struct buffer name, value;
    /** The agent's own, made when it sends: shown as it is. */
    bool placeholder;
};

/** The answer that a report is made for. */
struct explained_response {
    bool given;
    int status;
    /** A JSON object. */
    struct buffer headers_json;
    struct buffer text;
};

/** The result that Port would get; null slices are left out. */
struct explained_report {
    bool made;
    /** What mappings_report gave. */
    struct buffer fields;
    struct buffer status, summary, link_json, external_run_id, response_json;
};

struct explanation {
    struct event event;
    struct explained_expression *expressions;
    size_t expression_count;
    /** What mappings_request gave. */
    struct buffer fields;
    /** The same as fields: MAPPED_SECRET each. */
    struct buffer secrets;
    struct mapped_request mapped;
    size_t mapping_count;
    /** Why there is no request, in words; empty: there is one. */
    struct buffer failure;
    struct buffer method, url;
    /** The URL without the query; of `fields` or `event`. */
    struct slice target;
    struct explained_header *headers;
    size_t header_count;
    bool has_body;
    /** Of `fields` or `event`. */
    struct slice body;
    /** What the agent would do before any mapping, a line each. */
    struct buffer notes;
    struct explained_report report;
    /** Its evaluation passed a bound: there is nothing but the failure. */
    bool ended;
    bool out_of_memory;
};

enum explain_kind { EXPLAIN_BY_CONTENT, EXPLAIN_RUN, EXPLAIN_CHANGE_LOG };

struct explain_options {
    const struct mappings *mappings;
    /** The client secret; null: there is none. */
    struct slice secret;
    enum explain_kind kind;
    const struct explained_response *response;
    /** DETAILED_LOGGING: summaries quote answers. */
    bool detailed;
    /** Memory that outlives this process: where the last result came from. */
    char *evaluating;
    size_t evaluating_size;
};

/** Parses and evaluates. Clear `out` with explanation_clear in every case. */
void explanation_make(const struct explain_options *options, struct slice record, struct explanation *out);
void explanation_clear(struct explanation *explanation);

/** Appends what is shown of a text: secrets masked. */
void explanation_mask(const struct explanation *explanation, struct slice text, struct buffer *out);
