/* What is asked of Port and what it answers: the formats of polling (docs/contract.md#polling). Pure. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "json/members.h"
#include <stdbool.h>
#include <stdint.h>

/** Port keeps two queues. */
enum claim_kind { CLAIM_RUNS, CLAIM_NODE_RUNS, CLAIM_KINDS };

const char *claim_path(enum claim_kind kind);
/** Appends the body of a claim of at most `limit` runs. */
void claim_body(enum claim_kind kind, size_t limit, struct buffer *out);
const char *claim_ack_path(enum claim_kind kind);
/** Appends the body that acknowledges one run; `id` as in struct claimed. */
void claim_ack_body(enum claim_kind kind, struct slice id, struct buffer *out);

/** What the answer to an acknowledgement says. */
enum claim_verdict {
    CLAIM_OURS,
    CLAIM_NOT_OURS,
    /** Empty, no JSON object, or it says neither: no better than no answer. */
    CLAIM_UNSAID
};
PA_MUST_USE enum claim_verdict claim_acked(enum claim_kind kind, struct slice answer);

/** One claimed run; borrowed until the callback returns. */
struct claimed {
    /** Satisfies run_id_is_usable; null: it has none that does, and nothing else is set. */
    struct slice id;
    /** Its `agent` is true, in the way of Python; so is that of a run without an event. */
    bool agent;
    /** Why there is no event; NULL: there is one. */
    const char *broken;
    /** JSON, its parts as Port wrote them; the callback may take it (buffer_take). */
    struct buffer *event;
};
typedef void claim_each(void *ctx, const struct claimed *claimed);

/** An answer that is read run by run; it stays where it is meanwhile. */
struct claim_reader {
    enum claim_kind kind;
    /** Of its list: `rest` is what has not been read. */
    struct members walk;
};
/** Walks over the whole answer, to its list. 0; PA_ERR_INVALID with what is wrong with the answer as a
 * whole. */
PA_MUST_USE int claim_open(struct claim_reader *reader, enum claim_kind kind, struct slice answer,
                           struct error *err);
/** Calls `each` for the next run, or says that there is none (`over`). 0; PA_ERR_INVALID with what is wrong
 * with the list; PA_ERR_MEMORY. */
PA_MUST_USE int claim_next(struct claim_reader *reader, claim_each *each, void *ctx, bool *over,
                           struct error *err);

/** Calls `each` for every run of the answer, in order. A run that cannot be read does not affect the others.
 * 0; PA_ERR_INVALID with what is wrong with the answer as a whole (what was read until then has been handed
 * out); PA_ERR_MEMORY. */
PA_MUST_USE int claim_read(enum claim_kind kind, struct slice answer, claim_each *each, void *ctx,
                           struct error *err);
