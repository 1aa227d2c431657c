/* The client for Port's API, with its limits: for the daemon, and for the subcommands that ask Port
 * themselves. */
#pragma once
#include "config/config.h"
#include "port/api.h"

struct authorities;

/** The texts and the loop are borrowed until it is closed. */
struct port_client_options {
    uv_loop_t *loop;
    const struct clock *clock;
    /** As in port_api_options. */
    struct conditions *conditions;
    const struct config *config;
    const struct authorities *authorities;
    /** 0: ten seconds to connect, half a minute for the other two. */
    int64_t connect_timeout_ms, idle_timeout_ms, total_timeout_ms;
    /** And calls at once; 0: one. */
    unsigned connections;
};

/** NULL members: not open. */
struct port_client {
    struct http_client *http;
    struct port_api *api;
};

/** The HTTP client alone; the certificates are borrowed until it is closed. NULL with the cause in err. */
PA_MUST_USE struct http_client *port_client_http(const struct port_client_options *options,
                                                 const struct client_certificates *certificates,
                                                 struct error *err);
/** 0, or an error with the cause in err and nothing to close. */
PA_MUST_USE int port_client_open(struct port_client *client, const struct port_client_options *options,
                                 struct error *err);
/** Drops the calls that are under way; `closed` (NULL: nobody) runs from the loop when all is gone. Does
 * nothing where it is not open. */
void port_client_close(struct port_client *client, void (*closed)(void *ctx), void *ctx);
