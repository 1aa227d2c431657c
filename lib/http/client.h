/* One HTTP client: a libcurl multi handle driven by a libuv loop, with a pool of easy handles. Deadlines,
 * caps, redirect rules. Knows nothing of Port, Kafka or retries. */
#pragma once
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/secrets.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct Curl_URL;
struct http_client;
struct http_call;
struct authorities;
struct client_certificates;

/** What is done with 301, 302, 303, 307 and 308 that have a Location; every other response of their class is
 * a plain one. */
enum http_redirects {
    /** They are responses like any other. */
    HTTP_REDIRECTS_ANSWER,
    /** They are failures: none is followed. */
    HTTP_REDIRECTS_NONE,
    /** Followed within the same host name and port. */
    HTTP_REDIRECTS_SAME_HOST,
    /** Followed wherever they lead; to another host name or port with fewer headers. */
    HTTP_REDIRECTS_ALL
};

struct http_client_options {
    /** Borrowed; must outlive the client and be run until http_client_close's callback. */
    uv_loop_t *loop;
    /** Borrowed. */
    const struct clock *clock;
    /** Copied. */
    const char *user_agent;
    /** DNS, TCP and TLS together. */
    int64_t connect_timeout_ms;
    /** Longest silence (no byte in or out) once connected. */
    int64_t idle_timeout_ms;
    /** Over all, redirects included. */
    int64_t total_timeout_ms;
    /** Decoded body bytes kept; what is beyond is not read. */
    size_t max_response_bytes;
    /** Bound of the long bodies (over 16 KiB) held at once, those held elsewhere included; beyond it reading
     * waits, at most until the call's deadline, and what cannot wait is cut. At least twice
     * max_response_bytes is taken. 0: none. */
    size_t total_response_bytes;
    /** Bytes of bodies that results were made of and that are still held. NULL: none. */
    size_t (*held_elsewhere)(void *ctx);
    void *held_ctx;
    /** Connections that are kept, in use and idle. */
    size_t max_connections;
    /** So many more are kept while the idle ones hold at most so many bytes (http/connections.h knows what
     * one holds). 0: none. */
    size_t more_connections, idle_bytes;
    bool verify_tls;
    /** HTTP/2 is offered over TLS; false: HTTP/1.1 alone. */
    bool http2;
    /** An answer over HTTP/2 without a length whose stream is cut off without an error counts as cut; costs
     * some microseconds a request. */
    bool watches_streams;
    /** No request is sent again on a new connection where the one it was sent on, which had been used before,
     * died without a byte of an answer. */
    bool never_resends;
    /** Which redirects are followed. */
    enum http_redirects redirects;
    /** Where a redirect led is told without its path. */
    bool hide_url_paths;
    /** Requests go only where http/egress.h lets them, with the next two as its lists. */
    bool judges_egress;
    /** As egress_new takes them; read when the client is made. */
    const char *egress_allow, *egress_deny;
    /** Whom to trust (http/authorities.h), for servers and for https proxies; borrowed until the client is
     * closed. NULL, or one without a store: libcurl's own default. */
    const struct authorities *authorities;
    /** Which server is shown which certificate of ours, if it asks; no proxy is, nor another origin than the
     * request's own. Borrowed until the client is closed. NULL: none. */
    const struct client_certificates *client_certificates;
    /** The setting for them, named where a server wants one; borrowed. NULL: no name. */
    const char *client_certificate_setting;
    /** The proxy for http URLs; the next one is for https URLs. As proxy_parse takes them; copied. NULL or
     * "": none (the environment is not looked at). */
    const char *http_proxy;
    const char *https_proxy;
    /** The settings that they come from, named where a proxy refuses its password; borrowed. NULL: no name.
     */
    const char *http_proxy_setting, *https_proxy_setting;
    /** Hosts, domains and networks reached without it (proxy_bypassed); copied. */
    const char *no_proxy;
};

/** A header to send. Both are copied when the call starts. The caller has checked that neither has CR, LF or
 * NUL. */
struct http_header {
    struct slice name;
    struct slice value;
};

/** A redirect has left the request without a body: says which headers go with it from here on, through
 * http_call_headers, from within. False: out of memory, which ends the call. */
