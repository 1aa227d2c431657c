/* The daemon's HTTP client for webhooks, and others in the place of its clients when certificates have
 * changed. What else the daemon has (breakers, turns, tokens, what waits) knows a client only while a call is
 * under way, so it goes on as it was. */
#include "agent/http_options.h"
#include "daemon_internal.h"

/** What idle connections may hold where there are more of them than webhooks at once: somewhat more than a
 * thousand destinations need, and less than a third of the memory of the smallest pod. */
enum { IDLE_BYTES = 20 * 1024 * 1024 };

/** Responses that have come take space which those still to be read cannot have; and so do those that the
 * client in whose place this one came, or which came in this one's place, is reading. */
static size_t answers_held(void *ctx)
{
    const struct webhooks_place *place = ctx;
    const struct daemon *daemon = place->daemon;
    const struct http_client *other =
        place->client == daemon->webhooks ? former_clients_webhooks(daemon->former) : daemon->webhooks;
    return (daemon->deliver ? deliver_answer_bytes(daemon->deliver) : 0) +
           (other ? http_client_body_bytes(other) : 0);
}

/** The place that the present client does not have. */
static struct webhooks_place *free_place(struct daemon *daemon)
{
    bool first = !daemon->webhooks || daemon->places[0].client != daemon->webhooks;
    return &daemon->places[first ? 0 : 1];
}

struct http_client *daemon_webhook_client(struct daemon *daemon, const struct authorities *authorities,
                                          const struct client_certificates *certificates, struct error *err)
{
    const struct config *config = daemon->options.config;
    struct http_client_options options = http_options(config, authorities);
    struct webhooks_place *place = free_place(daemon);
    place->daemon = daemon;
    options.loop = daemon->options.loop;
    options.clock = daemon->options.clock;
    options.connect_timeout_ms = config->invoker_timeout_ms;
    options.idle_timeout_ms = config->invoker_timeout_ms;
    options.total_timeout_ms = config->total_timeout_ms;
    options.max_response_bytes = (size_t)config->max_response_bytes;
    options.total_response_bytes = (size_t)config->total_response_bytes;
    options.held_elsewhere = answers_held;
    options.held_ctx = place;
    options.max_connections = daemon->descriptors.window;
    options.more_connections = daemon->descriptors.idle;
    options.idle_bytes = IDLE_BYTES;
    options.verify_tls = config->verify_tls;
    options.client_certificates = certificates;
    options.client_certificate_setting = "WEBHOOK_CLIENT_CERT";
    options.never_resends = config->retry_on.nothing;
    options.redirects = config->follow_redirects;
    options.hide_url_paths = !config->log_url_paths;
    options.judges_egress = true;
    options.egress_allow = config->egress_allow;
    options.egress_deny = config->egress_deny;
    options.http2 = config->http_version == WEBHOOK_HTTP_2;
    options.watches_streams = true;
    place->client = http_client_new(&options, err);
    return place->client;
}

bool daemon_former_clients(const struct daemon *daemon)
{
    return former_clients_there(daemon->former);
}

/** All of them, or none with the cause in err. */
static int make_clients(struct daemon *daemon, const struct client_files *files, struct client_set *out,
                        struct error *err)
{
    const struct authorities *authorities = files->authorities;
    const struct port_client_options port = daemon_port_options(daemon, authorities);
    const struct traces_options traces = daemon_traces_options(daemon, authorities);
    bool traced = traces_are_exported(&daemon->traces);
    *out = (struct client_set){.webhooks = daemon_webhook_client(daemon, authorities, files->webhooks, err)};
    out->port = out->webhooks ? port_client_http(&port, files->port, err) : NULL;
    out->collector = out->port && traced ? traces_client(&traces, err) : NULL;
    if (out->port && (out->collector || !traced))
        return 0;
    /* Nothing was asked of them: they look at no file. */
    if (out->port)
        http_client_close(out->port, NULL, NULL);
    if (out->webhooks)
        http_client_close(out->webhooks, NULL, NULL);
    return err->kind;
}

int daemon_use_certificates(struct daemon *daemon, struct client_files *files, struct error *err)
{
    struct client_set fresh, before = {.webhooks = daemon->webhooks, .port = daemon->port.http};
    int failed = make_clients(daemon, files, &fresh, err);
    if (failed)
        return failed;
    if (fresh.collector)
        before.collector = traces_use_client(&daemon->traces, fresh.collector);
    former_clients_take(daemon->former, &before, &daemon->files);
    daemon->files = *files;
    *files = (struct client_files){0};
    daemon->webhooks = fresh.webhooks;
    daemon->port.http = fresh.port;
    deliver_use_client(daemon->deliver, fresh.webhooks);
    port_api_use_client(daemon->port.api, fresh.port);
    return 0;
}
