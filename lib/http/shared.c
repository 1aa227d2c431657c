/* What all calls of a client share: its options, with copies of their texts and what is parsed of them. */
#include "http/client_internal.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static uv_once_t once = UV_ONCE_INIT;

static void initialise_curl(void)
{
    /* libcurl (libidn2) takes host names for text in the locale's encoding. Nothing else of the locale is
     * wanted: numbers keep their point. */
    setlocale(LC_CTYPE, "C.UTF-8");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http2_streams_begin();
}

static bool copy_options(struct client_shared *shared, const struct http_client_options *options)
{
    shared->options = *options;
    if (options->total_response_bytes > 0 && options->total_response_bytes / 2 < options->max_response_bytes)
        shared->options.total_response_bytes = options->max_response_bytes * 2;
    const char **texts[TEXT_OPTIONS] = {&shared->options.user_agent, &shared->options.no_proxy};
    shared->options.http_proxy = shared->options.https_proxy = NULL;   /* their parsed form counts */
    shared->options.egress_allow = shared->options.egress_deny = NULL; /* and theirs */
    for (size_t i = 0; i < TEXT_OPTIONS; i++) {
        shared->texts[i] = strdup(*texts[i] ? *texts[i] : "");
        if (!shared->texts[i])
            return false;
        *texts[i] = shared->texts[i];
    }
    return true;
}

static int parse_proxies(struct client_shared *shared, const struct http_client_options *options,
                         struct error *err)
{
    struct error problem = {0};
    int result = proxy_parse(options->http_proxy, &shared->http_proxy, &problem);
    if (result != 0)
        return error_set(err, result, "the proxy for http URLs: %s", problem.message);
    result = proxy_parse(options->https_proxy, &shared->https_proxy, &problem);
    shared->http_proxy.setting = options->http_proxy_setting ? options->http_proxy_setting : "";
    shared->https_proxy.setting = options->https_proxy_setting ? options->https_proxy_setting : "";
    return result == 0 ? 0 : error_set(err, result, "the proxy for https URLs: %s", problem.message);
}

static int read_egress(struct client_shared *shared, const struct http_client_options *options,
                       struct error *err)
{
    struct error problem = {0};
    if (!options->judges_egress)
        return 0;
    shared->egress = egress_new(options->egress_allow, options->egress_deny, &problem);
    return shared->egress ? 0 : error_set(err, problem.kind, "where requests may go: %s", problem.message);
}

int shared_init(struct client_shared *shared, const struct http_client_options *options, struct error *err)
{
    uv_once(&once, initialise_curl);
    if (!copy_options(shared, options))
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    fixed_headers_fill(&shared->fixed_headers, shared->options.user_agent);
    int result = parse_proxies(shared, options, err);
    return result == 0 ? read_egress(shared, options, err) : result;
}

void shared_clear(struct client_shared *shared)
{
    spare_calls_free(&shared->spare);
    proxy_clear(&shared->http_proxy);
    proxy_clear(&shared->https_proxy);
    egress_free(shared->egress);
    for (size_t i = 0; i < TEXT_OPTIONS; i++)
        free(shared->texts[i]);
    sessions_clear(shared);
}
