/* See request.h. */
#include "http/request.h"
#include "http/url.h"
#include <string.h>

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
    while (has_port && port < end && *port == '0')
        port++;
    struct slice number = {port, has_port ? (size_t)(end - port) : 0};
    if (number.len > 0 && !slice_equal_text(number, strncmp(url, "https:", 6) == 0 ? "443" : "80")) {
        buffer_append_char(out, ':');
        buffer_append_slice(out, number);
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
    buffer_append_text(out, parts->method);
    buffer_append_char(out, ' ');
    buffer_append_text(out, url_target(parts->url));
    buffer_append_text(out, " HTTP/1.1\r\n");
    if (parts->host_line > 0) {
        buffer_append(out, parts->headers.ptr, parts->host_line);
    } else {
        buffer_append_text(out, "Host: ");
        request_write_host(parts->url, out);
        buffer_append_text(out, "\r\n");
    }
    if (!parts->authorization)
        write_credentials(parts->url, out);
    if (!parts->accept)
        buffer_append_text(out, "Accept: */*\r\n");
    buffer_append(out, parts->headers.ptr + parts->host_line, parts->headers.len - parts->host_line);
    if (says_length(parts)) {
        buffer_append_text(out, "Content-Length: ");
        buffer_append_int(out, (int64_t)parts->body.len);
        buffer_append_text(out, "\r\n");
    }
    buffer_append_text(out, "\r\n");
}
