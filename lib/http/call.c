/* One request: its easy handle's options and what libcurl calls back with. */
#include "http/authorities.h"
#include "http/charset.h"
#include "http/client_certificates.h"
#include "http/client_internal.h"
#include "http/header_name.h"
#include "http/url.h"
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** A line of the proxy's answer to CONNECT; false: it is not gone on with. libcurl would read the body of a
 * 407, whatever its length, without a pause. */
static bool on_connect_header(struct http_call *call, const char *line, size_t len)
{
    long status = 0;
    if (call->header_bytes == len && (len < 5 || memcmp(line, "HTTP/", 5) != 0))
        call->proxy_words = "its answer to CONNECT is not HTTP";
    if (call->proxy_words || (line[0] != '\r' && line[0] != '\n'))
        return !call->proxy_words;
    curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    call->tunnelled = status / 100 == 2;
    if (call->tunnelled)
        call->header_bytes = 0; /* those of the response have a bound of their own */
    else if (status < 200)
        call->proxy_words = "its answer to CONNECT has no final status";
    return call->tunnelled || (status != 407 && !call->proxy_words);
}

static int64_t call_now_ms(const struct http_call *call)
{
    return clock_monotonic_ms(call->shared->options.clock);
}

/** A line that goes on with the value before it is one with it (RFC 9112, section 5.2). */
static void keep_continuation(struct buffer *kept, struct slice line)
{
    struct slice more = slice_trim(line);
    if (kept->len == 0 || more.len == 0)
        return;
    kept->len = slice_trim(buffer_slice(kept)).len;
    buffer_append_char(kept, ' ');
    header_text(more, kept);
    buffer_append_text(kept, "\r\n");
}

static struct slice without_line_end(struct slice line)
{
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    return line;
}

/** Each of the parts that a CR divides is a text of its own, as continuations are, and a blank divides them
 * then. */
static void keep_decoded(struct buffer *kept, struct slice line)
{
    const char *mark;
    line = without_line_end(line);
    while (line.len > 0 && (mark = memchr(line.ptr, '\r', line.len)) != NULL) {
        size_t len = (size_t)(mark - line.ptr);
        header_text((struct slice){line.ptr, len}, kept);
        buffer_append_char(kept, ' ');
        line = (struct slice){line.ptr + len + 1, line.len - len - 1};
    }
    header_text(line, kept);
    buffer_append_text(kept, "\r\n");
}

void call_keep_header(struct http_call *call, struct slice line)
{
    struct buffer *kept = &call->response_headers;
    size_t before = kept->len;
    if (*line.ptr == ' ' || *line.ptr == '\t') {
        keep_continuation(kept, line);
        return;
    }
    const char *colon = memchr(line.ptr, ':', line.len);
    keep_decoded(kept, line);
    if (call->http2 && colon && !kept->failed)
        header_name_capitals(kept->ptr + before, (size_t)(colon - line.ptr));
}

/** A line as libcurl tells of it: a head's first, a header, the empty one, or a trailer, which is no header
 * (RFC 9110, section 6.5.1). False: the head breaks the rules. */
static bool take_line(struct http_call *call, struct slice line)
{
    bool first = !call->in_head, http = line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0;
    if (first && (call->http2 ? !http : call->exchange.response.status != 0))
        return true;
    if (first)
        call->response_headers.len = 0; /* what came before was another response's */
    call->in_head = first || (*line.ptr != '\r' && *line.ptr != '\n');
    if (!first && call->in_head && call->keep_headers)
        call_keep_header(call, line);
    return call->http2 || transfer_may_read(call, line);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_call *call = ctx;
    size_t len = size * count;
    call->header_bytes += len;
    call->header_overflow = call->header_bytes > MAX_HEADER_BYTES;
    if (goes_through_tunnel(call) && !call->tunnelled)
        return !call->header_overflow && on_connect_header(call, bytes, len) ? len : 0;
    return !call->header_overflow && take_line(call, (struct slice){bytes, len}) ? len : 0;
}

/** Have both sides agreed on HTTP/2 (RFC 7301), whatever the first line of an answer says? */
static bool agreed_on_http2(CURL *easy)
{
    struct curl_tlssessioninfo *session = NULL;
    const unsigned char *protocol = NULL;
    unsigned len = 0;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) == CURLE_OK && session &&
        session->backend == CURLSSLBACKEND_OPENSSL && session->internals)
        SSL_get0_alpn_selected((const SSL *)session->internals, &protocol, &len);
    return slice_equal_text((struct slice){(const char *)protocol, len}, "h2");
}

/** Called each time a request is about to be written to a connection. libcurl sends one that HTTP/2 has
 * refused again of its own accord. */
