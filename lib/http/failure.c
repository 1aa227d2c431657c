/* libcurl's result codes (libcurl-errors(3)) as failures, and in words. */
#include "http/client_internal.h"
#include "http/url.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
                                        [HTTP_CANCELLED] = "cancelled",
                                        [HTTP_MEMORY] = "memory"};
    return names[failure];
}

enum http_failure failure_of(struct http_call *call, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_OK;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return HTTP_BAD_URL;
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
        return HTTP_SEND;
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP2:
        return HTTP_RESET;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_MEMORY;
    default:
        return HTTP_PROTOCOL;
    }
}

static const char *sentence(enum http_failure failure)
{
    switch (failure) {
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
    case HTTP_PROXY:
        return "the proxy failed";
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
    return failure == HTTP_TLS || failure == HTTP_TLS_CERTIFICATE || failure == HTTP_PROTOCOL ||
           failure == HTTP_PROXY;
}

void failure_reason(struct http_call *call, enum http_failure failure, CURLcode code, char *out, size_t size)
{
    if (call->reason[0]) {
        snprintf(out, size, "%s", call->reason);
        return;
    }
    struct url_parts parts = {0};
    struct error err = {0};
    if (url_parse(slice_of(call->url), &parts, &err) != 0) {
        snprintf(out, size, "%s", err.message);
        return;
    }
    const char *detail = call->curl_error[0] ? call->curl_error : curl_easy_strerror(code);
    bool more = detail_helps(failure);
    snprintf(out, size, "%s: %s%s%.120s", parts.destination, sentence(failure), more ? ": " : "",
             more ? detail : "");
    url_parts_clear(&parts);
}
