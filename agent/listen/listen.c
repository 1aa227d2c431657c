/* `port-agent listen`: a receiver for one's own desk. Shows each webhook, says whether its signature is
 * right, and answers as told or as somebody's own handler does. */
#include "agent/body.h"
#include "agent/commands.h"
#include "agent/http_server/server.h"
#include "agent/options.h"
#include "agent/run/signal_watch.h"
#include "agent/terminal.h"
#include "agent/verify/secret.h"
#include "base/clock.h"
#include "base/signals.h"
#include "forward.h"
#include "http/url.h"
#include "show.h"
#include "json/canonical.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORT_USUAL = 8080, PORT_MAX = 65535, DELAY_MAX_MS = 3600000 };

struct listening {
    uv_loop_t loop;
    struct http_server *server;
    struct forward *forward;
    struct signal_watch signals;
    struct secret secret;
    /** What it answers. */
    int status;
    struct slice body;
    int64_t port, delay_ms;
    bool json, colour, unwritable;
};

/** A webhook that a handler is asked about. */
struct asked {
    struct listening *listening;
    struct http_exchange *exchange;
    /** --output json: its object so far. */
    struct buffer json;
};

/* Showing */

static void write_out(struct listening *listening, struct buffer *text)
{
    listening->unwritable |=
        fwrite(buffer_text(text), 1, text->len, stdout) != text->len || fflush(stdout) != 0;
    buffer_clear(text);
}

static void show_webhook(struct listening *listening, const struct http_server_request *request,
                         struct buffer *json)
{
    int64_t now_ms = clock_wall_ms(clock_system());
    struct buffer findings = {0}, text = {0};
    bool unreadable;
    const struct signature_case given = {
        .secret = listening->secret.value,
        .body = request->body,
        .timestamp = http_exchange_header(request->exchange, "X-Port-Timestamp"),
        .signature = http_exchange_header(request->exchange, "X-Port-Signature"),
        .now_s = now_ms / 1000,
    };
    struct webhook webhook = {.wall_ms = now_ms,
                              .method = request->method,
                              .target = request->target,
                              .headers = http_exchange_headers(request->exchange),
                              .body = request->body,
                              .ways = signature_check_ways(&given)};
    PA_IGNORE(signature_diagnose(&given, &findings, &unreadable)); /* the ways say so */
    webhook.findings = buffer_slice(&findings);
    if (listening->json) {
        webhook_show_json(&webhook, json);
    } else {
        webhook_show_text(&webhook, listening->colour, &text);
        write_out(listening, &text);
    }
    buffer_clear(&findings);
}

/** `by`: whose answer it is; `json` is taken over. */
static void show_answer(struct listening *listening, struct buffer *json, const char *by, int status,
                        const char *why, struct slice body)
{
    struct buffer text = {0};
    if (listening->json) {
        buffer_appendf(json, ",\"answer\":{\"by\":\"%s\",\"status\":%d,\"problem\":", by, status);
        if (why)
            buffer_append_json_string(json, slice_of(why));
        else
            buffer_append_text(json, "null");
        buffer_append_text(json, "}}\n");
        write_out(listening, json);
        return;
    }
    buffer_appendf(&text, "  answered %d", status);
    if (why) {
        buffer_append_text(&text, ": ");
        terminal_append(&text, slice_of(why), false);
    } else if (strcmp(by, "handler") == 0) {
        buffer_append_text(&text, " by the handler");
    }
    buffer_append_char(&text, '\n');
    if (strcmp(by, "handler") == 0 && body.len > 0)
        body_show(body, listening->colour, &text);
    buffer_append_char(&text, '\n');
    write_out(listening, &text);
}

/* Answering */

