/* See traces.h. */
#include "traces.h"
#include "agent/http_options.h"
#include "trace/otlp/otlp.h"

enum { RESPONSE_BYTES = 64 * 1024 };

struct http_client *traces_client(const struct traces_options *options, struct error *err)
{
    struct http_client_options http = http_options(options->config, options->authorities);
    http.loop = options->loop;
    http.clock = options->clock;
    http.connect_timeout_ms = http.idle_timeout_ms = http.total_timeout_ms =
        options->config->tracing.timeout_ms;
    http.max_response_bytes = RESPONSE_BYTES;
    http.max_connections = 1;
    return http_client_new(&http, err);
}

int traces_open(struct traces *traces, const struct traces_options *options, struct error *err)
{
    const struct tracing_config *config = &options->config->tracing;
    *traces = (struct traces){.otlp = NULL};
    if (!config->url)
        return 0;
    traces->tracing = (struct tracing){
        .sampling = config->sampling, .ratio = config->ratio, .by_parent = config->by_parent};
    if (tracing_key(&traces->tracing) != 0)
        return error_set(err, PA_ERR_IO, "the system has no random numbers");
    char host[UV_MAXHOSTNAMESIZE] = "";
    size_t size = sizeof host;
    if (uv_os_gethostname(host, &size) != 0)
        *host = '\0';
    struct otlp_options otlp = {.loop = options->loop,
                                .clock = options->clock,
                                .http = traces_client(options, err),
                                .url = config->url,
                                .headers = config->headers.value,
                                .service = config->service_name,
                                .attributes = config->resource_attributes,
                                .instance = *host ? host : NULL,
                                .group = options->config->group_id,
                                .tracing = &traces->tracing,
                                .conditions = options->conditions};
    if (!otlp.http)
        return err->kind;
    traces->otlp = otlp_new(&otlp);
    if (traces->otlp)
        return 0;
    http_client_close(otlp.http, NULL, NULL);
    return error_set(err, PA_ERR_MEMORY, "out of memory");
}

void traces_listen(struct traces *traces, struct observer *observer)
{
    if (traces->otlp)
        otlp_listen(traces->otlp, observer);
}

bool traces_are_exported(const struct traces *traces)
{
    return traces->otlp != NULL;
}

struct http_client *traces_use_client(struct traces *traces, struct http_client *http)
{
    return otlp_use_client(traces->otlp, http);
}

bool traces_use_headers(struct traces *traces, struct slice headers)
{
    return !traces->otlp || otlp_use_headers(traces->otlp, headers);
}

struct tracing *traces_recorded(struct traces *traces)
{
    return traces->otlp ? &traces->tracing : NULL;
}

void traces_close(struct traces *traces, void (*closed)(void *ctx), void *ctx)
{
    if (traces->otlp)
        otlp_close(traces->otlp, closed, ctx);
    traces->otlp = NULL;
}
