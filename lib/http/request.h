/* An HTTP/1.1 request's bytes (RFC 9112), in the form that libcurl gives them. Pure. */
#pragma once
#include "base/buffer.h"

struct request_parts {
    const char *method;
    /** Normalised (http/url.h). */
    const char *url;
    /** Lines, each with its CR LF. */
    struct slice headers;
    /** So much of them is a Host, the first; 0: the URL says the host. */
    size_t host_line;
    /** There are such among them. */
    bool authorization, accept;
    /** Null: none. */
    struct slice body;
};

/** Appends the request up to where its body begins. */
void request_write_head(const struct request_parts *parts, struct buffer *out);
/** What the URL's Host header says: host, and port where it is not the scheme's own. Appended. */
void request_write_host(const char *url, struct buffer *out);
