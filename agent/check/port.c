/* Shows each step of the way to Port's API, then asks Port for a token, the organisation and the Kafka
 * credentials as the agent would. What failed is told once; the steps behind it are skipped. */
#include "port.h"
#include "agent/kafka_login.h"
#include "agent/port_client.h"
#include "base/json_tree.h"
#include "route.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXPIRY_WARNING_S = 14 * 86400, SKEW_WARNING_MS = 30000 };

static const char AREA[] = "Port's API";

struct checking {
    struct check_steps *steps;
    const struct config *config;
    struct kafka_credentials *credentials;
    uv_loop_t loop;
    struct port_client port;
};

/* The way there */

static void proxy_step(const struct checking *checking, const struct http_route *route)
{
    bool failed = route->reached == ROUTE_PROXY;
    struct check_step *step = check_begin(checking->steps, AREA, "proxy", failed ? CHECK_FAILED : CHECK_OK);
    buffer_append_text(&step->detail, failed ? route->reason : *route->proxy ? route->proxy : "none");
    if (failed)
        buffer_append_text(&step->hint,
                           "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or name the host in NO_PROXY "
                           "if it is reached without a proxy");
    check_end(checking->steps, step);
}

/** A step of the way; what comes after the one that failed is not told. */
static struct check_step *way_step(const struct checking *checking, const struct http_route *route,
                                   enum http_route_step which, const char *name, int64_t duration_ms)
{
    if (route->reached < which)
        return NULL;
    bool failed = route->reached == which;
    struct check_step *step = check_begin(checking->steps, AREA, name, failed ? CHECK_FAILED : CHECK_OK);
    if (failed)
        buffer_append_text(&step->detail, route->reason);
    else
        step->duration_ms = duration_ms;
    return step;
}

static int64_t between(int64_t from_ms, int64_t to_ms)
{
    return to_ms < 0 ? -1 : to_ms - (from_ms < 0 ? 0 : from_ms);
}

static void name_and_connection(const struct checking *checking, const struct http_route *route)
{
    struct check_step *step = way_step(checking, route, ROUTE_NAME, "dns", route->name_ms);
    if (step && step->verdict == CHECK_FAILED)
        buffer_append_text(&step->hint,
                           "check the host in PORT_API_BASE_URL, or ask whoever runs your DNS for it");
    else if (step)
        buffer_appendf(&step->detail, "%s is known", *route->proxy ? "the proxy's name" : "the host name");
    if (step)
        check_end(checking->steps, step);
    step = way_step(checking, route, ROUTE_CONNECTION, "connection",
                    between(route->name_ms, route->connection_ms));
    if (step && step->verdict == CHECK_FAILED)
        buffer_append_text(&step->hint,
                           "ask for outgoing access to this host and port (firewall, network policy), or "
                           "set HTTPS_PROXY if there is a proxy");
    else if (step)
        buffer_appendf(&step->detail, "connected to %s", route->address);
    if (step)
        check_end(checking->steps, step);
}

static void append_day(struct buffer *out, int64_t seconds)
{
    char text[32];
    time_t at = (time_t)seconds;
    struct tm day;
    if (gmtime_r(&at, &day) && strftime(text, sizeof text, "%Y-%m-%d", &day) > 0)
        buffer_append_text(out, text);
}

static void append_chain(struct buffer *out, const struct http_route *route)
{
    for (size_t i = 0; i < route->certificate_count; i++) {
        const struct http_certificate *one = &route->certificates[i];
        buffer_appendf(out, "; %s issued by %s until ", one->subject ? one->subject : "?",
                       one->issuer ? one->issuer : "?");
        append_day(out, one->expires_s);
    }
}

static int64_t first_expiry(const struct http_route *route)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < route->certificate_count; i++)
        if (route->certificates[i].expires_s < first)
            first = route->certificates[i].expires_s;
    return first;
}

static void tls_hint(const struct http_route *route, struct buffer *hint)
{
    const struct http_certificate *last =
        route->certificate_count > 0 ? &route->certificates[route->certificate_count - 1] : NULL;
    if (strstr(route->reason, "client certificate")) {
        buffer_append_text(hint,
                           "set PORT_API_CLIENT_CERT and PORT_API_CLIENT_KEY to the certificate that this "
                           "server accepts");
    } else if (route->failure != HTTP_TLS_CERTIFICATE) {
        buffer_append_text(hint, "does this port speak TLS? A proxy or firewall on the way may cut it off");
    } else if (last && first_expiry(route) < route->received_ms / 1000) {
        buffer_append_text(hint,
                           "a certificate has expired: ask whoever runs the server to renew it, and check "
                           "this machine's clock");
    } else if (strstr(route->reason, "issuer") || strstr(route->reason, "self")) {
        buffer_appendf(
            hint,
            "its authority is not trusted here: ask for the certificate of %s and set SSL_CERT_FILE "
            "or REQUESTS_CA_BUNDLE to it (PEM), or mount it as a .crt file in "
            "/usr/local/share/ca-certificates",
            last && last->issuer ? last->issuer : "the authority");
    } else {
        buffer_append_text(hint, "the certificate is another host's: check the host in PORT_API_BASE_URL");
    }
}

