/* See port_client.h. */
#include "port_client.h"
#include "http_options.h"

enum { CONNECT_MS = 10000, DEADLINE_MS = 30000, RESPONSE_BYTES = 256 * 1024 };

static int64_t given_or(int64_t given_ms, int64_t usual_ms)
{
    return given_ms > 0 ? given_ms : usual_ms;
}

static unsigned connections_of(const struct port_client_options *options)
{
    return options->connections > 0 ? options->connections : 1;
}

struct http_client *port_client_http(const struct port_client_options *options,
                                     const struct client_certificates *certificates, struct error *err)
{
    const struct config *config = options->config;
    struct http_client_options http = http_options(config, options->authorities);
    http.client_certificates = certificates;
    http.client_certificate_setting = "PORT_API_CLIENT_CERT";
    http.loop = options->loop;
    http.clock = options->clock;
    http.connect_timeout_ms = given_or(options->connect_timeout_ms, CONNECT_MS);
    http.idle_timeout_ms = given_or(options->idle_timeout_ms, DEADLINE_MS);
    http.total_timeout_ms = given_or(options->total_timeout_ms, DEADLINE_MS);
    http.max_response_bytes = RESPONSE_BYTES;
    http.max_connections = connections_of(options);
    return http_client_new(&http, err);
}

int port_client_open(struct port_client *client, const struct port_client_options *options, struct error *err)
{
    const struct config *config = options->config;
    *client = (struct port_client){.http = port_client_http(options, config->port_api_certificates, err)};
    if (!client->http)
        return err->kind;
    const struct port_api_options api = {.loop = options->loop,
                                         .clock = options->clock,
                                         .conditions = options->conditions,
                                         .http = client->http,
                                         .base_url = config->api_base_url,
                                         .client_id = config->client_id,
                                         .client_secret = config->client_secret.value,
                                         .former_secret = config->client_secret_previous.value,
                                         .max_concurrent = connections_of(options)};
    client->api = port_api_new(&api);
    if (client->api)
        return 0;
    port_client_close(client, NULL, NULL);
    return error_set(err, PA_ERR_MEMORY, "out of memory");
}

void port_client_close(struct port_client *client, void (*closed)(void *ctx), void *ctx)
{
    port_api_free(client->api);
    if (client->http)
        http_client_close(client->http, closed, ctx);
    *client = (struct port_client){0};
}