static void handler_answered(void *ctx, const struct http_result *result)
{
    struct asked *asked = ctx;
    struct listening *listening = asked->listening;
    bool answered = result->failure == HTTP_OK;
    struct slice reason = slice_of(result->reason);
    char *type = slice_to_text(result->content_type);
    if (result->failure == HTTP_CANCELLED) {
        http_server_abort(asked->exchange);
    } else if (!type) {
        http_server_answer(asked->exchange, 500, "text/plain", NULL, SLICE_LITERAL("out of memory"), 0);
    } else {
        int status = answered ? result->status : 502;
        show_answer(listening, &asked->json, answered ? "handler" : "listen", status,
                    answered ? NULL : result->reason, result->body);
        http_server_answer(asked->exchange, status, answered && *type ? type : "text/plain", NULL,
                           answered ? result->body : reason, listening->delay_ms);
    }
    free(type);
    buffer_clear(&asked->json);
    free(asked);
}

static void ask_handler(struct listening *listening, struct http_exchange *exchange,
                        const struct http_server_request *request, struct buffer *json)
{
    struct asked *asked = malloc(sizeof *asked);
    if (asked) {
        *asked = (struct asked){listening, exchange, *json};
        if (forward_start(listening->forward, request->method, request->target,
                          http_exchange_headers(exchange), request->body, handler_answered, asked) == 0)
            return;
    }
    free(asked);
    buffer_clear(json);
    http_server_answer(exchange, 500, "text/plain", NULL, SLICE_LITERAL("out of memory"), 0);
}

static bool is_json(struct slice text)
{
    struct buffer canonical = {0};
    bool json = json_canonical(text, &canonical, NULL) == 0;
    buffer_clear(&canonical);
    return json;
}

static void webhook_came(void *ctx, struct http_exchange *exchange, const struct http_server_request *request)
{
    struct listening *listening = ctx;
    struct buffer json = {0};
    show_webhook(listening, request, &json);
    if (listening->forward) {
        ask_handler(listening, exchange, request, &json);
        return;
    }
    show_answer(listening, &json, "listen", listening->status, NULL, listening->body);
    http_server_answer(exchange, listening->status,
                       is_json(listening->body) ? "application/json" : "text/plain; charset=utf-8", NULL,
                       listening->body, listening->delay_ms);
}

/* Starting and ending */

static void listen_stop_asked(void *ctx, int number, bool again)
{
    struct listening *listening = ctx;
    if (again)
        _exit(128 + number);
    signal_watch_close(&listening->signals);
    forward_close(listening->forward, NULL, NULL);
    http_server_close(listening->server, NULL, NULL);
}

static void say_where(const struct listening *listening, const char *forward)
{
    struct buffer shown = {0};
    if (forward) {
        buffer_append_text(&shown, ", passing webhooks on to ");
        url_append_shown(&shown, slice_of(forward));
    }
    fprintf(stderr, "listening on http://127.0.0.1:%d%s", http_server_port(listening->server),
            buffer_text(&shown));
    buffer_clear(&shown);
    fputs("; Ctrl-C ends\n", stderr);
}

