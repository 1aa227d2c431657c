/* Shared by the files of the polling source only.
 *
 *   polling.c  life, and when Port is asked again
 *   run.c      a claimed run, from its claim to its end: the list, into the sink and back
 *   ack.c      its acknowledgement, and what the answers to it mean
 *   turn.c     what one turn of the loop does of it, and what waits for the next
 *   left.c     lines about runs that are left to Port, grouped
 *   answer.c   a long answer to a claim, read in the thread pool
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
 *        └── FULL: the sink has no space; until it has
 */
enum poller_state { POLLER_WAITING, POLLER_CLAIMING, POLLER_TAKING, POLLER_FULL };

/** Why a claimed run is left to Port, where that may be so for many, again and again. */
enum left {
    LEFT_NO_ID,
    LEFT_NOT_FOR_AGENT,
    /** Its acknowledgement was refused: 401, … */
    LEFT_UNAUTHORISED,
    /** 403. */
    LEFT_FORBIDDEN,
    /** 404. */
    LEFT_UNKNOWN,
    /** Any other 4xx. */
    LEFT_REFUSED
};
enum { LEFT_REASONS = LEFT_REFUSED + 1, RUN_ID_SIZE = 129 };

/** A longer answer is read elsewhere. */
enum { ANSWER_BYTES = 1024 * 1024 };
/** Handed over in one turn of the loop, at most; a run that is larger goes alone. And acknowledgements that
 * are begun in one. */
enum { TURN_RUNS = 16, TURN_BYTES = 1024 * 1024, TURN_ASKS = 16 };
/** What a run takes beside the bytes of its event. */
enum { RUN_OVERHEAD = 1024 };

struct left_line {
    bool said;
    /** When the line was written last. */
    int64_t said_ms;
    /** Runs without a line since then. */
    size_t more;
    /** Of the last of them; "": none. */
    char id[RUN_ID_SIZE];
    /** Port's status; 0: none. */
    int status;
    /** What Port said. */
    char answer[256];
};

struct poller {
    struct polling_source *source;
    enum claim_kind kind;
    enum poller_state state;
    /** WAITING: the next claim; TAKING: acknowledgements and records that wait. */
    uv_timer_t timer;
    struct port_call *call;
    /** TAKING: what is read elsewhere; NULL: nothing. */
    struct answer *answer;
    /** Runs that fit into one answer, as far as is known. */
    size_t limit;
    /** Runs asked for, and runs that came, in this round. */
    size_t asked, came;
    /** Runs of this round that are not in the sink yet, and not given up. */
    size_t pending;
    /** Runs of this round that are on their way to an endpoint. */
    size_t taken;
    /** Acknowledgements of this round that Port answered, whatever it said. */
    size_t answered;
    /** What failed in this round; "": nothing. */
    char error[256];
    int64_t retry_after_ms;
    /** Rounds that failed, in a row. */
    unsigned failures;
    /** What its runs take, from their claims until their tickets are back. */
    size_t held_bytes;
    struct left_line left[LEFT_REASONS];
};

enum run_state {
    /** A call is under way, or waits for its next attempt (`ack` is NULL). */
    RUN_ACKNOWLEDGING,
    /** Inside the sink's `take`. */
    RUN_HANDING_OVER,
    /** The sink had no memory for it, or the loop's turn has enough of others. */
    RUN_WAITING,
    /** The sink has it. */
    RUN_TAKEN
};

struct polled_run {
    /** First: the seam's view of it. */
    struct ticket ticket;
    LIST_ENTRY(polled_run) all;
    /** In the queue for a turn of the loop: to be acknowledged (again, where it is taken), or handed over. */
    TAILQ_ENTRY(polled_run) turn;
    bool queued;
    struct poller *poller;
    enum run_state state;
    struct port_call *ack;
    /** Attempts at its acknowledgement. */
    unsigned attempts;
    /** An attempt had no answer: it may be ours, whatever the answer to a later one says. */
    bool in_doubt;
    /** In doubt for so long that its round goes on without it. */
    bool apart;
    /** Apart: since when; when it goes on. */
    int64_t apart_since_ms, due_ms;
    /** The ticket came back during `take`. */
    bool settled;
    /** In this call of give_up. */
    bool tried;
    /** As in struct record; constant. */
    const char *given_up;
    /** As in struct claimed, owned; NULL: none. */
    char *broken;
    /** Owned, until the sink has it. */
    char *event;
    size_t event_len;
    char id[];
};

