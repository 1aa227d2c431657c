/* See service.h. The routes are the table below. */
#include "service.h"
#include "admin/server.h"
#include "admin/socket.h"
#include "http/url.h"
#include "lag.h"
#include "live.h"
#include "metrics.h"
#include "observe/conditions.h"
#include "page.h"
#include "redeliveries.h"
#include <stdlib.h>
#include <string.h>

struct status_service {
    struct status_service_options options;
    int64_t started_wall_ms;
    struct live *live;
    /** NULL: out of memory, and nothing is delivered once more. */
    struct redeliveries *redeliveries;
    struct admin_server *local, *port;
    struct slice token;
    /** NULL: out of memory, and it is not measured. */
    struct loop_lag *lag;
    char socket[ADMIN_SOCKET_NAME_SIZE];
};

static const char JSON[] = "application/json";

static struct status_parts parts_of(const struct status_service *service)
{
    struct status_parts parts = {.config = service->options.config, .clock = service->options.clock};
    service->options.parts(service->options.ctx, &parts);
    parts.loop_lag = loop_lag_histogram(service->lag);
    return parts;
}

static struct snapshot *take(const struct status_service *service)
{
    struct status_parts parts = parts_of(service);
    return snapshot_take(&parts);
}

static void parts_for_page(void *ctx, struct status_parts *parts)
{
    *parts = parts_of(ctx);
}

/* What is asked */

/** That the loop answers is the point; beside it only what no more than a restart mends. */
static void get_livez(struct status_service *service, const struct admin_request *request,
                      struct admin_answer *answer)
{
    (void)request;
    bool lost = parts_of(service).mapping_lost;
    admin_answer_text(answer, lost ? 503 : 200, lost ? "the mappings' process is gone for good" : "alive");
}

static void get_readyz(struct status_service *service, const struct admin_request *request,
                       struct admin_answer *answer)
{
    (void)request;
    struct snapshot *snapshot = take(service);
    answer->content_type = JSON;
    answer->status = 503;
    if (snapshot && snapshot_readiness(snapshot, &answer->body))
        answer->status = 200;
    snapshot_free(snapshot);
}

static void get_status(struct status_service *service, const struct admin_request *request,
                       struct admin_answer *answer)
{
    (void)request;
    struct snapshot *snapshot = take(service);
    answer->content_type = JSON;
    answer->status = snapshot ? 200 : 503;
    if (snapshot)
        snapshot_json(snapshot, service->started_wall_ms, &answer->body);
    snapshot_free(snapshot);
}

static void get_metrics(struct status_service *service, const struct admin_request *request,
                        struct admin_answer *answer)
{
    bool open = metrics_wants_open(request->accept);
    struct snapshot *snapshot = take(service);
    answer->content_type = open ? metrics_open_type : metrics_type;
    answer->status = snapshot ? 200 : 503;
    if (snapshot)
        metrics_write(snapshot, service->started_wall_ms, open, &answer->body);
    snapshot_free(snapshot);
}

/** There is nothing of this agent's in the page itself: with the token it asks for that. */
static void get_page(struct status_service *service, const struct admin_request *request,
                     struct admin_answer *answer)
{
    if (!request->may_see && service->token.len == 0) {
        admin_answer_text(
            answer, 403, "without ADMIN_TOKEN this page is shown over loopback alone (kubectl port-forward)");
        return;
    }
    answer->status = 200;
    answer->content_type = "text/html; charset=utf-8";
    answer->policy = live_page_policy;
    buffer_append(&answer->body, live_page, live_page_len);
}

static void get_events(struct status_service *service, const struct admin_request *request,
                       struct admin_answer *answer)
{
    answer->status = 503;
    if (!live_watch(service->live, request->last_event_id, &answer->stream))
        return;
    answer->status = 200;
    answer->content_type = "text/event-stream";
}

static void get_run(struct status_service *service, const struct admin_request *request,
                    struct admin_answer *answer)
{
    struct status_parts parts = parts_of(service);
    answer->content_type = JSON;
    answer->status = run_json(&parts, slice_of(request->target), &answer->body) ? 200 : 404;
}

/* What is changed */

/** The destination that is meant, as the agent names it; the caller clears. False, and it is answered: it is
 * none. */
