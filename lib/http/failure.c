/* libcurl's result codes (libcurl-errors(3)) as failures, and in words. */
#include "http/client_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

const char *http_failure_name(enum http_failure failure)
{
    static const char *const names[] = {[HTTP_OK] = "",
                                        [HTTP_BAD_URL] = "bad_url",
                                        [HTTP_DNS] = "dns",
                                        [HTTP_CONNECT] = "connect",
                                        [HTTP_CONNECT_TIMEOUT] = "connect_timeout",
                                        [HTTP_TLS] = "tls",
                                        [HTTP_TLS_CERTIFICATE] = "tls_certificate",
                                        [HTTP_PROXY] = "proxy",
                                        [HTTP_SEND] = "send",
                                        [HTTP_RESET] = "reset",
                                        [HTTP_IDLE_TIMEOUT] = "timeout",
                                        [HTTP_TOTAL_TIMEOUT] = "total_timeout",
                                        [HTTP_PROTOCOL] = "protocol",
                                        [HTTP_REDIRECT] = "redirect",
                                        [HTTP_NO_DESCRIPTOR] = "descriptors",
                                        [HTTP_EGRESS] = "egress",
                                        [HTTP_CANCELLED] = "cancelled",
                                        [HTTP_MEMORY] = "memory"};
    return names[failure];
}

/** What fails before the tunnel stands is between us and the proxy; but not what has nothing to do with the
 * connection, nor that nothing came from it in time: it may be the server that it waits for. */
static bool tunnel_failed(const struct http_call *call, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
        return false;
    case CURLE_OPERATION_TIMEDOUT:
        return call->header_bytes > 0;
    default:
        return true;
    }
}

/** Without a tunnel a request is what a proxy is sent first, unless it is a SOCKS proxy. */
static bool connection_failed(const struct http_call *call, CURLcode code)
{
    long certificate = 0;
    curl_easy_getinfo(call->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &certificate);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_WEIRD_SERVER_REPLY:
        return true;
    case CURLE_SSL_CONNECT_ERROR: /* to a server behind SOCKS it is the server's */
        return asks_proxy(call);
    case CURLE_PEER_FAILED_VERIFICATION:
        return certificate != 0;
    default:
        return false;
    }
}

static bool proxy_at_fault(const struct http_call *call, CURLcode code)
{
    if (!call->proxy || call->tunnelled)
        return false;
    if (goes_through_tunnel(call)) /* that of a request that was sent before, too, on another connection */
        return tunnel_failed(call, code);
    return call->sends == 0 && connection_failed(call, code);
}

bool proxy_refuses_password(const struct http_call *call, CURLcode code)
{
    long status = 0, of_socks = 0;
    if (!call->proxy || call->tunnelled)
        return false;
    if (code == CURLE_PROXY) {
        curl_easy_getinfo(call->easy, CURLINFO_PROXY_ERROR, &of_socks);
        return of_socks == CURLPX_USER_REJECTED || of_socks == CURLPX_NO_AUTH || of_socks == CURLPX_IDENTD ||
               of_socks == CURLPX_IDENTD_DIFFER;
    }
    if (goes_through_tunnel(call))
        curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    else if (asks_proxy(call))
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return status == 407;
}

/* What libcurl says of a header line over its own bound, 100 KiB. Older versions take it for a lack of
 * memory. */
#if LIBCURL_VERSION_NUM >= 0x080600
enum { HEADER_LINE_TOO_LONG = CURLE_TOO_LARGE };
#else
enum { HEADER_LINE_TOO_LONG = CURLE_OUT_OF_MEMORY };
#endif

static bool header_line_too_long(const struct http_call *call, CURLcode code)
{
    return request_is_written(call) && call->received == 0 && (int)code == (int)HEADER_LINE_TOO_LONG;
}

/** Where libcurl (8) has no memory to write a parsed URL out it says that there is none. */
static bool url_is_lost(const struct http_call *call)
{
    return call->parsed && strcmp(call->curl_error, "No URL set") == 0;
}

/** A descriptor is opened and closed, so that others than for connections, a resolver's or a file's, are
 * known to be lacking too. */