static int on_send(void *ctx, char *remote, char *local, int remote_port, int local_port)
{
    struct http_call *call = ctx;
    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    if (call->sends > 0 && call->shared->options.never_resends)
        return CURL_PREREQFUNC_ABORT;
    response_begin(&call->exchange.response, strcmp(call->method, "HEAD") == 0);
    call->always_refused = call->sends == 0 || (call->always_refused && call->stream.refused);
    call->stream = (struct stream){0};
    call->http2 = call->shared->options.http2 && agreed_on_http2(call->easy);
    call->sends++;
    call->resent |= call->sends > 1;
    call->tunnelled |= goes_through_tunnel(call); /* a connection that was used before has its tunnel */
    return CURL_PREREQFUNC_OK;
}

/** libcurl copies texts, so setting one may fail when out of memory; setting numbers and pointers cannot
 * fail.
 */
static bool set_text(CURL *easy, CURLoption option, const char *text)
{
    return curl_easy_setopt(easy, option, text) == CURLE_OK;
}

/** For each new TLS connection, to a server or to a proxy. */
static CURLcode trust(CURL *easy, void *tls, void *store)
{
    (void)easy;
    SSL_CTX_set1_cert_store(tls, store);
    return CURLE_OK;
}

/** libcurl would read them from a file, on the loop, and keep those for a day. */
static bool set_authorities(CURL *easy, const struct authorities *authorities)
{
    X509_STORE *store = authorities_store(authorities);
    if (!store)
        return true;
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, trust);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, store);
    return set_text(easy, CURLOPT_CAINFO, NULL) && set_text(easy, CURLOPT_PROXY_CAINFO, NULL) &&
           set_text(easy, CURLOPT_CAPATH, NULL) && set_text(easy, CURLOPT_PROXY_CAPATH, NULL);
}

/** Before 8.8 libcurl, when it has no memory to keep a TLS session, leaves a host's name in its cache that it
 * has freed, and frees it again. Without that cache each new connection shakes hands in full; few would not,
 * as the cache is each easy handle's own, and connections are kept. */
static bool keeps_sessions(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080800;
}

bool http_client_can_http2(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080d00;
}

bool easy_prepare(CURL *easy, const struct http_client_options *options)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(options->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options->verify_tls ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options->verify_tls ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, keeps_sessions() ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_received);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    transfer_prepare(easy, options);
    /* The buffers' default of 64 KiB each would cost 32 MiB at 256 in flight; webhooks are small. */
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 16384L);
    /* proxy_of decides; "" keeps libcurl from asking the environment. */
    return set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https") && set_text(easy, CURLOPT_PROXY, "") &&
           set_text(easy, CURLOPT_NOPROXY, "") && set_authorities(easy, options->authorities);
}

static bool set_proxy(struct http_call *call)
{
    const struct http_client_options *options = &call->shared->options;
    if (!has_proxy(call->shared))
        return true;
    /* fixed_headers has the name for the server; this one is for the proxy, with CONNECT. */
    return set_text(call->easy, CURLOPT_PROXY, call->proxy ? call->proxy->url : "") &&
           set_text(call->easy, CURLOPT_PROXYUSERPWD, call->proxy ? call->proxy->credentials : NULL) &&
           set_text(call->easy, CURLOPT_USERAGENT, call->proxy ? options->user_agent : NULL);
}

/** Which certificate the present hop's server is shown. False: out of memory. */
static bool choose_certificate(struct http_call *call)
{
    const struct client_certificates *certificates = call->shared->options.client_certificates;
    call->certificate = NULL;
    if (!certificates || call->elsewhere || strncasecmp(call->url, "https:", 6) != 0)
        return true;
    struct origin origin;
    bool known = origin_of(call->url, &origin);
    if (known)
        call->certificate =
            client_certificates_for(certificates, origin.host, (int)strtol(origin.port, NULL, 10));
    origin_clear(&origin);
    return known;
}

/** libcurl shares a connection, and goes on with a TLS session, only among handles with the same path here.
 * The key is in the same file. False: out of memory. */
static bool set_certificate(const struct http_call *call)
{
    return !call->shared->options.client_certificates ||
           set_text(call->easy, CURLOPT_SSLCERT, call->certificate);
}

uint64_t call_origin(const struct http_call *call)
{
    struct slice url = slice_of(call->proxy ? call->proxy->url : call->url), user = url_user_info(url);
    const char *scheme = strstr(url.ptr, "://"), *host = scheme ? scheme + 3 : url.ptr;
    if (!slice_is_null(user))
        host = user.ptr + user.len + 1;
    return slice_hash((struct slice){host, strcspn(host, "/?#")});
}