static int listen_until_stopped(struct listening *listening, int port, const char *forward)
{
    struct error err = {0};
    uv_loop_init(&listening->loop);
    if (forward && !(listening->forward = forward_new(&listening->loop, forward, &err))) {
        uv_loop_close(&listening->loop);
        fprintf(stderr, "port-agent listen: --forward: %s\n", err.message);
        return EXIT_CODE_FAILURE;
    }
    listening->server = http_server_new(&listening->loop, port, webhook_came, listening, &err);
    if (listening->server) {
        listening->signals = (struct signal_watch){.stop = listen_stop_asked, .ctx = listening};
        signal_watch_start(&listening->signals, &listening->loop);
        say_where(listening, forward);
    } else {
        fprintf(stderr, "port-agent listen: %s; --port takes another one, and 0 any that is free\n",
                err.message);
        forward_close(listening->forward, NULL, NULL);
    }
    uv_run(&listening->loop, UV_RUN_DEFAULT);
    uv_loop_close(&listening->loop);
    return listening->server && !listening->unwritable ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

/* The command line */

/** A whole number of at most `most`; false: it is none. */
static bool read_number(const char *text, int64_t most, int64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    *out = digits > 0 && digits <= 9 ? strtoll(text, NULL, 10) : -1;
    return *out >= 0 && *out <= most && text[digits] == '\0';
}

static bool take_answer(const char *text, struct listening *listening)
{
    size_t digits = strspn(text, "0123456789");
    listening->status = (int)strtol(text, NULL, 10);
    listening->body = text[digits] == ':' ? slice_of(text + digits + 1) : (struct slice){"", 0};
    return digits == 3 && listening->status >= 200 && (text[digits] == ':' || text[digits] == '\0');
}

/** Options as they were written; NULL: not given. */
struct listen_texts {
    const char *port, *forward, *respond, *delay, *secret;
};

static int take_texts(const struct listen_texts *texts, const struct command_usage *usage,
                      struct listening *listening)
{
    if (texts->port && !read_number(texts->port, PORT_MAX, &listening->port))
        return options_wrong(usage, "--port: '%s' is not a port; write 8080", texts->port);
    if (texts->delay && !read_number(texts->delay, DELAY_MAX_MS, &listening->delay_ms))
        return options_wrong(usage, "--delay: '%s' is not a number of milliseconds up to %d; write 2000",
                             texts->delay, DELAY_MAX_MS);
    if (texts->forward && texts->respond)
        return options_wrong(usage, "--forward and --respond are both given; leave one of them out");
    if (texts->respond && !take_answer(texts->respond, listening))
        return options_wrong(usage, "--respond: '%s' is not an answer; write 503 or 200:{\"ok\":true}",
                             texts->respond);
    int code = texts->forward ? options_url(usage, "forward", texts->forward, "http://localhost:3000")
                              : OPTIONS_GO_ON;
    if (code != OPTIONS_GO_ON)
        return code;
    return secret_read("listen", texts->secret, &listening->secret);
}

static const char intro[] =
    "Receives webhooks on your own machine, on 127.0.0.1 alone. Shows each webhook with its\n"
    "headers and body, says whether its signature is valid, over the body as it came and over\n"
    "JSON.stringify(JSON.parse(body)), and if not, what differs. It answers as --respond says, "
    "or passes\n"
    "webhooks on to your own handler. Ctrl-C ends it.\n\n"
    "  port-agent listen\n"
    "  port-agent listen --forward http://localhost:3000\n"
    "  port-agent listen --respond '503:{\"error\":\"busy\"}' --delay 2000\n"
    "  port-agent listen --output json | jq .signature";

int command_listen(int argc, char **argv)
{
    struct listening listening = {.port = PORT_USUAL, .status = 200, .body = SLICE_LITERAL("{\"ok\":true}")};
    struct listen_texts texts = {0};
    const struct command_option options[] = {
        {.name = "port",
         .value = "N",
         .text = &texts.port,
         .help = "the port to listen on (8080 by default); 0: any free port"},
        {.name = "forward",
         .value = "URL",
         .text = &texts.forward,
         .help = "pass each webhook on to this handler, and its answer back; where URL has no path, "
                 "the webhook's path is used"},
        {.name = "respond",
         .value = "STATUS[:BODY]",
         .text = &texts.respond,
         .help = "the answer; 200:{\"ok\":true} by default"},
        {.name = "delay",
         .value = "MS",
         .text = &texts.delay,
         .help = "wait MS milliseconds before the answer"},
        {.name = "secret-file",
         .value = "FILE",
         .text = &texts.secret,
         .help =
             "a file with the client secret (its final newline is left out); PORT_CLIENT_SECRET by default"},
        OPTION_OUTPUT(&listening.json, "json: one object a line for each webhook"),
    };
    const struct command_usage usage = {
        .command = "listen",
        .summary = "[--port N] [--forward URL | --respond STATUS[:BODY]] [--delay MS]",
        .intro = intro,
        .exit_codes = "Exit codes: 0 stopped as asked; 1 it cannot listen, or its output cannot be written; "
                      "64 wrong usage;\n78 no client secret.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    code = take_texts(&texts, &usage, &listening);
    if (code != EXIT_CODE_OK)
        return code;
    listening.colour = terminal_has_colour(STDOUT_FILENO);
    signals_ignore_strays();
    code = listen_until_stopped(&listening, (int)listening.port, texts.forward);
    secret_clear(&listening.secret);
    return code;
}
