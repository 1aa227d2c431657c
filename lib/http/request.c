/* See request.h. */
#include "http/request.h"
#include "http/url.h"
#include <stdlib.h>
#include <string.h>

/** A header's name: what comes before the ':', or before the ';' of one without a value. */
static struct slice line_name(const char *line)
{
    const char *end = line;
    while (*end != '\0' && *end != ':' && *end != ';')
        end++;
    return (struct slice){line, (size_t)(end - line)};
}

/** Most names differ in their first letter already. */
static bool is_named(const char *line, const char *name)
{
    return (*line | 0x20) == (*name | 0x20) && slice_equal_text_ignore_case(line_name(line), name);
}

/** What is there already among the headers. */
struct given {
    /** NULL: none. */
    const struct curl_slist *host;
    bool authorization, accept;
};

static struct given look_for(const struct curl_slist *headers)
{
    struct given given = {0};
    for (; headers; headers = headers->next) {
        if (!given.host && is_named(headers->data, "Host"))
            given.host = headers;
        given.authorization |= is_named(headers->data, "Authorization");
        given.accept |= is_named(headers->data, "Accept");
    }
    return given;
}

static void write_header_line(const char *line, struct buffer *out)
{
    if (is_named(line, "Host"))
        return;
    size_t name = line_name(line).len, len = name + strlen(line + name);
    if (line[name] == ';' && name + 1 == len) {
        buffer_append(out, line, name);
        buffer_append(out, ":\r\n", 3);
    } else if (line[name] == ':' && slice_trim((struct slice){line + name + 1, len - name - 1}).len > 0) {
        buffer_append(out, line, len);
        buffer_append(out, "\r\n", 2);
    }
}

void request_write_host(const char *url, struct buffer *out)
{
    const char *host = strchr(url, ':') + 3, *end = url_target(url);
    struct slice user = url_user_info(slice_of(url));
    if (!slice_is_null(user))
        host = user.ptr + user.len + 1;
    const char *port = end;
    while (port > host && char_is_digit(port[-1]))
        port--;
    bool has_port = port > host && port[-1] == ':';
    const char *name_end = has_port ? port - 1 : end;
    const char *zone = *host == '[' ? memchr(host, '%', (size_t)(name_end - host)) : NULL;
    buffer_append(out, host, (size_t)((zone ? zone : name_end) - host));
    buffer_append_text(out, zone ? "]" : "");
    long number = has_port && port < end ? strtol(port, NULL, 10) : 0;
    if (number > 0 && number != (strncmp(url, "https:", 6) == 0 ? 443 : 80)) {
        buffer_append_char(out, ':');
        buffer_append_int(out, number);
    }
}

static void write_credentials(const char *url, struct buffer *out)
{
    struct buffer plain = {0};
    if (slice_is_null(url_user_info(slice_of(url))))
        return;
    buffer_append_text(out, "Authorization: Basic ");
    url_credentials(slice_of(url), &plain, out);
    buffer_append(out, "\r\n", 2);
    out->failed |= plain.failed;
    buffer_wipe(&plain);
}

/** GET and DELETE without a body say nothing of one, and HEAD never does. */
static bool says_length(const struct request_parts *parts)
{
    if (strcmp(parts->method, "HEAD") == 0)
        return false;
    return !slice_is_null(parts->body) ||
           (strcmp(parts->method, "GET") != 0 && strcmp(parts->method, "DELETE") != 0);
}

void request_write_head(const struct request_parts *parts, struct buffer *out)
{
    const struct given given = look_for(parts->headers);
    buffer_append_text(out, parts->method);
    buffer_append_char(out, ' ');
    buffer_append_text(out, url_target(parts->url));
    buffer_append_text(out, " HTTP/1.1\r\n");
    if (given.host) {
        buffer_append_text(out, "Host");
        buffer_append_text(out, given.host->data + line_name(given.host->data).len);
        buffer_append(out, "\r\n", 2);
    } else {
        buffer_append_text(out, "Host: ");
        request_write_host(parts->url, out);
        buffer_append(out, "\r\n", 2);
    }
    if (!given.authorization)
        write_credentials(parts->url, out);
    if (!given.accept)
        buffer_append_text(out, "Accept: */*\r\n");
    for (const struct curl_slist *node = parts->headers; node; node = node->next)
        write_header_line(node->data, out);
    if (says_length(parts)) {
        buffer_append_text(out, "Content-Length: ");
        buffer_append_int(out, (int64_t)parts->body.len);
        buffer_append(out, "\r\n", 2);
    }
    buffer_append(out, "\r\n", 2);
}
