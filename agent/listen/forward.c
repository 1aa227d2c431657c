/* See forward.h. No proxy is asked: a handler is near. */
#include "forward.h"
#include "base/cut.h"
#include "base/version.h"
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 5000, SILENCE_MS = 60000, HEADERS_MAX = 64, ANSWER_MAX = 8 << 20, CONNECTIONS = 16 };

struct forward {
    struct http_client *client;
    const char *url;
    bool exact;
};

/** One that is under way. */
struct forwarding {
    struct buffer body;
    http_done *done;
    void *ctx;
};

/** Whether a path or a query follows the host. */
static bool has_path(const char *url)
{
    const char *host = strstr(url, "://");
    const char *rest = host ? strpbrk(host + 3, "/?") : NULL;
    return rest && strcmp(rest, "/") != 0;
}

struct forward *forward_new(uv_loop_t *loop, const char *url, struct error *err)
{
    const struct http_client_options options = {.loop = loop,
                                                .clock = clock_system(),
                                                .user_agent = agent_user_agent,
                                                .connect_timeout_ms = CONNECT_MS,
                                                .idle_timeout_ms = SILENCE_MS,
                                                .total_timeout_ms = SILENCE_MS,
                                                .max_response_bytes = ANSWER_MAX,
                                                .max_connections = CONNECTIONS,
                                                .redirects = HTTP_REDIRECTS_ANSWER};
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    *forward = (struct forward){.client = http_client_new(&options, err), .url = url, .exact = has_path(url)};
    if (forward->client)
        return forward;
    free(forward);
    return NULL;
}

static void forwarded(void *ctx, const struct http_result *result)
{
    struct forwarding *forwarding = ctx;
    forwarding->done(forwarding->ctx, result);
    buffer_clear(&forwarding->body);
    free(forwarding);
}

/** Headers of the connection, which the next one has of its own. */
static bool stays_behind(struct slice name)
{
    static const char *const names[] = {"Host",   "Connection", "Content-Length", "Transfer-Encoding",
                                        "Expect", "Keep-Alive", "User-Agent"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_text_ignore_case(name, names[i]))
            return true;
    return false;
}

static size_t take_headers(struct slice lines, struct http_header headers[HEADERS_MAX])
{
    size_t count = 0;
    while (lines.len > 0 && count < HEADERS_MAX) {
        struct slice line = slice_cut(&lines, '\n');
        bool is_header = memchr(line.ptr, ':', line.len) != NULL;
        struct slice name = slice_cut(&line, ':');
        if (is_header && name.len > 0 && !stays_behind(name))
            headers[count++] = (struct http_header){name, slice_trim(line)};
    }
    return count;
}

int forward_start(struct forward *forward, struct slice method, struct slice target, struct slice headers,
                  struct slice body, http_done *done, void *ctx)
{
    struct http_header list[HEADERS_MAX];
    struct buffer url = {0};
    char *verb = slice_to_text(method);
    struct forwarding *forwarding = calloc(1, sizeof *forwarding);
    struct http_call *call = NULL;
    size_t url_len = strlen(forward->url);
    buffer_append_text(&url, forward->url);
    if (!forward->exact && url_len > 0 && forward->url[url_len - 1] == '/')
        url.len--;
    if (!forward->exact)
        buffer_append_slice(&url, target);
    if (verb && forwarding && !url.failed) {
        *forwarding = (struct forwarding){.done = done, .ctx = ctx};
        buffer_append_slice(&forwarding->body, body);
        const struct http_request request = {
            .method = verb,
            .url = buffer_text(&url),
            .headers = list,
            .header_count = take_headers(headers, list),
            .body = body.len > 0 ? buffer_slice(&forwarding->body) : (struct slice){NULL, 0},
            .keep_headers = true,
        };
        if (!forwarding->body.failed)
            call = http_start(forward->client, &request, forwarded, forwarding);
    }
    if (!call && forwarding)
        buffer_clear(&forwarding->body);
    if (!call)
        free(forwarding);
    free(verb);
    buffer_clear(&url);
    return call ? 0 : PA_ERR_MEMORY;
}

void forward_close(struct forward *forward, void (*closed)(void *ctx), void *ctx)
{
    if (!forward)
        return;
    http_client_close(forward->client, closed, ctx);
    free(forward);
}