static bool destination_of(const struct admin_request *request, struct url_parts *url,
                           struct admin_answer *answer)
{
    struct error err = {0};
    if (!request->target || url_parse(slice_of(request->target), url, &err) == 0)
        return true;
    admin_answer_text(answer, 400,
                      "a destination is a scheme, a host and a port, such as https://svc.internal:8443");
    return false;
}

static const char PAUSED[] =
    "the operator has paused it: deliveries wait, and fill the memory for records, until 'port-agent resume'";

static void post_pause(struct status_service *service, const struct admin_request *request,
                       struct admin_answer *answer)
{
    struct status_parts parts = parts_of(service);
    struct url_parts url = {0};
    if (!destination_of(request, &url, answer))
        return;
    if (!parts.deliver || !deliver_pause(parts.deliver, url.destination, true)) {
        admin_answer_text(answer, 503, "it cannot be paused: too many are, or the agent is stopping");
    } else {
        condition_met(parts.conditions, CONDITION_PAUSED, url.destination, 0, PAUSED);
        admin_answer_text(answer, 200, url.destination ? url.destination : "every destination");
    }
    url_parts_clear(&url);
}

static void end_conditions(const struct status_parts *parts, const char *destination)
{
    const struct window *window = deliver_window(parts->deliver);
    const char *name;
    condition_ended(parts->conditions, CONDITION_PAUSED, destination, 0);
    for (size_t i = 0; !destination && (name = window_paused(window, i)); i++)
        condition_ended(parts->conditions, CONDITION_PAUSED, name, 0);
}

static void post_resume(struct status_service *service, const struct admin_request *request,
                        struct admin_answer *answer)
{
    struct status_parts parts = parts_of(service);
    struct url_parts url = {0};
    if (!destination_of(request, &url, answer))
        return;
    if (!parts.deliver) {
        admin_answer_text(answer, 503, "the agent is stopping");
    } else {
        end_conditions(&parts, url.destination);
        /* Only more of them can be too many. */
        PA_IGNORE(deliver_pause(parts.deliver, url.destination, false));
        admin_answer_text(answer, 200, url.destination ? url.destination : "every destination");
    }
    url_parts_clear(&url);
}

static void post_cancel(struct status_service *service, const struct admin_request *request,
                        struct admin_answer *answer)
{
    struct status_parts parts = parts_of(service);
    size_t answered = 0;
    struct slice run_id = slice_of(request->target);
    size_t cancelled =
        parts.deliver && run_id.len > 0 ? deliver_cancel_run(parts.deliver, run_id, &answered) : 0;
    if (cancelled > 0) {
        log_warning("a run is cancelled by the operator", F_SLICE("port.run_id", run_id));
        admin_answer_text(answer, 200, "it fails: cancelled by the operator");
    } else if (answered > 0) {
        admin_answer_text(answer, 409, "it has its last answer already: what is left is to tell Port");
    } else {
        admin_answer_text(answer, 404, "no delivery of that run is here");
    }
}

static void post_log_level(struct status_service *service, const struct admin_request *request,
                           struct admin_answer *answer)
{
    enum log_level level;
    (void)service;
    if (!request->target || !log_level_of(request->target, &level)) {
        admin_answer_text(answer, 400, "a log level is DEBUG, INFO, WARNING, ERROR or CRITICAL");
        return;
    }
    log_set_level(level);
    log_warning("the operator has changed the log level", F_STR("log_level", log_level_name(level)));
    admin_answer_text(answer, 200, log_level_name(level));
}

static void post_redeliver(struct status_service *service, const struct admin_request *request,
                           struct admin_answer *answer)
{
    struct status_parts parts = parts_of(service);
    redeliveries_ask(service->redeliveries, &parts, request->target, answer);
}

static void get_redelivery(struct status_service *service, const struct admin_request *request,
                           struct admin_answer *answer)
{
    redeliveries_fetch(service->redeliveries, request->target, answer);
}

void status_service_told(struct status_service *service, const struct observed *observed)
{
    if (service)
        redeliveries_told(service->redeliveries, observed);
}

/* Routes */

struct route {
    const char *path, *method;
    /** Not everybody may see it, or change it. */
    bool guarded;
    void (*answer)(struct status_service *service, const struct admin_request *request,
                   struct admin_answer *answer);
};