static void tls_step(const struct checking *checking, const struct http_route *route)
{
    if (!route->tls) {
        if (route->reached > ROUTE_TLS)
            check_say(checking->steps, AREA, "tls", CHECK_SKIPPED, "the URL is http: nothing is encrypted",
                      NULL);
        return;
    }
    struct check_step *step =
        way_step(checking, route, ROUTE_TLS, "tls", between(route->connection_ms, route->tls_ms));
    if (!step)
        return;
    if (step->verdict == CHECK_FAILED) {
        tls_hint(route, &step->hint);
    } else {
        buffer_append_text(&step->detail, "the certificate is verified");
        if (first_expiry(route) < route->received_ms / 1000 + EXPIRY_WARNING_S) {
            step->verdict = CHECK_WARNING;
            buffer_append_text(&step->hint,
                               "a certificate expires soon: ask whoever runs the server to renew it");
        }
    }
    append_chain(&step->detail, route);
    check_end(checking->steps, step);
}

static void answer_step(const struct checking *checking, const struct http_route *route)
{
    struct check_step *step =
        way_step(checking, route, ROUTE_ANSWER, "answer",
                 between(route->tls ? route->tls_ms : route->connection_ms, route->answer_ms));
    if (!step)
        return;
    if (step->verdict == CHECK_FAILED) {
        buffer_append_text(&step->hint, "is PORT_API_BASE_URL the address of Port's API?");
    } else {
        buffer_appendf(&step->detail, "the server answers (status %d)", route->status);
        if (route->status >= 500) {
            step->verdict = CHECK_WARNING;
            buffer_append_text(&step->hint,
                               "Port, or something on the way to it, has trouble: try again later");
        }
    }
    check_end(checking->steps, step);
}

static void clock_step(const struct checking *checking, const struct http_route *route)
{
    if (route->reached != ROUTE_DONE)
        return;
    if (route->date_ms < 0) {
        check_say(checking->steps, AREA, "clock", CHECK_SKIPPED, "the answer has no Date to compare with",
                  NULL);
        return;
    }
    /* The header has whole seconds: it means any moment of its second. */
    int64_t ahead_ms = route->received_ms - route->date_ms - 500;
    int64_t away_ms = ahead_ms < 0 ? -ahead_ms : ahead_ms;
    bool wrong = away_ms > SKEW_WARNING_MS;
    struct check_step *step = check_begin(checking->steps, AREA, "clock", wrong ? CHECK_WARNING : CHECK_OK);
    if (away_ms < 2000)
        buffer_append_text(&step->detail, "agrees with the server's Date");
    else
        buffer_appendf(&step->detail, "this machine's clock is %" PRId64 " s %s the server's", away_ms / 1000,
                       ahead_ms > 0 ? "ahead of" : "behind");
    if (wrong)
        buffer_append_text(&step->hint,
                           "set this machine's clock (NTP): signatures carry the time, and receivers may "
                           "refuse what is too old or in the future");
    check_end(checking->steps, step);
}

static bool way(const struct checking *checking)
{
    struct http_route route;
    bool there = false;
    if (http_route_trace(checking->port.http, checking->config->api_base_url, true, &route) == 0) {
        proxy_step(checking, &route);
        name_and_connection(checking, &route);
        tls_step(checking, &route);
        answer_step(checking, &route);
        clock_step(checking, &route);
        there = route.reached == ROUTE_DONE;
    } else {
        check_say(checking->steps, AREA, "connection", CHECK_FAILED, "out of memory", NULL);
    }
    http_route_clear(&route);
    return there;
}

/* Calls */

struct answered {
    uv_loop_t *loop;
    enum port_answer answer;
    int status;
    bool authentication;
    struct buffer body, reason;
};

static void keep(void *ctx, const struct port_result *result)
{
    struct answered *answered = ctx;
    /* A turn of the loop that goes on after this would wait for connections that are merely kept alive. */
    uv_stop(answered->loop);
    answered->answer = result->answer;
    answered->status = result->status;
    answered->authentication = result->authentication;
    buffer_append_slice(&answered->body, result->body);
    buffer_append_text(&answered->reason, result->reason ? result->reason : "");
}

static void call(struct checking *checking, const char *path, struct answered *out)
{
    *out = (struct answered){.loop = &checking->loop, .answer = PORT_UNAVAILABLE};
    if (!port_api_call(checking->port.api, "GET", path, (struct slice){NULL, 0}, keep, out)) {
        buffer_append_text(&out->reason, "out of memory");
        return;
    }
    uv_run(&checking->loop, UV_RUN_DEFAULT);
}

