/* What a mapping makes of one event, for `port-agent map`: evaluated by the agent's own code, kept for
 * showing. Secrets are masked when it is written: decrypted properties, values from environment variables
 * that are named like secrets, headers that carry credentials. */
#pragma once
#include "event/event.h"
#include "map/request.h"

/** One expression's result. `problem` is empty, or why the result counts as null. */
struct explained_expression {
    char *where; /* "mapping 1, url" */
    struct buffer expression, result, problem;
};

struct explained_header {
    struct buffer name, value;
    bool placeholder; /* the agent's own, made when it sends: shown as it is */
};

/** The answer that a report is made for. */
struct explained_response {
    bool given;
    int status;
    struct buffer headers_json; /* an object */
    struct buffer text;
};

/** The result that Port would get; null slices are left out. */
struct explained_report {
    bool made;
    struct buffer fields; /* of mappings_report */
    struct buffer status, summary, link_json, external_run_id, response_json;
};

struct explanation {
    struct event event;
    struct explained_expression *expressions;
    size_t expression_count;
    struct buffer fields;  /* of mappings_request */
    struct buffer secrets; /* the same as fields: MAPPED_SECRET each */
    struct mapped_request mapped;
    size_t mapping_count;
    struct buffer failure; /* why there is no request, in words; empty: there is one */
    struct buffer method, url;
    struct slice target; /* the URL without the query; of `fields` or `event` */
    struct explained_header *headers;
    size_t header_count;
    bool has_body;
    struct slice body;   /* of `fields` or `event` */
    struct buffer notes; /* what the agent would do before any mapping, a line each */
    struct explained_report report;
    bool ended; /* its evaluation passed a bound: there is nothing but the failure */
    bool out_of_memory;
};

enum explain_kind { EXPLAIN_BY_CONTENT, EXPLAIN_RUN, EXPLAIN_CHANGE_LOG };

struct explain_options {
    const struct mappings *mappings;
    struct slice secret; /* the client secret; null: there is none */
    enum explain_kind kind;
    const struct explained_response *response;
    bool detailed;    /* DETAILED_LOGGING: summaries quote answers */
    char *evaluating; /* memory that outlives this process: where the last result came from */
    size_t evaluating_size;
};

/** Parses and evaluates. Clear `out` with explanation_clear in every case. */
void explanation_make(const struct explain_options *options, struct slice record, struct explanation *out);
void explanation_clear(struct explanation *explanation);

/** Appends what is shown of a text: secrets masked. */
void explanation_mask(const struct explanation *explanation, struct slice text, struct buffer *out);
