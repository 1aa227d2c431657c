/* See destination.h. The client has the webhooks' own options: their proxies, authorities and policy. */
#include "destination.h"
#include "agent/http_options.h"
#include "http/url.h"
#include "route.h"
#include <string.h>
#include <time.h>

static const char AREA[] = "Destination";

/** One step of the way; NULL: it did not come to that. */
static struct check_step *begin_step(struct check_steps *steps, const struct http_route *route,
                                     enum http_route_step which, const char *name)
{
    if (route->reached < which)
        return NULL;
    bool failed = route->reached == which;
    struct check_step *step = check_begin(steps, AREA, name, failed ? CHECK_FAILED : CHECK_OK);
    if (failed)
        buffer_append_text(&step->detail, route->reason);
    return step;
}

static bool is_failed(const struct check_step *step)
{
    return step->verdict == CHECK_FAILED;
}

/** The first step names the endpoint: there may be several. */
static void tell_proxy_and_name(struct check_steps *steps, const struct http_route *route, const char *url)
{
    struct check_step *step = begin_step(steps, route, ROUTE_PROXY, "proxy");
    if (step && !is_failed(step))
        buffer_append_text(&step->detail, *route->proxy ? route->proxy : "none");
    else if (step && route->failure == HTTP_BAD_URL)
        buffer_append_text(&step->hint, "write https://svc.internal/vm");
    else if (step)
        buffer_append_text(&step->hint, "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or name the host in "
                                        "NO_PROXY if it is reached without a proxy");
    if (step) {
        buffer_append_text(&step->detail, " (to ");
        url_append_shown(&step->detail, slice_of(url));
        buffer_append_char(&step->detail, ')');
        check_end(steps, step);
    }
    step = begin_step(steps, route, ROUTE_NAME, "dns");
    if (step && !is_failed(step))
        buffer_appendf(&step->detail, "%s is known", *route->proxy ? "the proxy's name" : "the host name");
    else if (step)
        buffer_append_text(&step->hint, "check the host in the URL; inside Kubernetes a service of another "
                                        "namespace is NAME.NAMESPACE");
    if (step)
        check_end(steps, step);
}

static void tell_policy_and_connection(struct check_steps *steps, const struct http_route *route)
{
    struct check_step *step = begin_step(steps, route, ROUTE_EGRESS, "egress policy");
    if (step && !is_failed(step))
        buffer_append_text(&step->detail, "webhooks may go there");
    else if (step)
        buffer_append_text(&step->hint, "EGRESS_ALLOW and EGRESS_DENY say where webhooks may go");
    if (step)
        check_end(steps, step);
    step = begin_step(steps, route, ROUTE_CONNECTION, "connection");
    if (step && !is_failed(step))
        buffer_appendf(&step->detail, "connected to %s", route->address);
    else if (step)
        buffer_append_text(&step->hint,
                           "does the endpoint listen at this address and port? A firewall or a network "
                           "policy may be in the way");
    if (step)
        check_end(steps, step);
}

static const char *tls_advice(const struct http_route *route)
{
    if (route->failure != HTTP_TLS_CERTIFICATE)
        return "does this port speak TLS? If not, write http://";
    if (strstr(route->reason, "issuer") || strstr(route->reason, "self"))
        return "the certificate's authority is not trusted here: set SSL_CERT_FILE to the authority's "
               "certificate "
               "(PEM), or mount it as a .crt file in /usr/local/share/ca-certificates";
    return "has the certificate expired, or does it belong to another host?";
}

static void append_certificates(struct buffer *out, const struct http_route *route)
{
    for (size_t i = 0; i < route->certificate_count; i++) {
        const struct http_certificate *one = &route->certificates[i];
        char day[32] = "?";
        time_t at = (time_t)one->expires_s;
        struct tm fields;
        if (gmtime_r(&at, &fields))
            PA_IGNORE((int)strftime(day, sizeof day, "%Y-%m-%d", &fields));
        buffer_appendf(out, "; %s issued by %s until %s", one->subject ? one->subject : "?",
                       one->issuer ? one->issuer : "?", day);
    }
}

static void tell_tls(struct check_steps *steps, const struct config *config, const struct http_route *route)
{
    if (!route->tls) {
        if (route->reached > ROUTE_TLS)
            check_say(steps, AREA, "tls", CHECK_SKIPPED, "the URL is http: nothing is encrypted", NULL);
        return;
    }
    struct check_step *step = begin_step(steps, route, ROUTE_TLS, "tls");
    if (!step)
        return;
    if (is_failed(step))
        buffer_append_text(&step->hint, tls_advice(route));
    else
        buffer_append_text(&step->detail, config->verify_tls ? "the certificate is verified"
                                                             : "WEBHOOK_VERIFY_SSL is false: not verified");
    append_certificates(&step->detail, route);
    check_end(steps, step);
}

static void tell_answer(struct check_steps *steps, const struct http_route *route, bool request)
{
    if (!request && route->reached == ROUTE_DONE) {
        check_say(steps, AREA, "answer", CHECK_SKIPPED, "no request was made", NULL);
        return;
    }
    struct check_step *step = begin_step(steps, route, ROUTE_ANSWER, "answer");
    if (!step)
        return;
    if (!is_failed(step))
        buffer_appendf(&step->detail, "the endpoint answers a GET with status %d", route->status);
    check_end(steps, step);
}

void check_destination(struct check_steps *steps, const struct config *config,
                       const struct authorities *authorities, int64_t timeout_ms, const char *url,
                       bool request)
{
    struct http_client_options options = http_options(config, authorities);
    struct http_route route = {0};
    struct error err = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    options.loop = &loop;
    options.clock = clock_system();
    options.connect_timeout_ms = options.idle_timeout_ms = options.total_timeout_ms = timeout_ms;
    options.max_response_bytes = 65536;
    options.max_connections = 1;
    options.redirects = HTTP_REDIRECTS_ANSWER;
    options.verify_tls = config->verify_tls;
    options.client_certificates = config->webhook_certificates;
    options.client_certificate_setting = "WEBHOOK_CLIENT_CERT";
    options.judges_egress = true;
    options.egress_allow = config->egress_allow;
    options.egress_deny = config->egress_deny;
    struct http_client *client = http_client_new(&options, &err);
    if (!client) {
        check_say(steps, AREA, "proxy", CHECK_FAILED, err.message, NULL);
    } else if (http_route_trace(client, url, request, &route) != 0) {
        check_say(steps, AREA, "connection", CHECK_FAILED, "out of memory", NULL);
    } else {
        tell_proxy_and_name(steps, &route, url);
        tell_policy_and_connection(steps, &route);
        tell_tls(steps, config, &route);
        tell_answer(steps, &route, request);
    }
    http_route_clear(&route);
    if (client)
        http_client_close(client, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}
