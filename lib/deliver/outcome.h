/* What an answer means, or the lack of one. */
#pragma once
#include "base/slice.h"
#include "http/client.h"

struct delivery;

/** What an answer means. */
struct outcome {
    bool success;
    /** The endpoint's answer is there, whole. */
    bool answered;
    /** 0: no answer. */
    int status;
    /** "" for a success. */
    const char *error_type;
    /** In words; empty for a success. */
    struct buffer cause;
    /** Ready-made JSON for the run; empty: none. */
    struct buffer response;
    /** The answer's text, which is yet to be written as the next two say; empty: it is none of many bytes. */
    struct buffer answer;
    /** As `response`. */
    bool owes_response;
    /** Behind the context of its mapping's report. */
    bool owes_context;
    struct buffer summary;
    /** The endpoint's answer, cut and masked; empty: not wanted or none. */
    struct buffer detail;
};

/** `out` is initialised, its old content released. */
void outcome_of(const struct delivery *delivery, const struct http_result *result, bool detailed,
                struct outcome *out);
void outcome_clear(struct outcome *outcome);
/** Appends a URL or text of the delivery as it may be shown: without decrypted values. */
void outcome_shown(const struct delivery *delivery, struct slice text, struct buffer *out);
/** Appends the beginning of the body that is sent, without what would be masked in the endpoint's answer: it
 * holds the invocation method, and so the URL. */
void outcome_body_shown(const struct delivery *delivery, struct slice body, struct buffer *out);
/** Appends the context of a mapping's report (docs/contract.md#report-context), or what comes before a long
 * answer in it, which `outcome` owes then. Returns how many of the answer's headers it leaves out. */
PA_MUST_USE size_t outcome_context(const struct delivery *delivery, const struct http_result *result,
                                   struct slice body, struct outcome *outcome, struct buffer *out);