static bool none_is_left(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE;
    close(fd);
    return false;
}

/** Nothing was tried, because the system did not give out what is needed. Not EADDRNOTAVAIL, which may be for
 * good: the destination's address is of a kind that this host has not. */
static bool system_has_none(const struct http_call *call, CURLcode code)
{
    if (call->no_socket)
        return call->no_socket == EMFILE || call->no_socket == ENFILE || call->no_socket == ENOBUFS;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CACERT_BADFILE:
        return call->sends == 0 && none_is_left();
    default:
        return false;
    }
}

static enum http_failure kind_of(struct http_call *call, CURLcode code)
{
    if (proxy_at_fault(call, code))
        return HTTP_PROXY;
    if (!call->ours && call->exchange.response.why)
        return strcmp(call->exchange.response.why, "out of memory") == 0 ? HTTP_MEMORY : HTTP_PROTOCOL;
    if (call->header_overflow || header_line_too_long(call, code))
        return HTTP_PROTOCOL;
    switch (code) {
    case CURLE_OK:
        return HTTP_OK;
    case CURLE_UNSUPPORTED_PROTOCOL: /* also what libcurl calls an answer that is no HTTP/1 at all */
        return call->sends > 0 ? HTTP_PROTOCOL : HTTP_BAD_URL;
    case CURLE_URL_MALFORMAT:
        return url_is_lost(call) ? HTTP_MEMORY : HTTP_BAD_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_DNS;
    case CURLE_COULDNT_CONNECT:
        return HTTP_CONNECT;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HTTP_PROXY;
    case CURLE_OPERATION_TIMEDOUT:
        return call->sends > 0 ? HTTP_IDLE_TIMEOUT : HTTP_CONNECT_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_TLS_CERTIFICATE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
        return HTTP_TLS;
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        return alert_came_for_an_answer(call) || handshake_was_cut_off(call) ? HTTP_TLS : HTTP_SEND;
    case CURLE_RECV_ERROR: /* and what breaks the rules of chunks, which only its words tell apart */
        if (alert_came_for_an_answer(call) || handshake_was_cut_off(call))
            return HTTP_TLS;
        return strstr(call->curl_error, "chunk") ? HTTP_PROTOCOL : HTTP_RESET;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP2:
    case CURLE_ABORTED_BY_CALLBACK: /* sent once, and not to be sent again */
        return HTTP_RESET;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_MEMORY;
    default:
        return HTTP_PROTOCOL;
    }
}

bool nothing_came(enum http_failure failure)
{
    switch (failure) {
    case HTTP_OK:
    case HTTP_BAD_URL:
    case HTTP_REDIRECT:
    case HTTP_NO_DESCRIPTOR:
    case HTTP_CANCELLED:
    case HTTP_MEMORY:
        return false;
    default:
        return true;
    }
}

enum http_failure failure_of(struct http_call *call, CURLcode code)
{
    if (code != CURLE_OK && call_was_refused(call))
        return HTTP_EGRESS;
    return code != CURLE_OK && system_has_none(call, code) ? HTTP_NO_DESCRIPTOR : kind_of(call, code);
}

static const char *sentence(enum http_failure failure)
{
    switch (failure) {
    case HTTP_BAD_URL:
        return "the URL cannot be used";
    case HTTP_DNS:
        return "host name not found";
    case HTTP_CONNECT:
        return "connection refused or host unreachable";
    case HTTP_CONNECT_TIMEOUT:
        return "no connection in time";
    case HTTP_TLS:
        return "TLS handshake failed";
    case HTTP_TLS_CERTIFICATE:
        return "the server's certificate failed its check";
    case HTTP_SEND:
        return "connection lost while sending";
    case HTTP_RESET:
        return "connection lost before the whole response had come";
    case HTTP_IDLE_TIMEOUT:
        return "no answer in time";
    case HTTP_TOTAL_TIMEOUT:
        return "the whole took longer than allowed";
    case HTTP_PROTOCOL:
        return "the answer is not proper HTTP";
    case HTTP_EGRESS:
        return "the agent sends nothing there";
    case HTTP_CANCELLED:
        return "cancelled";
    case HTTP_MEMORY:
        return "out of memory";
    default:
        return "failed";
    }
}

