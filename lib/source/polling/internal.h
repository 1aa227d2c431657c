/* Shared by the files of the polling source only.
 *
 *   polling.c  life, and when Port is asked again
 *   run.c      a claimed run: acknowledged, handed over, given back
 *   claim.c    the formats
 */
#pragma once
#include "config/config.h"
#include "port/api.h"
#include "source/class.h"
#include "source/polling/claim.h"
#include "source/polling/polling.h"
#include <sys/queue.h>

/** One of Port's two queues, and the round it is in:
 *
 *     WAITING ──time──▶ CLAIMING ──runs──▶ TAKING ──the last one handed over──▶ WAITING
 *        ▲                  └──none, or an error────────────────────────────────────▲
 *        └── FULL: the sink has no room; until it has
 */
enum poller_state { POLLER_WAITING, POLLER_CLAIMING, POLLER_TAKING, POLLER_FULL };

struct poller {
    struct polling_source *source;
    enum claim_kind kind;
    enum poller_state state;
    uv_timer_t timer; /* WAITING: the next claim; TAKING: acknowledgements and records that wait */
    struct port_call *call;
    size_t limit;       /* runs that fit into one answer, as far as is known */
    size_t asked, came; /* of this round */
    size_t pending;     /* runs of this round that are not in the sink yet, and not given up */
    size_t acked;       /* runs of this round that became ours */
    size_t answered;    /* acknowledgements of this round that Port answered, whatever it said */
    char error[256];    /* what failed in this round; "": nothing */
    int64_t retry_after_ms;
    unsigned failures; /* rounds that failed, in a row */
};

enum run_state {
    RUN_ACKNOWLEDGING, /* a call is under way, or waits for its next attempt (`ack` is NULL) */
    RUN_HANDING_OVER,  /* inside the sink's `take` */
    RUN_WAITING,       /* the sink had no memory for it */
    RUN_TAKEN          /* the sink has it */
};

struct polled_run {
    struct ticket ticket; /* first: the seam's view of it */
    LIST_ENTRY(polled_run) all;
    struct poller *poller;
    enum run_state state;
    struct port_call *ack;
    unsigned attempts; /* of acknowledging */
    bool agent;
    bool settled; /* the ticket came back during `take` */
    char *broken; /* as in struct claimed, owned; NULL: none */
    char *event;  /* owned, until the sink has it */
    size_t event_len;
    char id[];
};

struct polling_source {
    struct source source; /* first: the seam's view of it */
    struct source_options options;
    struct poller pollers[CLAIM_KINDS];
    LIST_HEAD(polled_runs, polled_run) runs; /* every run that is claimed and not done */
    void *by_id;                             /* the same ones, a tsearch(3) tree */
    size_t held;
    size_t run_bytes; /* what a run takes, from those that came lately */
    bool stopped, fatal_said, worked;
    int64_t failing_since_ms; /* -1: the last round worked */
    uint64_t claims, claimed, refused_acks, lost;
    unsigned open_handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* polling.c */
/** A run of the round is handed over or given up: is the round over? */
void poller_advance(struct poller *poller);
/** Calls poller_due after so long, unless it is called earlier. */
void poller_due_in(struct poller *poller, int64_t wait_ms);
/** Something failed in this round. */
void poller_note_failure(struct poller *poller, const char *reason, int64_t retry_after_ms);

/* run.c */
/** A run has been claimed: acknowledges it. Called with a poller as `ctx`; see claim_each. */
void run_claimed(void *ctx, const struct claimed *claimed);
/** Goes on with the runs of this poller that wait for something. */
void runs_go_on(struct poller *poller);
/** No new attempts any more: what is not ours yet is left to Port. */
void runs_stop(struct polling_source *source);
/** Frees what is left; nothing of it is in the sink. */
void runs_free(struct polling_source *source);