static void answered_clear(struct answered *answered)
{
    buffer_wipe(&answered->body);
    buffer_clear(&answered->reason);
}

static struct check_step *call_step(const struct checking *checking, const char *name,
                                    const struct answered *answered)
{
    enum check_verdict verdict = answered->answer == PORT_ACCEPTED ? CHECK_OK : CHECK_FAILED;
    struct check_step *step = check_begin(checking->steps, AREA, name, verdict);
    if (verdict == CHECK_FAILED)
        buffer_append_slice(&step->detail, buffer_slice(&answered->reason));
    return step;
}

/** "organization.id" of the answer, when it has one that is not ours. */
static void compare_organisation(const struct checking *checking, const struct answered *answered)
{
    cJSON *root = json_tree(buffer_slice(&answered->body), NULL);
    const cJSON *organisation = cJSON_GetObjectItemCaseSensitive(root, "organization");
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(organisation, "id"));
    if (id) {
        bool same = strcmp(id, checking->config->org_id) == 0;
        struct check_step *step =
            check_begin(checking->steps, AREA, "organisation", same ? CHECK_OK : CHECK_FAILED);
        buffer_appendf(&step->detail, "the credentials belong to %.200s", id);
        if (!same)
            buffer_appendf(&step->hint,
                           "PORT_ORG_ID is '%s': set it to the organisation of the credentials, or set "
                           "PORT_CLIENT_ID and PORT_CLIENT_SECRET to those of your organisation",
                           checking->config->org_id);
        check_end(checking->steps, step);
    }
    cJSON_Delete(root);
}

/** True: there is a token. */
static bool token(struct checking *checking)
{
    struct answered answered;
    call(checking, "/v1/organization", &answered);
    /* A token is what is asked for: what this call itself comes to matters little. */
    if (!answered.authentication && answered.answer == PORT_REFUSED)
        answered.answer = PORT_ACCEPTED;
    bool got = answered.answer == PORT_ACCEPTED;
    struct check_step *step = call_step(checking, "credentials", &answered);
    if (got)
        buffer_append_text(&step->detail, "Port accepts PORT_CLIENT_ID and PORT_CLIENT_SECRET");
    else if (answered.authentication)
        buffer_append_text(
            &step->hint, "check PORT_CLIENT_ID and PORT_CLIENT_SECRET (does one of them begin or end with a "
                         "blank or a quote?), and that PORT_API_BASE_URL is that of your region");
    else
        buffer_append_text(&step->hint, "Port did not answer as it should: try again later");
    check_end(checking->steps, step);
    if (got)
        compare_organisation(checking, &answered);
    answered_clear(&answered);
    return got;
}

static void kafka_credentials(struct checking *checking)
{
    struct error err = {0};
    int failed = kafka_login(checking->port.api, &checking->loop, 0, checking->credentials, &err);
    struct check_step *step =
        check_begin(checking->steps, AREA, "kafka credentials", failed ? CHECK_FAILED : CHECK_OK);
    if (failed) {
        buffer_append_text(&step->detail, err.message);
        buffer_append_text(&step->hint, "ask Port to enable the Kafka agent for your organisation, or set "
                                        "STREAMER_NAME=POLLING");
    } else {
        buffer_appendf(&step->detail, "user %s, brokers %s", checking->credentials->username,
                       checking->credentials->brokers);
    }
    check_end(checking->steps, step);
}

static void calls(struct checking *checking)
{
    if (!token(checking))
        return;
    if (checking->config->streamer == STREAMER_POLLING)
        check_say(checking->steps, AREA, "kafka credentials", CHECK_SKIPPED, "STREAMER_NAME is POLLING",
                  NULL);
    else if (checking->config->local_port)
        check_say(checking->steps, AREA, "kafka credentials", CHECK_SKIPPED,
                  "USING_LOCAL_PORT_INSTANCE is true: the brokers come from the settings", NULL);
    else
        kafka_credentials(checking);
}

void check_port(struct check_steps *steps, const struct config *config, const struct authorities *authorities,
                int64_t timeout_ms, struct kafka_credentials *credentials)
{
    struct checking checking = {.steps = steps, .config = config, .credentials = credentials};
    const struct port_client_options options = {.loop = &checking.loop,
                                                .clock = clock_system(),
                                                .config = config,
                                                .authorities = authorities,
                                                .connect_timeout_ms = timeout_ms,
                                                .idle_timeout_ms = timeout_ms,
                                                .total_timeout_ms = timeout_ms};
    struct error err = {0};
    uv_loop_init(&checking.loop);
    if (port_client_open(&checking.port, &options, &err) != 0)
        check_say(steps, AREA, "connection", CHECK_FAILED, err.message, NULL);
    else if (way(&checking))
        calls(&checking);
    port_client_close(&checking.port, NULL, NULL);
    uv_run(&checking.loop, UV_RUN_DEFAULT);
    uv_loop_close(&checking.loop);
}
