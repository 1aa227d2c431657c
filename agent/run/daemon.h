/* The agent's wiring: config -> signer, http clients, Port API, reports, deliver, source; start, drain on a
 * signal, stop. Used by `run` and by the demo, which is how the demo shows the code that runs in production.
 * It starts and ends things in order, makes the options of each part from the settings, and shares the
 * process (file descriptors, memory) out among the parts. What happens to an event is decided elsewhere. */
#pragma once
#include "agent/status/snapshot.h"
#include "base/clock.h"
#include "config/config.h"
#include "deliver/deliver.h"
#include "former.h"
#include "map/process.h"
#include <uv.h>

struct authorities;
struct daemon;

struct daemon_options {
    /** Borrowed; run it until `stopped` has run and its handles are closed. */
    uv_loop_t *loop;
    /** Borrowed. */
    const struct clock *clock;
    /** Borrowed until stopped. */
    const struct config *config;
    /** Borrowed until stopped. NULL: the libraries' defaults. */
    const struct authorities *authorities;
    /** Taken over; MAP_PROCESS_NONE: no event is mapped. */
    struct map_process map_process;
    /** It evaluates the operator's file, not the built-in mappings. */
    bool mapping_file;
    /** Opens another source than the one that the settings name, which is then not announced to Port. NULL:
     * the settings' */
    struct source *(*open_source)(void *ctx, const struct source_options *options, struct error *err);
    /** Once, from the loop, when everything is closed; exit_code 0, or 1 with the cause logged. */
    void (*stopped)(void *ctx, int exit_code);
    /** Instead of `stopped`: the source does not close, because a thread of its library hangs. What is done
     * is committed; end the process. NULL: it is waited for. */
    void (*stuck)(void *ctx, int exit_code);
    /** Is told of everything that happens to a record; NULL: nobody is. */
    void (*told)(void *ctx, const struct observed *observed);
    /** And of answers whole. */
    bool keeps_answers;
    /** No event can be mapped now, and why; it is tried again. NULL: the log alone has it. */
    void (*unmappable)(void *ctx, const char *reason);
    void *ctx;
};

/** Starts: the announcement to Port, and the source. NULL with the cause in err; the
 * mappings' process is ended in any case, now or when it stops. */
PA_MUST_USE struct daemon *daemon_new(const struct daemon_options *options, struct error *err);
/** Drains and stops: no more records, what is in flight within the drain time, commit, leave the group;
 * `stopped` follows. Calling it twice is the same as once. */
void daemon_stop(struct daemon *daemon);
/** For a process that ends at once: names in the log, a line each, what nobody delivers again; *given_up: how
 * many. False: nothing of what is in flight comes again. */
PA_MUST_USE bool daemon_abandon(const struct daemon *daemon, size_t *given_up);
/** Frees what `stopped` left (call after it ran). NULL is allowed. */
void daemon_free(struct daemon *daemon);
/* What changes while it runs (renew.c). */

/** The client secret, and those before it: of the setting, and of the file before it changed. Borrowed until
 * others are given, or stopped. 0; PA_ERR_MEMORY: call it again. Not once it stops. */
PA_MUST_USE int daemon_use_secrets(struct daemon *daemon, struct slice secret, struct slice previous,
                                   struct slice former);
/** The token of the agent's own port, which is masked in what endpoints answer. Borrowed until another is
 * given, or stopped. Not once it stops. */
void daemon_use_admin_token(struct daemon *daemon, struct slice token);
/** Exports of traces that start from now on carry these headers, which are copied. False: out of memory, and
 * they carry those before. Not once it stops. */
PA_MUST_USE bool daemon_use_collector_headers(struct daemon *daemon, struct slice headers);
/** Events are mapped by that compiler, of the operator's file or the built-in mappings, from now on; its
 * socket is taken over. False: out of memory, and all stays as it was. Not once it stops. */
PA_MUST_USE bool daemon_use_mappings(struct daemon *daemon, int compiler, bool mapping_file);
/** Webhooks, and calls of Port's API, that start from now on trust these authorities and show these
 * certificates, which are taken over; those under way go on with the ones before. 0; else the cause is in
 * err, and all stays as it was. Not while there are former clients, nor once it stops. */
PA_MUST_USE int daemon_use_certificates(struct daemon *daemon, struct client_files *files, struct error *err);
/** Calls with the certificates before these are still under way. */
PA_MUST_USE bool daemon_former_clients(const struct daemon *daemon);
/** How many mapping files, the present one and former ones, are in use; 0: no event is mapped. */
size_t daemon_mapping_files(const struct daemon *daemon);
/** Where compilers are asked for (map_process.nursery); -1: nowhere, as once the parts are closed. */
PA_MUST_USE int daemon_nursery(const struct daemon *daemon);
/** Its parts as they are now, for whoever shows them. */
void daemon_parts(const struct daemon *daemon, struct status_parts *parts);
void daemon_log_summary(const struct daemon *daemon);
/** For whoever asks every few seconds: warns again of what goes on being wrong, and gives back to the system
 * what a load needed and nothing holds any more, while little is under way. */
void daemon_tick(struct daemon *daemon);
void daemon_counters(const struct daemon *daemon, struct counters *out);
/** source_assigned of its source. */
unsigned daemon_assigned(const struct daemon *daemon);
