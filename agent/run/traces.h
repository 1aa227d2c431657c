/* Where traces go: to a collector, through an exporter with an HTTP client of its own; or nowhere. */
#pragma once
#include "config/config.h"
#include "observe/observe.h"

struct authorities;
struct conditions;
struct otlp;

/** All zero: nowhere. */
struct traces {
    /** How they are recorded. */
    struct tracing tracing;
    /** NULL: they are not. */
    struct otlp *otlp;
};

/** Borrowed until it is closed. */
struct traces_options {
    uv_loop_t *loop;
    const struct clock *clock;
    struct conditions *conditions;
    const struct config *config;
    const struct authorities *authorities;
};

/** Opens what the settings say; `traces` must stay where it is. 0, or an error with its cause in err and
 * nothing to close. */
PA_MUST_USE int traces_open(struct traces *traces, const struct traces_options *options, struct error *err);
/** Another client for the collector, with these authorities, for traces_use_client. NULL with the cause in
 * err. */
PA_MUST_USE struct http_client *traces_client(const struct traces_options *options, struct error *err);
/** Are there any to export? */
PA_MUST_USE bool traces_are_exported(const struct traces *traces);
/** As otlp_use_client; only where traces are exported. */
PA_MUST_USE struct http_client *traces_use_client(struct traces *traces, struct http_client *http);
/** As otlp_use_headers; true where traces are not exported. */
PA_MUST_USE bool traces_use_headers(struct traces *traces, struct slice headers);
/** The observer tells the exporter, if there is one. */
void traces_listen(struct traces *traces, struct observer *observer);
/** How traces are recorded, for who delivers; NULL: they are not. */
PA_MUST_USE struct tracing *traces_recorded(struct traces *traces);
/** Sends what is left, as otlp_close; `closed` runs where there is an exporter. */
void traces_close(struct traces *traces, void (*closed)(void *ctx), void *ctx);