typedef bool http_without_body(void *ctx, struct http_call *call);

struct http_request {
    /** Token, upper case as sent; copied. */
    const char *method;
    /** http or https; copied. */
    const char *url;
    /** Of url_parse, whose `url` is given then; borrowed like the body. NULL: the URL is normalised and
     * parsed. */
    struct Curl_URL *parsed;
    /** Called with `done`'s ctx. NULL: no redirect may change the request. */
    http_without_body *without_body;
    const struct http_header *headers;
    size_t header_count;
    /** Borrowed until the callback; null: no body (and no Content-Type of its own). */
    struct slice body;
    /** Response body bytes are counted, and only the first keep_bytes of them kept. */
    bool discard_body;
    /** Without discard_body: nothing. */
    size_t keep_bytes;
    /** The result has the response's headers. */
    bool keep_headers;
    /** The result has the response's Date. */
    bool keep_date;
    /** The result has the body as text. */
    bool text;
    /** For this request instead of the client's; 0: the client's. */
    size_t max_response_bytes;
};

/** Why there is no response. The names (http_failure_name) are the log's `error.type`. */
enum http_failure {
    /** There is a response. */
    HTTP_OK,
    /** "bad_url": not a URL, or not http(s). */
    HTTP_BAD_URL,
    /** "dns". */
    HTTP_DNS,
    /** "connect": refused, unreachable. */
    HTTP_CONNECT,
    /** "connect_timeout". */
    HTTP_CONNECT_TIMEOUT,
    /** "tls": handshake cut off or failed. */
    HTTP_TLS,
    /** "tls_certificate": the peer's certificate failed its check. */
    HTTP_TLS_CERTIFICATE,
    /** "proxy": not reached, it refused, or its answer was not valid. */
    HTTP_PROXY,
    /** "send": connection lost while sending. */
    HTTP_SEND,
    /** "reset": connection lost before the whole response. */
    HTTP_RESET,
    /** "timeout": silence longer than idle_timeout_ms. */
    HTTP_IDLE_TIMEOUT,
    /** "total_timeout". */
    HTTP_TOTAL_TIMEOUT,
    /** "protocol": not HTTP, bad encoding, over-long headers … */
    HTTP_PROTOCOL,
    /** "redirect": a redirect that is not followed; status is set. */
    HTTP_REDIRECT,
    /** "descriptors": nothing was tried, because the system gave out no descriptor. */
    HTTP_NO_DESCRIPTOR,
    /** "egress": requests may not go there; nothing was connected to. */
    HTTP_EGRESS,
    /** "cancelled": http_call_cancel or http_client_close. */
    HTTP_CANCELLED,
    /** "memory". */
    HTTP_MEMORY
};

/** Why a response's body is not whole. Its status came, and still counts. */
enum http_cut {
    HTTP_WHOLE,
    /** Longer than the bound: its beginning is there. */
    HTTP_CUT_TOO_LONG,
    /** There was no space for it within total_response_bytes, or no memory: what there was space for is
     * there.
     */
    HTTP_CUT_NO_ROOM,
    /** It is not in the Content-Encoding that its headers say: nothing is there. */
    HTTP_CUT_UNREADABLE,
    /** It ended before its Content-Encoding did: its beginning is there. */
    HTTP_CUT_ENDED_EARLY,
    /** It ended with its connection, and TLS did not say that this was meant: what came is there. */
    HTTP_CUT_UNSURE
};

enum { HTTP_REASON_SIZE = 1024 };

