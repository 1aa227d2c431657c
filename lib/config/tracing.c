/* What OpenTelemetry's settings mean for the agent: where spans go, and which traces are recorded. They are
 * often set for everything on a machine, for programs that can do more than this one. So, as the standard has
 * it, what cannot be read is warned of and never stops the start. */
#include "config/loading.h"
#include "http/url.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, TIMEOUT_MAX_MS = 600000 };

/** The value is shown as URLs are, since it may have a password. */
static void tracing_warn(struct loading *loading, const char *setting, const char *value, const char *rest)
{
    struct buffer *warnings = &loading->config->warnings;
    buffer_appendf(warnings, "%s: '", setting);
    url_append_shown(warnings, slice_of(value));
    buffer_appendf(warnings, "' %s\n", rest);
}

/** In `out`: NULL where it is no URL. */
static void set_traces_url(struct loading *loading, const char *setting, const char *value, const char *path)
{
    struct slice base = slice_trim(slice_of(value));
    struct buffer url = {0};
    struct url_parts parts = {0};
    struct error err = {0};
    while (*path && base.len > 0 && base.ptr[base.len - 1] == '/')
        base.len--;
    buffer_append_slice(&url, base);
    buffer_append_text(&url, path);
    int failed = url.failed ? PA_ERR_MEMORY : url_parse(buffer_slice(&url), &parts, &err);
    if (failed == PA_ERR_MEMORY)
        loading->problems->failed = true;
    else if (failed)
        tracing_warn(loading, setting, value,
                     "is no URL that starts with https:// or http://: no trace is recorded");
    else
        loading->config->tracing.url = loading_copy(loading, parts.url);
    if (!failed)
        url_parts_clear(&parts);
    buffer_clear(&url);
}

static bool is_word(const char *value, const char *word)
{
    return slice_equal_text_ignore_case(slice_trim(slice_of(value)), word);
}

/** Where spans go. */
static void settle_url(struct loading *loading)
{
    const struct tracing_config *tracing = &loading->config->tracing;
    bool own = *tracing->traces_endpoint != '\0';
    if ((!own && !*tracing->endpoint) || is_word(tracing->disabled, "true") ||
        is_word(tracing->exporter, "none"))
        return;
    if (is_word(tracing->protocol, "grpc")) {
        tracing_warn(loading, "OTEL_EXPORTER_OTLP_PROTOCOL", tracing->protocol,
                     "is not supported: no trace is recorded; write http/json, with the collector's port for "
                     "HTTP (4318)");
        return;
    }
    if (*tracing->protocol && !is_word(tracing->protocol, "http/json") &&
        !is_word(tracing->protocol, "http/protobuf"))
        tracing_warn(loading, "OTEL_EXPORTER_OTLP_PROTOCOL", tracing->protocol,
                     "is not known: traces are sent as http/json");
    if (own)
        set_traces_url(loading, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", tracing->traces_endpoint, "");
    else
        set_traces_url(loading, "OTEL_EXPORTER_OTLP_ENDPOINT", tracing->endpoint, "/v1/traces");
}

static void settle_timeout(struct loading *loading)
{
    struct tracing_config *tracing = &loading->config->tracing;
    char *end;
    errno = 0;
    long value = strtol(tracing->timeout, &end, 10);
    tracing->timeout_ms = value;
    if (!errno && end != tracing->timeout && !*end && value >= 1 && value <= TIMEOUT_MAX_MS)
        return;
    tracing->timeout_ms = TIMEOUT_MS;
    tracing_warn(loading, "OTEL_EXPORTER_OTLP_TIMEOUT", tracing->timeout,
                 "is no number of milliseconds from 1 to 600000: an export has 10000");
}

static void settle_sampler(struct loading *loading)
{
    static const struct {
        const char *word;
        enum trace_sampling sampling;
    } samplers[] = {{"always_on", TRACE_ALWAYS}, {"always_off", TRACE_NEVER}, {"traceidratio", TRACE_RATIO}};
    static const char by_parent[] = "parentbased_";
    struct tracing_config *tracing = &loading->config->tracing;
    const char *word = tracing->sampler;
    tracing->by_parent = strncmp(word, by_parent, sizeof by_parent - 1) == 0;
    word += tracing->by_parent ? sizeof by_parent - 1 : 0;
    size_t at = 0, count = sizeof samplers / sizeof *samplers;
    while (at < count && !is_word(word, samplers[at].word))
        at++;
    if (at == count) {
        tracing_warn(loading, "OTEL_TRACES_SAMPLER", tracing->sampler,
                     "is not supported: traces are recorded as with parentbased_always_on");
        tracing->by_parent = true;
    }
    tracing->sampling = at == count ? TRACE_ALWAYS : samplers[at].sampling;
    char *end;
    tracing->ratio = strtod(tracing->sampler_argument, &end);
    bool is_ratio = end != tracing->sampler_argument && !*end && tracing->ratio >= 0 && tracing->ratio <= 1;
    if (tracing->sampling != TRACE_RATIO || is_ratio)
        return;
    tracing->ratio = 1;
    tracing_warn(loading, "OTEL_TRACES_SAMPLER_ARG", tracing->sampler_argument,
                 "is no number from 0 to 1: every trace is recorded");
}

void loading_settle_tracing(struct loading *loading)
{
    struct tracing_config *tracing = &loading->config->tracing;
    if (loading->problems->failed)
        return;
    settle_url(loading);
    if (!tracing->url)
        return;
    settle_timeout(loading);
    settle_sampler(loading);
}