/** libcurl's own words help where a peer's TLS or HTTP is at fault; elsewhere they repeat ours. */
static bool detail_helps(enum http_failure failure)
{
    return failure == HTTP_BAD_URL || failure == HTTP_TLS || failure == HTTP_TLS_CERTIFICATE ||
           failure == HTTP_PROTOCOL;
}

static void proxy_reason(const struct http_call *call, const char *destination, CURLcode code,
                         const char *detail, char *out, size_t size)
{
    char refused[160];
    if (proxy_refuses_password(call, code)) {
        snprintf(refused, sizeof refused, "it wants a user and a password that it knows%s%s%s",
                 code == CURLE_PROXY ? "" : " (status 407)", *call->proxy->setting ? "; see " : "",
                 call->proxy->setting);
        detail = refused;
    } else if (call->proxy_words) {
        detail = call->proxy_words;
    }
    snprintf(out, size, "%s: the proxy %s failed: %.120s", destination, call->proxy ? call->proxy->url : "",
             detail);
}

static void shortage_reason(const char *destination, char *out, size_t size)
{
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    snprintf(out, size, "%s: not tried: no file descriptor is left for a connection (ulimit -n is %llu)",
             destination, (unsigned long long)files.rlim_cur);
}

/** How long it was waited for; "" where it is no matter of time. */
static void add_timeout(const struct http_client_options *options, enum http_failure failure, char *out,
                        size_t size)
{
    int64_t ms = failure == HTTP_CONNECT_TIMEOUT ? options->connect_timeout_ms
                 : failure == HTTP_IDLE_TIMEOUT  ? options->idle_timeout_ms
                 : failure == HTTP_TOTAL_TIMEOUT ? options->total_timeout_ms
                                                 : 0;
    if (ms > 0)
        snprintf(out, size, " (%.6g s)", (double)ms / 1000);
}

/** A scheme, a host name (253 characters, RFC 1035) and a port. */
enum { DESTINATION_SIZE = 300 };

void failure_reason(struct http_call *call, enum http_failure failure, CURLcode code, char *out, size_t size)
{
    if (call->reason[0]) {
        snprintf(out, size, "%s", call->reason);
        return;
    }
    char destination[DESTINATION_SIZE];
    struct origin origin;
    if (origin_of(call->url, &origin))
        snprintf(destination, sizeof destination, "%s://%.260s:%s", origin.scheme, origin.host, origin.port);
    else
        snprintf(destination, sizeof destination, "the endpoint");
    origin_clear(&origin);
    const char *detail = call->curl_error[0] ? call->curl_error : curl_easy_strerror(code);
    if (!call->ours && call->exchange.response.why)
        detail = call->exchange.response.why;
    else if (call->header_overflow)
        detail = "more than 64 KiB of headers";
    else if (header_line_too_long(call, code))
        detail = code == CURLE_OUT_OF_MEMORY ? "a header line over 100 KiB, or out of memory"
                                             : "a header line over 100 KiB";
    else if (failure == HTTP_TLS && code != CURLE_SSL_CONNECT_ERROR && handshake_was_cut_off(call) &&
             !alert_came_for_an_answer(call))
        detail = "the server closed the connection at the end of it";
    bool more = detail_helps(failure);
    char hint[160] = "";
    if (failure == HTTP_TLS)
        alert_hint(call, hint, sizeof hint);
    add_timeout(&call->shared->options, failure, hint, sizeof hint);
    if (failure == HTTP_NO_DESCRIPTOR)
        shortage_reason(destination, out, size);
    else if (failure == HTTP_EGRESS)
        snprintf(out, size, "%s: %s: %s", destination, sentence(failure), call->egress_why);
    else if (failure == HTTP_PROXY)
        proxy_reason(call, destination, code, detail, out, size);
    else
        snprintf(out, size, "%s: %s%s%.120s%s%s%s%s", destination, sentence(failure), more ? ": " : "",
                 more ? detail : "", more && strlen(detail) > 120 ? "…" : "", hint,
                 call->proxy ? ", through the proxy " : "", call->proxy ? call->proxy->url : "");
}