/** Handed to the callback; everything in it is borrowed until the callback returns. */
struct http_result {
    enum http_failure failure;
    /** Failure in words ("connection refused by svc.internal port 443"); "" if none. */
    char reason[HTTP_REASON_SIZE];
    /** Status code; 0 if none came. */
    int status;
    /** Decoded; at most max_response_bytes of the request or the client. */
    struct slice body;
    /** The body as UTF-8 (http/charset.h), as much of it as there is; null: not asked for. */
    struct slice text;
    enum http_cut body_cut;
    /** Null: none. */
    struct slice content_type;
    /** Raw header value; null: none. */
    struct slice retry_after;
    /** Raw value of the header Date; null: none, or not kept. */
    struct slice date;
    /** "Name: value" lines in UTF-8 (http/charset.h), each ended by CR LF; names as the server wrote them,
     * over HTTP/2 with their usual capitals (http/header_name.h). Null: not kept. */
    struct slice headers;
    /** From http_start to now. */
    int64_t duration_ms;
    /** A request was written, or begun: whatever came then, the endpoint may have processed it. */
    bool sent;
    /** HTTP_PROXY: the proxy wants another user and password, as it will the next time. */
    bool proxy_refused;
    /** The request was sent again because a connection that had been used before died unanswered. */
    bool resent;
    /** HTTP_RESET: each time that it was sent, the endpoint said over HTTP/2 that it did not look at the
     * request. */
    bool refused;
    /** Redirects followed. */
    unsigned redirects;
    /** One of them took the request's body: the request itself was processed, and what failed is what was
     * asked for instead. */
    bool processed;
    /** 10, 11, 20; 0: none. */
    int http_version;
    /** The buffer behind `body`: the callback may take it (buffer_take) to keep it. */
    struct buffer *owned_body;
};

typedef void http_done(void *ctx, const struct http_result *result);

/** NULL on failure, with the cause in err; PA_ERR_INVALID: a proxy's address is wrong. */
PA_MUST_USE struct http_client *http_client_new(const struct http_client_options *options, struct error *err);
/** Cancels all calls (their callbacks run with HTTP_CANCELLED), closes the loop handles and frees the client;
 * `closed` (may be NULL) runs from the loop when all is gone. */
void http_client_close(struct http_client *client, void (*closed)(void *ctx), void *ctx);

/** Starts a request. `done` is called exactly once, from the loop, never before http_start has returned.
 * NULL: out of memory (done is not called). Any other failure comes through done.
 *
 * At most 5 redirects are followed, within the same host name and port or wherever they lead (from http to
 * https only where the port stays or becomes 443; from https to http never): 307 and 308 with the same
 * method, headers and body; 301, 302 and 303 with GET (HEAD stays), without a body, and with the headers that
 * `without_body` gives. Where there is no `without_body` these three are followed only for GET and HEAD
 * without a body, which they leave unchanged. Once a redirect has left the host name and port, no header is
 * sent along except the body's Content-Type, and no user info. A redirect that is not followed:
 * HTTP_REDIRECT, with where it leads and why it is not followed. */
PA_MUST_USE struct http_call *http_start(struct http_client *client, const struct http_request *request,
                                         http_done *done, void *ctx);
/** Replaces the call's headers; copied. False: out of memory, and the call still has its old ones. */
PA_MUST_USE bool http_call_headers(struct http_call *call, const struct http_header *headers, size_t count);
/** Ends the call: `done` runs with HTTP_CANCELLED from the loop, soon. The handle is invalid once done has
 * run. */
void http_call_cancel(struct http_call *call);
/** Ends the call like http_call_cancel, but without a callback, unless `instead` is given: for an owner that
 * goes away before its calls. The request's body is not touched again. */
void http_call_forget(struct http_call *call, http_done *instead, void *ctx);
/** What long bodies hold now, of calls whose done has not run. */
size_t http_client_body_bytes(const struct http_client *client);
/** Adds what an answer must not be shown with though the client's user did not send it: the users and
 * passwords of its proxies, which see and answer plain http. Borrowed from the client. */
void http_client_secrets(struct http_client *client, struct secrets *out);
/** Calls that have started and whose done has not run. */
size_t http_client_active(const struct http_client *client);
/** Nothing will be started on it: connections that wait to be used again are closed, now and whenever a call
 * ends. The calls under way go on. */
void http_client_retire(struct http_client *client);
/** Frees what is kept only for the next load: handles that are not in use, except a few, and connections
 * that have been idle for too long to be used again. */
void http_client_trim(struct http_client *client);

/** True with libcurl 8.13 and later, whose HTTP/2 loses no answers. */
PA_MUST_USE bool http_client_can_http2(void);
/** "connect", "timeout" …, as in the enum's comments; "" for HTTP_OK. */
const char *http_failure_name(enum http_failure failure);
