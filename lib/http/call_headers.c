/* The headers that go with a call. They are laid out once, as the lines that are sent; libcurl is given a
 * list of them where it makes the request itself. */
#include "http/client_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** libcurl asks first ("Expect: 100-continue") where a body is longer than 1 MiB (its
 * EXPECT_100_THRESHOLD). */
enum { EXPECTED_FROM = 1024 * 1024 };
/** Most calls' headers fit. */
enum { LINES_BYTES = 768 };

void fixed_headers_fill(struct fixed_headers *fixed, const char *user_agent)
{
    snprintf(fixed->user_agent, sizeof fixed->user_agent, "User-Agent: %s", user_agent);
    snprintf(fixed->accept_encoding, sizeof fixed->accept_encoding, "Accept-Encoding: %s", DECODING_ACCEPTED);
}

static void write_header(struct slice name, struct slice value, struct buffer *out)
{
    buffer_append_slice(out, name);
    buffer_append_char(out, ':');
    if (slice_trim(value).len > 0) {
        buffer_append_char(out, ' ');
        buffer_append_slice(out, value);
    }
    buffer_append_text(out, "\r\n");
}

static void write_fixed(const char *line, struct buffer *out)
{
    buffer_append_text(out, line);
    buffer_append_text(out, "\r\n");
}

/** The first header of that name; NULL: none. */
static const struct http_header *given(const struct http_header *headers, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal_ignore_case(headers[i].name, name))
            return &headers[i];
    return NULL;
}

bool http_call_headers(struct http_call *call, const struct http_header *headers, size_t count)
{
    static const struct slice host_name = SLICE_LITERAL("Host");
    const struct fixed_headers *fixed = &call->shared->fixed_headers;
    const struct http_header *host = given(headers, count, host_name);
    struct call_headers made = {.authorization = given(headers, count, SLICE_LITERAL("Authorization")),
                                .accept = given(headers, count, SLICE_LITERAL("Accept"))};
    struct buffer *lines = &made.lines;
    PA_IGNORE(buffer_reserve(lines, LINES_BYTES)); /* it is asked for below whether it failed */
    if (host)
        write_header(host_name, host->value, lines);
    made.host_line = lines->len;
    for (size_t i = 0; i < count; i++)
        if (!host || !slice_equal_ignore_case(headers[i].name, host_name))
            write_header(headers[i].name, headers[i].value, lines);
    if (!given(headers, count, SLICE_LITERAL("User-Agent")))
        write_fixed(fixed->user_agent, lines);
    if (!given(headers, count, SLICE_LITERAL("Accept-Encoding")))
        write_fixed(fixed->accept_encoding, lines);
    if (lines->failed) {
        buffer_clear(lines);
        return false;
    }
    call_headers_clear(&call->headers);
    call->headers = made;
    return true;
}

void call_headers_clear(struct call_headers *headers)
{
    buffer_clear(&headers->lines);
    free(headers->list);
    *headers = (struct call_headers){.list = NULL};
}

/** A line as libcurl takes it, at `at`: "Name;" is its way to send a header without a value. Returns where
 * the text ends. */
static char *write_text(struct slice line, char *at)
{
    size_t len = line.len - strlen("\r\n");
    memcpy(at, line.ptr, len);
    if (memchr(at, ':', len) == at + len - 1)
        at[len - 1] = ';';
    at[len] = '\0';
    return at + len + 1;
}

/** The list and its texts are one piece of memory: the nodes, then the lines. */
bool call_headers_list(struct http_call *call)
{
    /* "Name:" leaves out what libcurl would add. */
    static char no_content_type[] = "Content-Type:", no_expect[] = "Expect:";
    enum { LEFT_OUT = 2 };
    struct slice all = buffer_slice(&call->headers.lines), rest = all, line;
    size_t count = 0, most = LEFT_OUT;
    while (response_next_line(&rest, &line))
        most++;
    struct curl_slist *nodes = malloc(most * sizeof *nodes + all.len);
    if (!nodes)
        return false;
    char *at = (char *)(nodes + most);
    for (rest = all; response_next_line(&rest, &line); count++) {
        nodes[count].data = at;
        at = write_text(line, at);
    }
    if (slice_is_null(header_among(all, "Content-Type", 0)))
        nodes[count++].data = no_content_type;
    if (call->body.len >= EXPECTED_FROM && slice_is_null(header_among(all, "Expect", 0)))
        nodes[count++].data = no_expect;
    for (size_t i = 0; i < count; i++)
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
    free(call->headers.list);
    call->headers.list = nodes;
    return true;
}

bool call_leave_origin(struct http_call *call)
{
    const struct http_header type = {SLICE_LITERAL("Content-Type"),
                                     header_among(buffer_slice(&call->headers.lines), "Content-Type", 0)};
    return http_call_headers(call, &type, call->has_body && type.value.len > 0 ? 1 : 0);
}