/** A turn of the loop. */
struct turn {
    /** Handed over in it, and acknowledgements begun. */
    size_t runs, bytes, asks;
    /** It has the queue's. */
    bool going_on;
    TAILQ_HEAD(queued_runs, polled_run) queue;
    /** Its end. */
    uv_prepare_t prepare;
    /** As long as some are in the queue. */
    uv_idle_t idle;
};

struct polling_source {
    /** First: the seam's view of it. */
    struct source source;
    struct source_options options;
    struct poller pollers[CLAIM_KINDS];
    /** Every run that is claimed and not done. */
    LIST_HEAD(polled_runs, polled_run) runs;
    /** The same ones, a tsearch(3) tree. */
    void *by_id;
    size_t held;
    /** Runs apart, and what their events take. */
    size_t apart, apart_bytes;
    uv_timer_t apart_timer;
    struct turn turn;
    /** What a run takes, from those that came lately. */
    size_t run_bytes;
    bool stopped, fatal_said, worked;
    /** There may be no other turn: everything goes over in this one. */
    bool giving_up;
    /** -1: the last round worked. */
    int64_t failing_since_ms;
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

/** The answer to the claim has been read to its end; `failure`: or as far as it could be. */
void poller_answer_read(struct poller *poller, const char *failure);
/** Goes on with runs apart, now and as long as there are some. */
void poller_watch_apart(struct polling_source *source);

/* turn.c */
/** Returns how many handles it has. */
PA_MUST_USE unsigned turn_open(struct turn *turn, uv_loop_t *loop);
/** Calls `closed` for each of them, whose data is `data` then. Nothing may be in the queue. */
void turn_close(struct turn *turn, void *data, uv_close_cb closed);
/** May a run of so many bytes be handed over in this turn? It counts from then on. */
PA_MUST_USE bool turn_has_space(struct turn *turn, size_t bytes);
/** The same for an acknowledgement. */
PA_MUST_USE bool turn_may_ask(struct turn *turn);
/** It goes on in a later turn: see run_has_its_turn. */
void turn_queue(struct turn *turn, struct polled_run *run);
/** It does not wait for a turn, if it did. */
void turn_unqueue(struct turn *turn, struct polled_run *run);

/* run.c */
/** A run has been claimed: acknowledges it. Called with a poller as `ctx`; see claim_each. */
void run_claimed(void *ctx, const struct claimed *claimed);
/** It is ours: hands it over. False: it has to wait, and is tried again when
 * there is space. */
PA_MAY_IGNORE bool run_hand_over(struct polled_run *run);
/** Goes on with a run of the turn's queue. False: the turn has no space for it, and it is still there. */
PA_MUST_USE bool run_has_its_turn(struct polled_run *run);
/** Not ours: Port gives it to somebody else, or to us again. */
void run_leave(struct polled_run *run);
/** Nothing may leave its acknowledgement open for ever: it goes on beside the rounds. */
void run_set_apart(struct polled_run *run);
/** Goes on with the runs of this poller that wait for something. */
void runs_go_on(struct poller *poller);
/** The same for runs apart that are due. */
void runs_apart_go_on(struct polling_source *source);
/** Acknowledges nothing more, except for what may be ours already; the rest is left to Port. */
void runs_stop(struct polling_source *source);
/** See source_give_up. */
size_t runs_give_up(struct polling_source *source);
/** See source_abandon. */
size_t runs_abandon(const struct polling_source *source);
/** Frees what is left; nothing of it is in the sink. */
void runs_free(struct polling_source *source);

/* answer.c */
/** Takes the bytes of `body` and has them read: run_claimed for each run, then poller_answer_read, from the
 * loop. NULL: out of memory. */
PA_MUST_USE struct answer *answer_start(struct poller *poller, struct buffer *body);
/** Nobody hears of what has not been handed out. */
void answer_forget(struct answer *answer);

/* ack.c */
/** Starts an attempt at the acknowledgement. False: it has to wait, or was given up; either
 * way it is seen to. */
PA_MAY_IGNORE bool ack_start(struct polled_run *run);
/** Tells Port once more that a run is taken, and does not wait for the answer. */
void ack_again(const struct polled_run *run);

/* left.c */
/** A claimed run is left to Port: a line, or one more in the next line; a minute lies between two of a kind.
 * `result`: Port's refusal, or NULL. */
void left_say(struct poller *poller, enum left why, struct slice id, const struct port_result *result);
/** Says what was not said yet: where a minute is over, or at the end in any case. */
void left_flush(struct poller *poller, bool end);
