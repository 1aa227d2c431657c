/* See collector.h. */
#include "collector.h"
#include "agent/http_options.h"
#include "http/url.h"
#include "steps.h"
#include "trace/otlp/otlp.h"

static const char COLLECTOR[] = "Collector";

struct collector_asked {
    uv_loop_t *loop;
    struct check_steps *steps;
    const struct config *config;
    struct http_client *client;
};

static void collector_answered(void *ctx, const struct http_result *result)
{
    const struct collector_asked *asked = ctx;
    uv_stop(asked->loop); /* which would wait for the connection, that is merely kept alive */
    bool taken = result->failure == HTTP_OK && result->status >= 200 && result->status < 300;
    struct check_step *step =
        check_begin(asked->steps, COLLECTOR, "export", taken ? CHECK_OK : CHECK_WARNING);
    url_append_shown(&step->detail, slice_of(asked->config->tracing.url));
    if (result->failure == HTTP_OK) {
        buffer_appendf(&step->detail, " answers %d", result->status);
    } else {
        buffer_append_text(&step->detail, ": ");
        otlp_append_reason(asked->client, asked->config->tracing.url, asked->config->tracing.headers.value,
                           result->reason, &step->detail);
    }
    if (result->status == 401 || result->status == 403)
        buffer_append_text(&step->hint, "check OTEL_EXPORTER_OTLP_HEADERS");
    else if (!taken)
        buffer_append_text(&step->hint,
                           "traces are dropped, and deliveries are not affected: check "
                           "OTEL_EXPORTER_OTLP_ENDPOINT (a collector's port for HTTP is usually 4318)");
    step->duration_ms = result->duration_ms;
    check_end(asked->steps, step);
}

void check_collector(struct check_steps *steps, const struct config *config,
                     const struct authorities *authorities, int64_t timeout_ms)
{
    struct error err = {0};
    uv_loop_t loop;
    struct collector_asked asked = {.loop = &loop, .steps = steps, .config = config};
    if (!config->tracing.url)
        return;
    uv_loop_init(&loop);
    struct http_client_options options = http_options(config, authorities);
    options.loop = &loop;
    options.clock = clock_system();
    options.connect_timeout_ms = options.idle_timeout_ms = options.total_timeout_ms = timeout_ms;
    options.max_connections = 1;
    struct http_client *client = asked.client = http_client_new(&options, &err);
    if (!client)
        check_say(steps, COLLECTOR, "export", CHECK_WARNING, err.message, NULL);
    else if (!otlp_probe(client, config->tracing.url, config->tracing.headers.value, collector_answered,
                         &asked))
        check_say(steps, COLLECTOR, "export", CHECK_WARNING, "out of memory", NULL);
    if (client) {
        uv_run(&loop, UV_RUN_DEFAULT);
        http_client_close(client, NULL, NULL);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}
