/* A TLS server on loopback, with OpenSSL and in threads of its own, for tests of who shows whom which
 * certificate: it answers each request with a few bytes, and notes each connection's client. And
 * certificates, made for the test. Includes come from the test, cmocka.h among them. */
#pragma once
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 32 };

struct tls_server {
    int listener, port;
    SSL_CTX *context;
    pthread_t thread;
    pthread_mutex_t lock;
    /* In the order of their requests: the common name of the client's certificate, "" where it showed none.
     */
    char clients[CLIENTS_MAX][32];
    size_t requests;
    size_t connections;
    /* Of the last connection, as above. */
    char client[32];
    /* Of the last connection; "" before the first. */
    char version[16];
    /* Refused clients may read the alert before their connection is reset. */
    bool polite;
    /* What is answered, up to the blank line. */
    char answer[256];
};

/** A certificate of this name for 127.0.0.1 and localhost, signed by `issuer`, or by itself where that is
 * NULL. */
static inline X509 *certificate_new(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                                    long from_s, long to_s)
{
    X509 *certificate = X509_new();
    X509V3_CTX context;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1 + rand());
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
    X509V3_set_ctx(&context, issuer ? issuer : certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name,
                                                "IP:127.0.0.1,DNS:localhost,DNS:other.localhost");
    X509_EXTENSION *authority =
        X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    assert_true(X509_add_ext(certificate, names, -1) == 1 && X509_add_ext(certificate, authority, -1) == 1);
    assert_true(X509_sign(certificate, issuer ? issuer_key : key, EVP_sha256()) > 0);
    X509_EXTENSION_free(names);
    X509_EXTENSION_free(authority);
    return certificate;
}

/** Writes PEM of either or both; NULL for none. */
static inline void write_pem(const char *path, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    if (certificate)
        assert_int_equal(PEM_write_X509(file, certificate), 1);
    if (key)
        assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

static inline void tls_server_serve_one(struct tls_server *server, SSL *tls)
{
    char head[4096];
    size_t len = 0;
    int got;
    while ((got = SSL_read(tls, head + len, (int)(sizeof head - 1 - len))) > 0) {
        len += (size_t)got;
        head[len] = '\0';
        if (!strstr(head, "\r\n\r\n"))
            continue;
        X509 *client = SSL_get0_peer_certificate(tls);
        pthread_mutex_lock(&server->lock);
        if (server->requests < CLIENTS_MAX && client)
            X509_NAME_get_text_by_NID(X509_get_subject_name(client), NID_commonName,
                                      server->clients[server->requests], sizeof server->clients[0]);
        server->requests++;
        char answer[sizeof server->answer];
        memcpy(answer, server->answer, sizeof answer);
        pthread_mutex_unlock(&server->lock);
        if (SSL_write(tls, answer, (int)strlen(answer)) <= 0)
            return;
        len = 0;
    }
}

struct tls_connection {
    struct tls_server *server;
    int fd;
};

static inline void *tls_server_connection(void *ctx)
{
    struct tls_connection *connection = ctx;
    struct tls_server *server = connection->server;
    SSL *tls = SSL_new(server->context);
    SSL_set_fd(tls, connection->fd);
    if (SSL_accept(tls) == 1) {
        pthread_mutex_lock(&server->lock);
        X509 *client = SSL_get0_peer_certificate(tls);
        server->connections++;
        server->client[0] = '\0';
        if (client)
            X509_NAME_get_text_by_NID(X509_get_subject_name(client), NID_commonName, server->client,
                                      sizeof server->client);
        snprintf(server->version, sizeof server->version, "%s", SSL_get_version(tls));
        pthread_mutex_unlock(&server->lock);
        tls_server_serve_one(server, tls);
        SSL_shutdown(tls);
    } else if (server->polite) {
        char rest[256];
        shutdown(connection->fd, SHUT_WR);
        while (read(connection->fd, rest, sizeof rest) > 0) {
        }
    }
    SSL_free(tls);
    close(connection->fd);
    free(connection);
    return NULL;
}

static inline void *tls_server_accept(void *ctx)
{
    struct tls_server *server = ctx;
    pthread_t threads[64];
    size_t count = 0;
    for (int fd; count < 64 && (fd = accept(server->listener, NULL, NULL)) >= 0; count++) {
        struct tls_connection *connection = malloc(sizeof *connection);
        *connection = (struct tls_connection){server, fd};
        assert_int_equal(pthread_create(&threads[count], NULL, tls_server_connection, connection), 0);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return NULL;
}

static inline void tls_server_open(struct tls_server *server, X509 *certificate, EVP_PKEY *key)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(server, 0, sizeof *server);
    snprintf(server->answer, sizeof server->answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    pthread_mutex_init(&server->lock, NULL);
    server->context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(server->context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server->context, key), 1);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
}

/** Asks clients for a certificate that `authority` signed, and refuses those without where `required`. */
static inline void tls_server_ask(struct tls_server *server, X509 *authority, bool required)
{
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server->context), authority);
    SSL_CTX_set_verify(server->context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    SSL_CTX_set_session_id_context(server->context, (const unsigned char *)"test", 4);
}

static inline void tls_server_start(struct tls_server *server)
{
    assert_int_equal(pthread_create(&server->thread, NULL, tls_server_accept, server), 0);
}

/** Once its clients have closed their connections. */
static inline void tls_server_close(struct tls_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    SSL_CTX_free(server->context);
    pthread_mutex_destroy(&server->lock);
}

/** Who asked as request number `i`, from 0 on. */
static inline void assert_client(struct tls_server *server, size_t i, const char *expected)
{
    pthread_mutex_lock(&server->lock);
    assert_true(i < server->requests);
    assert_string_equal(server->clients[i], expected);
    pthread_mutex_unlock(&server->lock);
}
