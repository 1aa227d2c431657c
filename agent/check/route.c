/* One blocking request with libcurl, whose times and certificates are read into steps. A chain that fails its
 * check is read by a second handshake without a check, which sends nothing. */
#include "route.h"
#include "http/client_internal.h"
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum { NAME_FORM = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB };

/* Certificates */

static char *name_text(const X509_NAME *name)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *text = NULL, *bytes = NULL;
    if (memory && X509_NAME_print_ex(memory, name, 0, NAME_FORM) >= 0) {
        long len = BIO_get_mem_data(memory, &bytes);
        text = slice_to_text((struct slice){bytes, len > 0 ? (size_t)len : 0});
    }
    BIO_free(memory);
    return text;
}

static int64_t expiry_of(const X509 *certificate)
{
    struct tm end = {0};
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? (int64_t)timegm(&end) : 0;
}

static void add_certificate(struct http_route *route, const char *pem)
{
    BIO *memory = BIO_new_mem_buf(pem, -1);
    X509 *certificate = memory ? PEM_read_bio_X509(memory, NULL, NULL, NULL) : NULL;
    struct http_certificate *grown =
        certificate ? realloc(route->certificates, (route->certificate_count + 1) * sizeof *grown) : NULL;
    if (grown) {
        route->certificates = grown;
        grown[route->certificate_count++] =
            (struct http_certificate){name_text(X509_get_subject_name(certificate)),
                                      name_text(X509_get_issuer_name(certificate)), expiry_of(certificate)};
    }
    X509_free(certificate);
    BIO_free(memory);
}

static void read_chain(CURL *easy, struct http_route *route)
{
    static const char lead[] = "Cert:";
    struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain)
        return;
    for (int i = 0; i < chain->num_of_certs; i++)
        for (const struct curl_slist *line = chain->certinfo[i]; line; line = line->next)
            if (strncmp(line->data, lead, sizeof lead - 1) == 0)
                add_certificate(route, line->data + sizeof lead - 1);
}

/* The steps */

static int64_t time_of(CURL *easy, CURLINFO what)
{
    curl_off_t microseconds = 0;
    curl_easy_getinfo(easy, what, &microseconds);
    return microseconds > 0 ? (int64_t)microseconds / 1000 : -1;
}

static void read_times(CURL *easy, struct http_route *route)
{
    const char *address = NULL;
    long port = 0;
    route->name_ms = time_of(easy, CURLINFO_NAMELOOKUP_TIME_T);
    route->connection_ms = time_of(easy, CURLINFO_CONNECT_TIME_T);
    route->tls_ms = time_of(easy, CURLINFO_APPCONNECT_TIME_T);
    route->answer_ms = time_of(easy, CURLINFO_STARTTRANSFER_TIME_T);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    if (address && *address)
        snprintf(route->address, sizeof route->address, strchr(address, ':') ? "[%s]:%ld" : "%s:%ld", address,
                 port);
}

static enum http_route_step step_of(const struct http_route *route)
{
    switch (route->failure) {
    case HTTP_OK:
        return ROUTE_DONE;
    case HTTP_PROXY:
    case HTTP_BAD_URL:
        return ROUTE_PROXY;
    case HTTP_DNS:
        return ROUTE_NAME;
    case HTTP_EGRESS:
        return ROUTE_EGRESS;
    case HTTP_TLS:
    case HTTP_TLS_CERTIFICATE:
        return ROUTE_TLS;
    case HTTP_CONNECT:
        return ROUTE_CONNECTION;
    case HTTP_CONNECT_TIMEOUT:
        return route->connection_ms < 0 ? ROUTE_CONNECTION : ROUTE_TLS;
    default:
        return ROUTE_ANSWER;
    }
}

static void read_answer(const struct http_call *call, struct http_route *route)
{
    struct curl_header *date = NULL;
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    route->status = (int)status;
    route->received_ms = clock_wall_ms(call->shared->options.clock);
    if (curl_easy_header(call->easy, "Date", 0, CURLH_HEADER, -1, &date) != CURLHE_OK)
        return;
    time_t seconds = curl_getdate(date->value, NULL);
    if (seconds >= 0)
        route->date_ms = (int64_t)seconds * 1000;
}

static void perform(struct http_call *call, struct http_route *route)
{
    CURLcode code = curl_easy_perform(call->easy);
    if ((call->cut && code == CURLE_WRITE_ERROR) || code == CURLE_BAD_CONTENT_ENCODING)
        code = CURLE_OK;
    route->failure = failure_of(call, code);
    if (route->failure == HTTP_OK && proxy_refuses_password(call, code))
        route->failure = HTTP_PROXY;
    if (route->failure != HTTP_OK)
        failure_reason(call, route->failure, code, route->reason, sizeof route->reason);
    read_times(call->easy, route);
    read_chain(call->easy, route);
    read_answer(call, route);
    route->reached = step_of(route);
}

/** A chain that failed its check is not told by libcurl: once more without a check, and without a word over
 * it. */
static void read_untrusted_chain(struct http_call *call, struct http_route *route)
{
    curl_easy_setopt(call->easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(call->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(call->easy, CURLOPT_SSLCERT, NULL); /* nor is it told who we are */
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_ONLY, 1L);
    if (curl_easy_perform(call->easy) == CURLE_OK)
        read_chain(call->easy, route);
}

/** Only where the client's policy lets it. */
static curl_socket_t open_judged(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    if (!call_may_connect(ctx, &address->addr))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/** The URL alone may decide. */
static bool may_go(struct http_call *call, struct http_route *route)
{
    if (!call->bad_url && call_may_go(call, &route->failure))
        return true;
    if (call->bad_url)
        route->failure = HTTP_BAD_URL;
    failure_reason(call, route->failure, CURLE_OK, route->reason, sizeof route->reason);
    route->reached = step_of(route);
    return false;
}

static bool prepare(struct http_call *call)
{
    const struct http_client_options *options = &call->shared->options;
    call->easy = curl_easy_init();
    if (!call->easy || !easy_prepare(call->easy, options) || !call_begin_hop(call) || !call_prepare(call))
        return false;
    curl_easy_setopt(call->easy, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETFUNCTION, open_judged);
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)options->total_timeout_ms);
    return true;
}

int http_route_trace(struct http_client *client, const char *url, bool request, struct http_route *out)
{
    const struct http_request get = {.method = "GET", .url = url, .discard_body = true};
    *out = (struct http_route){.tls = strncasecmp(url, "https:", 6) == 0,
                               .date_ms = -1,
                               .name_ms = -1,
                               .connection_ms = -1,
                               .tls_ms = -1,
                               .answer_ms = -1};
    struct http_call *call = call_new(client_shared(client), &get, NULL, NULL);
    bool ready = call && prepare(call);
    if (ready) {
        if (call->proxy)
            snprintf(out->proxy, sizeof out->proxy, "%s", call->proxy->url);
        if (!request)
            curl_easy_setopt(call->easy, CURLOPT_CONNECT_ONLY, 1L);
        if (may_go(call, out))
            perform(call, out);
        if (out->failure == HTTP_TLS_CERTIFICATE)
            read_untrusted_chain(call, out);
    }
    if (call) {
        body_leave(call);
        curl_easy_cleanup(call->easy);
        call_free(call);
    }
    return ready ? 0 : PA_ERR_MEMORY;
}

void http_route_clear(struct http_route *route)
{
    for (size_t i = 0; i < route->certificate_count; i++) {
        free(route->certificates[i].subject);
        free(route->certificates[i].issuer);
    }
    free(route->certificates);
    *route = (struct http_route){0};
}
