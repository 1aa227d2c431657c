/* Shared by the files of the daemon only: daemon.c (start and stop), clients.c (HTTP clients)
 * and renew.c (what changes meanwhile). */
#pragma once
#include "agent/port_client.h"
#include "daemon.h"
#include "descriptors.h"
#include "traces.h"

enum daemon_state { RUNNING, DRAINING, CLOSING, STOPPED };

/** A webhooks' client, for what it asks of the daemon. */
struct webhooks_place {
    struct daemon *daemon;
    struct http_client *client;
};

struct daemon {
    struct daemon_options options;
    enum daemon_state state;
    struct signer *signer;
    struct descriptors descriptors;
    struct observer *observer;
    struct conditions *conditions;
    struct traces traces;
    struct http_client *webhooks;
    struct port_client port;
    /** The present client's for webhooks, and the former one's. */
    struct webhooks_place places[2];
    struct former_clients *former;
    /** The present clients', once certificates have changed; before that the options'. */
    struct client_files files;
    struct reports *reports;
    struct mapper *mapper;
    struct dead_letters *dead_letters;
    struct deliver *deliver;
    struct source *source;
    /** Drain: is it idle? */
    uv_timer_t timer;
    int64_t drain_deadline_ms, give_up_deadline_ms;
    /** Events when memory was given back last. */
    uint64_t trimmed;
    unsigned trims_left;
    unsigned closing_parts;
    int exit_code;
    /** Its process died for good. */
    bool mapper_lost;
};

/** For webhooks; the certificates are borrowed until it is closed. NULL with the cause in err. */
PA_MUST_USE struct http_client *daemon_webhook_client(struct daemon *daemon,
                                                      const struct authorities *authorities,
                                                      const struct client_certificates *certificates,
                                                      struct error *err);
/** For an exporter of traces, or its client, with these authorities. */
struct traces_options daemon_traces_options(const struct daemon *daemon,
                                            const struct authorities *authorities);
/** For a client for Port's API with these authorities. */
struct port_client_options daemon_port_options(const struct daemon *daemon,
                                               const struct authorities *authorities);
