/* The daemon's HTTP client for webhooks. */
#include "agent/http_options.h"
#include "daemon_internal.h"

/** Responses that have come take space which those still to be read cannot have. */
static size_t answers_held(void *ctx)
{
    struct daemon *daemon = ctx;
    return daemon->deliver ? deliver_answer_bytes(daemon->deliver) : 0;
}

struct http_client *daemon_webhook_client(struct daemon *daemon, struct error *err)
{
    const struct config *config = daemon->options.config;
    struct http_client_options options = http_options(config, daemon->options.ca_bundle);
    options.loop = daemon->options.loop;
    options.clock = daemon->options.clock;
    options.connect_timeout_ms = config->invoker_timeout_ms;
    options.idle_timeout_ms = config->invoker_timeout_ms;
    options.total_timeout_ms = config->total_timeout_ms;
    options.max_response_bytes = (size_t)config->max_response_bytes;
    options.total_response_bytes = (size_t)config->total_response_bytes;
    options.held_elsewhere = answers_held;
    options.held_ctx = daemon;
    options.max_connections = daemon->descriptors.window;
    options.verify_tls = config->verify_tls;
    options.client_certificates = config->webhook_certificates;
    options.client_certificate_setting = "WEBHOOK_CLIENT_CERT";
    options.never_resends = config->retry_on.nothing;
    options.redirects = config->follow_redirects;
    options.hide_url_paths = !config->log_url_paths;
    options.judges_egress = true;
    options.egress_allow = config->egress_allow;
    options.egress_deny = config->egress_deny;
    options.http2 = config->http_version == WEBHOOK_HTTP_2;
    return http_client_new(&options, err);
}
