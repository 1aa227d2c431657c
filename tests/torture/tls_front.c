#include "tls_front.h"
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct serving {
    SSL_CTX *context;
    int listener, behind;
};

struct passing {
    SSL_CTX *context;
    int client, server;
};

static void need(int worked, const char *what)
{
    if (worked)
        return;
    fprintf(stderr, "TLS before the endpoints: %s\n", what);
    abort();
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/** False: an end is closed. */
static int pass_to_server(SSL *tls, int server)
{
    char bytes[16384];
    do {
        int got = SSL_read(tls, bytes, sizeof bytes);
        if (got <= 0 || write(server, bytes, (size_t)got) != got)
            return 0;
    } while (SSL_pending(tls) > 0);
    return 1;
}

static int pass_to_client(SSL *tls, int server)
{
    char bytes[16384];
    ssize_t got = read(server, bytes, sizeof bytes);
    return got > 0 && SSL_write(tls, bytes, (int)got) == got;
}

static void *pass(void *ctx)
{
    struct passing *passing = ctx;
    SSL *tls = SSL_new(passing->context);
    need(tls && SSL_set_fd(tls, passing->client) == 1, "no memory");
    struct pollfd ends[] = {{passing->client, POLLIN, 0}, {passing->server, POLLIN, 0}};
    int open = SSL_accept(tls) == 1;
    while (open && poll(ends, 2, -1) > 0) {
        if (ends[0].revents)
            open = pass_to_server(tls, passing->server);
        if (open && ends[1].revents)
            open = pass_to_client(tls, passing->server);
    }
    SSL_free(tls);
    close(passing->client);
    close(passing->server);
    free(passing);
    return NULL;
}

static void *accept_all(void *ctx)
{
    struct serving *front = ctx;
    for (int client; (client = accept(front->listener, NULL, NULL)) >= 0;) {
        struct sockaddr_in address = loopback(front->behind);
        struct passing *passing = malloc(sizeof *passing);
        int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        need(passing && connect(server, (struct sockaddr *)&address, sizeof address) == 0, "no way on");
        *passing = (struct passing){front->context, client, server};
        pthread_t thread;
        need(pthread_create(&thread, NULL, pass, passing) == 0 && pthread_detach(thread) == 0, "no thread");
    }
    return NULL;
}

static X509 *certificate_for(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509V3_CTX context;
    need(certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
             X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) &&
             X509_set_pubkey(certificate, key) == 1,
         "no certificate");
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"torture", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "IP:127.0.0.1");
    X509_EXTENSION *authority =
        X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints, "critical,CA:TRUE");
    need(names && authority && X509_add_ext(certificate, names, -1) == 1 &&
             X509_add_ext(certificate, authority, -1) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0,
         "no signed certificate");
    X509_EXTENSION_free(names);
    X509_EXTENSION_free(authority);
    return certificate;
}

static SSL_CTX *context_new(const char *ca_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? certificate_for(key) : NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    FILE *file = fopen(ca_path, "w");
    need(context && certificate && SSL_CTX_use_certificate(context, certificate) == 1 &&
             SSL_CTX_use_PrivateKey(context, key) == 1 && file && PEM_write_X509(file, certificate) == 1,
         "no context");
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 64) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &size) == 0,
         "cannot listen");
    *port = ntohs(address.sin_port);
    return listener;
}

static void *end_with_parent(void *ctx)
{
    char byte;
    while (read(*(int *)ctx, &byte, 1) > 0) {
    }
    _exit(0);
}

static _Noreturn void be_front(int control, const char *ca_path)
{
    signal(SIGPIPE, SIG_IGN);
    struct serving front = {.context = context_new(ca_path)};
    pthread_t thread;
    int port;
    front.listener = listen_anywhere(&port);
    need(write(control, &port, sizeof port) == (ssize_t)sizeof port, "nobody listens");
    if (read(control, &front.behind, sizeof front.behind) != (ssize_t)sizeof front.behind)
        _exit(0);
    need(pthread_create(&thread, NULL, end_with_parent, &control) == 0, "no thread");
    accept_all(&front);
    abort();
}

struct tls_front tls_front_begin(const char *ca_path)
{
    struct tls_front front;
    int ends[2];
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no socket");
    pid_t child = fork();
    need(child >= 0, "no process");
    if (child == 0) {
        close(ends[0]);
        be_front(ends[1], ca_path);
    }
    close(ends[1]);
    front.control = ends[0];
    need(read(front.control, &front.port, sizeof front.port) == (ssize_t)sizeof front.port, "it ended");
    return front;
}

void tls_front_serve(const struct tls_front *front, int behind)
{
    need(write(front->control, &behind, sizeof behind) == (ssize_t)sizeof behind, "it ended");
}