/** What the proxy is asked for: all but user info. */
static bool set_whole_target(CURL *easy, const struct http_call *call)
{
    struct buffer whole = {0};
    struct origin origin;
    bool known = origin_of(call->url, &origin);
    if (known)
        buffer_appendf(&whole, "%s://%s%s%s%s", origin.scheme, origin.host,
                       strcmp(origin.port, "80") == 0 ? "" : ":",
                       strcmp(origin.port, "80") == 0 ? "" : origin.port, url_target(call->url));
    const char *text = buffer_text(&whole);
    bool set = known && !whole.failed && set_text(easy, CURLOPT_REQUEST_TARGET, text);
    buffer_clear(&whole);
    origin_clear(&origin);
    return set;
}

/** Where a URL has a query libcurl is told what to ask for: 7.88 asks without it where it has no memory for
 * it, and since 8.8 an empty one is lost. */
static bool set_target(CURL *easy, const struct http_call *call)
{
    const char *target = url_target(call->url);
    if (!strchr(target, '?'))
        return set_text(easy, CURLOPT_REQUEST_TARGET, NULL);
    return asks_proxy(call) ? set_whole_target(easy, call) : set_text(easy, CURLOPT_REQUEST_TARGET, target);
}

bool call_begin_hop(struct http_call *call)
{
    call->sends = 0;
    call->stream = (struct stream){0};
    call->no_socket = 0;
    call->tunnelled = false;
    call->opened = 0;
    call->refused = false;
    call->proxy_words = NULL;
    call->header_bytes = 0;
    call->http2 = call->in_head = false;
    call->received = 0;
    call->response.len = 0;
    call->response_headers.len = 0;
    call->curl_error[0] = '\0';
    call->exchange.sent = 0;
    response_begin(&call->exchange.response, false);
    if (has_proxy(call->shared) && !proxy_of(call->shared, call->url, &call->proxy))
        return false;
    return choose_certificate(call);
}

/** Before 8.0 libcurl does not look at what a connection has to say before it uses it again, and takes that
 * for the answer. And with whatever it keeps it sends requests again of its own accord. */
static bool may_reuse(const struct http_client_options *options)
{
    return !options->never_resends && curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
}

/** What is sent once there is a connection, and where it is received. */
static bool prepare_request(struct http_call *call)
{
    CURL *easy = call->easy;
    if (!call_headers_list(call))
        return false;
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, may_reuse(&call->shared->options) ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers.list);
    bool get = strcmp(call->method, "GET") == 0, head = strcmp(call->method, "HEAD") == 0;
    const char *method = call->method;
    curl_easy_setopt(easy, CURLOPT_NOBODY, head ? 1L : 0L);
    if (head) {
        /* no body in either direction */
    } else if (call->has_body || (!get && strcmp(call->method, "DELETE") != 0)) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.ptr ? call->body.ptr : "");
        if (strcmp(method, "POST") == 0)
            method = NULL; /* libcurl's own, with such a body */
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    return set_text(easy, CURLOPT_CUSTOMREQUEST, method) && set_target(easy, call);
}

bool call_prepare(struct http_call *call)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    transfer_prepare(easy, &call->shared->options);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
    curl_easy_setopt(easy, CURLOPT_CURLU, call->parsed); /* beside the text, which it does not replace */
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT,
                     addresses_age(&call->shared->addresses, call_origin(call), call_now_ms(call)));
    if (call->ours && keeps_sessions() && strncasecmp(call->url, "https:", 6) == 0)
        sessions_choose(call->shared, easy, call_origin(call));
    return set_proxy(call) && set_certificate(call) && set_text(easy, CURLOPT_URL, call->url) &&
           (call->ours || prepare_request(call));
}

/** False: out of memory. */
static bool copy_url(struct http_call *call, const struct http_request *request)
{
    struct buffer url = {0};
    struct error err = {0};
    int failed = request->parsed ? 0 : url_normalise(slice_of(request->url), &url, &err);
    call->bad_url = failed == PA_ERR_INVALID;
    if (call->bad_url)
        snprintf(call->reason, sizeof call->reason, "%s", err.message);
    if (request->parsed || call->bad_url)
        call->url = strdup(request->url);
    else if (!failed)
        call->url = buffer_take(&url, NULL);
    buffer_clear(&url);
    return call->url != NULL;
}

