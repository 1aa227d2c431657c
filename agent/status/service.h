/* Where a running agent is asked: its Unix socket, and the port of ADMIN_LISTEN. What cannot be opened is a
 * warning, and the agent goes on. Must never block the loop, and changes nothing but a person's brake. */
#pragma once
#include "snapshot.h"

struct status_service;

struct status_service_options {
    /** All borrowed until closed. */
    uv_loop_t *loop;
    const struct config *config;
    const struct clock *clock;
    /** Fills in the parts as they are now. */
    void (*parts)(void *ctx, struct status_parts *parts);
    void *ctx;
};

/** NULL: out of memory; then nobody can ask. */
PA_MUST_USE struct status_service *status_service_new(const struct status_service_options *options);
/** In the place of ADMIN_TOKEN from now on; borrowed until closed, or until the next. NULL is allowed for the
 * service. */
void status_service_use_token(struct status_service *service, struct slice token);
/** Its handles close on the loop. NULL is allowed. */
void status_service_close(struct status_service *service);
/** A listener of the observer's (observer_options.told). NULL is allowed. */
void status_service_told(struct status_service *service, const struct observed *observed);
/** The status as log lines. NULL is allowed. */
void status_service_log(const struct status_service *service);
