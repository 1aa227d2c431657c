/* Sorts an answer into accepted, refused or to be tried again, and quotes Port's words without secrets. */
#include "port/answer.h"
#include "http/retry_after.h"
#include <stdio.h>
#include <string.h>

enum { QUIET_MAX_MS = 300000, SAID_BY_PORT_MAX = 200 /* bytes of a refusal's body that are quoted */ };

bool port_answer_starved(const struct http_result *http)
{
    return http->failure == HTTP_MEMORY || http->failure == HTTP_NO_DESCRIPTOR ||
           (http->failure == HTTP_OK && http->body_cut == HTTP_CUT_NO_ROOM);
}

static bool is_success(const struct http_result *http)
{
    return http->failure == HTTP_OK && http->status >= 200 && http->status < 300;
}

/** HTML or XML, which Port does not write: something on the way answered in its place. */
static bool is_page(struct slice body)
{
    size_t at = 0;
    while (at < body.len && strchr(" \t\r\n", body.ptr[at]))
        at++;
    return at < body.len && body.ptr[at] == '<';
}

enum port_answer port_answer_of(const struct http_result *http)
{
    if (http->failure != HTTP_OK)
        return PORT_UNAVAILABLE;
    if (is_success(http)) /* what Port says in it may be what matters */
        return http->body_cut == HTTP_CUT_NO_ROOM || is_page(http->body) ? PORT_UNAVAILABLE : PORT_ACCEPTED;
    /* Whoever redirects, or wants a proxy's password, is not Port, and has decided nothing. */
    if (http->status < 400 || http->status == 407 || http->status == 408 || http->status == 429)
        return PORT_UNAVAILABLE;
    return http->status >= 500 ? PORT_UNAVAILABLE : PORT_REFUSED;
}

int64_t port_answer_quiet_ms(const struct http_result *http, const struct clock *clock)
{
    int64_t wait_ms = retry_after_ms(http->retry_after, clock_wall_ms(clock));
    return wait_ms > QUIET_MAX_MS ? QUIET_MAX_MS : wait_ms;
}

static void append_shown(const struct secrets *secrets, struct slice text, size_t limit, char *out,
                         size_t size)
{
    struct buffer shown = {0};
    size_t used = strlen(out);
    redact(secrets, text, limit, &shown);
    snprintf(out + used, size - used, "%s", buffer_text(&shown));
    buffer_clear(&shown);
}

void port_answer_describe(const struct http_result *http, bool quoted, const struct secrets *secrets,
                          char *out, size_t size)
{
    *out = '\0';
    if (http->failure != HTTP_OK) {
        append_shown(secrets, slice_of(http->reason), size, out, size);
        if (http->failure == HTTP_REDIRECT)
            append_shown(secrets, SLICE_LITERAL("; is PORT_API_BASE_URL right?"), size, out, size);
        return;
    }
    if (is_success(http) && is_page(http->body)) {
        snprintf(
            out, size,
            "a page came in place of Port's answer (status %d): is a proxy or a login on the way, and is "
            "PORT_API_BASE_URL right?",
            http->status);
        return;
    }
    bool said = quoted && port_answer_of(http) == PORT_REFUSED && http->body.len > 0;
    snprintf(out, size, "Port answered %d%s%s", http->status,
             http->body_cut == HTTP_CUT_NO_ROOM ? "; there was no memory for the rest of it" : "",
             said ? ": " : "");
    if (said)
        append_shown(secrets, http->body, SAID_BY_PORT_MAX, out, size);
}
