/* An endpoint that does to its connections whatever the test says, over TCP or TLS: each request is answered
 * with the number that its header X-N has. */
#pragma once
#include "tested_client.h"
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

enum { ENDPOINT_IN_MAX = 32 * 1024 };

struct endpoint {
    struct tested_client *http;
    uv_tcp_t listener;
    int port;
    /** NULL: TCP. */
    SSL_CTX *tls;
    struct endpoint_peer *peers;
    size_t connections, requests;
    /** Told of each request, whose number is `n`; it answers, or does not. */
    void (*asked)(struct endpoint_peer *peer, int n);
    /** NULL: requests are HTTP/1.1's. Else told of all bytes. */
    void (*heard)(struct endpoint_peer *peer, const char *bytes, size_t len);
    void *ctx;
};

struct endpoint_peer {
    struct endpoint_peer *next;
    struct endpoint *endpoint;
    uv_tcp_t tcp;
    SSL *ssl;
    char in[ENDPOINT_IN_MAX];
    size_t len;
    /** Requests that came on it. */
    size_t requests;
    /** Of the body that follows, and for `heard`. */
    size_t skip;
};

static inline void endpoint_flush(struct endpoint_peer *peer)
{
    char bytes[16384];
    int len;
    while ((len = BIO_read(SSL_get_wbio(peer->ssl), bytes, sizeof bytes)) > 0) {
        uv_buf_t out = uv_buf_init(bytes, (unsigned)len);
        assert_int_equal(uv_try_write((uv_stream_t *)&peer->tcp, &out, 1), len);
    }
}

/** As much as the socket takes, which is all of what tests write. */
static inline void endpoint_write(struct endpoint_peer *peer, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    if (peer->ssl) {
        assert_int_equal(SSL_write(peer->ssl, bytes, (int)len), (int)len);
        endpoint_flush(peer);
        return;
    }
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
    assert_int_equal(uv_try_write((uv_stream_t *)&peer->tcp, &out, 1), (int)len);
}

static inline void endpoint_say(struct endpoint_peer *peer, const char *text)
{
    endpoint_write(peer, text, strlen(text));
}

static inline void endpoint_answer(struct endpoint_peer *peer, int n)
{
    char text[128], body[16];
    snprintf(body, sizeof body, "%d", n);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    endpoint_say(peer, text);
}

static inline void endpoint_freed(uv_handle_t *handle)
{
    struct endpoint_peer *peer = handle->data;
    SSL_free(peer->ssl);
    free(peer);
}

static inline void endpoint_forget(struct endpoint_peer *peer)
{
    struct endpoint_peer **at = &peer->endpoint->peers;
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
}

/** FIN, and with TLS its word before it if `polite`. */
static inline void endpoint_close(struct endpoint_peer *peer, bool polite)
{
    if (peer->ssl && polite) {
        SSL_shutdown(peer->ssl);
        endpoint_flush(peer);
    }
    endpoint_forget(peer);
    uv_close((uv_handle_t *)&peer->tcp, endpoint_freed);
}

static inline void endpoint_reset(struct endpoint_peer *peer)
{
    endpoint_forget(peer);
    uv_tcp_close_reset(&peer->tcp, endpoint_freed);
}

static inline void endpoint_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    static char bytes[ENDPOINT_IN_MAX];
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(bytes, sizeof bytes / 2);
}

static inline void endpoint_take(struct endpoint_peer *peer, const char *bytes, size_t len)
{
    if (peer->endpoint->heard) {
        peer->endpoint->heard(peer, bytes, len);
        return;
    }
    size_t body = peer->skip < len ? peer->skip : len;
    peer->skip -= body;
    bytes += body;
    len -= body;
    assert_true(peer->len + len < sizeof peer->in);
    memcpy(peer->in + peer->len, bytes, len);
    peer->len += len;
    peer->in[peer->len] = '\0';
    const char *number = strstr(peer->in, "X-N: "), *end = strstr(peer->in, "\r\n\r\n");
    if (!end || !number)
        return;
    const char *length = strstr(peer->in, "Content-Length: ");
    size_t wanted = length ? strtoul(length + strlen("Content-Length: "), NULL, 10) : 0,
           there = peer->len - (size_t)(end + strlen("\r\n\r\n") - peer->in);
    peer->skip = wanted > there ? wanted - there : 0;
    peer->len = 0;
    peer->requests++;
    peer->endpoint->requests++;
    peer->endpoint->asked(peer, atoi(number + 5));
}

static inline bool endpoint_has(const struct endpoint *endpoint, const struct endpoint_peer *peer)
{
    const struct endpoint_peer *at = endpoint->peers;
    while (at && at != peer)
        at = at->next;
    return at != NULL;
}

static inline void endpoint_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct endpoint_peer *peer = stream->data;
    char bytes[ENDPOINT_IN_MAX / 2];
    int len = 0;
    if (got < 0) {
        endpoint_close(peer, false);
    } else if (!peer->ssl) {
        endpoint_take(peer, buffer->base, (size_t)got);
    } else {
        BIO_write(SSL_get_rbio(peer->ssl), buffer->base, (int)got);
        struct endpoint *endpoint = peer->endpoint;
        while ((len = SSL_read(peer->ssl, bytes, sizeof bytes)) > 0) {
            endpoint_take(peer, bytes, (size_t)len);
            if (!endpoint_has(endpoint, peer))
                return; /* it has been closed */
        }
        endpoint_flush(peer);
    }
}

static inline void endpoint_accepted(uv_stream_t *listener, int status)
{
    struct endpoint *endpoint = listener->data;
    struct endpoint_peer *peer = calloc(1, sizeof *peer);
    assert_int_equal(status, 0);
    assert_non_null(peer);
    peer->endpoint = endpoint;
    peer->next = endpoint->peers;
    endpoint->peers = peer;
    endpoint->connections++;
    uv_tcp_init(listener->loop, &peer->tcp);
    peer->tcp.data = peer;
    uv_accept(listener, (uv_stream_t *)&peer->tcp);
    uv_tcp_nodelay(&peer->tcp, 1); /* what is said is not held back until something is heard */
    if (endpoint->tls) {
        peer->ssl = SSL_new(endpoint->tls);
        assert_non_null(peer->ssl);
        SSL_set_bio(peer->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(peer->ssl);
    }
    uv_read_start((uv_stream_t *)&peer->tcp, endpoint_buffer, endpoint_read);
}

static inline SSL_CTX *endpoint_tls(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_true(tls && key && certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(tls, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}

/** `fd`: of bind_to_loopback; the endpoint's from now on. */
static inline void endpoint_open(struct endpoint *endpoint, struct tested_client *http, int fd, bool tls,
                                 void (*asked)(struct endpoint_peer *, int), void *ctx)
{
    *endpoint = (struct endpoint){.http = http, .asked = asked, .ctx = ctx};
    endpoint->tls = tls ? endpoint_tls() : NULL;
    endpoint->port = listen_on(&http->loop, &endpoint->listener, fd, endpoint, endpoint_accepted);
}

static inline void endpoint_end(struct endpoint *endpoint)
{
    while (endpoint->peers)
        endpoint_close(endpoint->peers, false);
    if (!uv_is_closing((uv_handle_t *)&endpoint->listener))
        uv_close((uv_handle_t *)&endpoint->listener, NULL);
    SSL_CTX_free(endpoint->tls);
}