struct http_call *call_new(struct client_shared *shared, const struct http_request *request, http_done *done,
                           void *ctx)
{
    struct http_call *call = spare_call_take(&shared->spare);
    if (!call)
        return NULL;
    call->shared = shared;
    call->method = strdup(request->method);
    call->parsed = request->parsed;
    call->body = request->body;
    call->has_body = !slice_is_null(request->body);
    call->discard_body = request->discard_body;
    call->keep_bytes = request->keep_bytes;
    call->keep_headers = request->keep_headers;
    call->keep_date = request->keep_date;
    call->wants_text = request->text;
    call->max_response_bytes =
        request->max_response_bytes ? request->max_response_bytes : shared->options.max_response_bytes;
    call->without_body = request->without_body;
    call->follows = shared->options.redirects;
    call->hides_url_paths = shared->options.hide_url_paths;
    call->done = done;
    call->ctx = ctx;
    if (!call->method || !copy_url(call, request) ||
        !http_call_headers(call, request->headers, request->header_count)) {
        call_free(call);
        return NULL;
    }
    return call;
}

bool call_drop_body(struct http_call *call)
{
    bool bare = strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
    call->processed |= call->has_body || !bare;
    call->has_body = false;
    call->body = (struct slice){NULL, 0};
    if (strcmp(call->method, "HEAD") != 0) {
        free(call->method);
        call->method = strdup("GET");
    }
    return call->method && (call->elsewhere || !call->without_body || call->without_body(call->ctx, call));
}

void call_free(struct http_call *call)
{
    call_headers_clear(&call->headers);
    buffer_clear(&call->response);
    buffer_clear(&call->response_headers);
    buffer_clear(&call->text);
    buffer_clear(&call->exchange.out);
    buffer_clear(&call->exchange.in);
    buffer_clear(&call->exchange.response.own.line);
    free(call->method);
    free(call->url);
    spare_call_give(&call->shared->spare, call);
}

/* Deadlines */

static curl_off_t bytes_moved(const struct http_call *call)
{
    CURL *easy = call->easy;
    if (call->ours)
        return (curl_off_t)(call->exchange.sent + call->exchange.response.progress);
    curl_off_t up = 0, down = 0;
    long headers = 0, request = 0;
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request);
    return up + down + headers + request;
}

enum http_failure call_overdue(struct http_call *call, int64_t now)
{
    if (now >= call->deadline_ms)
        return HTTP_TOTAL_TIMEOUT;
    if (call->sends == 0) {
        call->active_ms = now; /* connecting: libcurl's own deadline */
        return HTTP_OK;
    }
    curl_off_t moved = bytes_moved(call);
    if (moved != call->progress) {
        call->progress = moved;
        call->active_ms = now;
    }
    return now - call->active_ms >= call->shared->options.idle_timeout_ms ? HTTP_IDLE_TIMEOUT : HTTP_OK;
}

/* What came of it */

/** The body as text, at the end of the call. */
static struct slice call_text(struct http_call *call, bool whole, struct slice type)
{
    struct slice body = buffer_slice(&call->response);
    bool is_cut = !whole || call->cut || call->response.len < call->received;
    struct slice text = body_text(body, type, is_cut, &call->text);
    if (call->text.failed && !call->cut)
        call->cut = HTTP_CUT_NO_ROOM;
    return text;
}

void call_result(struct http_call *call, enum http_failure failure, CURLcode code, struct http_result *result)
{
    struct slice type = call_header(call, "Content-Type", 0);
    result->failure = failure;
    if (failure != HTTP_OK)
        failure_reason(call, failure, code, result->reason, sizeof result->reason);
    result->status = call_status(call);
    result->body = (struct slice){call->response.ptr, call->response.len};
    if (call->wants_text)
        result->text = call_text(call, failure == HTTP_OK, type);
    result->owned_body = &call->response;
    if (call->keep_headers)
        result->headers = (struct slice){call->response_headers.ptr ? call->response_headers.ptr : "",
                                         call->response_headers.len};
    result->body_cut = call->cut;
    result->content_type = type;
    if (result->status >= 400)
        result->retry_after = call_header(call, "Retry-After", 0);
    if (call->keep_date)
        result->date = call_header(call, "Date", 0);
    result->duration_ms = call_now_ms(call) - call->started_ms;
    if (nothing_came(failure))
        addresses_doubt(&call->shared->addresses, call_origin(call), call_now_ms(call));
    result->proxy_refused = failure == HTTP_PROXY && proxy_refuses_password(call, code);
    result->processed = call->processed;
    bool got_no_further = result->proxy_refused && asks_proxy(call) && call->sends == 1;
    result->sent = call->processed || (request_is_written(call) && !got_no_further);
    result->resent = call->resent;
    result->refused =
        failure == HTTP_RESET && call->sends > 0 && call->always_refused && call->stream.refused;
    result->redirects = call->redirects;
    result->http_version = call_version(call);
}