static const struct route routes[] = {
    {"/", "GET", false, get_page},
    {"/events", "GET", true, get_events},
    {"/livez", "GET", false, get_livez},
    {"/readyz", "GET", false, get_readyz},
    {"/metrics", "GET", false, get_metrics},
    {"/status.json", "GET", true, get_status},
    {"/run", "GET", true, get_run},
    {"/pause", "POST", true, post_pause},
    {"/resume", "POST", true, post_resume},
    {"/cancel", "POST", true, post_cancel},
    {"/log-level", "POST", true, post_log_level},
    {"/redeliver", "POST", true, post_redeliver},
    {"/redelivery", "GET", true, get_redelivery},
};

static void answer_request(void *ctx, const struct admin_request *request, struct admin_answer *answer)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        if (strcmp(route->path, request->path) != 0)
            continue;
        bool changes = strcmp(route->method, "POST") == 0;
        if (strcmp(route->method, request->method) != 0) {
            answer->allow = changes ? "POST" : "GET, HEAD";
            admin_answer_text(answer, 405, "this is not done with that method");
        } else if (route->guarded && !(changes ? request->may_change : request->may_see)) {
            admin_answer_text(
                answer, 403,
                "this needs the token (Authorization: Bearer, ADMIN_TOKEN), or the agent's Unix socket");
        } else {
            route->answer(ctx, request, answer);
        }
        return;
    }
}

/* Life */

static struct admin_server *open_server(struct status_service *service, int fd, bool local, struct error *err)
{
    const struct admin_server_options options = {.loop = service->options.loop,
                                                 .fd = fd,
                                                 .local = local,
                                                 .token = service->token,
                                                 .answer = answer_request,
                                                 .ctx = service};
    return fd < 0 ? NULL : admin_server_new(&options, err);
}

static void open_socket(struct status_service *service)
{
    const struct config *config = service->options.config;
    const struct admin_socket_choice choice = {
        .setting = config->status_socket, .org_id = config->org_id, .group_id = config->group_id};
    struct error err = {0};
    service->local = open_server(service, admin_socket_listen(&choice, service->socket, &err), true, &err);
    if (!service->local)
        log_warning("no socket for 'port-agent status' and 'health': set STATUS_SOCKET to a path that can be "
                    "written",
                    F_STR("error.message", err.message));
}

static void open_port(struct status_service *service)
{
    const char *address = service->options.config->admin_listen;
    struct error err = {0};
    if (!*address)
        return;
    service->port = open_server(service, admin_listen(address, &err), false, &err);
    if (service->port)
        log_info("listening for health checks and status", F_STR("address", address));
    else
        log_warning("ADMIN_LISTEN cannot be listened on: health checks and status are not served there",
                    F_STR("error.message", err.message));
}

struct status_service *status_service_new(const struct status_service_options *options)
{
    struct status_service *service = calloc(1, sizeof *service);
    if (!service)
        return NULL;
    service->options = *options;
    service->token = options->config->admin_token.value;
    service->started_wall_ms = clock_wall_ms(options->clock);
    const struct live_options live = {.clock = options->clock,
                                      .started_wall_ms = service->started_wall_ms,
                                      .parts = parts_for_page,
                                      .ctx = service};
    service->live = live_new(&live);
    if (!service->live) {
        free(service);
        return NULL;
    }
    service->redeliveries = redeliveries_new();
    service->lag = loop_lag_new(options->loop);
    open_socket(service);
    open_port(service);
    return service;
}

void status_service_use_token(struct status_service *service, struct slice token)
{
    if (!service)
        return;
    service->token = token;
    admin_server_use_token(service->local, token);
    admin_server_use_token(service->port, token);
}

void status_service_close(struct status_service *service)
{
    if (!service)
        return;
    admin_server_close(service->local);
    admin_server_close(service->port);
    loop_lag_close(service->lag);
    if (service->local)
        admin_socket_remove(service->socket);
    live_free(service->live);
    redeliveries_free(service->redeliveries);
    free(service);
}

void status_service_log(const struct status_service *service)
{
    struct snapshot *snapshot = service ? take(service) : NULL;
    if (snapshot)
        snapshot_log(snapshot);
    snapshot_free(snapshot);
}
